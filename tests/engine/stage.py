"""A stage for small programs: a project, a backend, a shelf, and the engine upon them."""

import json
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.engine import Engine, Event, Op, Outcome, Sealer, Step
from rehearsal.engine.program import warm
from rehearsal.standins import PROVIDERS
from tests.engine.shelf.shelf.provider import ShelfProvider

SHELF = Path(__file__).parent / "shelf"
PASSPHRASE = "open sesame"
MARKER = "planted-7f3a9c-secret"

PROLOGUE = """
import pulumi
from pulumi import Alias, CustomTimeouts, Output, ResourceOptions
import shelf
config = pulumi.Config()
folder = config.require("folder")
"""
WITH_PROVIDER = (
    PROLOGUE
    + """
provider = shelf.Provider("local", folder=folder)
def O(**more):
    more.setdefault("provider", provider)
    return ResourceOptions(**more)
class Crate(pulumi.ComponentResource):
    def __init__(self, name, opts=None, token="test:index:Crate", **props):
        super().__init__(token, name, props, opts)
"""
)


@dataclass
class Stage:
    """One stack of one project in a temporary folder."""

    folder: Path
    options: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.project = self.folder / "project"
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
        self.shelf = self.folder / "shelf"
        self.shelf.mkdir()
        self.config = {"test:folder": str(self.shelf)}
        self.secret_keys: set[str] = set()

    def program(self, body: str, prologue: str = WITH_PROVIDER) -> "Stage":
        """Write the program."""
        (self.project / "__main__.py").write_text(prologue + textwrap.dedent(body))
        return self

    def secret(self, key: str, value: str = MARKER) -> "Stage":
        """Set a secret configuration value."""
        self.config[f"test:{key}"] = value
        self.secret_keys.add(f"test:{key}")
        return self

    def engine(self, **more: Any) -> Engine:
        """Return an engine on this stage."""
        # What is loaded first is loaded for every later test of this process, also for those that
        # need the large SDKs.
        warm(PROVIDERS)
        options = {
            "providers": {"shelf": ShelfProvider},
            "on_event": self.events.append,
            "log_folder": self.folder / "logs",
            "encryption_salt": salt(),
            **self.options,
            **more,
        }
        return Engine(
            self.project,
            "dev",
            self.folder,
            PASSPHRASE,
            self.config,
            frozenset(self.secret_keys),
            **options,
        )

    def up(self, body: str | None = None, **more: Any) -> Outcome:
        """Run `up`, with another program when one is given."""
        if body is not None:
            self.program(body)
        return self.engine(**more).up()

    def good(self, body: str | None = None) -> Outcome:
        """Run `up`, which must succeed."""
        outcome = self.up(body)
        assert outcome.ok, outcome.diagnostics
        return outcome

    def preview(self, body: str | None = None) -> Outcome:
        """Run `preview`, with another program when one is given."""
        if body is not None:
            self.program(body)
        return self.engine().preview()

    def boxes(self) -> dict[str, dict[str, Any]]:
        """Return what stands on the shelf, by the name of the box."""
        return {
            path.stem.rpartition("-")[0]: json.loads(path.read_text())
            for path in sorted(self.shelf.glob("*.json"))
        }

    def path_of(self, name: str) -> Path:
        """Return the one file of a box."""
        (path,) = self.shelf.glob(f"{name}-??????.json")
        return path

    def calls(self, *kinds: str) -> list[str]:
        """Return the provider's calls as `create first`, those of some kinds only if named."""
        return [
            f"{call['call']} {call['name']}"
            for call in self.call_log()
            if not kinds or call["call"] in kinds
        ]

    def call_log(self) -> list[dict[str, Any]]:
        """Return the provider's calls with everything noted of them."""
        path = self.shelf / "calls.log"
        # Whoever looks while a line is being written may see a part of it.
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def forget_calls(self) -> None:
        """Begin the list of calls anew."""
        (self.shelf / "calls.log").unlink(missing_ok=True)

    @property
    def state_file(self) -> Path:
        """The checkpoint."""
        return self.folder / ".pulumi" / "stacks" / "test" / "dev.json"

    def state(self) -> dict[str, Any]:
        """Return the checkpoint's latest deployment."""
        found: dict[str, Any] = json.loads(self.state_file.read_text())["checkpoint"]["latest"]
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the checkpoint's resources by name."""
        return {
            entry["urn"].rsplit("::", 1)[-1]: entry for entry in self.state().get("resources", ())
        }


def changed(outcome: Outcome) -> list[str]:
    """Return what an outcome changed, as `create first`."""
    return [f"{step.op} {step.name}" for step in outcome.steps if step.op.changes]


def step(outcome: Outcome, name: str, op: Op | None = None) -> Step:
    """Return the one step of a resource."""
    (found,) = [
        taken for taken in outcome.steps if taken.name == name and (op is None or taken.op is op)
    ]
    return found


_salts: list[str] = []


def salt() -> str:
    """Return the salt that every test's state is sealed with; deriving its key is slow."""
    if not _salts:
        _salts.append(Sealer(PASSPHRASE).salt)
    return _salts[0]
