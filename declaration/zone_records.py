"""Every record that mail needs in the zone, as data."""

import hashlib
from collections.abc import Iterator

from declaration.dmarc import record_text
from declaration.model import Declaration
from declaration.names import AUTODISCOVER, HTTPS_PORT, MTA_STS
from declaration.records import Caa, Record, RecordType, Srv, Tlsa

_SERVICES = (
    # (service, port, what it is)
    ("submissions", 465, "submission over TLS"),
    ("submission", 587, "submission with STARTTLS"),
    ("imaps", 993, "IMAP over TLS"),
    ("imap", 143, "IMAP with STARTTLS"),
    ("pop3s", 995, "POP3 over TLS"),
    ("pop3", 110, "POP3 with STARTTLS"),
    ("sieve", 4190, "filter rules"),
)
"""What mail programs look up (RFC 6186, RFC 8314, RFC 5804), with the port it stands on."""


def records(declaration: Declaration) -> tuple[Record, ...]:
    """Return every record that mail needs in the zone.

    The web hosts are A records beside the mail host's, for one address serves all of them. An
    AAAA record is published for the mail host alone: Traefik is not known to answer on IPv6.
    """
    return (
        *_mail_host(declaration),
        *_web_hosts(declaration),
        *_apex(declaration),
        *declaration.smarthost.row.records(declaration.names.account),
        *_service_records(declaration),
        *_transport_security(declaration),
    )


def mta_sts_id(policy: str) -> str:
    """Return the id of a policy: another text has another id, the same text the same."""
    return hashlib.sha256(policy.encode()).hexdigest()[:32]


def _mail_host(declaration: Declaration) -> Iterator[Record]:
    name, purpose = declaration.names.mail_host, "mail host: MX target, never proxied"
    yield Record("mx-a", name, RecordType.A, declaration.host.address, purpose)
    if declaration.ipv6 is not None:
        yield Record("mx-aaaa", name, RecordType.AAAA, declaration.ipv6.address, purpose)


def _web_hosts(declaration: Declaration) -> Iterator[Record]:
    labels = {declaration.web.admin: "admin", declaration.web.webmail: "webmail"}
    for name in declaration.names.web_hosts:
        label = name.removesuffix(f".{declaration.domain}")
        key = labels.get(label, label)
        address = declaration.host.address
        yield Record(f"{key}-a", name, RecordType.A, address, f"web host: {key}")


def _apex(declaration: Declaration) -> Iterator[Record]:
    domain, zone = declaration.domain, declaration.zone
    yield Record(
        "apex-mx",
        domain,
        RecordType.MX,
        declaration.names.mail_host,
        "incoming mail",
        zone.mx_preference,
    )
    if zone.apex_spf is not None:
        purpose = "who may send with the domain as envelope"
        yield Record("apex-spf", domain, RecordType.TXT, zone.apex_spf, purpose)
    text = record_text(declaration.dmarc, domain)
    purpose = f"DMARC stage since {declaration.dmarc.since}"
    yield Record("dmarc", declaration.names.dmarc, RecordType.TXT, text, purpose)


def _service_records(declaration: Declaration) -> Iterator[Record]:
    if not declaration.zone.srv:
        return
    domain = declaration.domain
    for service, port, purpose in _SERVICES:
        if port in declaration.mailcow.raw_ports:
            data = Srv(0, 1, port, declaration.names.mail_host)
        else:
            data = Srv(0, 0, 0, ".")  # RFC 6186 section 3.4: not offered
            purpose = f"not offered: {purpose}"  # noqa: PLW2901 - the same words, negated
        name = f"_{service}._tcp.{domain}"
        yield Record(f"srv-{service}", name, RecordType.SRV, data, purpose)
    if declaration.web.autodiscover:
        data = Srv(0, 1, HTTPS_PORT, f"{AUTODISCOVER}.{domain}")
        name = f"_autodiscover._tcp.{domain}"
        yield Record("srv-autodiscover", name, RecordType.SRV, data, "set-up of mail programs")
    if not declaration.mailcow.skip_sogo:
        yield from _groupware(declaration)


def _groupware(declaration: Declaration) -> Iterator[Record]:
    host = declaration.names.webmail
    for service, purpose in (("caldavs", "calendars"), ("carddavs", "address books")):
        name = f"_{service}._tcp.{declaration.domain}"
        yield Record(f"srv-{service}", name, RecordType.SRV, Srv(0, 1, HTTPS_PORT, host), purpose)
        # RFC 6764 section 4: where on that host
        text = "path=/SOGo/dav/"
        yield Record(f"path-{service}", name, RecordType.TXT, text, f"{purpose}: the path")


def _transport_security(declaration: Declaration) -> Iterator[Record]:
    domain, zone = declaration.domain, declaration.zone
    policy = declaration.names.mta_sts_policy
    if policy is not None:
        text = f"v=STSv1; id={mta_sts_id(policy)}"
        purpose = "there is an MTA-STS policy"
        yield Record(MTA_STS, f"_{MTA_STS}.{domain}", RecordType.TXT, text, purpose)
    if zone.tls_rpt:
        text = f"v=TLSRPTv1; rua=mailto:{declaration.names.postmaster}"
        purpose = "where reports on TLS failures go"
        yield Record("tls-rpt", f"_smtp._tls.{domain}", RecordType.TXT, text, purpose)
    for authority in zone.caa:
        data = Caa(0, "issue", authority)
        purpose = "may issue certificates"
        yield Record(f"caa-{authority}", domain, RecordType.CAA, data, purpose)
    for digest in zone.tlsa:
        name = f"_25._tcp.{declaration.names.mail_host}"
        tlsa = Tlsa(3, 1, 1, digest)
        purpose = "public key of the mail host"
        yield Record(f"tlsa-{digest[:16]}", name, RecordType.TLSA, tlsa, purpose)
