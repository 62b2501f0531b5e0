"""Takes over what is there already: reads each resource, writes the state, changes nothing else.

It reads what `pulumi import --file` reads: resources by `name` (`logicalName` is the program's
name where that differs), `parent` and `provider` as names of the file or of its `nameTable`, which
holds URNs. A resource has the `id` by which its provider finds it; a component and a provider have
none, and a provider has its configuration as `inputs`. What a provider cannot read is supplied:
`inputs` fill the gaps of what was read, `outputs` are believed as they are. Secrets in the file are
sealed as in the state. What is not as it must be fails by itself, and its children with it.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from pulumi.provider.experimental.property_value import PropertyValue

from rehearsal.engine.checkpoint import now
from rehearsal.engine.model import LEFT_OUT, Op, ResourceState, Severity
from rehearsal.engine.providers import Found, Instance, ProviderFailedError
from rehearsal.engine.run import Run
from rehearsal.engine.sealing import WrongPassphraseError
from rehearsal.engine.steps import given_out, listed
from rehearsal.engine.urn import ROOT_TYPE, Names, is_provider_type
from rehearsal.engine.values import (
    SENTINEL,
    Properties,
    ValueRefusedError,
    from_json,
    has_unknown,
    secret,
    with_marks,
)
from rehearsal.private_file import write_private

Entry: TypeAlias = dict[str, Any]
"""A resource as the file spells it."""

PLACEHOLDER = "<PLACEHOLDER>"
"""Stands for an id that is to be filled in."""


class ImportRefusedError(Exception):
    """The file cannot be imported, or an entry of it; the message says why."""


def load(path: Path) -> Entry:
    """Return the content of an import file.

    Raises:
        ImportRefusedError: it is not there, or no JSON object.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ImportRefusedError(f"nothing was imported: {path} is not there") from None
    except ValueError as error:
        raise ImportRefusedError(f"nothing was imported: {path} is no JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("resources"), list):
        raise ImportRefusedError(f"nothing was imported: {path} is no import file")
    return document


def write_import_file(path: Path, document: Entry) -> None:
    """Write an import file for its owner alone, in one step.

    Args:
        path: Where; its folder is made.
        document: The content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(document, indent=4, ensure_ascii=False) + "\n")


class Importing:
    """One import."""

    def __init__(
        self, run: Run, names: Names, unseal: Callable[[str], str], *, protect: bool
    ) -> None:
        """Take up the state.

        Args:
            run: The run.
            names: Builds the stack's URNs.
            unseal: Opens a sealed value.
            protect: Whether what is imported is protected from deletion, until the program says
                otherwise in its next deployment.
        """
        self._run = run
        self._names = names
        self._unseal = unseal
        self._protect = protect
        self._there = {state.urn: state for state in run.table.states() if not state.delete}
        self._table: dict[str, str] = {}

    async def carry_out(self, document: Entry) -> None:
        """Import everything, parents and providers first; what fails is reported, the rest goes on.

        Raises:
            ImportRefusedError: entries have no names, or stand in a circle; nothing was imported.
        """
        entries = _parents_first(document)
        self._table = dict(document.get("nameTable") or {})
        root = self._names.urn("", ROOT_TYPE, f"{self._names.project}-{self._names.stack}")
        if root not in self._there:
            self._record(ResourceState(root, ROOT_TYPE, custom=False, created=now()))
        for entry in entries:
            above = self._table.get(entry.get("parent", ""), root)
            name = entry.get("logicalName") or entry["name"]
            urn = self._names.urn("" if above == root else above, entry["type"], name)
            self._table[entry["name"]] = urn
            try:
                await self._take(entry, urn, above)
            except (ProviderFailedError, ImportRefusedError, WrongPassphraseError) as error:
                self._run.report.fail(urn, Op.IMPORT, str(error))

    async def _take(self, entry: Entry, urn: str, above: str) -> None:
        """Import one entry; what the state has already stays as it is."""
        held = self._there.get(urn)
        if held is not None:
            if entry.get("id", held.id) != held.id:
                raise ImportRefusedError(f"{urn} is in the state already, as {held.id}")
            if held.is_provider:
                self._run.pool.know(held)
            self._run.report.step(Op.SAME, urn)
            return
        if above not in self._there:
            self._run.report.skip(urn, "what it belongs to was not imported")
            return
        inputs, outputs = (self._supplied(entry, side) for side in ("inputs", "outputs"))
        provides, component = is_provider_type(entry["type"]), bool(entry.get("component"))
        state = ResourceState(
            urn,
            entry["type"],
            custom=not component,
            inputs=inputs,
            parent="" if provides and not entry.get("parent") else above,
            protect=self._protect and not provides,
            created=now(),
            modified=now(),
        )
        async with self._run.slots, self._run.report.timed(
            Op.CREATE if provides else Op.IMPORT, urn
        ):  # fmt: skip
            if provides:
                await self._provide(state, entry.get("version", ""))
            elif not component:
                await self._look(state, entry, outputs)
            self._record(state)

    def _supplied(self, entry: Entry, side: str) -> Properties:
        try:
            given = {
                key: from_json(value, self._unseal)
                for key, value in (entry.get(side) or {}).items()
            }
        except (ValueRefusedError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImportRefusedError(f"its {side} cannot be read: {error}") from None
        if any(has_unknown(value) for value in given.values()):
            raise ImportRefusedError(f"its {side} hold values that are not known; fill them in")
        return given

    async def _provide(self, state: ResourceState, version: str) -> None:
        """Configure a provider of the file."""
        instance = self._run.pool.make(state.type)
        if version:
            state.inputs.setdefault("version", PropertyValue(version))
            state.inputs.setdefault("__internal", PropertyValue({}))
        state.inputs, failures = await instance.check_config(state.urn, {}, state.inputs)
        if failures:
            raise ImportRefusedError(f"it is refused: {listed(failures)}")
        await instance.configure(state.inputs)
        state.id = SENTINEL if self._run.preview else str(uuid.uuid4())
        state.outputs = given_out(state.inputs)
        self._run.pool.install(state.reference, instance)

    async def _look(self, state: ResourceState, entry: Entry, outputs: Properties) -> None:
        """Read a resource, or believe what was supplied of it."""
        identity = entry.get("id", "")
        if identity in {"", PLACEHOLDER}:
            raise ImportRefusedError("it has no id")
        provider = self._there.get(self._table.get(entry.get("provider", ""), ""))
        if provider is None or not provider.is_provider:
            raise ImportRefusedError(f"its provider is neither in the file nor there; {LEFT_OUT}")
        state.provider = provider.reference
        instance = await self._run.pool.get(state.provider)
        supplied = state.inputs
        bare = replace(state, id=identity, inputs={})
        found = Found(identity, supplied, outputs) if outputs else await instance.read(bare)
        if found is None:
            raise ImportRefusedError("its provider's configuration is not complete")
        if not found.id:
            raise ImportRefusedError(f"there is no {state.type} with the id {identity!r}")
        state.id = found.id
        state.inputs = _filled(found.inputs, supplied)
        state.outputs = with_marks(found.outputs, state.inputs, ())
        state.init_errors = [self._run.report.scrubber.scrub(reason) for reason in found.reasons]
        self._run.learn(state)
        await self._judge(instance, state)

    async def _judge(self, instance: Instance, state: ResourceState) -> None:
        """Let the provider check what it read; what it refuses is worth a warning, no more."""
        _, failures = await instance.check(state.urn, state.inputs, state.inputs)
        if failures:
            message = f"what was read is not what may be declared: {listed(failures)}"
            self._run.report.say(Severity.WARNING, message, state.urn)

    def _record(self, state: ResourceState) -> None:
        self._run.learn(state)
        self._run.table.put(state)
        self._there[state.urn] = state


def _filled(read: Properties, supplied: Properties) -> Properties:
    """Return what was read, its gaps filled, and secret what was supplied as a secret."""
    filled = dict(read)
    for key, value in supplied.items():
        here = read.get(key)
        if here is None or here.value is None:
            filled[key] = value
        elif value.is_secret:
            filled[key] = secret(here)
    return filled


def _parents_first(document: Entry) -> list[Entry]:
    """Return the entries of a file, providers first and each after what it belongs to."""
    entries: list[Entry] = document["resources"]
    unnamed = [entry for entry in entries if not (entry.get("name") and entry.get("type"))]
    if unnamed:
        raise ImportRefusedError(f"nothing was imported: no name or type: {unnamed}")
    waiting = sorted(entries, key=lambda entry: not is_provider_type(entry["type"]))
    named = set(document.get("nameTable") or ())
    ordered: list[Entry] = []
    while waiting:
        ready = [entry for entry in waiting if entry.get("parent", "") in {"", *named}]
        if not ready:
            lost = ", ".join(f"{entry['parent']} of {entry['name']}" for entry in waiting)
            raise ImportRefusedError(f"nothing was imported: not in the file: the parents {lost}")
        ordered += ready
        named.update(entry["name"] for entry in ready)
        waiting = [entry for entry in waiting if entry not in ready]
    return ordered
