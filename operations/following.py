"""What follows from each key of the declaration, found by changing it.

`python -m operations.following` runs the program on `Pulumi.qual.yaml` once as it is and once for
every key with another value, compares what is registered, and writes following.json, from which
operations/reference.py tells it. It takes some minutes; nothing is deployed.
"""

import hashlib
import importlib
import json
import os
import pkgutil
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

import components
from declaration import reading
from declaration.model import Declaration
from policies.program import prepare
from policies.recording import ProgramError, run_here

PROJECT = Path(__file__).parent.parent
FILE = Path(__file__).with_name("following.json")
"""What was found."""

EXAMPLES: Mapping[str, Any] = {
    "Declaration.imports": [{
        "name": "gmail", "mailbox": "cristina", "server": "imap.gmail.com",
        "user": "cristina@gmail.com", "until": "2999-12-31",
    }],
    "Declaration.ipv6": {"address": "2a02:4780:28:5d2e::1", "reverseIsSet": True},
    "Declaration.exceptions": [{
        "rule": "spf-includes-known", "resource": "send-spf", "until": "2999-12-31",
        "reason": "the record is looked up by hand until then",
    }],
    "AliasSettings.to": ["info"],
    "Declaration.operatorAddresses": ["203.0.113.9"],
    "DmarcSettings.rua": ["info"],
    "MonitoringSettings.exporterImage": "ghcr.io/example/exporter:2",
    "MailcowSettings.httpPort": 9180,
    "MailcowSettings.timeZone": "Europe/Madrid",
    "MonitoringSettings.dnsbl": ["bl.example.net"],
    "CertificateSettings.existing": ["*.portugalodyssey.pt"],
    "DmarcSettings.reportsSince": "2026-06-01",
    "DmarcSettings.acknowledgedSources": [],
    "ReleaseSettings.backFrom": "2026-09",
    "SmarthostSettings.dkimNames": {"s1": "s1.dkim.example.net"},
    "SmarthostSettings.host": "relay.example.net",
    "SmarthostSettings.implicitTls": True,
    "SmarthostSettings.port": 2587,
    "SmarthostSettings.provider": "ses",
    "SmarthostSettings.secondSelector": {
        "selector": "next", "publicKey": "p=MIGf", "until": "2999-12-31",
    },
    "SmarthostSettings.spfInclude": "spf.example.net",
    "SmarthostSettings.user": "AKIAEXAMPLE",
    "SmarthostSettings.verification": "brevo-code:0123456789abcdef",
    "TransactionalSender.selector": "shop",
    "ZoneSettings.caa": ["letsencrypt.org"],
    "ZoneSettings.id": "0123456789abcdef" * 2,
    "ZoneSettings.mtaSts": {"mode": "testing"},
    "ZoneSettings.name": "portugalodyssey.pt",
    "ZoneSettings.tlsa": ["ab" * 32],
}  # fmt: skip
"""Values of keys that the stack `qual` does not declare and that have no default to change."""

_KINDS = {
    "cloudflare": "records", "host": "on the host", "command": "commands", "mailcow": "in Mailcow",
    "docker": "containers", "minio": "in the storage", "pulumi": "connections",
}  # fmt: skip
"""What resources are, by the package of their type."""


@dataclass(frozen=True)
class Variation:
    """A declaration with one other value.

    Attributes:
        key: The class of the settings, and the key in it.
        place: Where the value stands.
        value: The other value.
    """

    key: str
    place: tuple[str | int, ...]
    value: Any


def plain_kind(annotation: Any) -> Any:
    """Return an annotation without what is around it: constraints, and whether it may be null."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(
                argument for argument in get_args(annotation) if argument is not type(None)
            )
        else:
            return annotation


def variations(
    values: Mapping[str, Any], model: type[BaseModel] = Declaration, place: tuple[Any, ...] = ()
) -> Iterator[Variation]:
    """Yield one variation for each key that can be changed, those of nested settings too.

    Args:
        values: The declaration, or a part of it, with every default but null.
        model: Its class.
        place: Where the part stands.
    """
    for name, field in model.model_fields.items():
        label = field.alias or name
        key, here = f"{model.__name__}.{label}", (*place, label)
        kind, value = plain_kind(field.annotation), values.get(label)
        inner = plain_kind(get_args(kind)[0]) if get_origin(kind) is tuple else kind
        nested = isinstance(inner, type) and issubclass(inner, BaseModel)
        if nested and value:
            entry, index = (value[0], (0,)) if inner is not kind else (value, ())
            yield from variations(entry, inner, (*here, *index))
            if inner is not kind:
                yield Variation(key, here, value[:-1])
        elif key in EXAMPLES:
            yield Variation(key, here, EXAMPLES[key])
        elif not nested and (other := _other(value, field)) is not None:
            yield Variation(key, here, other)


def _other(value: Any, field: FieldInfo) -> Any:
    """Return the first other value that the key takes, None if none was thought of."""
    kind: Any = field.annotation
    for constraint in field.metadata:
        kind = Annotated[kind, constraint]
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    for candidate in _candidates(value, plain_kind(field.annotation)):
        try:
            if adapter.validate_python(candidate) != adapter.validate_python(value):
                return candidate
        except ValidationError:
            continue
    return None


def _candidates(value: Any, kind: Any) -> Iterator[Any]:
    if isinstance(kind, type) and issubclass(kind, Enum):
        yield from (item.value for item in kind)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value / 2)
    elif kind is date and isinstance(value, str):
        yield str(date.fromisoformat(value) - timedelta(days=1))
    elif isinstance(value, str):
        yield from (f"{value}2", f"{value[:-1]}3", f"x{value}", f"{value[:-1]}b", "DE", "x")
    elif isinstance(value, list) and value:
        yield from (value[:-1], [*value, value[0]])
    elif isinstance(value, dict) and value:
        first = next(iter(value))
        entry = value[first]
        if isinstance(entry, dict):
            for name, amount in entry.items():
                yield {**value, first: {**entry, name: amount * 2}}
        else:
            yield from ({**value, first: other} for other in value.values())


def registered(values: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Run the program in this process; return kind, name and digest of what it registers.

    Checks across parts are left out, or many a key could not be changed alone. A process does so
    once.
    """
    reading.cross_part_mistakes = lambda *_: []  # type: ignore[attr-defined]  # for this process
    prepared = prepare(PROJECT / "Pulumi.qual.yaml", values)
    order = prepared.configuration
    found = run_here(
        {
            "stack": order.stack, "values": dict(order.values), "secrets": list(order.secrets),
            "program": str(PROJECT / "__main__.py"),
        }
    )  # fmt: skip
    return {
        item["name"]: (_kind(item), _digest([item["properties"], item["protect"]]))
        for item in found
        if not item["type"].startswith("mail:")
    }


def _kind(resource: Mapping[str, Any]) -> str:
    package = str(resource["type"]).partition(":")[0]
    return _KINDS.get(package, package)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _in_a_child(answer: Connection, values: Mapping[str, Any]) -> None:
    os.chdir(PROJECT)
    sys.stdout = sys.stderr
    try:
        answer.send(registered(values))
    except BaseException as error:  # noqa: BLE001 - a text for the parent
        answer.send(f"{type(error).__name__}: {error}")
    answer.close()
    os._exit(0)  # the SDK leaves threads behind


def run(values: Mapping[str, Any]) -> dict[str, tuple[str, str]] | str:
    """Run the program in a process of its own; return what it registers, or why it did not."""
    context = get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_in_a_child, args=(there, values))
    child.start()
    there.close()
    try:
        found: dict[str, tuple[str, str]] | str = here.recv()
    except EOFError:
        found = "the process ended"
    child.join()
    return found


def changed(values: Mapping[str, Any], variation: Variation) -> dict[str, Any]:
    """Return a declaration with the other value in its place."""
    copied = deepcopy(dict(values))
    *way, last = variation.place
    inner: Any = copied
    for step in way:
        inner = inner[step]
    inner[last] = variation.value
    return copied


def whole() -> dict[str, Any]:
    """Return the declaration of the stack `qual` with every default, as plain data."""
    prepared = prepare(PROJECT / "Pulumi.qual.yaml")
    return prepared.declaration.model_dump(mode="json", by_alias=True, exclude_none=True)


def following(keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return what follows from each key: names of resources by kind, or why it was not seen.

    Args:
        keys: These alone; every one if empty.
    """
    values = whole()
    usual = run(values)
    if isinstance(usual, str):
        raise ProgramError(usual)
    found: dict[str, Any] = {}
    for variation in variations(values):
        if keys and variation.key not in keys:
            continue
        other = run(changed(values, variation))
        if isinstance(other, str):
            sys.stderr.write(f"{variation.key} = {variation.value!r}: {other[:200]}\n")
            continue
        kinds: dict[str, list[str]] = found.setdefault(variation.key, {})
        for name in sorted(usual.keys() | other.keys()):
            if usual.get(name) != other.get(name):
                kind = (usual.get(name) or other[name])[0]
                kinds.setdefault(kind, []).append(name)
    return found


def main(arguments: list[str]) -> int:
    """Find everything, or what the given keys name, and keep it.

    Args:
        arguments: Command line without the program's name.
    """
    for module in pkgutil.iter_modules(components.__path__, "components."):
        importlib.import_module(module.name)  # the SDKs among them, once for every child
    kept = json.loads(FILE.read_text("utf-8")) if arguments and FILE.exists() else {}
    kept |= following(arguments)
    FILE.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
