"""Smarthosts that can be declared: one table, each fact with the page it was read from.

A server's certificate bears the name under which it is reached, at every row: Postfix asks for
that name. What could not be read on a page of the provider's own is said beside the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from declaration.records import Record, RecordType

FIRST_SELECTOR = "resend"
"""Selector of the first key; its record is called `dkim`, another one's after its selector."""
OTHER = "other"
"""What a smarthost is called that has no row here; its facts are declared."""
SUBMISSION = 587
"""The port that is used where none is declared (RFC 6409); every row offers it."""
IMPLICIT_TLS = (465, 2465)
"""Ports on which TLS begins with the first byte (RFC 8314), wherever somebody listens on them."""


@dataclass(frozen=True)
class Account:
    """What the records of a smarthost depend on.

    Attributes:
        domain: The mail domain.
        region: Region of the account, one of the row's.
        envelope: Fully qualified domain of the envelope sender; empty where it is not ours.
        selector: DKIM selector.
        dkim: Value of the DKIM record as the account shows it; empty where it shows names.
        user: Login name of the account, where the provider gives each its own.
        second: Another selector with its record, while selectors are changed.
        dkim_names: Selectors, each with the name that the account lets it point at.
        verification: Text by which the account knows the domain, where it asks for one.
        spf: Domain whose SPF record lists the smarthost's senders; empty where none is named.
    """

    domain: str
    region: str
    envelope: str
    selector: str
    dkim: str
    user: str | None = None
    second: tuple[str, str] | None = None
    dkim_names: tuple[tuple[str, str], ...] = ()
    verification: str | None = None
    spf: str = ""


@dataclass(frozen=True)
class Nexthop:
    """The smarthost, as Postfix addresses it.

    Attributes:
        host: Name of the submission server.
        port: TCP port.
        user: Login name.
        implicit_tls: Whether TLS begins with the first byte; otherwise by STARTTLS.
    """

    host: str
    port: int
    user: str
    implicit_tls: bool = False

    def __str__(self) -> str:
        """Return it as Postfix writes it; the brackets keep it from looking for an MX record."""
        return f"[{self.host}]:{self.port}"


class Envelope(StrEnum):
    """Whose envelope sender a smarthost writes, and so whose SPF record counts."""

    OWN = "own"
    """A name below the domain, which has an MX and an SPF record of its own."""
    ALIAS = "alias"
    """A name below the domain that points at the smarthost and has its records."""
    FOREIGN = "foreign"
    """A name of the smarthost's: SPF never aligns, and DMARC rests on DKIM alone."""
    KEPT = "kept"
    """The sender's own address: the SPF record of the domain itself must name the smarthost."""


@dataclass(frozen=True)
class SmarthostProvider:
    """One row of the provider table.

    Attributes:
        title: Name that people know.
        host: Submission server; `{region}` stands for the region.
        starttls: Ports with STARTTLS.
        implicit_tls: Ports on which TLS begins with the first byte.
        user: Login name, where everybody has the same one.
        regions: Regions, each with the ISO 3166-1 code of the country where mail data lies. Where
            there are none, the declared region is the country.
        envelope: Whose envelope sender it writes.
        exchangers: Hosts that take bounces at an envelope domain of ours; `{region}` as above.
        alias: Host at which an envelope domain points that is an alias.
        spf: Domain whose SPF record lists its senders; empty where none is to be named.
        daily_limit: Messages a day on the smallest plan; None where it has no such limit, or its
            pages were not found to say.
        monthly_limit: Messages a month on the smallest plan; None likewise.
        sources: The page of each group of facts, by what it tells.
        port: The port used where none is declared.
    """

    title: str
    host: str
    starttls: tuple[int, ...]
    implicit_tls: tuple[int, ...]
    user: str | None
    regions: Mapping[str, str]
    envelope: Envelope
    sources: Mapping[str, str]
    exchangers: tuple[str, ...] = ()
    alias: str = ""
    spf: str = ""
    daily_limit: int | None = None
    monthly_limit: int | None = None
    port: int = SUBMISSION

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port on which it takes mail, in ascending order."""
        return tuple(sorted((*self.starttls, *self.implicit_tls)))

    def country(self, region: str) -> str | None:
        """Return the country where mail data of a region lies; None where there is no such one."""
        return self.regions.get(region) if self.regions else region or None

    def server(self, region: str) -> str:
        """Return the name of the submission server for a region."""
        return self.host.format(region=region)

    def nexthop(self, account: Account, port: int | None = None) -> Nexthop:
        """Return how Postfix addresses it.

        Args:
            account: The account that logs in.
            port: Another port than the usual one.
        """
        chosen = port or self.port
        user = self.user or account.user or ""
        return Nexthop(self.server(account.region), chosen, user, chosen in self.implicit_tls)

    def envelope_domain(self, label: str, domain: str) -> str:
        """Return the domain of the envelope sender, empty where it is none of ours.

        Args:
            label: The label below the domain that is declared for it.
            domain: The mail domain.
        """
        if self.envelope is Envelope.KEPT:
            return domain
        return "" if self.envelope is Envelope.FOREIGN else f"{label}.{domain}"

    def spf_record(self, account: Account) -> Record | None:
        """Return the SPF record that it asks for at the envelope domain, None without one.

        At the bare domain it is one term of a record that is declared by itself (`zone.apexSpf`).
        """
        if not self.spf or self.envelope not in (Envelope.OWN, Envelope.KEPT):
            return None
        text = f"v=spf1 include:{self.spf} ~all"
        purpose = "who may use the smarthost's envelope domain"
        return Record("send-spf", account.envelope, RecordType.TXT, text, purpose)

    def records(self, account: Account) -> tuple[Record, ...]:
        """Return the records that the account asks for, beside the SPF record of the domain."""
        spf = self.spf_record(account)
        return (
            *self._bounce_records(account),
            *((spf,) if spf is not None and self.envelope is Envelope.OWN else ()),
            *_dkim_records(account),
            *_verification(account),
        )

    def _bounce_records(self, account: Account) -> tuple[Record, ...]:
        purpose = "bounces come back to the smarthost"
        if self.envelope is Envelope.ALIAS:
            return (Record("send-alias", account.envelope, RecordType.CNAME, self.alias, purpose),)
        keys = ("send-mx", *(f"send-mx-{number}" for number in range(2, len(self.exchangers) + 1)))
        return tuple(
            Record(
                key,
                account.envelope,
                RecordType.MX,
                exchanger.format(region=account.region),
                purpose,
                10,
            )
            for key, exchanger in zip(keys, self.exchangers, strict=False)
        )


def _dkim_records(account: Account) -> tuple[Record, ...]:
    """Return the DKIM records, word for word as the account shows their values.

    A resource is named after its record, not after what the selector is for: when two selectors
    change places, nothing in the zone changes.
    """
    chosen = [
        *([(account.selector, RecordType.TXT, account.dkim)] if account.dkim else []),
        *([(account.second[0], RecordType.TXT, account.second[1])] if account.second else []),
        *((selector, RecordType.CNAME, target) for selector, target in account.dkim_names),
    ]
    purpose = "key of the smarthost's signature"
    return tuple(
        Record(
            "dkim" if selector == FIRST_SELECTOR else f"dkim-{selector}",
            f"{selector}._domainkey.{account.domain}",
            kind,
            value,
            purpose,
        )
        for selector, kind, value in chosen
    )


def _verification(account: Account) -> tuple[Record, ...]:
    if account.verification is None:
        return ()
    purpose = "the smarthost knows the domain by it"
    key = "smarthost-verification"
    return (Record(key, account.domain, RecordType.TXT, account.verification, purpose),)


PROVIDERS: dict[str, SmarthostProvider] = {
    "resend": SmarthostProvider(
        title="Resend",
        host="smtp.resend.com",
        starttls=(25, 587, 2587),
        implicit_tls=(465, 2465),
        user="resend",
        regions={
            "eu-west-1": "IE", "us-east-1": "US", "sa-east-1": "BR", "ap-northeast-1": "JP",
        },
        envelope=Envelope.OWN,
        exchangers=("feedback-smtp.{region}.amazonses.com",),
        spf="amazonses.com",
        daily_limit=100,
        monthly_limit=3000,
        sources={
            "server, ports, user": "https://resend.com/docs/send-with-smtp",
            "envelope, records": "https://resend.com/docs/dashboard/domains/introduction",
            "envelope label": "https://resend.com/docs/dashboard/domains/custom-return-path",
            "regions": "https://resend.com/docs/dashboard/domains/regions",
        },
    ),
    # With a MAIL FROM domain of one's own and a DKIM key of one's own ("BYODKIM") SES asks for
    # the same three records as Resend, which is built upon it; with Easy DKIM it shows three names
    # instead of a key, which are then declared as dkimNames.
    "ses": SmarthostProvider(
        title="Amazon SES",
        host="email-smtp.{region}.amazonaws.com",
        starttls=(25, 587, 2587),
        implicit_tls=(465, 2465),
        user=None,
        regions={
            "eu-west-1": "IE", "eu-west-3": "FR", "eu-central-1": "DE", "eu-north-1": "SE",
            "eu-south-1": "IT", "us-east-1": "US",
        },
        envelope=Envelope.OWN,
        exchangers=("feedback-smtp.{region}.amazonses.com",),
        spf="amazonses.com",
        daily_limit=200,
        sources={
            "server, ports": "https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html",
            "envelope, records": "https://docs.aws.amazon.com/ses/latest/dg/mail-from.html",
            "regions": "https://docs.aws.amazon.com/general/latest/gr/ses.html",
        },
    ),
    # Its data lies near Chicago, with no plan for the EU: the row is here so that the refusal can
    # say why. The login is a token of the account's server, once as user and once as password.
    # Nothing listens on 465.
    "postmark": SmarthostProvider(
        title="Postmark",
        host="smtp.postmarkapp.com",
        starttls=(25, 587, 2525),
        implicit_tls=(),
        user=None,
        regions={"us": "US"},
        envelope=Envelope.ALIAS,
        alias="pm.mtasv.net",
        sources={
            "server, ports": "https://postmarkapp.com/support/article/"
            "811-what-are-the-smtp-details-api-tokens-i-should-be-using",
            "envelope": "https://postmarkapp.com/blog/"
            "introducing-full-dmarc-support-with-custom",
            "records": "https://postmarkapp.com/developer/api/domains-api",
            "region": "https://postmarkapp.com/eu-privacy",
        },
    ),
    # The domain of an account at Mailgun is the envelope's (`send.`), and it signs with the key of
    # the domain above when that one is registered in the same account and has the DKIM authority:
    # register both, and copy the key of the domain itself. The user is an address at the envelope
    # domain. The names of the exchangers in the EU were read in other people's zones; its own page
    # names those of the US alone.
    "mailgun": SmarthostProvider(
        title="Mailgun (EU)",
        host="smtp.{region}.mailgun.org",
        starttls=(25, 587, 2525),
        implicit_tls=(465,),
        user=None,
        regions={"eu": "EU"},
        envelope=Envelope.OWN,
        exchangers=("mxa.{region}.mailgun.org", "mxb.{region}.mailgun.org"),
        spf="mailgun.org",
        sources={
            "ports": "https://documentation.mailgun.com/docs/mailgun/user-manual/"
            "sending-messages/send-smtp",
            "records": "https://documentation.mailgun.com/docs/mailgun/user-manual/domains/"
            "domains-verify",
            "signing domain": "https://documentation.mailgun.com/docs/mailgun/api-reference/send/"
            "mailgun/domain-keys/put-v3-domains--name--dkim-authority",
            "region": "https://www.mailgun.com/about/regions/",
        },
    ),
    # On shared addresses the envelope sender is Brevo's, so no SPF record is asked for (read in
    # other people's guides; Brevo's pages do not speak of it). Its page calls 587 and 2525
    # "non-encrypted" and does not say that they offer STARTTLS: if they did not, mail would wait,
    # for Postfix never sends in clear; 465 is sure. Accounts show a key of 1024 bits (TXT) or two
    # names. The account's code for the domain is declared as `verification`. Where its data lies
    # was not found on a page of its own, so the country is declared, as the contract says it.
    "brevo": SmarthostProvider(
        title="Brevo",
        host="smtp-relay.brevo.com",
        starttls=(587, 2525),
        implicit_tls=(465,),
        user=None,
        regions={},
        envelope=Envelope.FOREIGN,
        sources={
            "ports": "https://developers.brevo.com/docs/smtp-integration",
            "records": "https://developers.brevo.com/docs/domain-authentication-and-verification",
        },
    ),
    # The user is the id of the project. Its pages ask for SPF at the domain that sends and do not
    # say whose envelope sender it writes; that the sender's own is kept follows from it.
    "scaleway": SmarthostProvider(
        title="Scaleway Transactional Email",
        host="smtp.tem.scaleway.com",
        starttls=(25, 587, 2587),
        implicit_tls=(465, 2465),
        user=None,
        regions={"fr-par": "FR"},
        envelope=Envelope.KEPT,
        spf="_spf.tem.scaleway.com",
        sources={
            "server, ports, user": "https://www.scaleway.com/en/docs/transactional-email/"
            "reference-content/smtp-configuration/",
            "records": "https://www.scaleway.com/en/docs/transactional-email/how-to/"
            "authenticate-domain/",
        },
    ),
}  # fmt: skip
"""Every smarthost whose facts are known. Another one is another row, or `other`."""


def unlisted(host: str, spf: str, port: int, *, implicit_tls: bool) -> SmarthostProvider:
    """Return the row of a smarthost that has none: an ordinary relay, as far as is declared.

    Args:
        host: Its submission server.
        spf: Domain whose SPF record lists its senders.
        port: The port on which it takes mail.
        implicit_tls: Whether TLS begins there with the first byte.
    """
    return SmarthostProvider(
        title=host or "the smarthost",
        host=host,
        starttls=() if implicit_tls else (port,),
        implicit_tls=(port,) if implicit_tls else (),
        user=None,
        regions={},
        envelope=Envelope.KEPT,
        spf=spf,
        sources={},
        port=port,
    )
