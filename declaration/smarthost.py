"""The smarthost: every outbound message leaves through it, over TLS, with a login."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from declaration.mistakes import quoted, suggestion
from declaration.records import Record, RecordType
from declaration.settings import Day, DomainName, HostLabel, Settings

FIRST_SELECTOR = "resend"
"""Selector of the first key; its record is called `dkim`, another one's after its selector."""


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


class SmarthostSettings(Settings):
    """The one line to change for another smarthost is `provider`."""

    provider: str = "resend"
    """Row of the provider table: server, port, user, the records its account asks for."""
    region: str = "eu-west-1"
    """Region of the account. Data stays in the EU: anything but an EU region is refused."""
    envelope_label: HostLabel = "send"
    """Label under the domain of the envelope sender that the smarthost writes; SPF and the
    feedback MX stand there."""
    selector: HostLabel = FIRST_SELECTOR
    """DKIM selector under which the smarthost signs."""
    second_selector: SecondSelectorSettings | None = None
    """DKIM selector that is published as well, while selectors are changed; none if null."""
    user: str | None = Field(None, pattern=r"^[!-~]{1,128}$")
    """Login name, where the provider gives each account its own; none if null."""

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
        user: Login name of the account, where the provider gives each its own.
        second: Another selector with its record, while selectors are changed.
    """

    domain: str
    region: str
    envelope: str
    selector: str
    dkim: str
    user: str | None = None
    second: tuple[str, str] | None = None


@dataclass(frozen=True)
class Nexthop:
    """The smarthost, as Postfix addresses it.

    Attributes:
        host: Name of the submission server.
        port: TCP port; the server must offer STARTTLS on it.
        user: Login name.
    """

    host: str
    port: int
    user: str

    def __str__(self) -> str:
        """Return it as Postfix writes it; the brackets keep it from looking for an MX record."""
        return f"[{self.host}]:{self.port}"


@dataclass(frozen=True)
class SmarthostProvider:
    """One row of the provider table.

    Attributes:
        title: Name that people know.
        host: Submission server; `{region}` stands for the region.
        user: Login name; `{envelope}` and `{domain}` stand for those names. None where each
            account has its own, which is then declared.
        regions: Regions, each with the ISO 3166-1 code of the country where mail data lies.
        records: The records that an account asks for.
        dkim: How the account hands out its key: a TXT value, or names to point at.
        daily_limit: Messages a day on the smallest plan; None where the plan has no such limit.
        monthly_limit: Messages a month on the smallest plan; None likewise.
        source: Page where all this can be read.
        port: Submission port; always with STARTTLS.
    """

    title: str
    host: str
    user: str | None
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
        user = self.user or account.user or ""
        return user.format(domain=account.domain, envelope=account.envelope)


def mx_record(account: Account, target: str, preference: int = 10, key: str = "send-mx") -> Record:
    """Return the record by which bounces find the smarthost."""
    purpose = "bounces come back to the smarthost"
    return Record(key, account.envelope, RecordType.MX, target, purpose, preference)


def spf_record(account: Account, text: str) -> Record:
    """Return the SPF record of the envelope domain."""
    purpose = "who may use the smarthost's envelope domain"
    return Record("send-spf", account.envelope, RecordType.TXT, text, purpose)


def dkim_records(account: Account) -> tuple[Record, ...]:
    """Return the DKIM records, word for word as the account shows their values.

    A resource is named after its record, not after what the selector is for: when two selectors
    change places, nothing in the zone changes.
    """
    chosen = [(account.selector, account.dkim), *([account.second] if account.second else [])]
    purpose = "key of the smarthost's signature"
    return tuple(
        Record(
            "dkim" if selector == FIRST_SELECTOR else f"dkim-{selector}",
            f"{selector}._domainkey.{account.domain}",
            RecordType.TXT,
            value,
            purpose,
        )
        for selector, value in chosen
    )


def _on_ses(account: Account) -> tuple[Record, ...]:
    return (
        mx_record(account, f"feedback-smtp.{account.region}.amazonses.com"),
        spf_record(account, "v=spf1 include:amazonses.com ~all"),
        *dkim_records(account),
    )


_RESEND_REGIONS = {"eu-west-1": "IE", "us-east-1": "US", "sa-east-1": "BR", "ap-northeast-1": "JP"}
_SES_REGIONS = {
    "eu-west-1": "IE", "eu-west-3": "FR", "eu-central-1": "DE", "eu-north-1": "SE",
    "eu-south-1": "IT", "us-east-1": "US",
}  # fmt: skip

PROVIDERS: dict[str, SmarthostProvider] = {
    "resend": SmarthostProvider(
        title="Resend",
        host="smtp.resend.com",
        user="resend",
        regions=_RESEND_REGIONS,
        records=_on_ses,
        dkim="TXT",
        daily_limit=100,
        monthly_limit=3000,
        source="https://resend.com/docs/send-with-smtp",
    ),
    # With a MAIL FROM domain of one's own and a DKIM key of one's own ("BYODKIM") SES asks for
    # the same three records as Resend, which is built upon it.
    "ses": SmarthostProvider(
        title="Amazon SES",
        host="email-smtp.{region}.amazonaws.com",
        user=None,
        regions=_SES_REGIONS,
        records=_on_ses,
        dkim="TXT",
        daily_limit=200,
        monthly_limit=None,
        source="https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html",
    ),
}
"""Every smarthost that can be declared. Another one is another row."""
