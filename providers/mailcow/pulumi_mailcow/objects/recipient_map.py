"""Recipient maps: addresses rewritten as mail arrives, before anything else looks at them."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import Kind, Property, Values, either_mistake, flag, text
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.objects.bcc_map import destination
from pulumi_mailcow.session import Session

LISTING = Listing(
    name="recipient_map",
    whole=lambda _: "recipient_map/all",
    key=lambda row: destination(text(row.get("recipient_map_old"))),
)


class RecipientMap(MailcowObject):
    """`recipient_map`."""

    token = "RecipientMap"  # noqa: S105 - a type name
    noun = "recipient map"
    doc = (
        "Rewrites a recipient, or a whole domain, before delivery. Mailcow's API has no such map "
        "for senders."
    )
    listing = LISTING
    import_id = "old@example.org or @old.example.org (what is rewritten)"
    taken = frozenset({"recipient_map_entry_exists"})
    properties = (
        Property(
            "recipient_map_old", Kind.TEXT, "What is rewritten: an address or a domain.",
            required=True, replaces=True, same=destination, form=either_mistake,
        ),
        Property(
            "recipient_map_new", Kind.TEXT, "What it becomes: an address or a domain.",
            required=True, same=destination, form=either_mistake,
        ),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
    )  # fmt: skip
    limits = (
        "A domain reads back with an @ before it; both are the same here.",
        "Senders cannot be rewritten through the API.",
        "Only the list of all can be read: each write is followed by it.",
    )
    example = """mailcow.RecipientMap(
    "former-name",
    recipient_map_old="former.example.org",
    recipient_map_new="example.org",
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what is neither an address nor a domain."""
        for name in ("recipient_map_old", "recipient_map_new"):
            if values.get(name) == "":
                yield name, "must not be empty"

    def identity(self, values: Values) -> str:
        """What is rewritten."""
        return destination(values["recipient_map_old"])

    def identity_of(self, row: Row) -> str:
        """What is rewritten."""
        return destination(text(row["recipient_map_old"]))

    def parse(self, row: Row) -> Values:
        """As they are."""
        return {
            "recipient_map_old": text(row.get("recipient_map_old")),
            "recipient_map_new": text(row.get("recipient_map_new")),
            "active": flag(row.get("active")),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it."""
        body = {
            "recipient_map_old": self.identity(values),
            "recipient_map_new": destination(values["recipient_map_new"]),
            **with_names(values, ("active",)),
        }
        with session.touching(LISTING, self.identity(values)):
            await session.send("add/recipient_map", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit by number."""
        sent = with_names(values, ("active",), changed)
        if "recipient_map_new" in changed:
            sent["recipient_map_new"] = destination(values["recipient_map_new"])
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("recipient_map", row["id"], sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/recipient_map", [row["id"]])
