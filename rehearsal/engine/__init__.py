"""A small deployment engine that speaks Pulumi's own protocol.

It runs the unmodified program of a Pulumi project in a process of its own and drives providers,
which live in the engine's process, through `pulumi.provider.experimental.Provider`. Its state is
that of Pulumi's file backend, secrets sealed as the passphrase provider seals them, so that the
genuine CLI can take over at any time. It knows nothing of mail, and it refuses every address that
is not loopback.

    engine = Engine(project, "qual", backend, passphrase, config, secret_keys, providers)
    outcome = engine.up()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rehearsal.engine.backend import CutShortError, StateNotWrittenError
    from rehearsal.engine.checkpoint import StateRefusedError
    from rehearsal.engine.engine import Engine, Project, ProjectRefusedError
    from rehearsal.engine.guard import NotLoopbackError
    from rehearsal.engine.importing import ImportRefusedError
    from rehearsal.engine.lock import LockedError, StackLock
    from rehearsal.engine.model import (
        Diagnostic,
        Event,
        Kind,
        Op,
        Outcome,
        PropertyChange,
        ResourceView,
        Severity,
        Step,
    )
    from rehearsal.engine.sealing import Sealer, WrongPassphraseError
    from rehearsal.engine.values import UNKNOWN, Sealed

_HOMES = {
    "backend": "CutShortError StateNotWrittenError",
    "checkpoint": "StateRefusedError",
    "engine": "Engine Project ProjectRefusedError",
    "guard": "NotLoopbackError",
    "importing": "ImportRefusedError",
    "lock": "LockedError StackLock",
    "model": "Diagnostic Event Kind Op Outcome PropertyChange ResourceView Severity Step",
    "sealing": "Sealer WrongPassphraseError",
    "values": "UNKNOWN Sealed",
}

__all__ = [
    "UNKNOWN", "CutShortError", "Diagnostic", "Engine", "Event", "ImportRefusedError", "Kind",
    "LockedError", "NotLoopbackError", "Op", "Outcome", "Project", "ProjectRefusedError",
    "PropertyChange", "ResourceView", "Sealed", "Sealer", "Severity", "StackLock",
    "StateNotWrittenError", "StateRefusedError", "Step", "WrongPassphraseError",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use: the program's process needs next to nothing of this package."""
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(import_module(f"{__name__}.{module}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
