"""BCC maps: copies of what is sent by, or arrives for, an address or a domain."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    address_mistake,
    domain_name,
    either_mistake,
    flag,
    sent_address,
    text,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.session import Session


def destination(value: str) -> str:
    """Return what is copied as Mailcow keeps it: a domain gets an @ before it."""
    plain = value.strip().lower()
    return address(plain) if "@" in plain else f"@{domain_name(plain)}"


def _key(row: Row) -> str:
    return f"{text(row.get('type'))}/{destination(text(row.get('local_dest')))}"


LISTING = Listing(name="bcc", whole=lambda _: "bcc/all", key=_key)


class BccMap(MailcowObject):
    """`bcc`."""

    token = "BccMap"  # noqa: S105 - a type name
    noun = "BCC map"
    doc = "A copy of all mail sent by, or arriving for, an address or a whole domain."
    listing = LISTING
    import_id = "rcpt/info@example.org or sender/@example.org (type, and what is copied)"
    taken = frozenset({"bcc_exists"})
    properties = (
        Property(
            "local_dest", Kind.TEXT,
            "Whose mail is copied: an address of a mailbox or alias, or a domain. It must exist.",
            required=True, replaces=True, same=destination, form=either_mistake,
        ),
        Property(
            "type", Kind.TEXT, "Whether it is copied when it is sent or when it arrives.",
            required=True, replaces=True, choices=("sender", "rcpt"),
        ),
        Property(
            "bcc_dest", Kind.TEXT, "Address that gets the copies.", required=True, same=address,
            form=address_mistake,
        ),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
    )  # fmt: skip
    limits = (
        "Whose mail is copied cannot be edited.",
        "A domain `example.org` reads back as `@example.org`; both are the same here.",
        "Only the list of all can be read: each write is followed by it.",
    )
    example = """mailcow.BccMap(
    "archive",
    local_dest="example.org",
    type="rcpt",
    bcc_dest="archive@example.org",
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would refuse without a word."""
        for name in ("local_dest", "bcc_dest"):
            if values.get(name) == "":
                yield name, "must not be empty"

    def identity(self, values: Values) -> str:
        """Type, and whose mail."""
        return f"{values['type']}/{destination(values['local_dest'])}"

    def identity_of(self, row: Row) -> str:
        """Type, and whose mail."""
        return _key(row)

    def parse(self, row: Row) -> Values:
        """As they are."""
        return {
            "local_dest": text(row.get("local_dest")),
            "type": text(row.get("type")),
            "bcc_dest": text(row.get("bcc_dest")),
            "active": flag(row.get("active")),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it; a domain is sent without its @."""
        body = {
            **with_names(values, ("type", "active")),
            "local_dest": destination(values["local_dest"]).removeprefix("@"),
            "bcc_dest": sent_address(values["bcc_dest"]),
        }
        with session.touching(LISTING, self.identity(values)):
            await session.send("add/bcc", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit by number."""
        sent = with_names(values, ("active",), changed)
        if "bcc_dest" in changed:
            sent["bcc_dest"] = sent_address(values["bcc_dest"])
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("bcc", row["id"], sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/bcc", [row["id"]])
