"""Mailboxes."""

import asyncio
import logging
from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    address_mistake,
    asked,
    domain_mistake,
    domain_name,
    flag,
    local_part_mistake,
    mebibytes,
    number_text,
    text,
    whole,
)
from pulumi_mailcow.errors import RefusedError
from pulumi_mailcow.objects.base import MailcowObject, Mistake, by_tags, with_names
from pulumi_mailcow.objects.domain import tag_mistakes
from pulumi_mailcow.objects.relayhost import require_relayhost
from pulumi_mailcow.session import Session

_log = logging.getLogger(__name__)
LISTING = Listing(
    name="mailbox",
    single=lambda key: f"mailbox/{asked(key)}",
    whole=lambda domain: f"mailbox/all/{asked(domain)}",
    group=lambda key: key.rpartition("@")[2],
    key=lambda row: text(row.get("username")),
)
PROTOCOLS = ("imap", "pop3", "smtp", "sieve", "eas", "dav")
ACCESS = tuple(f"{protocol}_access" for protocol in PROTOCOLS)
PLAIN = ("name", "quota", "active", "force_pw_update", "force_tfa", "relayhost", "authsource",
         "sogo_access", *ACCESS)  # fmt: skip
ELSEWHERE = {
    "tls_policy": ("tls_enforce_in", "tls_enforce_out"),
    "quarantine_notification": ("quarantine_notification",),
    "quarantine_category": ("quarantine_category",),
}
"""Properties that an edit of the mailbox ignores, by the route that changes them."""
CLOCK_TICK = 1.1
"""Seconds after which Mailcow's note of the last change of a password must read differently."""
SAID = {"eas": "ActiveSync", "dav": "CalDAV and CardDAV", "sieve": "ManageSieve"}


class Mailbox(MailcowObject):
    """`mailbox`."""

    token = "Mailbox"  # noqa: S105 - a type name
    noun = "mailbox"
    doc = (
        "A mailbox. Its password is written when it is created and when the declared one changes; "
        "a person who changes it keeps the new one."
    )
    listing = LISTING
    assembled = True
    import_id = "info@example.org"
    taken = frozenset({"object_exists", "is_alias", "is_spam_alias"})
    properties = (
        Property(
            "local_part", Kind.TEXT, "What stands before the @.",
            required=True, replaces=True, same=lambda value: value.strip().lower(),
            form=local_part_mistake,
        ),
        Property(
            "domain", Kind.TEXT, "Domain of the mailbox; it must exist.",
            required=True, replaces=True, same=domain_name, form=domain_mistake,
        ),
        Property(
            "password", Kind.TEXT,
            "Password, or its hash such as `{BLF-CRYPT}$2y$...`. Needed to create a mailbox; may "
            "be left out for one that was imported.",
            secret=True, readable=False, limit=None,
        ),
        Property("name", Kind.TEXT, "Full name of the person."),
        Property("quota", Kind.WHOLE, "Quota in MiB; 0 is unlimited.", default=3072, least=0),
        Property(
            "active", Kind.WHOLE,
            "1 in use, 0 switched off, 2 receives mail but nobody can sign in.",
            default=1, choices=(0, 1, 2),
        ),
        Property(
            "force_pw_update", Kind.FLAG, "Whether a new password is asked for at the next login.",
            default=False,
        ),
        Property("force_tfa", Kind.FLAG, "Whether a second factor is demanded.", default=False),
        Property(
            "tls_enforce_in", Kind.FLAG, "Whether mail is taken only over TLS.", default=False
        ),
        Property("tls_enforce_out", Kind.FLAG, "Whether mail leaves only over TLS.", default=False),
        Property("sogo_access", Kind.FLAG, "Whether a login leads on to SOGo.", default=True),
        *(
            Property(
                f"{protocol}_access", Kind.FLAG,
                f"Whether {SAID.get(protocol, protocol.upper())} may be used.", default=True,
            )
            for protocol in PROTOCOLS
        ),
        Property(
            "relayhost", Kind.TEXT,
            'Id of the relayhost through which this mailbox sends; "0" is none.',
            default="0", same=number_text,
        ),
        Property(
            "quarantine_notification", Kind.TEXT, "How often quarantined mail is reported.",
            default="hourly", choices=("never", "hourly", "daily", "weekly"),
        ),
        Property(
            "quarantine_category", Kind.TEXT, "What of the quarantine is reported.",
            default="reject", choices=("add_header", "reject", "all"),
        ),
        Property(
            "pw_recovery_email", Kind.TEXT, "Where a forgotten password may be reset from.",
            default="", form=address_mistake,
        ),
        Property(
            "authsource", Kind.TEXT, "Who checks the password.", default="mailcow",
            choices=("mailcow", "keycloak", "generic-oidc", "ldap"),
        ),
        Property("tags", Kind.TEXTS, "Tags, in no order.", default=[]),
        Property("username", Kind.TEXT, "The whole address.", output=True),
    )  # fmt: skip
    limits = (
        (
            "The password is never read back, so a change of it behind Pulumi's back stays unseen; "
            "that it was written is seen by Mailcow's note of the time."
        ),
        "The name cannot be cleared.",
        (
            "Another local part or domain is another mailbox: the old one goes, with its mail. "
            "Protect the resource (`protect=True`)."
        ),
        "What a user may change (`user-acl`) cannot be read, and is not managed here.",
    )
    example = """mailcow.Mailbox(
    "info",
    local_part="info",
    domain="example.org",
    name="Information desk",
    password=pulumi.Output.secret("Example-password-1"),
    quota=2048,
    tags=["role"],
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would refuse or silently change."""
        name = values.get("name")
        if name in ("", "0"):
            yield "name", "cannot be cleared; leave it out to keep what is there"
        elif name and name != name.rstrip(">").lstrip("<"):
            yield "name", "must not begin with < or end with >: Mailcow cuts them off"
        if values.get("password") == "":
            yield "password", "must not be empty"
        yield from tag_mistakes(values)

    def implied(self, values: Values) -> Values:
        """The address follows from its two parts."""
        if values.get("local_part") is None or values.get("domain") is None:
            return {}
        return {"username": self.identity(values)}

    def identity(self, values: Values) -> str:
        """The address."""
        return address(f"{values['local_part'].strip()}@{values['domain']}")

    def identity_of(self, row: Row) -> str:
        """The address."""
        return text(row["username"])

    def parse(self, row: Row) -> Values:
        """The quota comes in bytes; most settings are strings among the attributes."""
        attributes = row.get("attributes") or {}
        flags = ("force_pw_update", "force_tfa", "tls_enforce_in", "tls_enforce_out",
                 "sogo_access", *ACCESS)  # fmt: skip
        return {
            "username": row["username"],
            "local_part": row["local_part"],
            "domain": row["domain"],
            "name": text(row.get("name")),
            "quota": mebibytes(row.get("quota")),
            "active": whole(row.get("active")),
            "relayhost": number_text(attributes.get("relayhost")),
            "quarantine_notification": text(attributes.get("quarantine_notification")),
            "quarantine_category": text(attributes.get("quarantine_category")),
            "pw_recovery_email": text(attributes.get("recovery_email")),
            "authsource": text(row.get("authsource") or "mailcow"),
            "tags": list(row.get("tags") or []),
            **{name: flag(attributes.get(name)) for name in flags},
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it; the address for lost passwords can only be given afterwards."""
        await require_relayhost(session, values)
        username = self.identity(values)
        local_part, _, domain = username.rpartition("@")
        names = [*PLAIN, *(name for route in ELSEWHERE.values() for name in route)]
        body = {
            **with_names(values, names),
            "local_part": local_part,
            "domain": domain,
            "password": values.get("password") or "",
            "password2": values.get("password") or "",
            "tags": values.get("tags") or [],
            "rl_value": 0,
            "rl_frame": "s",
        }
        with session.touching(LISTING, username):
            await session.send("add/mailbox", body)
            if values.get("pw_recovery_email"):
                await session.edit(
                    "mailbox", username, {"pw_recovery_email": values["pw_recovery_email"]}
                )

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit, by the four routes that together can change everything."""
        if "relayhost" in changed:
            await require_relayhost(session, values)
        username = self.identity_of(row)
        sent = with_names(values, (*PLAIN, "password", "pw_recovery_email"), changed)
        if "password" in sent:
            sent["password2"] = sent["password"]
        more, fewer = by_tags(values.get("tags") or [], row.get("tags") or [])
        with session.touching(LISTING, username):
            if "tags" in changed and fewer:
                await session.send(f"delete/mailbox/tag/{asked(username)}", fewer)
            if "tags" in changed and more:
                sent["tags"] = more
            if sent:
                await session.edit("mailbox", username, sent)
            for route, names in ELSEWHERE.items():
                if changed.intersection(names):
                    await session.edit(route, username, with_names(values, names))

    async def doubts(
        self, session: Session, before: Row, after: Row, values: Values, changed: set[str]
    ) -> Iterable[str]:
        """Compare Mailcow's note of when the password was last changed.

        The note counts seconds: if it has not moved, the password is written once more after it
        must have.
        """
        if "password" not in changed or _password_time(before) != _password_time(after):
            return ()
        await asyncio.sleep(CLOCK_TICK)
        await self.change(session, after, values, {"password"})
        again = await self.find(session, self.identity_of(after))
        if again is not None and _password_time(again) != _password_time(before):
            return ()
        return ("password: Mailcow says it was changed, but notes no change of it",)

    def may_be_added(self, values: Values) -> bool:
        """There is no mailbox without a password."""
        return bool(values.get("password"))

    def expendable(self, row: Row) -> bool:
        """Only while no mail is in it."""
        return not (whole(row.get("messages")) or whole(row.get("quota_used")))

    async def complete(
        self, session: Session, row: Row, values: Values, remembered: Values
    ) -> None:
        """Add the mailbox's own alias, without which it cannot send, if it is missing.

        Nothing shows whether it is there, but adding it tells: it is refused if it is. Mailcow
        skips targets that are letter by letter the address, so the address is written otherwise.
        """
        if remembered.get("password") or not values.get("password"):
            return
        username = self.identity_of(row)
        local, _, domain = username.rpartition("@")
        if local.upper() == local:
            return
        body = {"address": f"{local.upper()}@{domain}", "goto": username, "active": 1,
                "sender_allowed": 1, "sogo_visible": 1}  # fmt: skip
        try:
            await session.send("add/alias", body)
        except RefusedError as error:
            if "is_alias_or_mailbox" not in error.codes:
                raise
        else:
            _log.warning("mailbox %s lacked its own address, and got it", username)

    def stub(self, identity: str) -> Row:
        """The address is enough."""
        return {"username": identity}

    async def remove(self, session: Session, row: Row) -> None:
        """Delete, with all mail in it. Aliases that pointed at it are edited or deleted too."""
        username = self.identity_of(row)
        with session.touching(LISTING, username):
            await session.send("delete/mailbox", [username])
        session.catalogue.disturb(
            "alias", "app_password", "bcc", "policy", "rate_limit", "relayhost", "sync_job"
        )


def _password_time(row: Row) -> str:
    return text((row.get("attributes") or {}).get("passwd_update"))
