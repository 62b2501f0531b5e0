"""Transports: where mail for a destination is handed to."""

import ipaddress
import re
from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import Kind, Property, Values, address, flag, text
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.objects.relayhost import credential_mistakes
from pulumi_mailcow.session import Session

LISTING = Listing(
    name="transport",
    whole=lambda _: "transport/all",
    key=lambda row: text(row.get("destination")),
)
DESTINATION = re.compile(
    r"\*|\.?[^\s,;@]+\.[^\s,;@]+|[^\s,;@]+@[^\s,;@]+|[a-z0-9-]+", re.IGNORECASE
)
EDITABLE = ("nexthop", "username", "password", "is_mx_based", "active")


def next_hop(value: str) -> str:
    """Return a next hop as Mailcow keeps it: a bare IP address gets brackets."""
    hop = value.strip()
    try:
        ipaddress.ip_address(hop)
    except ValueError:
        return hop
    return f"[{hop}]"


class Transport(MailcowObject):
    """`transport`."""

    token = "Transport"  # noqa: S105 - a type name
    noun = "transport"
    doc = "A rule that hands mail for a destination to a server. The destination `*` is all mail."
    listing = LISTING
    import_id = "example.net (the destination)"
    taken = frozenset({"transport_dest_exists"})
    properties = (
        Property(
            "destination", Kind.TEXT,
            "Domain, `.domain` for what is below it, address, `*`, or, for `is_mx_based`, a "
            "regular expression on the MX.",
            required=True, replaces=True, same=address,
        ),
        Property(
            "nexthop", Kind.TEXT, "Where to, such as `[smtp.example.net]:587`.",
            required=True, same=next_hop,
        ),
        Property("username", Kind.TEXT, "Login; empty for none.", default=""),
        Property("password", Kind.TEXT, "Password of the login.", default="", secret=True),
        Property(
            "is_mx_based", Kind.FLAG, "Whether the destination is matched with the MX.",
            default=False,
        ),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
    )  # fmt: skip
    limits = (
        "Transports with one next hop share login and password: changing one changes them all.",
        "Another destination is another transport.",
        "Its password is read back in clear by everyone with an API key.",
    )
    example = """mailcow.Transport(
    "partner",
    destination="partner.example.net",
    nexthop="[mx.partner.example.net]:25",
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would change, split or never match."""
        destination = values.get("destination")
        if destination is not None and re.search(r"[ ,;\n]", destination):
            yield "destination", "must be one destination"
        elif (
            destination is not None
            and values.get("is_mx_based") is False
            and not DESTINATION.fullmatch(destination)
        ):
            yield "destination", "must be a domain, .domain, an address or *"
        if values.get("nexthop") in ("", "0"):
            yield "nexthop", "must not be empty"
        if values.get("password") and values.get("username") == "":
            yield "password", "needs a username: Mailcow drops it without one"
        yield from credential_mistakes(values)

    def identity(self, values: Values) -> str:
        """The destination."""
        return address(values["destination"])

    def identity_of(self, row: Row) -> str:
        """The destination."""
        return address(text(row["destination"]))

    def parse(self, row: Row) -> Values:
        """As they are."""
        names = ("destination", "nexthop", "username", "password")
        return {
            **{name: text(row.get(name)) for name in names},
            "is_mx_based": flag(row.get("is_mx_based")),
            "active": flag(row.get("active")),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it. A colon that adding escapes is put right by the change that follows."""
        async with session.lock("transport"):
            session.catalogue.disturb("transport")
            body = with_names(values, ("destination", *EDITABLE))
            await session.send("add/transport", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit by number."""
        sent = with_names(values, EDITABLE, changed)
        if "username" in sent or "password" in sent:
            sent |= with_names(values, ("username", "password"))
        async with session.lock("transport"):
            session.catalogue.disturb("transport")
            await session.edit("transport", row["id"], sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number."""
        session.catalogue.disturb("transport")
        await session.send("delete/transport", [row["id"]])
