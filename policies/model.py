"""What a rule speaks of: resources, findings, the rule itself.

Nothing here knows an engine. Adapters bring resources from wherever they come (`pack`, `views`,
`recording`), with two marks of their own: `UNKNOWN` for what a preview cannot know, `Secret` for
what must not be shown.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

if TYPE_CHECKING:
    from policies.stack import Stack


@final
class Unknown:
    """The type of `UNKNOWN`, the one value that stands for all that a preview cannot know."""

    _only: "Unknown | None" = None

    def __new__(cls) -> "Unknown":
        """Return the one value."""
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "[unknown]"

    def __bool__(self) -> bool:
        """Refuse to be taken for true or false.

        Raises:
            TypeError: always.
        """
        raise TypeError("an unknown value is neither true nor false")


UNKNOWN: Final = Unknown()
"""A value that a preview cannot know."""


WHOLE: Final = "stack"
"""What stands for a resource where a finding is about something that is not there."""


@dataclass(frozen=True, repr=False)
class Secret:
    """A secret value. It shows nothing of itself; a rule opens it to look, and never repeats it."""

    value: Any

    def __repr__(self) -> str:
        return "[secret]"

    __str__ = __repr__


def opened(value: Any) -> Any:
    """Return a value with every secret in it opened; unknown ones stay as they are."""
    if isinstance(value, Secret):
        return opened(value.value)
    if isinstance(value, Mapping):
        return {key: opened(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [opened(item) for item in value]
    return value


def plain_texts(value: Any) -> Iterator[str]:
    """Yield every text in a value that would be readable in the state."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for text in value.values():
            yield from plain_texts(text)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from plain_texts(item)


def secret_texts(value: Any) -> Iterator[str]:
    """Yield every text in a value that is sealed."""
    if isinstance(value, Secret):
        yield from plain_texts(opened(value))
    elif isinstance(value, Mapping):
        for text in value.values():
            yield from secret_texts(text)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from secret_texts(item)


@dataclass(frozen=True, eq=False)
class Resource:
    """One resource of the program.

    Attributes:
        urn: URN.
        type: Type token, such as `cloudflare:index/dnsRecord:DnsRecord`.
        name: Name that the program gives it.
        properties: Values by Pulumi's names; `UNKNOWN` and `Secret` mark what they mark.
        parent: Name of the parent, or empty.
        provider: Name of the explicit provider, or empty where none is known.
        dependencies: URNs of the resources that it waits for.
        protect: Whether it is protected from deletion.
        known: False where a preview shows nothing of it at all; its properties are empty then, and
            that is no fact.
    """

    urn: str
    type: str
    name: str
    properties: Mapping[str, Any]
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    protect: bool = False
    known: bool = True

    @property
    def is_provider(self) -> bool:
        """Whether this is a configured provider."""
        return self.type.startswith("pulumi:providers:")


class Severity(StrEnum):
    """What a violation costs. All are refused; the severity tells what to mend first."""

    CRITICAL = "critical"
    """Mail is lost, or somebody else reads it."""
    HIGH = "high"
    """Mail is refused by receivers, or a safeguard is gone."""
    MEDIUM = "medium"
    """Something that people rely on does not work."""
    LOW = "low"
    """Untidy; it will matter on a bad day."""


class Area(StrEnum):
    """What part of a company's mail a rule looks at."""

    AUTHENTICATION = "authentication"
    """SPF, DKIM, DMARC: what receivers check."""
    NAMES = "names"
    """Names that zone, proxy, certificate and mail server must agree on."""
    HOST = "host"
    """The host and the stack on it."""
    SMARTHOST = "smarthost"
    """The way out."""
    PEOPLE = "people"
    """Mailboxes and aliases."""
    BACKUP = "backup"
    """What is kept, where, for how long."""
    MONITORING = "monitoring"
    """What raises an alarm."""
    RESIDENCY = "residency"
    """Where data lies."""
    CREDENTIALS = "credentials"
    """Secrets that stay secret."""
    EXCEPTIONS = "exceptions"
    """Exceptions from the rules."""


@dataclass(frozen=True)
class Finding:
    """Something that a rule does not accept.

    Attributes:
        message: What is wrong, in a sentence without a secret.
        key: Key in the declaration to change, such as `mail:dmarc.rua`.
        resource: Resource that shows it; None where it is about something that is not there.
        seen: Value as it was seen; never a secret.
        absent: Whether it rests on something not being there. While values are unknown, such a
            finding could be wrong.
        note: Whether it is only worth knowing, and refuses nothing.
    """

    message: str
    key: str
    resource: Resource | None = None
    seen: str = ""
    absent: bool = False
    note: bool = False


RuleFunction: TypeAlias = "Callable[[Stack], Iterable[Finding]]"


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        id: Stable, readable id, such as `spf-single`.
        area: What part it looks at.
        severity: What a violation costs.
        protects: What it protects, in a sentence.
        reason: Why, in a sentence.
        source: Where that can be read: RFC section, provider's page.
        remedy: How to mend a violation.
        check: The function that finds violations.
        yields: Whether it only speaks of what no other rule has spoken of: a rule for the mistakes
            that nobody thought of.
    """

    id: str
    area: Area
    severity: Severity
    protects: str
    reason: str
    source: str
    remedy: str
    check: RuleFunction = field(repr=False)
    yields: bool = False


@dataclass(frozen=True)
class Violation:
    """A finding that refuses the stack.

    Attributes:
        rule: Id of the rule.
        resource: Name of the resource, or `WHOLE`.
        urn: URN of the resource, or empty.
        seen: Value as it was seen, or empty.
        key: Key in the declaration to change.
        message: What is wrong.
        remedy: How to mend it.
        severity: What it costs.
    """

    rule: str
    resource: str
    urn: str
    seen: str
    key: str
    message: str
    remedy: str
    severity: Severity


@dataclass(frozen=True)
class Note:
    """Something worth knowing that refuses nothing."""

    rule: str
    resource: str
    key: str
    message: str


@dataclass(frozen=True)
class Deferred:
    """A rule that met a value which a preview cannot know. It judges on `up`.

    Attributes:
        rule: Id of the rule.
        resource: Name of the resource.
        urn: URN of the resource.
        what: Property that is not known yet, or why it cannot be judged here.
    """

    rule: str
    resource: str
    urn: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what} of {self.resource} is not known yet; judged on up"


@dataclass(frozen=True)
class ExceptionUsed:
    """A violation that a declared exception let pass."""

    rule: str
    resource: str
    reason: str
    until: str


@dataclass(frozen=True)
class Judgement:
    """What all rules say of a stack."""

    violations: tuple[Violation, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    notes: tuple[Note, ...] = ()
    exceptions_used: tuple[ExceptionUsed, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is refused."""
        return not self.violations
