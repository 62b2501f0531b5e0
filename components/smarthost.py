"""The smarthost: every outbound message leaves through it, over TLS, with a login."""

from enum import StrEnum

from components.settings import DomainName, HostLabel, Settings


class SmarthostProvider(StrEnum):
    """Who relays the outbound mail. Each is one row of the provider table."""

    RESEND = "resend"


class ResendRegion(StrEnum):
    """Resend's regions; the Amazon SES region decides where the mail data lies."""

    IRELAND = "eu-west-1"
    VIRGINIA = "us-east-1"
    SAO_PAULO = "sa-east-1"
    TOKYO = "ap-northeast-1"


class SmarthostSettings(Settings):
    """The one line to change for another smarthost is `provider`."""

    provider: SmarthostProvider = SmarthostProvider.RESEND
    """Row of the provider table: server, port, user, the records its account asks for."""
    region: ResendRegion = ResendRegion.IRELAND
    """Region of the account. Data stays in the EU: anything but an EU region is refused."""
    envelope_label: HostLabel = "send"
    """Label under the domain of the envelope sender that the smarthost writes; SPF and the
    feedback MX stand there."""
    selector: HostLabel = "resend"
    """DKIM selector under which the smarthost signs."""


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
