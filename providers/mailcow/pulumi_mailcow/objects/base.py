"""What every object of Mailcow says about itself, so that one driver can deal with all of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import Property, Values
from pulumi_mailcow.session import Session

Mistake = tuple[str, str]
"""A property's name and what is wrong with it."""


class MailcowObject(ABC):
    """One kind of object: how it is added, read, changed and removed, and what equals what."""

    token: ClassVar[str]
    """Name of the resource class."""
    noun: ClassVar[str]
    """What a person calls it."""
    doc: ClassVar[str]
    """What it is, in a sentence or two."""
    properties: ClassVar[tuple[Property, ...]]
    """Its properties, the identifying ones first."""
    listing: ClassVar[Listing]
    """Where it is read."""
    import_id: ClassVar[str]
    """What the id looks like that `pulumi import` takes."""
    limits: ClassVar[tuple[str, ...]] = ()
    """What Mailcow's API cannot do with it; for the reference page."""
    example: ClassVar[str]
    """A declaration that runs: Python, with `mailcow` as the package and `opts` given."""
    taken: ClassVar[frozenset[str]] = frozenset()
    """Codes of refusals that mean: such an object is there already."""
    delete_first: ClassVar[bool] = False
    """Whether a replacement stands under the same identity, so that the old one must go first."""
    numbered: ClassVar[bool] = False
    """Whether only a number that Mailcow gives, and does not tell, sets two of a kind apart."""

    assembled: ClassVar[bool] = False
    """Whether adding it takes several statements, of which not all can be seen to be done."""

    def mistakes(self, values: Values) -> Iterable[Mistake]:
        """Return what is wrong with a declaration. Values that are not known yet are absent."""
        for item in self.properties:
            value = values.get(item.name)
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, str) and not item.choices:
                    yield from _malformed(item, text)
        yield from self.own_mistakes(values)

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:  # noqa: ARG002 - for overriding
        """Return what is wrong beyond the form of each property."""
        return ()

    def implied(self, values: Values) -> Values:  # noqa: ARG002 - for overriding
        """Return outputs that follow from a declaration, as far as it is known."""
        return {}

    def believed(self, remembered: Values, actual: Values) -> Values:
        """Return what can still be believed of what was written and cannot be read back."""
        del actual
        return remembered

    def group(self, values: Values) -> str:  # noqa: ARG002 - for overriding
        """Return the group of the listing in which a declared object will stand."""
        return ""

    def alike(self, row: Row, values: Values) -> bool:  # noqa: ARG002 - for overriding
        """Return whether a numbered object may be the one that was declared."""
        return True

    @abstractmethod
    def identity(self, values: Values) -> str:
        """Return the id of the object that a declaration stands for."""

    @abstractmethod
    def identity_of(self, row: Row) -> str:
        """Return the id of an object that was read."""

    @abstractmethod
    def parse(self, row: Row) -> Values:
        """Return the properties of an object that was read, in the units of the declaration."""

    @abstractmethod
    async def add(self, session: Session, values: Values) -> None:
        """Create the object, with every property as declared."""

    @abstractmethod
    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Bring the properties named in `changed` to what is declared."""

    @abstractmethod
    async def remove(self, session: Session, row: Row) -> None:
        """Remove the object."""

    async def find(self, session: Session, identity: str, *, listed: bool = False) -> Row | None:
        """Return the object with this id, or None if there is none; see `Catalogue.find`."""
        return await session.catalogue.find(self.listing, identity, listed=listed)

    def stub(self, identity: str) -> Row | None:  # noqa: ARG002 - for overriding
        """Return as much of a row as removing the object by its id needs, if an id is enough."""
        return None

    def may_be_added(self, values: Values) -> bool:  # noqa: ARG002 - for overriding
        """Return whether a declaration says all that adding the object needs."""
        return True

    def expendable(self, row: Row) -> bool:  # noqa: ARG002 - for overriding
        """Return whether nothing is lost with an object that was added a moment ago."""
        return True

    async def complete(
        self, session: Session, row: Row, values: Values, remembered: Values
    ) -> None:
        """Add what an addition of which the answer never came may have left out, unseen."""
        del session, row, values, remembered

    async def sweep(self, session: Session, identity: str) -> bool:  # noqa: ARG002 - for overriding
        """Remove what a broken deletion leaves where nothing shows it, and say whether one can."""
        return False

    async def stands(self, session: Session, row: Row) -> bool:  # noqa: ARG002 - for overriding
        """Return whether what was read was put there, and is not merely Mailcow's default."""
        return True

    async def obstacles(self, session: Session, row: Row) -> Iterable[str]:  # noqa: ARG002 - same
        """Return why the object must not be removed: who still points at it."""
        return ()

    async def doubts(
        self, session: Session, before: Row, after: Row, values: Values, changed: set[str]
    ) -> Iterable[str]:
        """Return what shows that a write of something that cannot be read back was lost."""
        del session, before, after, values, changed
        return ()

    def named(self, name: str) -> Property:
        """Return one property."""
        return next(item for item in self.properties if item.name == name)

    def named_on_wire(self, name: str) -> Property:
        """Return one property by its name in Pulumi."""
        return next(item for item in self.properties if item.wire == name)

    def differing(self, declared: Values, actual: Values) -> list[Property]:
        """Return the properties that are declared, can be seen, and are not so."""
        return [
            item
            for item in self.properties
            if item.name in actual
            and not item.output
            and declared.get(item.name) is not None
            and item.canonical(declared[item.name]) != item.canonical(actual[item.name])
        ]

    def hidden(self, declared: Values, remembered: Values, actual: Values) -> set[str]:
        """Return what cannot be seen, and is declared otherwise than it was last written."""
        return {
            item.name
            for item in self.properties
            if item.name not in actual
            and not (item.output or item.only_at_creation)
            and declared.get(item.name) is not None
            and item.canonical(declared[item.name]) != item.canonical(remembered.get(item.name))
        }

    def truth(self, declared: Values, actual: Values) -> Values:
        """Return what may be said of the object: what was read, in the declaration's spelling.

        What cannot be read is what was written.
        """
        believed = self.believed(declared, actual)
        said = {}
        for item in self.properties:
            value = believed.get(item.name)
            if item.name in actual:
                seen = actual[item.name]
                if value is None or item.canonical(value) != item.canonical(seen):
                    value = seen
            said[item.name] = value
        return said


def _malformed(item: Property, text: str) -> Iterable[Mistake]:
    if item.limit is not None and len(text) > item.limit:
        yield item.name, f"is longer than {item.limit} characters, which is all that Mailcow keeps"
    elif item.form is not None and text:
        mistake = item.form(text)
        if mistake:
            yield item.name, mistake


def with_names(values: Values, names: Iterable[str], wanted: set[str] | None = None) -> Values:
    """Return what of `values` is declared and, if `wanted` is given, to be written.

    Truth is sent as 1 and 0, which is what Mailcow's `intval` understands.
    """
    sent: dict[str, Any] = {}
    for name in names:
        value = values.get(name)
        if value is None or (wanted is not None and name not in wanted):
            continue
        sent[name] = int(value) if isinstance(value, bool) else value
    return sent


def by_tags(wanted: list[str], present: list[str]) -> tuple[list[str], list[str]]:
    """Return the tags to append and those to remove.

    Mailcow only ever appends, and repeating a tag of a domain ends in a database error.
    """
    return (
        [tag for tag in dict.fromkeys(wanted) if tag not in present],
        [tag for tag in dict.fromkeys(present) if tag not in wanted],
    )
