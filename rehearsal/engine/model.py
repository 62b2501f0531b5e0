"""What the engine speaks of: resources, what the program asks for, steps, and what came of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

from rehearsal.engine.urn import AliasSpec, is_provider_type, name_of, split_reference
from rehearsal.engine.values import Properties


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
    READ = "read"
    """Looked up, not managed."""
    RETAIN = "retain"
    """Forgotten by the state, left where it is (`retain_on_delete`)."""
    DISCARD = "discard"
    """Forgotten by the state: it was only read, or is gone already."""
    REFRESH = "refresh"
    """Found changed; the state follows."""

    @property
    def changes(self) -> bool:
        """Whether anything differs afterwards."""
        return self not in {Op.SAME, Op.READ}


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
        path: As in `ignore_changes`, such as `rules[0].port`.
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
        return [one for one in self.diagnostics if one.severity is Severity.ERROR]


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
    retain_on_delete: bool = False
    delete: bool = False
    external: bool = False
    pending_replacement: bool = False
    additional_secret_outputs: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)
    import_id: str = ""
    deleted_with: str = ""
    replace_with: list[str] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
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
        return self.custom and not self.is_provider and not self.external

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
        if self.deleted_with:
            found.append(self.deleted_with)
        found += self.replace_with
        return list(dict.fromkeys(found))

    def copy(self, **changes: Any) -> "ResourceState":
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def timeout(self, operation: str) -> float:
        """Return the seconds that an operation may take, 0 where the provider decides."""
        return self.custom_timeouts.get(operation, 0.0)


@dataclass(frozen=True)
class Goal:
    """What the program asks for in one registration."""

    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    protect: bool | None = None
    dependencies: Sequence[str] = ()
    property_dependencies: Mapping[str, list[str]] = field(default_factory=dict)
    provider: str = ""
    providers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    download_url: str = ""
    delete_before_replace: bool | None = None
    ignore_changes: Sequence[str] = ()
    replace_on_changes: Sequence[str] = ()
    additional_secret_outputs: Sequence[str] = ()
    aliases: Sequence[AliasSpec] = ()
    import_id: str = ""
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    replace_with: Sequence[str] = ()
    resource_hooks: Mapping[str, list[str]] = field(default_factory=dict)
    source_position: str = ""

    def needs(self) -> set[str]:
        """Return every URN that this registration stands on."""
        found = {*self.dependencies, *self.replace_with, self.parent, self.deleted_with}
        for urns in self.property_dependencies.values():
            found.update(urns)
        if self.provider:
            found.add(split_reference(self.provider)[0])
        return found - {""}


@dataclass(frozen=True)
class Registered:
    """What the program is told about one registration."""

    urn: str
    id: str = ""
    outputs: Mapping[str, PropertyValue] = field(default_factory=dict)
    failed: bool = False
    skipped: bool = False
