"""MTA-STS policies: Mailcow serves them, but its API does not show them."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    COLUMN,
    Kind,
    Property,
    Values,
    domain_mistake,
    domain_name,
    text,
    whole,
)
from pulumi_mailcow.errors import RefusedError
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.objects.domain import LISTING as DOMAINS
from pulumi_mailcow.session import Session

PAGE = "/.well-known/mta-sts.txt"
VERSION = "stsv1"
"""Must be said at every edit: what Mailcow remembers of it, it does not accept."""
LONGEST = 31536000
"""Greatest age in seconds that can be added."""
LISTING = Listing(name="mta_sts", key=lambda row: text(row.get("domain")))


def _host_mistake(value: str) -> str | None:
    return domain_mistake(value.strip().removeprefix("*."))


def _policy(page: str) -> Row:
    row: Row = {"mx": []}
    for line in page.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "mx":
            row["mx"].append(value.strip())
        elif value:
            row[name.strip()] = value.strip()
    return row


class MtaSts(MailcowObject):
    """`mta-sts`."""

    token = "MtaSts"  # noqa: S105 - a type name
    noun = "MTA-STS policy"
    doc = (
        "The policy that tells other servers to deliver over TLS only. It is read back from "
        "`mta-sts.<domain>`, asked at the endpoint's own address."
    )
    listing = LISTING
    import_id = "example.org (the domain)"
    properties = (
        Property(
            "domain", Kind.TEXT, "Domain; it must exist.",
            required=True, replaces=True, same=domain_name, form=domain_mistake,
        ),
        Property(
            "mode", Kind.TEXT, "What others shall do.", default="testing",
            choices=("enforce", "testing", "none"),
        ),
        Property(
            "mx", Kind.TEXTS, "Names of the servers that receive; `*.` stands for one label.",
            required=True, same=domain_name, form=_host_mistake,
        ),
        Property(
            "max_age", Kind.WHOLE, "Seconds for which others remember it.", default=604800, least=1
        ),
        Property(
            "active", Kind.FLAG, "Whether it is served.", default=True, readable=False
        ),
    )  # fmt: skip
    limits = (
        (
            "The API has no route to read it: what is served is read instead, where the endpoint "
            "serves `mta-sts.<domain>`; otherwise the last write is remembered."
        ),
        "It cannot be deleted alone, only with its domain: deleting it here switches it off.",
        "One that is switched off cannot be told from none, and is taken over.",
    )
    example = """mailcow.MtaSts(
    "policy",
    domain="example.org",
    mode="testing",
    mx=["mail.example.org"],
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would refuse."""
        if values.get("mx") == []:
            yield "mx", "must name at least one server"
        if len(",".join(map(domain_name, values.get("mx") or []))) > COLUMN:
            yield "mx", f"are longer than {COLUMN} characters together, which is all Mailcow keeps"
        if (values.get("max_age") or 0) > LONGEST:
            yield "max_age", f"must not be greater than {LONGEST}"

    def identity(self, values: Values) -> str:
        """The domain."""
        return domain_name(values["domain"])

    def identity_of(self, row: Row) -> str:
        """The domain."""
        return text(row["domain"])

    async def find(self, session: Session, identity: str, *, listed: bool = False) -> Row | None:
        """Return the served policy; without one, what is known of it is only that it may be."""
        if await session.catalogue.find(DOMAINS, identity, listed=listed) is None:
            return None
        page = await session.client.page(f"mta-sts.{identity}", PAGE)
        return {"domain": identity, "served": page is not None, **_policy(page or "")}

    async def stands(self, session: Session, row: Row) -> bool:
        """Only what is served is seen to be there."""
        del session
        return bool(row["served"])

    def parse(self, row: Row) -> Values:
        """What is served. Nothing, if it is not."""
        if not row["served"]:
            return {"domain": row["domain"]}
        return {
            "domain": row["domain"],
            "mode": text(row.get("mode")),
            "mx": row["mx"],
            "max_age": whole(row.get("max_age")),
            "active": True,
        }

    def _body(self, values: Values) -> Values:
        return {
            "version": VERSION,
            "mode": values["mode"],
            "mx": ",".join(domain_name(name) for name in values["mx"]),
            "max_age": values["max_age"],
            "active": int(bool(values.get("active", True))),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it, or take over the one that is switched off.

        The edit that follows finds out whether it is there: it is refused if not.
        """
        name = self.identity(values)
        try:
            await session.send("add/mta-sts", {"domain": name, **self._body(values)})
        except RefusedError as error:
            if not any("duplicate" in code.lower() for code in error.codes):
                raise
        await session.edit("mta-sts", name, self._body(values))

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit, saying everything; one that turns out not to be there is added."""
        del changed
        try:
            await session.edit("mta-sts", self.identity_of(row), self._body(values))
        except RefusedError as error:
            if "access_denied" not in error.codes:
                raise
            await self.add(session, values)

    async def remove(self, session: Session, row: Row) -> None:
        """Switch it off, and say so to those who remember it."""
        body = {"version": VERSION, "mode": "none", "active": 0}
        await session.edit("mta-sts", self.identity_of(row), body)
