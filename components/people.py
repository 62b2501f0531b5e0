"""People: mailboxes and aliases, as Mailcow objects."""

from collections.abc import Sequence

from pydantic import Field

from components.settings import LocalPart, Settings


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
    """Must be true when a target lies outside the domain. Danger: forwarded mail fails SPF at its
    destination, and the data may leave the EU."""


def local_target(target: str, domain: str) -> str | None:
    """Return the local part of an alias target within the domain, None for one outside."""
    local, at, place = target.strip().lower().partition("@")
    return local if not at or place == domain else None


def names_of(mailboxes: Sequence[MailboxSettings], aliases: Sequence[AliasSettings]) -> list[str]:
    """Return the local parts under which mail is accepted, mailboxes first."""
    return [*(one.name for one in mailboxes), *(one.name for one in aliases)]
