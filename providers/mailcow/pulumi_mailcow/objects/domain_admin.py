"""Domain administrators: people who look after some domains."""

import re
import uuid
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
    text,
)
from pulumi_mailcow.errors import MissingError
from pulumi_mailcow.objects.base import MailcowObject, Mistake
from pulumi_mailcow.objects.domain import LISTING as DOMAINS
from pulumi_mailcow.session import Session

LISTING = Listing(
    name="domain_admin",
    single=lambda key: f"domain-admin/{asked(key)}",
    whole=lambda _: "domain-admin/all",
    key=lambda row: text(row.get("username")),
)
FLAGS = ("force_tfa", "force_pw_update")


class DomainAdmin(MailcowObject):
    """`domain-admin`."""

    token = "DomainAdmin"  # noqa: S105 - a type name
    noun = "domain administrator"
    doc = "A person who may look after some domains, and nothing else."
    listing = LISTING
    import_id = "anna (the user name)"
    taken = frozenset({"object_exists"})
    properties = (
        Property(
            "username", Kind.TEXT, "User name: letters, digits, dots, hyphens, underscores.",
            required=True, replaces=True, same=lambda value: value.strip().lower(),
        ),
        Property(
            "password", Kind.TEXT,
            "Password. Needed to create one; may be left out for one that was imported.",
            secret=True, readable=False, limit=None,
        ),
        Property(
            "domains", Kind.TEXTS, "Domains to look after, in no order; they must exist.",
            required=True, same=domain_name, form=domain_mistake,
        ),
        Property("active", Kind.FLAG, "Whether the person may sign in.", default=True),
        Property("force_tfa", Kind.FLAG, "Whether a second factor is demanded.", default=False),
        Property(
            "force_pw_update", Kind.FLAG, "Whether a new password is asked for at the next login.",
            default=False,
        ),
    )  # fmt: skip
    limits = (
        "The password is never read back, and nothing shows that a change of it arrived.",
        "The last domain cannot be taken away; delete the administrator.",
        "Another user name is another administrator, with the declared password.",
        "What an administrator may do (`da-acl`) cannot be read, and is not managed here.",
    )
    example = """mailcow.DomainAdmin(
    "anna",
    username="anna",
    password=pulumi.Output.secret("Example-password-3"),
    domains=["example.org"],
    opts=opts,
)"""

    def own_mistakes(self, values: Values) -> Iterable[Mistake]:
        """Refuse what Mailcow would refuse, or keep silently."""
        name = values.get("username")
        if name is not None and not re.fullmatch(
            r"[a-z0-9_.-]*[a-z0-9][a-z0-9_.-]*", name.strip().lower()
        ):
            yield "username", "must be letters, digits, dots, hyphens and underscores"
        if values.get("domains") == []:
            yield "domains", "must name at least one"
        if values.get("password") == "":
            yield "password", "must not be empty"

    def identity(self, values: Values) -> str:
        """The user name."""
        return text(values["username"]).strip().lower()

    def identity_of(self, row: Row) -> str:
        """The user name."""
        return text(row["username"])

    def parse(self, row: Row) -> Values:
        """The domains have a name of their own, and two flags stand among the attributes."""
        attributes = row.get("attributes") or {}
        return {
            "username": row["username"],
            "domains": list(row.get("selected_domains") or []),
            "active": flag(row.get("active")),
            **{name: flag(attributes.get(name)) for name in FLAGS},
        }

    async def _domains(self, session: Session, values: Values) -> list[str]:
        names = [domain_name(name) for name in values["domains"]]
        for name in names:
            if await session.catalogue.find(DOMAINS, name) is None:
                msg = f"domain {name} does not exist; Mailcow would make the rest and stumble later"
                raise MissingError(msg)
        return names

    def _edit(self, domains: list[str], values: Values) -> Values:
        # An edit resets what it does not mention.
        return {
            "domains": domains,
            "active": int(bool(values.get("active", True))),
            **{name: int(bool(values.get(name))) for name in FLAGS},
        }

    async def add(self, session: Session, values: Values) -> None:
        """Add it; what adding ignores is put right by the change that follows."""
        domains = await self._domains(session, values)
        body = {
            "username": self.identity(values),
            "password": values.get("password") or "",
            "password2": values.get("password") or "",
            "domains": domains,
            "active": int(bool(values.get("active", True))),
        }
        with session.touching(LISTING, self.identity(values)):
            await session.send("add/domain-admin", body)

    async def change(self, session: Session, row: Row, values: Values, changed: set[str]) -> None:
        """Edit."""
        body = self._edit(await self._domains(session, values), values)
        if "password" in changed:
            body |= {"password": values["password"], "password2": values["password"]}
        with session.touching(LISTING, self.identity_of(row)):
            await session.edit("domain-admin", row["username"], body)

    async def sweep(self, session: Session, identity: str) -> bool:
        """Have those without a domain removed, who are not shown and keep their name.

        Whatever domain is deleted, Mailcow removes them after it; this one nobody can have
        (RFC 2606, section 2).
        """
        del identity
        await session.send("delete/domain", [f"{uuid.uuid4().hex}.invalid"])
        return True

    async def remove(self, session: Session, row: Row) -> None:
        """Delete."""
        with session.touching(LISTING, self.identity_of(row)):
            await session.send("delete/domain-admin", [row["username"]])
