"""Relayhosts: smarthosts that domains and mailboxes can be bound to."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import COLUMN, Kind, Property, Values, flag, number_text, text
from pulumi_mailcow.errors import MissingError
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.session import Session

LISTING = Listing(
    name="relayhost",
    single=lambda key: f"relayhost/{key}",
    whole=lambda _: "relayhost/all",
    key=lambda row: text(row.get("id")),
)


async def require_relayhost(session: Session, values: Values) -> None:
    """Refuse to bind to a relayhost that is not there: Mailcow accepts any number.

    Raises:
        MissingError: there is none with that id.
    """
    number = number_text(values.get("relayhost"))
    if number != "0" and await session.catalogue.find(LISTING, number) is None:
        msg = f"relayhost {number} does not exist; Mailcow would accept it and never use it"
        raise MissingError(msg)


def credential_mistakes(values: Values) -> Iterable[Mistake]:
    """Refuse what Mailcow would trim off."""
    for name in ("hostname", "nexthop", "username", "password"):
        value = values.get(name)
        if isinstance(value, str) and value != value.strip():
            yield name, "must not begin or end with a space: Mailcow cuts it off"
        # A colon is kept as three characters when it is added.
        if isinstance(value, str) and len(value) + 2 * value.count(":") > COLUMN:
            yield name, f"is longer than {COLUMN} characters as Mailcow keeps it"


class Relayhost(MailcowObject):
    """`relayhost`, which Mailcow's interface calls sender-dependent transport."""

    token = "Relayhost"  # noqa: S105 - a type name
    noun = "relayhost"
    doc = (
        "A smarthost. It has no effect by itself: bind domains or mailboxes to it through their "
        "`relayhost`, which takes this resource's id."
    )
    listing = LISTING
    import_id = "3 (the number that the web interface shows)"
    numbered = True
    properties = (
        Property(
            "hostname", Kind.TEXT,
            "Next hop, such as `[smtp.example.net]:587`; brackets leave out the MX look-up.",
            required=True,
        ),
        Property("username", Kind.TEXT, "Login; empty for none.", default=""),
        Property("password", Kind.TEXT, "Password of the login.", default="", secret=True),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
    )  # fmt: skip
    limits = (
        "Adding one does not tell its id; it is found by comparing what is there before and after.",
        "Two relayhosts may be alike in everything but their id.",
        (
            "Deleting one leaves mailboxes bound to a number that is gone, and domains without: "
            "it is refused here while either is bound to it."
        ),
        "Its password is read back in clear by everyone with an API key.",
    )
    example = """mailcow.Relayhost(
    "smarthost",
    hostname="[smtp.example.net]:587",
    username="apikey",
    password=pulumi.Output.secret("example-password"),
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would change on its way in."""
        if values.get("hostname") in ("", "0"):
            yield "hostname", "must not be empty"
        yield from credential_mistakes(values)

    def identity(self, values: Values) -> str:
        """None before Mailcow has given a number."""
        del values
        return ""

    def identity_of(self, row: Row) -> str:
        """The number."""
        return text(row["id"])

    def parse(self, row: Row) -> Values:
        """As they are; the password too is told."""
        return {
            "hostname": text(row.get("hostname")),
            "username": text(row.get("username")),
            "password": text(row.get("password")),
            "active": flag(row.get("active")),
        }

    def alike(self, row: Row, values: Values) -> bool:
        """Adding escapes colons, so they are left out of the comparison."""
        return all(
            text(row.get(name)).replace("\\", "") == text(values.get(name)).replace("\\", "")
            for name in ("hostname", "username")
        )

    async def add(self, session: Session, values: Values) -> None:
        """Add it. What adding gets wrong is put right by the change that follows."""
        await session.send(
            "add/relayhost", with_names(values, ("hostname", "username", "password"))
        )

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit; unlike adding, this keeps a colon as it is."""
        number = self.identity_of(row)
        sent = with_names(values, ("hostname", "username", "password", "active"), changed)
        with session.touching(LISTING, number):
            await session.edit("relayhost", number, sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/relayhost", [self.identity_of(row)])

    async def obstacles(self, session: Session, row: Row) -> Iterable[str]:
        """Name who is bound to it, asked anew."""
        session.catalogue.disturb("relayhost")
        fresh = await self.find(session, self.identity_of(row)) or {}
        users = [text(fresh.get(name)) for name in ("used_by_domains", "used_by_mailboxes")]
        return [f"{names} still uses it" for names in users if names]
