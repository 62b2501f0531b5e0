"""Domains that Mailcow receives mail for."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    asked,
    domain_mistake,
    domain_name,
    flag,
    mebibytes,
    number_text,
    text,
    whole,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake, by_tags, with_names
from pulumi_mailcow.objects.relayhost import require_relayhost
from pulumi_mailcow.session import Session

LISTING = Listing(
    name="domain",
    single=lambda key: f"domain/{asked(key)}",
    whole=lambda _: "domain/all",
    key=lambda row: text(row.get("domain_name")),
)
TAG_LIMIT = 26
"""Mailcow stops after the index 25, with a warning that is easily missed."""
PLAIN = (
    "description", "active", "aliases", "mailboxes", "defquota", "maxquota", "quota", "relayhost",
    "backupmx", "relay_all_recipients", "relay_unknown_only", "gal",
)  # fmt: skip


def tag_mistakes(values: Values) -> Iterable[Mistake]:
    """Refuse what Mailcow would drop, repeat or not keep."""
    tags = values.get("tags") or []
    if len(tags) > TAG_LIMIT:
        yield "tags", f"Mailcow keeps {TAG_LIMIT} tags at most"
    if len({tag.casefold() for tag in tags}) != len(tags):
        yield "tags", "a tag is named twice; upper and lower case are one to Mailcow"
    if any(not tag or tag == "0" for tag in tags):
        yield "tags", 'a tag must not be empty or "0": Mailcow drops it'


class Domain(MailcowObject):
    """`domain`."""

    token = "Domain"  # noqa: S105 - a type name
    noun = "domain"
    doc = (
        "A domain that Mailcow receives mail for. No DKIM key is made with it: "
        "declare a `DkimKey` where Mailcow shall sign."
    )
    listing = LISTING
    import_id = "example.org"
    taken = frozenset({"domain_exists"})
    properties = (
        Property(
            "domain", Kind.TEXT, "Name of the domain; must differ from MAILCOW_HOSTNAME.",
            required=True, replaces=True, same=domain_name, form=domain_mistake,
        ),
        Property(
            "description", Kind.TEXT,
            "Description. Mailcow puts the domain's name where none is given.",
        ),
        Property("active", Kind.FLAG, "Whether the domain is in use.", default=True),
        Property("aliases", Kind.WHOLE, "Greatest number of aliases.", default=400, least=1),
        Property("mailboxes", Kind.WHOLE, "Greatest number of mailboxes.", default=10, least=0),
        Property(
            "defquota", Kind.WHOLE, "Quota of a new mailbox in MiB.", default=3072, least=1
        ),
        Property(
            "maxquota", Kind.WHOLE, "Greatest quota of one mailbox in MiB.", default=10240, least=1
        ),
        Property(
            "quota", Kind.WHOLE, "Quota of all mailboxes together in MiB.", default=10240, least=1
        ),
        Property(
            "relayhost", Kind.TEXT,
            'Id of the relayhost through which mail from this domain leaves; "0" is none.',
            default="0", same=number_text,
        ),
        Property(
            "backupmx", Kind.FLAG, "Whether mail is relayed to another server.", default=False
        ),
        Property(
            "relay_all_recipients", Kind.FLAG,
            "Whether every recipient is relayed; needs `backupmx`.", default=False,
        ),
        Property(
            "relay_unknown_only", Kind.FLAG,
            "Whether only recipients without a mailbox are relayed; needs `relay_all_recipients`.",
            default=False,
        ),
        Property("gal", Kind.FLAG, "Whether it has a global address list.", default=True),
        Property("tags", Kind.TEXTS, "Tags, in no order.", default=[]),
        Property(
            "restart_sogo", Kind.FLAG,
            "Whether SOGo is restarted when the domain is added, so that it learns of it at once.",
            default=False, readable=False, only_at_creation=True,
        ),
    )  # fmt: skip
    limits = (
        "The description cannot be cleared: left out, it stays as it is.",
        "`aliases` cannot be set to 0.",
        "A domain cannot be renamed: another name is another domain.",
        (
            "A domain with mailboxes or resources refuses to be deleted; aliases, alias domains, "
            "BCC maps, policies and MTA-STS policy go with it."
        ),
        "Its DKIM key survives its deletion; a `DkimKey` resource removes it.",
    )
    example = """mailcow.Domain(
    "company",
    domain="example.org",
    description="The company",
    mailboxes=50,
    maxquota=10240,
    quota=102400,
    tags=["company"],
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would refuse, or would silently turn into something else."""
        if values.get("description") in ("", "0"):
            yield "description", "cannot be cleared; leave it out to keep what is there"
        for small, large in (("defquota", "maxquota"), ("maxquota", "quota")):
            if values.get(small) and values.get(large) and values[small] > values[large]:
                yield small, f"must not be greater than `{large}`"
        if values.get("relay_all_recipients") and values.get("backupmx") is False:
            yield "relay_all_recipients", "needs `backupmx`: Mailcow switches it on by itself"
        if values.get("relay_unknown_only") and values.get("relay_all_recipients") is False:
            yield "relay_unknown_only", "needs `relay_all_recipients`: Mailcow switches it on"
        yield from tag_mistakes(values)

    def identity(self, values: Values) -> str:
        """The domain's name in ASCII."""
        return domain_name(values["domain"])

    def identity_of(self, row: Row) -> str:
        """The domain's name in ASCII."""
        return text(row["domain_name"])

    def parse(self, row: Row) -> Values:
        """Quotas come in bytes, limits under other names than they are written with."""
        return {
            "domain": row["domain_name"],
            "description": text(row.get("description")),
            "active": flag(row.get("active")),
            "aliases": whole(row.get("max_num_aliases_for_domain")),
            "mailboxes": whole(row.get("max_num_mboxes_for_domain")),
            "defquota": mebibytes(row.get("def_quota_for_mbox")),
            "maxquota": mebibytes(row.get("max_quota_for_mbox")),
            "quota": mebibytes(row.get("max_quota_for_domain")),
            "relayhost": number_text(row.get("relayhost")),
            "backupmx": flag(row.get("backupmx")),
            "relay_all_recipients": flag(row.get("relay_all_recipients")),
            "relay_unknown_only": flag(row.get("relay_unknown_only")),
            "gal": flag(row.get("gal")),
            "tags": list(row.get("tags") or []),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it without a DKIM key; bind the relayhost afterwards, as adding ignores it."""
        await require_relayhost(session, values)
        name = self.identity(values)
        body = {
            **with_names(values, PLAIN),
            "domain": name,
            "tags": values.get("tags") or [],
            "key_size": 0,
            "rl_value": 0,
            "restart_sogo": int(bool(values.get("restart_sogo"))),
        }
        body.pop("relayhost", None)
        with session.touching(LISTING, name):
            await session.send("add/domain", body)
            if number_text(values.get("relayhost")) != "0":
                await session.edit("domain", name, {"relayhost": values["relayhost"]})

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit; tags have routes of their own, as an edit only appends."""
        if "relayhost" in changed:
            await require_relayhost(session, values)
        name = self.identity_of(row)
        sent = with_names(values, PLAIN, changed)
        more, fewer = by_tags(values.get("tags") or [], row.get("tags") or [])
        with session.touching(LISTING, name):
            if "tags" in changed and fewer:
                await session.send(f"delete/domain/tag/{asked(name)}", fewer)
            if "tags" in changed and more:
                sent["tags"] = more
            if sent:
                await session.edit("domain", name, sent)

    async def remove(self, session: Session, row: Row) -> None:
        """Delete. Mailcow refuses while anything is left in the domain."""
        name = self.identity_of(row)
        with session.touching(LISTING, name):
            await session.send("delete/domain", [name])
        session.catalogue.disturb(
            "alias", "bcc", "policy", "domain_admin", "rate_limit", "relayhost"
        )
