"""People: mailboxes and aliases."""

import re
from collections.abc import Sequence

from pydantic import Field, field_validator

from declaration.mistakes import quoted
from declaration.settings import Day, DomainName, HostLabel, LocalPart, Settings, ShownName

NAME_BYTES = 255
"""What Mailcow's column for a name takes."""


class MailboxSettings(Settings):
    """A mailbox of a person or of a role."""

    name: LocalPart
    """Local part of the address."""
    full_name: ShownName = Field(min_length=1, max_length=100)
    """Name shown to correspondents."""
    quota_mib: int = Field(gt=0)
    """Quota in MiB."""
    published: bool = False
    """Whether the address stands on the website, so that it must always exist."""

    @field_validator("full_name")
    @classmethod
    def _as_mailcow_keeps_it(cls, value: str) -> str:
        if re.search("[<>]", value):
            msg = f"{quoted(value)} has < or >, which Mailcow refuses; the name alone, no address"
            raise ValueError(msg)
        if len(value.encode()) > NAME_BYTES:
            msg = f"has more than {NAME_BYTES} bytes, which Mailcow does not keep; shorten it"
            raise ValueError(msg)
        return value


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


class ImportSettings(Settings):
    """Old mail that is moved in: what lies in a mailbox elsewhere is fetched, again and again.

    It ends on a day by which everybody writes to the new address. What was fetched stays where it
    was, too. The password there is a secret of its own, `importPassword.<name>`.
    """

    name: HostLabel
    """What it is called, such as `gmail`."""
    mailbox: LocalPart
    """Local part of the mailbox that gets the mail."""
    server: DomainName
    """IMAP server to fetch from, such as `imap.gmail.com`."""
    port: int = Field(993, ge=1, le=65535)
    """Its port: TLS begins with the first byte on 993, and by STARTTLS on any other."""
    user: str = Field(pattern=r"^[!-~]{1,255}$")
    """Login name there, mostly the old address."""
    folder: str = Field("", pattern=r"^[^/\x00-\x1f]{0,64}$")
    """Folder of the mailbox into which it is fetched; empty for the folders that it lies in."""
    every_minutes: int = Field(20, ge=1, le=1440)
    """Minutes between two runs."""
    until: Day
    """Last day on which it runs; from the next day on it has to be taken out. Danger: as long as
    it is declared, the password of the old account lies in Mailcow, readable with an API key."""


def local_target(target: str, domain: str) -> str | None:
    """Return the local part of an alias target within the domain, None for one outside."""
    local, at, place = target.strip().lower().partition("@")
    return local if not at or place == domain else None


def untagged(local: str) -> str:
    """Return a local part without the tag that Postfix leaves to the reader (`+reports`)."""
    return local.partition("+")[0] or local


def names_of(mailboxes: Sequence[MailboxSettings], aliases: Sequence[AliasSettings]) -> list[str]:
    """Return the local parts under which mail is accepted, mailboxes first."""
    return [*(person.name for person in mailboxes), *(person.name for person in aliases)]


def goto(alias: AliasSettings, domain: str) -> list[str]:
    """Return the whole addresses to which an alias hands on, in the order of the declaration."""
    local = {target: local_target(target, domain) for target in alias.to}
    return [f"{local[target]}@{domain}" if local[target] else target.lower() for target in alias.to]
