"""Resources: rooms and things that calendars can book."""

import re
from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    asked,
    domain_mistake,
    domain_name,
    flag,
    text,
    whole,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.session import Session

LISTING = Listing(
    name="resource",
    single=lambda key: f"resource/{asked(key)}",
    whole=lambda _: "resource/all",
    key=lambda row: text(row.get("name")),
)
EDITABLE = ("description", "kind", "multiple_bookings", "active")


def local_part(description: str) -> str:
    """Return the local part that Mailcow makes of a description."""
    return re.sub(r"[^0-9A-Za-z]", "", description)


class Resource(MailcowObject):
    """`resource`."""

    token = "Resource"  # noqa: S105 - a type name
    noun = "resource"
    doc = "A room, a thing or a group that calendars can book."
    listing = LISTING
    import_id = "meetingroom@example.org"
    taken = frozenset({"object_exists", "is_alias", "is_spam_alias"})
    properties = (
        Property(
            "domain", Kind.TEXT, "Domain of the resource; it must exist.",
            required=True, replaces=True, same=domain_name, form=domain_mistake,
        ),
        Property(
            "description", Kind.TEXT,
            "What it is called. When it is created, Mailcow makes its address of the letters and "
            "digits in it.",
            required=True,
        ),
        Property(
            "kind", Kind.TEXT, "What it is.", default="location",
            choices=("location", "thing", "group"),
        ),
        Property(
            "multiple_bookings", Kind.WHOLE,
            "How many bookings may overlap; 0 shows it as always free, -1 sets no limit.",
            default=0, least=-1,
        ),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
        Property("name", Kind.TEXT, "Its address.", output=True),
    )  # fmt: skip
    limits = (
        "The address follows the first description and never changes after that.",
        "The description cannot be cleared.",
    )
    example = """mailcow.Resource(
    "room",
    domain="example.org",
    description="Meeting room 1",
    kind="location",
    multiple_bookings=1,
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse a description of which no address can be made."""
        if values.get("description") is not None and not local_part(values["description"]).strip(
            "0"
        ):
            yield "description", "must hold a letter or digit: the address is made of them"

    def identity(self, values: Values) -> str:
        """The address that a new one gets."""
        return address(f"{local_part(values['description'])}@{values['domain']}")

    def identity_of(self, row: Row) -> str:
        """The address."""
        return address(text(row["name"]))

    def parse(self, row: Row) -> Values:
        """As they are."""
        return {
            "domain": text(row.get("domain")),
            "description": text(row.get("description")),
            "kind": text(row.get("kind")),
            "multiple_bookings": whole(row.get("multiple_bookings")),
            "active": flag(row.get("active")),
            "name": text(row.get("name")),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it."""
        body = {**with_names(values, EDITABLE), "domain": domain_name(values["domain"])}
        with session.touching(LISTING, self.identity(values)):
            await session.send("add/resource", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("resource", row["name"], with_names(values, EDITABLE, changed))

    async def remove(self, session: Session, row: Row) -> None:
        """Delete."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/resource", [row["name"]])
