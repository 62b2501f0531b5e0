"""App passwords: further passwords of a mailbox, each for some protocols."""

from collections.abc import Iterable

from pulumi_mailcow.catalogue import Listing, Row
from pulumi_mailcow.describe import (
    Kind,
    Property,
    Values,
    address,
    address_mistake,
    asked,
    flag,
    text,
)
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.session import Session

PROTOCOLS = ("imap_access", "smtp_access", "eas_access", "dav_access", "pop3_access",
             "sieve_access")  # fmt: skip
LISTING = Listing(
    name="app_password",
    whole=lambda mailbox: f"app-passwd/all/{asked(mailbox)}",
    group=lambda key: key.rpartition("/")[0],
    key=lambda row: f"{address(text(row.get('mailbox')))}/{row.get('id')}",
)


class AppPassword(MailcowObject):
    """`app-passwd`."""

    token = "AppPassword"  # noqa: S105 - a type name
    noun = "app password"
    doc = "A further password of a mailbox, for one program and some protocols."
    listing = LISTING
    import_id = "info@example.org/4 (mailbox, and the number that the API shows)"
    numbered = True
    properties = (
        Property(
            "username", Kind.TEXT, "Address of the mailbox.",
            required=True, replaces=True, same=address, form=address_mistake,
        ),
        Property("app_name", Kind.TEXT, "What the password is for.", required=True),
        Property(
            "app_passwd", Kind.TEXT,
            "The password. Needed to create one; may be left out for one that was imported.",
            secret=True, readable=False, limit=None,
        ),
        Property(
            "protocols", Kind.TEXTS, "What it opens.", default=list(PROTOCOLS), choices=PROTOCOLS
        ),
        Property("active", Kind.FLAG, "Whether it is in use.", default=True),
    )  # fmt: skip
    limits = (
        "The password is never read back; that it was written is seen by its hash changing.",
        "Adding one does not tell its id; it is found by comparing what is there before and after.",
        "Mailcow stores names as HTML, and again at every edit: < > & and quotes are refused.",
    )
    example = """mailcow.AppPassword(
    "printer",
    username="info@example.org",
    app_name="Printer on the ground floor",
    app_passwd=pulumi.Output.secret("Example-password-2"),
    protocols=["smtp_access"],
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse names that Mailcow would encode or trim, and empty ones."""
        name = values.get("app_name")
        if name is not None and (name in ("", "0") or name != name.strip()):
            yield "app_name", "must not be empty, nor begin or end with a space"
        elif name is not None and set(name) & set("<>&\"'"):
            yield "app_name", "must not hold < > & or quotes: Mailcow encodes them again and again"
        if values.get("app_passwd") == "":
            yield "app_passwd", "must not be empty"

    def identity(self, values: Values) -> str:
        """None before Mailcow has given a number."""
        del values
        return ""

    def identity_of(self, row: Row) -> str:
        """Mailbox and number."""
        return LISTING.key(row)

    def group(self, values: Values) -> str:
        """Those of one mailbox are listed together."""
        return address(values["username"])

    def alike(self, row: Row, values: Values) -> bool:
        """By name."""
        return text(row.get("name")) == text(values["app_name"])

    def parse(self, row: Row) -> Values:
        """Each protocol is a column."""
        return {
            "username": text(row.get("mailbox")),
            "app_name": text(row.get("name")),
            "protocols": [name for name in PROTOCOLS if flag(row.get(name))],
            "active": flag(row.get("active")),
        }

    def _body(self, values: Values) -> Values:
        return {
            "username": address(values["username"]),
            "app_name": values["app_name"],
            "protocols": list(values.get("protocols") or []),
            "active": int(bool(values.get("active", True))),
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it."""
        password = values.get("app_passwd") or ""
        session.catalogue.disturb("app_password")
        await session.send(
            "add/app-passwd",
            {**self._body(values), "app_passwd": password, "app_passwd2": password},
        )

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit, saying everything: what is left out is read from a row that is encoded again."""
        body = self._body(values)
        if "app_passwd" in changed:
            body |= {"app_passwd": values["app_passwd"], "app_passwd2": values["app_passwd"]}
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("app-passwd", row["id"], body)

    async def doubts(
        self, session: Session, before: Row, after: Row, values: Values, changed: set[str]
    ) -> Iterable[str]:
        """A new password has a new hash, even if it is the same."""
        del session, values
        if "app_passwd" in changed and before.get("password") == after.get("password") is not None:
            return ("app_passwd: Mailcow says it was changed, but its hash is the same",)
        return ()

    async def remove(self, session: Session, row: Row) -> None:
        """Delete by number."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/app-passwd", [row["id"]])
