"""The smarthost: every outbound message leaves through it, over TLS, with a login."""

from typing import Any

from pydantic import Field, field_validator

from declaration.mistakes import quoted, suggestion
from declaration.residency import WITHIN_EU
from declaration.settings import Day, DomainName, HostLabel, Settings
from declaration.smarthost_providers import (
    FIRST_SELECTOR,
    IMPLICIT_TLS,
    OTHER,
    PROVIDERS,
    SUBMISSION,
    SmarthostProvider,
    unlisted,
)


class SecondSelectorSettings(Settings):
    """A DKIM selector that is published beside the one under which the smarthost signs.

    It is the next one before the smarthost signs with it, and the last one after that, for as long
    as messages are on their way that bear its signature.
    """

    selector: HostLabel
    """The selector."""
    public_key: str = Field(min_length=1)
    """Value of its DKIM record, as the smarthost's account shows it: `p=MIGf...`."""
    until: Day
    """Last day on which it may be published; afterwards it is a violation. A retired key that
    stays is one more that can be stolen or broken."""


def _usual_region(given: dict[str, Any]) -> str:
    """Return the first region in the EU of the provider that is declared; empty without one."""
    row = PROVIDERS.get(given.get("provider", ""))
    regions = row.regions.items() if row else ()
    return next((name for name, country in regions if country in WITHIN_EU), "")


class SmarthostSettings(Settings):
    """The one line to change for another smarthost is `provider`."""

    provider: str = "resend"
    """Row of the provider table: server, ports, user, the records its account asks for. `other`
    is any smarthost by its host name, an ordinary relay that keeps the envelope sender; `host`,
    `user`, `region` and `spfInclude` are then declared, and DKIM as its account shows it."""
    region: str = Field(default_factory=_usual_region)
    """Region of the account, by default the provider's first in the EU. Where the table knows of no
    regions, as of `other`, it is the country in which mail is handled (ISO 3166-1, such as DE).
    Data stays in the EU: anything but an EU region is refused."""
    port: int | None = Field(None, ge=1, le=65535)
    """Port at the smarthost, 587 if null. Many providers of hosts shut 25 outwards, some 465 and
    587 as well: take one of the others that the smarthost offers. On 465 and 2465 TLS begins with
    the first byte, on the others by STARTTLS; without TLS nothing is ever sent."""
    envelope_label: HostLabel = "send"
    """Label under the domain of the envelope sender that the smarthost writes; SPF and the
    feedback MX stand there. Smarthosts that write no such sender ignore it."""
    selector: HostLabel = FIRST_SELECTOR
    """DKIM selector under which the smarthost signs."""
    second_selector: SecondSelectorSettings | None = None
    """DKIM selector that is published as well, while selectors are changed; none if null."""
    dkim_names: dict[HostLabel, DomainName] = Field(default_factory=dict)
    """Selectors that are published as names to point at (CNAME), where the account shows those
    instead of a key: `{brevo1: b1.example-com.dkim.brevo.com}`. Then `dkimPublicKey` is not asked
    for, `selector` is one of them, and the smarthost changes its keys by itself."""
    verification: str | None = Field(None, pattern=r"^[!-~ ]{1,255}$")
    """Text that the account wants to see at the domain itself (TXT), such as
    `brevo-code:...`; none if null."""
    user: str | None = Field(None, pattern=r"^[!-~]{1,128}$")
    """Login name, where the provider gives each account its own; none if null."""
    host: DomainName | None = None
    """Submission server of `other`; a provider of the table has its own."""
    implicit_tls: bool | None = None
    """For `other`: whether TLS begins with the first byte on its port; by default it does on 465
    and 2465, and begins by STARTTLS on any other."""
    spf_include: DomainName | None = None
    """For `other`: domain whose SPF record lists its senders. `zone.apexSpf` must include it, for
    the envelope sender stays in the domain itself."""

    @field_validator("provider")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PROVIDERS and value != OTHER:
            known = (*PROVIDERS, OTHER)
            msg = f"{quoted(value)} is none of {', '.join(known)}{suggestion(value, known)}"
            raise ValueError(msg)
        return value

    @property
    def row(self) -> SmarthostProvider:
        """The row of the provider table, or one made of what is declared."""
        if self.provider != OTHER:
            return PROVIDERS[self.provider]
        port = self.port or SUBMISSION
        implicit_tls = port in IMPLICIT_TLS if self.implicit_tls is None else self.implicit_tls
        return unlisted(self.host or "", self.spf_include or "", port, implicit_tls=implicit_tls)


class TransactionalSender(Settings):
    """A service that talks to the smarthost's API by itself.

    Declared only so that checks can tell its mail from the company's; nothing is deployed.
    """

    name: str
    """What the service is called."""
    domain: DomainName
    """Domain in its From address."""
    selector: HostLabel | None = None
    """Its DKIM selector, if it is not the company's."""
