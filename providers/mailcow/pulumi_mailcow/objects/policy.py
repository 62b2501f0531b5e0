"""Policies of domains and mailboxes: senders that are always, or never, let in."""

from collections.abc import Iterable
from typing import Any

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    address_mistake,
    asked,
    domain_mistake,
    text,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.session import Session


def _sender(value: str) -> str:
    return value.strip().lower()


def _key(row: Row) -> str:
    return f"{address(text(row['object']))}/{row['list']}/{_sender(text(row['value']))}"


def _rows(answer: Any, group: str) -> list[Row]:
    # The list of a domain holds those of its mailboxes too, and the other way round.
    owner, _, kind = group.rpartition("/")
    found = answer if isinstance(answer, list) else []
    rows = [{**row, "list": kind} for row in found]
    return [row for row in rows if address(text(row["object"])) == owner]


def _listing(route: str) -> Listing:
    def whole(group: str) -> str:
        owner, _, kind = group.rpartition("/")
        return f"policy_{kind}_{route}/{asked(owner)}"

    return Listing(
        name="policy",
        whole=whole,
        group=lambda key: key.rpartition("/")[0],
        key=_key,
        rows=_rows,
    )


class _Policy(MailcowObject):
    """What domains and mailboxes have in common."""

    owner: str
    """Property that says whose policy it is."""
    route: str
    taken = frozenset({"policy_list_from_exists"})
    delete_first = True
    limits = (
        "An entry cannot be edited: any change replaces it.",
        "A sender stands on one of the two lists only.",
    )

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse characters that Mailcow does not take."""
        sender = values.get("object_from")
        if sender is not None:
            plain = _sender(sender).translate(str.maketrans("", "", "@_.-*"))
            if not (plain.isascii() and plain.isalnum()):
                yield "object_from", "must be letters, digits and @ _ . - * only"

    def identity(self, values: Values) -> str:
        """Whose, which list, and who."""
        owner = address(values[self.owner])
        return f"{owner}/{values['object_list']}/{_sender(values['object_from'])}"

    def identity_of(self, row: Row) -> str:
        """Whose, which list, and who."""
        return _key(row)

    def parse(self, row: Row) -> Values:
        """As they are."""
        return {
            self.owner: text(row["object"]),
            "object_list": row["list"],
            "object_from": text(row["value"]),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it."""
        body = {
            self.owner: address(values[self.owner]),
            "object_list": values["object_list"],
            "object_from": _sender(values["object_from"]),
        }
        with session.touching(self.listing, self.identity(values)):
            await session.send(f"add/{self.route}", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Nothing of an entry can be changed in place."""
        raise NotImplementedError

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number."""
        with session.touching(self.listing, self.identity_of(row)):
            await session.send(f"delete/{self.route}", [row["prefid"]])


def _properties(owner: Property) -> tuple[Property, ...]:
    return (
        owner,
        Property(
            "object_list", Kind.TEXT, "`wl` is always let in, `bl` never.",
            required=True, replaces=True, choices=("wl", "bl"),
        ),
        Property(
            "object_from", Kind.TEXT, "Sender; `*` stands for anything.",
            required=True, replaces=True, same=_sender, limit=100,
        ),
    )  # fmt: skip


class DomainPolicy(_Policy):
    """`domain-policy`."""

    token = "DomainPolicy"  # noqa: S105 - a type name
    noun = "domain policy"
    doc = "A sender that the spam filter always, or never, lets in to a domain."
    owner = "domain"
    route = "domain-policy"
    listing = _listing("domain")
    import_id = "example.org/wl/*@partner.example.net (domain, list, sender)"
    properties = _properties(
        Property(
            "domain", Kind.TEXT, "Domain; it must exist.",
            required=True, replaces=True, same=address, form=domain_mistake,
        )
    )  # fmt: skip
    example = """mailcow.DomainPolicy(
    "partner",
    domain="example.org",
    object_list="wl",
    object_from="*@partner.example.net",
    opts=opts,
)"""


class MailboxPolicy(_Policy):
    """`mailbox-policy`."""

    token = "MailboxPolicy"  # noqa: S105 - a type name
    noun = "mailbox policy"
    doc = "A sender that the spam filter always, or never, lets in to a mailbox."
    owner = "username"
    route = "mailbox-policy"
    listing = _listing("mailbox")
    import_id = "info@example.org/bl/*@spam.example.net (mailbox, list, sender)"
    properties = _properties(
        Property(
            "username", Kind.TEXT, "Address of the mailbox; it must exist.",
            required=True, replaces=True, same=address, form=address_mistake,
        )
    )  # fmt: skip
    example = """mailcow.MailboxPolicy(
    "nuisance",
    username="info@example.org",
    object_list="bl",
    object_from="*@spam.example.net",
    opts=opts,
)"""
