"""People: mailboxes and aliases, as Mailcow objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pydantic import Field

import pulumi_mailcow as mailcow
from components.settings import LocalPart, Settings

if TYPE_CHECKING:  # the declaration is made of these settings
    from components.declaration import Declaration

_NO_LIMIT = 10_000
"""Mailboxes and aliases that Mailcow lets the domain have. The declaration is the limit; one that
followed their number would have to be raised before an addition and lowered after a removal."""
_DEFAULT_QUOTA_MIB = 3072


class MailboxSettings(Settings):
    """A mailbox of a person or of a role."""

    name: LocalPart
    """Local part of the address."""
    full_name: str = Field(min_length=1, max_length=100)
    """Name shown to correspondents."""
    quota_mib: int = Field(gt=0)
    """Quota in MiB."""
    published: bool = False
    """Whether the address stands on the website, so that it must always exist."""


class AliasSettings(Settings):
    """An address that hands on to others."""

    name: LocalPart
    """Local part of the address."""
    to: tuple[str, ...] = Field(min_length=1)
    """Local parts of mailboxes or aliases of the domain, or whole addresses elsewhere."""
    published: bool = False
    """Whether the address stands on the website, so that it must always exist."""
    outside: bool = False
    """Must be true when a target lies outside the domain. Danger: the data may leave the EU."""
    own_people_alone: bool = False
    """Must be true as well when a target lies outside the domain: what a stranger writes to this
    address never arrives there, and he gets it back. It would leave through the smarthost under
    his name, and smarthosts take mail of the account's own domain alone (Resend answers 550, Amazon
    SES 554). Only what people of the domain write is handed on."""


def local_target(target: str, domain: str) -> str | None:
    """Return the local part of an alias target within the domain, None for one outside."""
    local, at, place = target.strip().lower().partition("@")
    return local if not at or place == domain else None


def names_of(mailboxes: Sequence[MailboxSettings], aliases: Sequence[AliasSettings]) -> list[str]:
    """Return the local parts under which mail is accepted, mailboxes first."""
    return [*(one.name for one in mailboxes), *(one.name for one in aliases)]


def goto(alias: AliasSettings, domain: str) -> list[str]:
    """Return the whole addresses to which an alias hands on, in the order of the declaration."""
    local = {target: local_target(target, domain) for target in alias.to}
    return [f"{local[one]}@{domain}" if local[one] else one.lower() for one in alias.to]


@dataclass(frozen=True)
class PeopleArgs:
    """What people are made from.

    Attributes:
        declaration: The declaration.
        passwords: First password of each mailbox, by local part. A person who changes it keeps
            the new one; changing the declared one sets it again.
    """

    declaration: "Declaration"
    passwords: Mapping[str, pulumi.Input[str]]


class PeopleComponent(pulumi.ComponentResource):
    """The mail domain in Mailcow, its mailboxes and its aliases.

    Mailcow makes no DKIM key for the domain: the smarthost signs.

    Deleting a mailbox deletes its mail, so mailboxes are protected unless the declaration says
    otherwise: one that was taken out of the declaration by mistake, or renamed, is refused with
    its name, and `pulumi state unprotect` is the deliberate second step. They are not retained on
    delete: a mailbox that the state has forgotten still receives mail and still lets its owner
    log in, which nobody would notice.

    Attributes:
        domain: The domain.
        mailboxes: Mailboxes by local part.
        aliases: Aliases by local part.
    """

    domain: mailcow.Domain
    mailboxes: dict[str, mailcow.Mailbox]
    aliases: dict[str, mailcow.Alias]

    def __init__(
        self, name: str, args: PeopleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mail:components:People", name, None, opts)
        declaration = args.declaration
        disk_mib = declaration.host.disk_gib * 1024
        self.domain = mailcow.Domain(
            "domain",
            domain=declaration.domain,
            description=declaration.company,
            mailboxes=_NO_LIMIT,
            aliases=_NO_LIMIT,
            defquota=min(_DEFAULT_QUOTA_MIB, disk_mib),
            maxquota=disk_mib,
            quota=disk_mib,
            # SOGo learns of a domain only when it starts.
            restart_sogo=not declaration.mailcow.skip_sogo,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.mailboxes = {
            one.name: self._mailbox(one, declaration, args.passwords[one.name])
            for one in declaration.mailboxes
        }
        self.aliases = {one.name: self._alias(one, declaration) for one in declaration.aliases}
        self.register_outputs({})

    def _mailbox(
        self, settings: MailboxSettings, declaration: "Declaration", password: pulumi.Input[str]
    ) -> mailcow.Mailbox:
        return mailcow.Mailbox(
            f"mailbox-{settings.name}",
            local_part=settings.name,
            domain=declaration.domain,
            name=settings.full_name,
            quota=settings.quota_mib,
            password=pulumi.Output.secret(password),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[self.domain], protect=declaration.protect_mailboxes
            ),
        )

    def _alias(self, settings: AliasSettings, declaration: "Declaration") -> mailcow.Alias:
        domain = declaration.domain
        targets = [local_target(one, domain) for one in settings.to]
        return mailcow.Alias(
            f"alias-{settings.name}",
            address=f"{settings.name}@{domain}",
            goto=goto(settings, domain),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[
                    self.domain,
                    *(self.mailboxes[one] for one in targets if one in self.mailboxes),
                ],
            ),
        )
