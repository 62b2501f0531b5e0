"""What the engine speaks of: resources, what the program asks for, steps, and what came of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

from rehearsal.engine.urn import AliasSpec, is_provider_type, name_of, split_reference
from rehearsal.engine.values import Properties, plain_all

LEFT_OUT = "the rehearsal's engine leaves that to the genuine one: ENGINE=pulumi make rehearse"
"""Ends the message of every refusal of something that this engine does not do."""


class Op(StrEnum):
    """What happens to one resource, in the words of Pulumi's summary."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """A new one takes the place of the old one; the old one's end is a `DELETE_REPLACED`."""
    DELETE = "delete"
    DELETE_REPLACED = "delete-replaced"
    IMPORT = "import"
    """Taken over as it stands, not created."""
    DISCARD = "discard"
    """Forgotten by the state: it is gone already."""
    REFRESH = "refresh"
    """Found changed; the state follows."""

    @property
    def changes(self) -> bool:
        """Whether anything differs afterwards."""
        return self is not Op.SAME


class Kind(StrEnum):
    """How a property differs."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


class Severity(StrEnum):
    """How grave a diagnostic is, as in Pulumi's `LogSeverity`."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class PropertyChange:
    """One property that differs.

    Attributes:
        path: As Pulumi writes it, such as `rules[0].port`.
        kind: Whether it is added, deleted or updated.
        old: Plain value before, `Sealed` where secret; None where there was none.
        new: Plain value after, likewise; `Unknown.UNKNOWN` where a preview cannot know it.
        replaces: Whether this difference makes a new resource necessary.
    """

    path: str
    kind: Kind
    old: Any = None
    new: Any = None
    replaces: bool = False


@dataclass(frozen=True)
class Step:
    """One thing that was done to a resource, or in a preview would be."""

    op: Op
    urn: str
    type: str
    name: str
    diff: tuple[PropertyChange, ...] = ()


@dataclass(frozen=True)
class Diagnostic:
    """A message for the operator; secrets in it are masked."""

    severity: Severity
    message: str
    urn: str = ""


@dataclass(frozen=True)
class Event:
    """Something to show while a run goes on.

    Attributes:
        kind: `begin` and `end` of a step, `failed`, `skipped`, or `diagnostic`.
        urn: The resource, or empty.
        op: The step's operation, or None.
        message: Text of a diagnostic or failure; secrets in it are masked.
        severity: Gravity of a diagnostic.
        seconds: How long a step took, for `end`.
        diff: What differs, for `begin` and `end`.
    """

    kind: str
    urn: str = ""
    op: Op | None = None
    message: str = ""
    severity: Severity = Severity.INFO
    seconds: float = 0.0
    diff: tuple[PropertyChange, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name, or empty."""
        return name_of(self.urn) if self.urn else ""

    def shown(self) -> dict[str, Any]:
        """Return it for a log: of what differs the paths alone."""
        told = vars(self) | {
            "seconds": round(self.seconds, 6),
            "diff": [f"{change.kind} {change.path}" for change in self.diff],
        }
        return {key: value for key, value in told.items() if value}


@dataclass
class ResourceState:
    """One resource in the state, with the fields of Pulumi's checkpoint (version 3).

    `init_errors` says why the resource, which is there, is not as it was asked for: the next run
    updates it in any case. `serial` is the engine's own: it tells two states of one URN apart
    while one replaces another.
    """

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    protect: bool = False
    delete: bool = False
    pending_replacement: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    init_errors: list[str] = field(default_factory=list)
    resource_hooks: dict[str, list[str]] = field(default_factory=dict)
    created: str = ""
    modified: str = ""
    source_position: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    serial: int = -1

    @property
    def is_provider(self) -> bool:
        """Whether this is a configured provider rather than a thing out there."""
        return is_provider_type(self.type)

    @property
    def managed(self) -> bool:
        """Whether a provider has created it and would delete it."""
        return self.custom and not self.is_provider

    @property
    def reference(self) -> str:
        """How other resources name this provider."""
        return f"{self.urn}::{self.id}"

    def needs(self) -> list[str]:
        """Return the URNs that must stand before this one, nearest kin first."""
        found = [self.parent] if self.parent else []
        if self.provider:
            found.append(split_reference(self.provider)[0])
        found += self.dependencies
        for urns in self.property_dependencies.values():
            found += urns
        return list(dict.fromkeys(found))

    def with_references(self, follow: Mapping[str, str | None]) -> "ResourceState":
        """Return the state with other URNs in place of some that it names; None: none at all."""

        def followed(urns: Sequence[str]) -> list[str]:
            fresh = (follow.get(urn, urn) for urn in urns)
            return [urn for urn in fresh if urn is not None]

        urn, provider_id = split_reference(self.provider)
        return replace(
            self,
            parent=follow.get(self.parent, self.parent) or "",
            provider=f"{follow.get(urn, urn)}::{provider_id}" if self.provider else "",
            dependencies=followed(self.dependencies),
            property_dependencies={
                key: followed(urns) for key, urns in self.property_dependencies.items()
            },
        )

    def view(self) -> "ResourceView":
        """Return the resource for a reader."""
        return ResourceView(
            urn=self.urn,
            type=self.type,
            name=name_of(self.urn),
            id=self.id,
            inputs=plain_all(self.inputs),
            outputs=plain_all(self.outputs),
            provider=self.provider,
            parent=self.parent,
            dependencies=tuple(self.dependencies),
            protect=self.protect,
            custom=self.custom,
        )


@dataclass(frozen=True)
class ResourceView:
    """A resource as the run leaves it, for a reader.

    Property values are plain Python; secrets are `Sealed`, unknown ones `Unknown.UNKNOWN`.
    """

    urn: str
    type: str
    name: str
    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    provider: str
    parent: str
    dependencies: tuple[str, ...]
    protect: bool
    custom: bool


@dataclass(frozen=True)
class Outcome:
    """What a run did, or a preview would do."""

    changes: dict[Op, int]
    steps: list[Step]
    resources: list[ResourceView]
    outputs: dict[str, Any]
    diagnostics: list[Diagnostic]
    ok: bool

    @property
    def changed(self) -> bool:
        """Whether anything differs afterwards."""
        return any(op.changes for op in self.changes)

    @property
    def errors(self) -> list[Diagnostic]:
        """The diagnostics that are errors."""
        return [
            diagnostic for diagnostic in self.diagnostics if diagnostic.severity is Severity.ERROR
        ]


@dataclass(frozen=True)
class Goal:
    """What the program asks for in one registration.

    Attributes:
        state: The resource as it is asked for, before its provider has seen it.
        aliases: How it was called before.
        version: Version of a provider, as its SDK asks for it.
        download_url: Where the genuine engine would find the provider.
        delete_before_replace: Whether the old one goes first; None leaves it to the provider.
    """

    state: ResourceState
    aliases: Sequence[AliasSpec] = ()
    version: str = ""
    download_url: str = ""
    delete_before_replace: bool | None = None


@dataclass(frozen=True)
class Registered:
    """What the program is told about one registration."""

    urn: str
    id: str = ""
    outputs: Mapping[str, PropertyValue] = field(default_factory=dict)
    failed: bool = False
