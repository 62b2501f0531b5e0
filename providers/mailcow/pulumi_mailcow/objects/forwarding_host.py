"""Forwarding hosts: servers that hand on mail on others' behalf, and are not blamed for it."""

from collections.abc import Iterable
from typing import Any

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import Kind, Property, Values, text
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.session import Session


def _host(value: str) -> str:
    return value.strip().lower()


def _rows(answer: Any, _: str) -> list[Row]:
    """One row for each declared name: Mailcow keeps one for each address of it."""
    found: dict[str, Row] = {}
    for item in answer if isinstance(answer, list) else []:
        source = _host(text(item.get("source")))
        row = found.setdefault(source, {"source": text(item.get("source")), "hosts": {}})
        row["hosts"][text(item.get("host"))] = item.get("keep_spam") in ("yes", 1, "1", True)
    return list(found.values())


LISTING = Listing(
    name="forwarding_host",
    whole=lambda _: "fwdhost/all",
    key=lambda row: text(row.get("source")),
    rows=_rows,
)


class ForwardingHost(MailcowObject):
    """`fwdhost`."""

    token = "ForwardingHost"  # noqa: S105 - a type name
    noun = "forwarding host"
    doc = "A server that hands on mail on others' behalf: its mail is never refused for SPF."
    listing = LISTING
    import_id = "192.0.2.7 or mx.example.net (as it was added)"
    properties = (
        Property(
            "hostname", Kind.TEXT,
            "IP address, network, or a name, which Mailcow expands to addresses once.",
            required=True, replaces=True, same=_host,
        ),
        Property(
            "filter_spam", Kind.FLAG, "Whether the spam filter may act on its mail.", default=False
        ),
        Property("hosts", Kind.TEXTS, "Addresses that it stands for.", output=True),
    )  # fmt: skip
    limits = (
        "A name is expanded when it is added; later changes of its addresses are not followed.",
        "Mailcow accepts adding the same host twice; here it is refused.",
    )
    example = """mailcow.ForwardingHost(
    "former-provider",
    hostname="192.0.2.7",
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse nothing at all."""
        if values.get("hostname") is not None and not values["hostname"].strip():
            yield "hostname", "must not be empty"

    def identity(self, values: Values) -> str:
        """As declared."""
        return _host(values["hostname"])

    def identity_of(self, row: Row) -> str:
        """As added."""
        return _host(text(row["source"]))

    def parse(self, row: Row) -> Values:
        """`keep_spam` is the opposite of `filter_spam`; hosts of one name may differ in it."""
        kept = set(row["hosts"].values())
        return {
            "hostname": row["source"],
            "filter_spam": not kept.pop() if len(kept) == 1 else None,
            "hosts": sorted(row["hosts"]),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it."""
        filtered = int(bool(values.get("filter_spam")))
        with session.touching(LISTING, self.identity(values)):
            await session.send(
                "add/fwdhost", {"hostname": values["hostname"].strip(), "filter_spam": filtered}
            )

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit each address."""
        del changed
        kept = int(not values.get("filter_spam"))
        with session.touching(LISTING, self.identity_of(row)):
            await session.send(
                "edit/fwdhost", {"items": sorted(row["hosts"]), "attr": {"keep_spam": kept}}
            )

    async def remove(self, session: Session, row: Row) -> None:
        """Delete each address."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/fwdhost", sorted(row["hosts"]))
