"""Names: how somebody outside finds the mail host, and whether the zone says what is declared."""

from collections.abc import Iterable

from declaration.records import Record, RecordType
from declaration.zone_records import records
from operations.prove.cloudflare import is_proxy
from operations.prove.findings import compared, failed, passed, skipped, unseen, warned
from operations.prove.model import Finding, Severity, Station
from operations.prove.net import UnseenError
from operations.prove.registry import at
from operations.prove.subject import Subject

check = at(Station.NAMES)

_ZONE = "mail:zone"
_PUBLISH = "Run `pulumi preview`: it shows what the zone lacks. Then `pulumi up`."


def written(record: Record) -> str:
    """Return a declared record's data as the DNS answers it."""
    if record.preference is not None:
        return f"{record.preference} {record.value}"
    return str(record.value)


async def published(subject: Subject, wanted: Iterable[Record], key: str) -> Finding:
    """Return whether each record is published, and nothing else of its type at its name."""
    wrong, seen = [], []
    expected: dict[tuple[str, RecordType], set[str]] = {}
    for record in wanted:
        expected.setdefault((record.name, record.type), set()).add(written(record))
    for (name, kind), values in expected.items():
        answer = await subject.net.resolve(name, kind.value)
        # A TXT name may be shared with records that are not ours.
        found = {value for value in answer.values if kind is not RecordType.TXT or value in values}
        seen.append(f"{name} {kind}: {', '.join(sorted(answer.values)) or 'nothing'}")
        if found != values:
            said = ", ".join(sorted(answer.values)) or "nothing"
            wrong.append(f"{name} {kind} has {said} instead of {', '.join(sorted(values))}")
    if wrong:
        return failed("; ".join(wrong), "as declared", key=key, details=tuple(seen))
    return passed(f"{len(expected)} as declared", "as declared", key=key, details=tuple(seen))


@check(
    "mx-record", Severity.CRITICAL, "The domain names our mail host as the place for its mail",
    why="Senders ask for the MX record and deliver where it points; another target loses mail.",
    source="RFC 5321 section 5.1",
    mend=_PUBLISH,
)  # fmt: skip
async def _mx_record(subject: Subject) -> Finding:
    declaration = subject.declaration
    answer = await subject.net.resolve(declaration.domain, "MX")
    expected = f"{declaration.zone.mx_preference} {declaration.names.mail_host}"
    return compared(
        ", ".join(answer.values), expected, key=f"{_ZONE}.mxLabel", facts={"mx": "wrong"}
    )


@check(
    "mx-address", Severity.CRITICAL, "The mail host's name leads to the mail host itself",
    why="A proxy such as Cloudflare's passes web traffic only; mail sent to it is lost.",
    source="RFC 5321 section 5.1; Cloudflare: proxied DNS records",
    mend=_PUBLISH,
)  # fmt: skip
async def _mx_address(subject: Subject) -> Finding:
    name, key = subject.declaration.names.mail_host, "mail:host.address"
    found = await subject.net.addresses(name)
    proxied = [address for address in found if is_proxy(address)]
    if proxied:
        return failed(
            f"{', '.join(proxied)}: addresses of Cloudflare's proxy",
            subject.host,
            key=key,
            mend=f"Set the record {name} to DNS only (`pulumi up` does).",
            facts={"proxied": name},
        )
    return compared(", ".join(found), subject.host, key=key, facts={"address": "wrong"})


@check(
    "mx-alias", Severity.HIGH, "The mail host is a name of its own, not an alias",
    why="An MX that points at a CNAME is refused by some senders.",
    source="RFC 2181 section 10.3",
    mend=_PUBLISH,
)  # fmt: skip
async def _mx_alias(subject: Subject) -> Finding:
    answer = await subject.net.resolve(subject.declaration.domain, "MX")
    for value in answer.values:
        target = value.partition(" ")[2]
        alias = (await subject.net.resolve(target, "CNAME")).values
        if alias:
            return failed(f"{target} is an alias of {alias[0]}", "no CNAME", key=f"{_ZONE}.mxLabel")
    if not answer.values:
        return failed("no MX record", "a target without CNAME", key=f"{_ZONE}.mxLabel")
    return passed("no CNAME", "no CNAME", key=f"{_ZONE}.mxLabel")


@check(
    "mx-ipv6", Severity.HIGH, "IPv6 is published exactly where it works",
    why="Senders try IPv6 first; an address that does not answer, or has no reverse name, "
    "delays or loses mail.",
    source="RFC 6724; Gmail: guidelines for IPv6 senders",
    mend=_PUBLISH,
)  # fmt: skip
async def _mx_ipv6(subject: Subject) -> Finding:
    ipv6 = subject.declaration.ipv6
    found = (await subject.net.resolve(subject.declaration.names.mail_host, "AAAA")).values
    expected = ipv6.address if ipv6 else "no AAAA record, because IPv6 is not declared"
    if not ipv6 and not found:
        return passed("no AAAA record", expected, key="mail:ipv6")
    proxied = {"proxied": subject.declaration.names.mail_host} if any(map(is_proxy, found)) else {}
    return compared(", ".join(found), expected, key="mail:ipv6", facts=proxied)


@check(
    "web-names", Severity.HIGH, "The web hosts' names lead to the host",
    why="Webmail, administration and the set-up of mail programs are found by these names.",
    source="docs/declaration.md, mail:web",
    mend=_PUBLISH,
)  # fmt: skip
async def _web_names(subject: Subject) -> Finding:
    hosts = set(subject.declaration.names.web_hosts)
    wanted = [
        record
        for record in records(subject.declaration)
        if record.type is RecordType.A and record.name in hosts
    ]
    return await published(subject, wanted, "mail:web")


@check(
    "service-records", Severity.MEDIUM, "Mail programs can look up our servers",
    why="Programs that set themselves up ask for SRV records.",
    source="RFC 6186, RFC 8314 section 5.1",
    mend=_PUBLISH,
)  # fmt: skip
async def _service_records(subject: Subject) -> Finding:
    wanted = [record for record in records(subject.declaration) if record.type is RecordType.SRV]
    if not wanted:
        return skipped("mail:zone.srv is switched off", key=f"{_ZONE}.srv")
    return await published(subject, wanted, f"{_ZONE}.srv")


@check(
    "bounce-record", Severity.MEDIUM, "Bounces find their way back to the smarthost",
    why="The smarthost learns from its feedback MX what could not be delivered; without it, it "
    "may take the domain for unverified.",
    source="the smarthost's account page, Domains",
    mend=_PUBLISH,
)  # fmt: skip
async def _bounce_record(subject: Subject) -> Finding:
    domain = subject.declaration.domain
    wanted = [
        record
        for record in records(subject.declaration)
        if record.type is RecordType.MX and record.name != domain
    ]
    if not wanted:
        return skipped("the smarthost asks for no MX record", key="mail:smarthost.provider")
    return await published(subject, wanted, "mail:smarthost")


@check(
    "name-servers", Severity.MEDIUM, "At least two name servers answer for the domain",
    why="With one, the domain is gone whenever that one is.",
    source="RFC 1034 section 4.1",
    mend="Name both of the DNS provider's servers at the registrar.",
)  # fmt: skip
async def _name_servers(subject: Subject) -> Finding:
    zone = subject.declaration.zone.name or subject.declaration.domain
    found = (await subject.net.resolve(zone, "NS")).values
    if len(found) < 2:
        return failed(", ".join(found) or "none", "two or more", key=f"{_ZONE}.name")
    return passed(", ".join(found), "two or more", key=f"{_ZONE}.name")


@check(
    "dnssec", Severity.LOW, "The domain's answers are signed (DNSSEC)",
    why="Without signatures, whoever controls a network can answer for the domain; DANE needs it.",
    source="RFC 4033; RFC 7672 section 2.1",
    mend="Enable DNSSEC at Cloudflare (DNS, Settings) and give the DS record to the registrar.",
)  # fmt: skip
async def _dnssec(subject: Subject) -> Finding:
    zone = subject.declaration.zone
    name = zone.name or subject.declaration.domain
    keys = await subject.net.resolve(name, "DNSKEY")
    if keys.values and keys.authenticated:
        return passed("signed, and the resolver vouches for it")
    if keys.values:
        return unseen(
            "signed, but this resolver does not vouch for it; name one that validates "
            "with --resolver",
            "signed",
        )
    if zone.tlsa:
        return failed("not signed", "signed, for TLSA is declared", key=f"{_ZONE}.tlsa")
    return warned("not signed", "signed", key=f"{_ZONE}.name")


@check(
    "caa", Severity.MEDIUM, "Only the declared authorities may issue certificates",
    why="A CAA record keeps every other authority from issuing for the domain.",
    source="RFC 8659",
    mend=_PUBLISH,
)  # fmt: skip
async def _caa(subject: Subject) -> Finding:
    wanted = [record for record in records(subject.declaration) if record.type is RecordType.CAA]
    if not wanted:
        return skipped("no authority is declared, so any may issue", key=f"{_ZONE}.caa")
    return await published(subject, wanted, f"{_ZONE}.caa")


@check(
    "tlsa", Severity.HIGH, "The mail host's key is the one that DANE names",
    why="Senders that follow DANE refuse to deliver when the key is another one.",
    source="RFC 7672 section 3",
    mend="Publish the new key's digest before the key changes, and take the old one out after.",
)  # fmt: skip
async def _tlsa(subject: Subject) -> Finding:
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - rarely used

    declaration = subject.declaration
    if not declaration.zone.tlsa:
        return skipped("no TLSA record is declared", key=f"{_ZONE}.tlsa")
    wanted = [record for record in records(declaration) if record.type is RecordType.TLSA]
    finding = await published(subject, wanted, f"{_ZONE}.tlsa")
    shown = await subject.net.handshake(
        subject.host, 25, declaration.names.mail_host, starttls="smtp"
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        shown.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    seen = digest.finalize().hex()
    if seen not in declaration.zone.tlsa:
        return failed(
            f"the key's digest is {seen}", ", ".join(declaration.zone.tlsa), key=f"{_ZONE}.tlsa"
        )
    return finding


@check(
    "mta-sts-record", Severity.MEDIUM, "Senders learn that there is an MTA-STS policy",
    why="The record's id tells senders when to fetch the policy anew.",
    source="RFC 8461 section 3.1",
    mend=_PUBLISH,
)  # fmt: skip
async def _mta_sts_record(subject: Subject) -> Finding:
    return await _optional_text(subject, "mta-sts", f"{_ZONE}.mtaSts")


@check(
    "tls-reports", Severity.LOW, "Senders are told where to report failures of TLS",
    why="Without reports, senders that cannot encrypt go unnoticed.",
    source="RFC 8460 section 3",
    mend=_PUBLISH,
)  # fmt: skip
async def _tls_reports(subject: Subject) -> Finding:
    return await _optional_text(subject, "tls-rpt", f"{_ZONE}.tlsRpt")


async def _optional_text(subject: Subject, resource: str, key: str) -> Finding:
    wanted = [record for record in records(subject.declaration) if record.key == resource]
    if not wanted:
        return skipped(f"{key} is not declared", key=key)
    return await published(subject, wanted, key)


@check(
    "names-steady", Severity.LOW, "The DNS answers for every declared name",
    why="A resolver that fails for some names hides what the other checks look for.",
    source="RFC 8499 section 7",
    mend="Ask again with another --resolver; if that fails too, look at the DNS provider's status.",
)  # fmt: skip
async def _names_steady(subject: Subject) -> Finding:
    silent = []
    names = {(record.name, record.type.value) for record in records(subject.declaration)}
    for name, kind in sorted(names):
        try:
            await subject.net.resolve(name, kind)
        except UnseenError as error:
            silent.append(str(error))
    if silent:
        return unseen(
            f"{len(silent)} of {len(names)} questions went unanswered: {silent[0]}",
            "an answer to each",
        )
    return passed(f"{len(names)} questions answered")
