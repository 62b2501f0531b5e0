"""The smarthost: every outbound message leaves through it, over TLS, with a login."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import field_validator

from components.mistakes import quoted, suggestion
from components.records import Record, RecordType
from components.settings import DomainName, HostLabel, Settings


class SmarthostSettings(Settings):
    """The one line to change for another smarthost is `provider`."""

    provider: str = "resend"
    """Row of the provider table: server, port, user, the records its account asks for."""
    region: str = "eu-west-1"
    """Region of the account. Data stays in the EU: anything but an EU region is refused."""
    envelope_label: HostLabel = "send"
    """Label under the domain of the envelope sender that the smarthost writes; SPF and the
    feedback MX stand there."""
    selector: HostLabel = "resend"
    """DKIM selector under which the smarthost signs."""

    @field_validator("provider")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PROVIDERS:
            names = ", ".join(PROVIDERS)
            msg = f"{quoted(value)} is none of {names}{suggestion(value, PROVIDERS)}"
            raise ValueError(msg)
        return value

    @property
    def row(self) -> "SmarthostProvider":
        """The row of the provider table."""
        return PROVIDERS[self.provider]


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


@dataclass(frozen=True)
class Account:
    """What the records of a smarthost depend on.

    Attributes:
        domain: The mail domain.
        region: Region of the account, one of the row's.
        envelope: Fully qualified domain of the envelope sender that the smarthost writes.
        selector: DKIM selector.
        dkim: Value of the DKIM record as the account shows it.
    """

    domain: str
    region: str
    envelope: str
    selector: str
    dkim: str


@dataclass(frozen=True)
class SmarthostProvider:
    """One row of the provider table.

    Attributes:
        title: Name that people know.
        host: Submission server; `{region}` stands for the region.
        user: Login name; `{envelope}` and `{domain}` stand for those names.
        regions: Regions, each with the ISO 3166-1 code of the country where mail data lies.
        records: The records that an account asks for.
        dkim: How the account hands out its key: a TXT value, or names to point at.
        daily_limit: Messages a day on the smallest plan; None where the plan has no such limit.
        monthly_limit: Messages a month on the smallest plan.
        source: Page where all this can be read.
        port: Submission port; always with STARTTLS.
    """

    title: str
    host: str
    user: str
    regions: Mapping[str, str]
    records: Callable[[Account], tuple[Record, ...]]
    dkim: Literal["TXT", "CNAME"]
    daily_limit: int | None
    monthly_limit: int | None
    source: str
    port: int = 587

    def server(self, region: str) -> str:
        """Return the name of the submission server for a region."""
        return self.host.format(region=region)

    def login(self, account: Account) -> str:
        """Return the login name for an account."""
        return self.user.format(domain=account.domain, envelope=account.envelope)


def mx_record(account: Account, target: str, preference: int = 10, key: str = "send-mx") -> Record:
    """Return the record by which bounces find the smarthost."""
    purpose = "bounces come back to the smarthost"
    return Record(key, account.envelope, RecordType.MX, target, purpose, preference)


def spf_record(account: Account, text: str) -> Record:
    """Return the SPF record of the envelope domain."""
    purpose = "who may use the smarthost's envelope domain"
    return Record("send-spf", account.envelope, RecordType.TXT, text, purpose)


def dkim_record(account: Account) -> Record:
    """Return the DKIM record, word for word as the account shows its value."""
    name = f"{account.selector}._domainkey.{account.domain}"
    return Record("dkim", name, RecordType.TXT, account.dkim, "key of the smarthost's signature")


def _resend(account: Account) -> tuple[Record, ...]:
    return (
        mx_record(account, f"feedback-smtp.{account.region}.amazonses.com"),
        spf_record(account, "v=spf1 include:amazonses.com ~all"),
        dkim_record(account),
    )


_RESEND_REGIONS = {"eu-west-1": "IE", "us-east-1": "US", "sa-east-1": "BR", "ap-northeast-1": "JP"}

PROVIDERS: dict[str, SmarthostProvider] = {
    "resend": SmarthostProvider(
        title="Resend",
        host="smtp.resend.com",
        user="resend",
        regions=_RESEND_REGIONS,
        records=_resend,
        dkim="TXT",
        daily_limit=100,
        monthly_limit=3000,
        source="https://resend.com/docs/send-with-smtp",
    ),
}
"""Every smarthost that can be declared. Another one is another row."""
