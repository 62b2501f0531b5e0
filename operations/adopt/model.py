"""What an adoption speaks of: what is wanted, what was found, how they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from rehearsal.engine.values import UNKNOWN, Sealed

Plain: TypeAlias = Mapping[str, Any]

NOT_YET = "made of what is not imported yet; the preview after the import compares it"
SEALED_YET = "secret; the preview after the import compares it"


@dataclass(frozen=True)
class Wanted:
    """A resource that the program would make.

    Attributes:
        label: Its name in the import file, which no other has.
        type: Type token.
        name: The program's name for it.
        inputs: What is declared of it: plain values, `Sealed` where secret, `UNKNOWN` where a
            preview cannot know.
        held: Whether the state has it already: it is no stranger, and nothing is to be done.
    """

    label: str
    type: str
    name: str
    inputs: Plain
    held: bool = False

    @property
    def kind(self) -> str:
        """Last word of the type, such as `DnsRecord`."""
        return self.type.rpartition(":")[2]

    def text(self, key: str) -> str:
        """Return a declared text; empty if it is secret, unknown or not declared."""
        value = self.inputs.get(key)
        return value if isinstance(value, str) and value != UNKNOWN else ""


@dataclass(frozen=True)
class Difference:
    """A property that is not as declared; a secret one shows neither side.

    Attributes:
        path: The property.
        live: What it is; None where it is not there.
        declared: What it shall be.
        secret: Whether the values must not be shown.
        replaces: Whether it can only be brought about by another resource in its place.
        lines: Where the values are long texts, the lines in which they differ.
    """

    path: str
    live: Any = None
    declared: Any = None
    secret: bool = False
    replaces: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Supplied:
    """What the import file says of a resource because its provider cannot read it.

    Attributes:
        inputs: Its inputs, plain, `Sealed` where secret.
        outputs: Its whole state, likewise.
        reason: What of it cannot be read.
    """

    inputs: Plain
    outputs: Plain
    reason: str


@dataclass(frozen=True)
class Match:
    """Something that runs, and the declaration of it.

    Attributes:
        wanted: The declaration.
        id: By which its provider imports it.
        differences: What a deployment after the import would change.
        supplied: What its provider cannot read.
        unseen: Declared properties that could not be compared, with the reason.
    """

    wanted: Wanted
    id: str
    differences: tuple[Difference, ...] = ()
    supplied: Supplied | None = None
    unseen: Mapping[str, str] = field(default_factory=dict)

    @property
    def replaces(self) -> bool:
        """Whether a deployment could only put another one in its place."""
        return any(difference.replaces for difference in self.differences)


@dataclass(frozen=True)
class Stranger:
    """Something that runs and is not declared; an adoption leaves it alone.

    Attributes:
        kind: What it is: `record`, `mailbox`, ...
        what: Which one, for a person.
        note: What it does to the declared mail, if anything.
    """

    kind: str
    what: str
    note: str = ""


@dataclass(frozen=True)
class Question:
    """A match that only a person can make.

    Attributes:
        wanted: The declaration.
        text: What is unclear.
        candidates: What it might be, by import id.
    """

    wanted: Wanted
    text: str
    candidates: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Area:
    """What was found in one place: the zone, the storage, the host, Mailcow.

    Attributes:
        name: The place.
        matches: What runs as declared, or nearly.
        missing: What is declared and is not there: a deployment makes it.
        strangers: What is there and not declared.
        questions: What a person must decide.
        warnings: What must be done or known before a deployment.
        unread: Why something could not be looked at.
    """

    name: str
    matches: list[Match] = field(default_factory=list)
    missing: list[Wanted] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def without_held(self) -> "Area":
        """Return what is to be done: what the state has already is left out."""
        return replace(
            self,
            matches=[match for match in self.matches if not match.wanted.held],
            missing=[wanted for wanted in self.missing if not wanted.held],
            questions=[question for question in self.questions if not question.wanted.held],
        )


def is_hidden(value: Any) -> bool:
    """Return whether a declared value is secret."""
    return isinstance(value, Sealed)


def is_open_question(value: Any) -> bool:
    """Return whether a declared value, or anything in it, is not known before a deployment."""
    if isinstance(value, Sealed):
        return is_open_question(value.open())
    if isinstance(value, Mapping):
        return any(is_open_question(item) for item in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(is_open_question(item) for item in value)
    return bool(value == UNKNOWN)


def unsealed(value: Any) -> Any:
    """Return a declared value in clear, to be compared and never shown."""
    if isinstance(value, Sealed):
        return unsealed(value.open())
    if isinstance(value, Mapping):
        return {key: unsealed(item) for key, item in value.items()}
    return [unsealed(item) for item in value] if isinstance(value, list) else value
