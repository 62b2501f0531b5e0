"""Aliases: addresses that hand on to others."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    address_mistake,
    asked,
    either_mistake,
    flag,
    sent_address,
    text,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake, with_names
from pulumi_mailcow.session import Session

SPECIAL = {
    "null@localhost": "goto_null",
    "spam@localhost": "goto_spam",
    "ham@localhost": "goto_ham",
}
"""Targets that are not addresses, and the property that stands for each."""
FLAGS = ("active", "sogo_visible", "sender_allowed", "internal")
COMMENTS = ("public_comment", "private_comment")
COMMENT_LIMIT = 160
"""Greatest length of a comment in bytes."""
LISTING = Listing(
    name="alias",
    single=lambda key: f"alias/{asked(key)}",
    whole=lambda domain: f"alias/all/{asked(domain)}",
    group=lambda key: key.rpartition("@")[2],
    key=lambda row: text(row.get("address")),
)


def _target_mistake(value: str) -> str | None:
    # The sinks have a property each, and a word of their own.
    return None if value.strip().lower() in SPECIAL else address_mistake(value)


class Alias(MailcowObject):
    """`alias`."""

    token = "Alias"  # noqa: S105 - a type name
    noun = "alias"
    doc = "An address that hands on to others, or to nobody, or to the spam filter's training."
    listing = LISTING
    import_id = "abuse@example.org"
    taken = frozenset({"is_alias_or_mailbox", "is_spam_alias"})
    properties = (
        Property(
            "address", Kind.TEXT,
            "The address; `@example.org` takes whatever else arrives for the domain.",
            required=True, replaces=True, same=address, form=either_mistake,
        ),
        Property(
            "goto", Kind.TEXTS, "Addresses it hands on to, in no order.", default=[], same=address,
            form=_target_mistake,
        ),
        Property("goto_null", Kind.FLAG, "Throw the mail away.", default=False),
        Property("goto_spam", Kind.FLAG, "Learn the mail as spam.", default=False),
        Property("goto_ham", Kind.FLAG, "Learn the mail as wanted.", default=False),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
        Property("sogo_visible", Kind.FLAG, "Whether SOGo offers it as a sender.", default=True),
        Property(
            "sender_allowed", Kind.FLAG, "Whether its targets may send under it.", default=True
        ),
        Property(
            "internal", Kind.FLAG, "Whether only local senders may write to it.", default=False
        ),
        Property(
            "public_comment", Kind.TEXT, "Comment that its users see.", default="", limit=None
        ),
        Property(
            "private_comment", Kind.TEXT, "Comment for administrators.", default="", limit=None
        ),
    )  # fmt: skip
    limits = (
        (
            "A target that Mailcow does not accept is dropped and the alias made without it: "
            "this is reported, and the next run tries again."
        ),
        "Deleting a mailbox edits or deletes the aliases that lead to it.",
        "Another address is another alias here, so that its id stays its address.",
    )
    example = """mailcow.Alias(
    "postmaster",
    address="postmaster@example.org",
    goto=["info@example.org"],
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would split, drop or ignore."""
        own, targets = values.get("address"), values.get("goto")
        if own is not None and "@" not in own:
            yield "address", "must be one address, or @ and a domain"
        for target in targets or []:
            if target.strip().lower() in SPECIAL:
                yield "goto", f"say `{SPECIAL[target.strip().lower()]}` instead of {target}"
            elif own and address(target) == address(own):
                yield "goto", "an alias cannot lead to itself"
        chosen = [name for name in SPECIAL.values() if values.get(name)]
        if targets is not None and len(chosen) + bool(targets) != 1:
            yield "goto", "declare targets, or exactly one of goto_null, goto_spam and goto_ham"
        for name in COMMENTS:
            if len((values.get(name) or "").encode()) > COMMENT_LIMIT:
                yield name, f"is longer than {COMMENT_LIMIT} bytes"

    def identity(self, values: Values) -> str:
        """The address, in lower case: Mailcow looks it up so."""
        return address(values["address"])

    def identity_of(self, row: Row) -> str:
        """The address, in lower case."""
        return address(text(row["address"]))

    def parse(self, row: Row) -> Values:
        """The targets are one text."""
        goto = text(row.get("goto"))
        targets = [part.strip() for part in goto.split(",") if part.strip()]
        return {
            "address": text(row["address"]),
            "goto": [] if goto in SPECIAL else targets,
            **{name: goto == target for target, name in SPECIAL.items()},
            **{name: flag(row.get(name)) for name in FLAGS},
            **{name: text(row.get(name)) for name in COMMENTS},
        }

    def _targets(self, values: Values) -> Values:
        for name in SPECIAL.values():
            if values.get(name):
                return {name: 1}
        return {"goto": ",".join(sent_address(target) for target in values["goto"])}

    async def add(self, session: Session, values: Values) -> None:
        """Add it with everything said: what is left out would mean 0."""
        body = {
            "address": sent_address(values["address"]),
            **self._targets(values),
            **with_names(values, (*FLAGS, *COMMENTS)),
        }
        with session.touching(LISTING, self.identity(values)):
            await session.send("add/alias", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit by number: an address that begins with digits could name another alias."""
        # An edit that does not say where a sink leads is refused: its target is no address.
        sent = {**with_names(values, (*FLAGS, *COMMENTS), changed), **self._targets(values)}
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("alias", row["id"], sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number, for the same reason."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/alias", [row["id"]])
