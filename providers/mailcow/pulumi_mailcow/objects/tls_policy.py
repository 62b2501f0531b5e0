"""TLS policy maps: how strictly TLS is asked of a destination."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import Kind, Property, Values, domain_name, flag, text
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.session import Session

LISTING = Listing(
    name="tls_policy",
    whole=lambda _: "tls-policy-map/all",
    key=lambda row: text(row.get("dest")),
)


class TlsPolicyMap(MailcowObject):
    """`tls-policy-map`."""

    token = "TlsPolicyMap"  # noqa: S105 - a type name
    noun = "TLS policy map"
    doc = (
        "How strictly TLS is asked of a destination. For a smarthost the destination is its next "
        "hop, letter by letter."
    )
    listing = LISTING
    import_id = "[smtp.example.net]:587 (the destination)"
    taken = frozenset({"tls_policy_map_entry_exists"})
    properties = (
        Property(
            "dest", Kind.TEXT, "Domain, `.domain`, or a next hop such as `[smtp.example.net]:587`.",
            required=True, replaces=True, same=domain_name,
        ),
        Property(
            "policy", Kind.TEXT, "Postfix's security level.", required=True,
            choices=("none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify",
                     "secure"),
        ),
        Property(
            "parameters", Kind.TEXT, "Such as `match=smtp.example.net`, separated by spaces.",
            default="",
        ),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
    )  # fmt: skip
    limits = ("Another destination is another entry.",)
    example = """mailcow.TlsPolicyMap(
    "smarthost",
    dest="[smtp.example.net]:587",
    policy="secure",
    parameters="match=smtp.example.net",
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would refuse."""
        if values.get("dest") is not None and values["dest"].strip() in {"", ".", "*", "@", "0"}:
            yield "dest", "must name a destination"
        parameters = values.get("parameters") or ""
        if parameters and not all("=" in part[1:-1] for part in parameters.split(" ")):
            yield "parameters", "must be name=value, separated by single spaces"

    def identity(self, values: Values) -> str:
        """The destination."""
        return domain_name(values["dest"])

    def identity_of(self, row: Row) -> str:
        """The destination."""
        return domain_name(text(row["dest"]))

    def parse(self, row: Row) -> Values:
        """As they are."""
        return {
            "dest": text(row.get("dest")),
            "policy": text(row.get("policy")),
            "parameters": text(row.get("parameters")),
            "active": flag(row.get("active")),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it."""
        body = with_names(values, ("policy", "parameters", "active"))
        with session.touching(LISTING, self.identity(values)):
            await session.send("add/tls-policy-map", {"dest": self.identity(values), **body})

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit by number."""
        sent = with_names(values, ("policy", "parameters", "active"), changed)
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("tls-policy-map", row["id"], sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/tls-policy-map", [row["id"]])
