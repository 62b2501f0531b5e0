"""People: mailboxes and aliases, as Mailcow objects."""

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
