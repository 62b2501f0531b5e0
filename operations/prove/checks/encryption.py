"""Encryption: the certificate, and how connections are protected."""

import asyncio
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime

from declaration.names import CERTIFICATE_UNIT
from operations.prove.findings import failed, passed, unseen, warned
from operations.prove.model import Finding, Severity, Station
from operations.prove.net import Handshake, Port, UnseenError
from operations.prove.registry import at
from operations.prove.subject import Subject

check = at(Station.DELIVERY)
reading = at(Station.READING)
web = at(Station.WEB)

_STARTTLS = {25: "smtp", 587: "smtp", 4190: "sieve"}
_TLS_PORTS = (25, 465, 587, 993, 4190)
_WEAK = ("RC4", "3DES", "DES-CBC", "NULL", "EXPORT", "MD5")


def _ports(subject: Subject) -> tuple[int, ...]:
    return tuple(port for port in _TLS_PORTS if port in subject.declaration.mailcow.raw_ports)


async def _shake(subject: Subject, port: int, name: str) -> Handshake:
    return await subject.once(
        f"handshake {port} {name}",
        lambda: subject.net.handshake(subject.host, port, name, starttls=_STARTTLS.get(port, "")),
    )


async def _shown(
    subject: Subject, where: Iterable[tuple[int, str]]
) -> tuple[dict[str, Handshake], list[str]]:
    """Return what each place shows, and the places where nothing could be seen."""
    places = list(where)
    found = await asyncio.gather(
        *(_shake(subject, *place) for place in places), return_exceptions=True
    )
    shown: dict[str, Handshake] = {}
    silent = []
    for (port, name), one in zip(places, found, strict=True):
        if isinstance(one, Handshake):
            shown[f"{name}:{port}"] = one
        elif isinstance(one, UnseenError | ssl.SSLError):
            silent.append(f"{name}:{port}: {one}")
        else:
            raise one
    return shown, silent


def _judge(shown: dict[str, Handshake], silent: list[str], names: dict[str, str]) -> Finding:
    """Return whether every certificate is trusted, in time, and for the name asked for."""
    problems: dict[str, list[str]] = {}
    facts: dict[str, str] = {}
    for place, one in shown.items():
        expiry = one.certificate.not_valid_after_utc
        if one.problem:
            problems.setdefault(one.problem, []).append(place)
            expired = expiry < datetime.now(UTC)
            facts["certificate"] = "expired" if expired else "untrusted"
            facts["expiry"] = f"{expiry:%Y-%m-%d}"
            facts["issuer"] = one.certificate.issuer.rfc4514_string()
    details = tuple(
        f"{place}: {', '.join(one.names)}; issued by {one.certificate.issuer.rfc4514_string()}; "
        f"until {one.certificate.not_valid_after_utc:%Y-%m-%d}; {one.protocol} {one.cipher}"
        for place, one in shown.items()
    )
    expected = "trusted, in time, and for " + ", ".join(sorted(set(names.values())))
    key = "mail:traefik.certificateResolver"
    if facts:
        wrong = [f"{words} on {', '.join(places)}" for words, places in problems.items()]
        return failed("; ".join([*wrong, *silent]), expected, key=key, details=details, facts=facts)
    if silent:
        return unseen("; ".join(silent), expected, key=key)
    return passed(f"trusted on {', '.join(shown)}", expected, key=key, details=details)


@reading(
    "certificate-mail", Severity.CRITICAL, "Mail programs and senders trust the certificate",
    why="Mail programs refuse to connect, or teach people to click warnings away.",
    source="RFC 8314 section 4.3; RFC 9525",
    mend=f"On the host: `systemctl start {CERTIFICATE_UNIT}`, then `journalctl -u "
    f"{CERTIFICATE_UNIT}`; Traefik renews, the unit delivers.",
)  # fmt: skip
async def _certificate_mail(subject: Subject) -> Finding:
    host = subject.declaration.names.mail_host
    places = [(port, host) for port in _ports(subject)]
    shown, silent = await _shown(subject, places)
    return _judge(shown, silent, {f"{host}:{port}": host for port, _ in places})


@web(
    "certificate-web", Severity.HIGH, "Browsers trust the certificate",
    why="A warning in the browser keeps people out, or teaches them to ignore it.",
    source="RFC 9525",
    mend="Look at Traefik's log for the certificate resolver; the DNS-01 token may have ended.",
)  # fmt: skip
async def _certificate_web(subject: Subject) -> Finding:
    places = [(443, host) for host in subject.declaration.names.web_hosts]
    shown, silent = await _shown(subject, places)
    return _judge(shown, silent, {f"{host}:{port}": host for port, host in places})


@reading(
    "certificate-days", Severity.HIGH, "The certificate is renewed in time",
    why="Traefik renews thirty days before the end; one that is nearer was not renewed.",
    source="docs/declaration.md, mail:certificate.warnDays",
    mend=f"Look at Traefik's log, and at `systemctl status {CERTIFICATE_UNIT}`.",
)  # fmt: skip
async def _certificate_days(subject: Subject) -> Finding:
    declaration, key = subject.declaration, "mail:certificate.warnDays"
    places = [(port, declaration.names.mail_host) for port in _ports(subject)]
    places += [(443, host) for host in declaration.names.web_hosts]
    shown, silent = await _shown(subject, places)
    if not shown:
        return unseen("; ".join(silent), key=key)
    ends = {
        place: (one.certificate.not_valid_after_utc - datetime.now(UTC)).days
        for place, one in shown.items()
    }
    first = min(ends, key=lambda place: ends[place])
    seen = f"{ends[first]} days left on {first}"
    wanted = declaration.certificate.warn_days
    details = tuple(f"{place}: {days} days" for place, days in ends.items())
    if ends[first] < 0:
        return failed(
            f"{first} ended {-ends[first]} days ago",
            f"{wanted} days or more",
            key=key,
            details=details,
            facts={
                "certificate": "expired",
                "expiry": f"{shown[first].certificate.not_valid_after_utc:%Y-%m-%d}",
            },
        )
    if ends[first] < wanted:
        return warned(seen, f"{wanted} days or more", key=key, details=details)
    return passed(seen, f"{wanted} days or more", key=key, details=details)


@check(
    "tls-versions", Severity.MEDIUM, "Only current versions of TLS are spoken",
    why="TLS 1.0 and 1.1 are broken, and forbidden since 2021.",
    source="RFC 8996",
    mend="Take changes to smtpd_tls_protocols or ssl_min_protocol out of data/conf.",
)  # fmt: skip
async def _tls_versions(subject: Subject) -> Finding:
    ports = (*_ports(subject), 443)
    versions = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1}
    asked = [(port, name) for port in ports for name in versions]
    found = await asyncio.gather(
        *(
            subject.net.accepts(
                subject.host, port, versions[name], starttls=_STARTTLS.get(port, "")
            )
            for port, name in asked
        ),
        return_exceptions=True,
    )
    silent = [str(result) for result in found if isinstance(result, UnseenError)]
    old = [
        f"{port} speaks TLS {name}"
        for (port, name), one in zip(asked, found, strict=True)
        if one is True
    ]
    if old:
        return failed(", ".join(old), "TLS 1.2 and 1.3 only")
    if silent:
        return unseen(silent[0], "TLS 1.2 and 1.3 only")
    return passed("no TLS 1.0, no TLS 1.1", "TLS 1.2 and 1.3 only")


@check(
    "tls-strength", Severity.LOW, "Connections are protected by current means",
    why="TLS 1.3 hides more and breaks less; old ciphers can be read later.",
    source="NCSC-NL: guidelines for TLS; RFC 9325",
    mend="Nothing to set: Mailcow's own defaults are right. Take local changes out.",
)  # fmt: skip
async def _tls_strength(subject: Subject) -> Finding:
    host = subject.declaration.names.mail_host
    shown, silent = await _shown(subject, [(port, host) for port in _ports(subject)])
    if not shown:
        return unseen("; ".join(silent))
    details = tuple(f"{place}: {one.protocol} {one.cipher}" for place, one in shown.items())
    weak = [place for place, one in shown.items() if any(word in one.cipher for word in _WEAK)]
    older = [place for place, one in shown.items() if one.protocol != "TLSv1.3"]
    if weak:
        return failed(f"weak ciphers on {', '.join(weak)}", "TLS 1.3", details=details)
    if older:
        return warned(f"TLS 1.3 is not spoken on {', '.join(older)}", "TLS 1.3", details=details)
    return passed("TLS 1.3 everywhere", "TLS 1.3", details=details)


@check(
    "starttls", Severity.HIGH, "Senders can encrypt their way to us",
    why="Without STARTTLS on port 25, mail to us crosses the internet in clear.",
    source="RFC 3207; RFC 7435",
    mend="Postfix offers STARTTLS when its certificate can be read: look at its log.",
)  # fmt: skip
async def _starttls(subject: Subject) -> Finding:
    if await subject.net.port(subject.host, 25) is not Port.OPEN:
        return unseen("port 25 does not answer", "STARTTLS offered")
    offered = await subject.net.smtp(
        subject.host,
        25,
        subject.declaration.names.mail_host,
        lambda client: client.has_extn("starttls"),
        tls=False,
    )
    if not offered:
        return failed("not offered on port 25", "STARTTLS offered", key="mail:mailcow.rawPorts")
    return passed("offered on port 25", "STARTTLS offered")
