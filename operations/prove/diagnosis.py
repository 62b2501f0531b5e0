"""The cause, not the symptom: one broken thing shows in many checks.

Each rule looks at the facts that checks left and names a cause, with the checks that fail because
of it. What no rule explains stands for itself in the report.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from declaration.names import CERTIFICATE_UNIT
from operations.prove.model import Cause, Finding, Result, Severity, Station, Status

if TYPE_CHECKING:
    from declaration.model import Declaration

_RANKS = tuple(Severity)
_BAD = (Status.FAIL, Status.UNKNOWN)


class _Case:
    """What the checks found, for the rules to go by."""

    def __init__(self, results: Sequence[Result], declaration: "Declaration") -> None:
        self.declaration = declaration
        self.findings: dict[str, Finding] = {result.check.id: result.finding for result in results}
        host = declaration.names.nexthop.host
        self.smarthost = f"{declaration.smarthost.row.title} ({host})"

    def fact(self, check: str, name: str) -> str:
        """Return a fact that a check left; empty if there is none."""
        finding = self.findings.get(check)
        return finding.facts.get(name, "") if finding else ""

    def seen(self, check: str) -> str:
        """Return what a check saw; empty if it was not run."""
        finding = self.findings.get(check)
        return finding.seen if finding else ""

    def broken(self, *checks: str) -> tuple[str, ...]:
        """Return those of the checks (all that begin so, with a final `*`) that did not pass."""
        chosen = [
            id_
            for id_ in self.findings
            if any(
                id_ == check or (check[-1] == "*" and id_.startswith(check[:-1]))
                for check in checks
            )
        ]
        return tuple(id_ for id_ in chosen if self.findings[id_].status in _BAD)

    def with_fact(self, name: str) -> tuple[str, ...]:
        """Return the checks that left a fact of this name."""
        return tuple(one for one, finding in self.findings.items() if name in finding.facts)


Rule = Callable[[_Case], Cause | None]

_OUT = ("outbound-delivery", "outbound-starttls", "outbound-route")
_VERDICTS = ("outbound-envelope", "outbound-spf", "outbound-dkim", "outbound-dmarc",
             "outbound-folder")  # fmt: skip


def diagnose(results: Sequence[Result], declaration: "Declaration") -> tuple[Cause, ...]:
    """Return why checks failed, the gravest cause first; a check is explained once only."""
    case = _Case(results, declaration)
    severities = {result.check.id: _RANKS.index(result.check.severity) for result in results}
    explained: set[str] = set()
    causes = []
    for rule in RULES:
        cause = rule(case)
        if cause is None:
            continue
        left = tuple(dict.fromkeys(check for check in cause.explains if check not in explained))
        if not left:
            continue
        explained.update(left)
        causes.append(_explaining(cause, left))
    return tuple(sorted(causes, key=lambda one: min(severities[id_] for id_ in one.explains)))


def _explaining(cause: Cause, checks: Iterable[str]) -> Cause:
    return Cause(
        cause.id, cause.title, cause.evidence, cause.declared_at, cause.mend, cause.station,
        tuple(checks),
    )  # fmt: skip


# Names


def _proxied_mx(case: _Case) -> Cause | None:
    name = case.fact("mx-address", "proxied") or case.fact("mx-ipv6", "proxied")
    if not name:
        return None
    return Cause(
        "mx-proxied",
        f"Cloudflare's proxy stands before {name}, and it passes no mail",
        case.seen("mx-address") or case.seen("mx-ipv6"),
        "mail:zone.mxLabel",
        f"Set the record {name} to DNS only: `pulumi refresh`, then `pulumi up`.",
        Station.NAMES,
        case.broken("mx-address", "mx-ipv6", "inbound-*", "forgery", "reverse-name"),
    )


def _wrong_address(case: _Case) -> Cause | None:
    if not case.fact("mx-address", "address"):
        return None
    host = case.declaration.names.mail_host
    return Cause(
        "mx-elsewhere",
        f"{host} leads to another address than the mail host's",
        case.seen("mx-address"),
        "mail:host.address",
        "`pulumi refresh`, then `pulumi up`; if the host has moved, declare its address.",
        Station.NAMES,
        case.broken("mx-address", "inbound-*", "forgery", "reverse-name"),
    )


def _wrong_mx(case: _Case) -> Cause | None:
    if not case.fact("mx-record", "mx"):
        return None
    return Cause(
        "mx-wrong",
        "The domain's mail is sent to another host than ours",
        f"MX: {case.seen('mx-record')}",
        "mail:zone.mxLabel",
        "`pulumi refresh`, then `pulumi up`. Look who else writes to the zone.",
        Station.NAMES,
        case.broken("mx-record", "mx-alias", "inbound-*", "forgery"),
    )


# The host


def _certificate(case: _Case) -> Cause | None:
    kind, where = _bad_certificate(case)
    if not kind:
        return None
    ended = case.fact(where, "expiry")
    mail = case.fact("certificate-mail", "certificate")
    title = (
        f"The certificate ended on {ended} and was not renewed"
        if kind == "expired"
        else "The certificate is one that nobody trusts"
    )
    mend = (
        f"On the host: `systemctl start {CERTIFICATE_UNIT}` delivers what Traefik holds; "
        f"`journalctl -u {CERTIFICATE_UNIT}` and Traefik's log say why it did not happen."
        if mail
        else "Traefik did not renew it: its log names the reason, often an ended DNS token."
    )
    return Cause(
        f"certificate-{kind}", title, case.seen(where), "mail:traefik.certificateResolver", mend,
        Station.READING if mail else Station.WEB,
        (
            *case.broken("certificate-*"),
            *case.with_fact("tls"),
            *(text for text in case.with_fact("refused") if "TLS" in case.fact(text, "refused")),
            *(case.broken(*_OUT, *_VERDICTS, "inbound-inbox", "inbound-alias", "inbound-plus",
                          "inbound-junk", "inbound-taken", "forgery", "sieve") if mail else ()),
            *(() if mail else case.broken("web*", "auto*", "administration*", "api-locked",
                                          "mta-sts-policy")),
        ),
    )  # fmt: skip


def _bad_certificate(case: _Case) -> tuple[str, str]:
    for where in ("certificate-mail", "certificate-web", "certificate-days"):
        kind = case.fact(where, "certificate")
        if kind:
            return kind, where
    return "", ""


def _shut_ports(case: _Case) -> Cause | None:
    shut = case.fact("ports-open", "shut").split()
    if not shut:
        return None
    all_mail = set(shut) >= {"25", "465", "993"}
    title = (
        "The mail host does not answer on its mail ports"
        if all_mail
        else f"Port {', '.join(shut)} does not answer"
    )
    concerned = {
        "25": ("inbound-*", "starttls", "greeting", "people-known", "relay-refused",
               "unknown-refused", "forgery", "tls-versions"),
        "465": ("outbound-*", "submission-*"),
        "587": ("outbound-starttls", "submission-*"),
        "993": ("imap-*", "inbound-*"),
        "4190": ("sieve",),
        "443": ("web*", "auto*", "administration*", "api-locked", "certificate-web"),
    }  # fmt: skip
    symptoms = [name for port in shut for name in concerned.get(port, ())]
    return Cause(
        "ports-shut", title, case.seen("ports-open"), "mail:mailcow.rawPorts",
        "On the host: `docker compose ps` shows whether the containers run, `nft list ruleset` "
        "what the firewall lets in.",
        Station.DELIVERY, case.broken("ports-open", "certificate-*", "tls-*", *symptoms),
    )  # fmt: skip


# The way out


_SUSPENDED = "delivery temporarily suspended: "
"""Postfix says this in front of the old reason, while it spares a host that has just failed."""
_REPLY = re.compile(r"(?:^| said: )(\d{3})\b")
_TLS_WORDS = (
    "TLS is required", "Server certificate not ", "Cannot start TLS", "certificate verification",
)  # fmt: skip


def _reason(case: _Case) -> str:
    """Return the verdict on the message, as Postfix words it."""
    text = next((text for item in _OUT if (text := case.fact(item, "reason"))), "")
    return text.removeprefix(_SUSPENDED)


def _reply(case: _Case) -> str:
    """Return the reply code in the verdict; empty where the other side said nothing."""
    found = _REPLY.search(_reason(case))
    return found[1] if found else ""


def _state(case: _Case) -> str:
    return next((text for item in _OUT if (text := case.fact(item, "queue"))), "")


def _stuck(case: _Case) -> tuple[str, ...]:
    return case.broken(*_OUT, *_VERDICTS)


def _direct_delivery(case: _Case) -> Cause | None:
    reason = _reason(case)
    server = case.declaration.names.nexthop.host
    # The smarthost is never asked for an MX record, and never on port 25.
    direct = re.search(r"^connect to \S+:25:|^Host or domain name not found", reason)
    if _state(case) == "delivered" or server in reason:
        return None
    if not direct and "configuration error" not in reason:
        return None
    misconfigured = "configuration error" in reason
    title = (
        "Postfix cannot read its configuration"
        if misconfigured
        else "The mail host tries to deliver by itself: it has no relayhost"
    )
    return Cause(
        "relayhost-missing", title, reason, "mail:smarthost",
        "`pulumi refresh`, then `pulumi up`: it writes data/conf/postfix/extra.cf and restarts "
        "Postfix.",
        Station.RELAY, _stuck(case),
    )  # fmt: skip


_LOGIN_REPLIES = ("530", "534", "535", "454")


def _smarthost_login(case: _Case) -> Cause | None:
    reason = _reason(case)
    if not reason.startswith("SASL authentication failed") and _reply(case) not in _LOGIN_REPLIES:
        return None
    return Cause(
        "smarthost-login",
        f"{case.smarthost} refuses the login",
        reason,
        "mail:smarthostPassword",
        "Make a new key in the smarthost's account, then `pulumi config set --secret "
        "mail:smarthostPassword` and `pulumi up`.",
        Station.RELAY,
        _stuck(case),
    )


def _smarthost_tls(case: _Case) -> Cause | None:
    reason = _reason(case)
    if not any(words in reason for words in _TLS_WORDS):
        return None
    return Cause(
        "smarthost-tls", f"{case.smarthost} shows no certificate that can be trusted", reason,
        "mail:smarthost.provider",
        "Nothing of ours: somebody may stand between. Look at the smarthost's status page.",
        Station.RELAY, _stuck(case),
    )  # fmt: skip


def _smarthost_drops(case: _Case) -> Cause | None:
    reason = _reason(case)
    if not re.match(r"conversation with|lost connection|connect to|Host or domain name", reason):
        return None
    dropped = reason.startswith(("conversation", "lost"))
    title = (
        f"{case.smarthost} drops the connection"
        if dropped
        else f"{case.smarthost} is not reached from the mail host"
    )
    port = case.declaration.names.nexthop.port
    others = ", ".join(
        str(change) for change in case.declaration.smarthost.row.ports if change != port
    )
    elsewhere = f"; another one can be declared as mail:smarthost.port ({others})" if others else ""
    return Cause(
        "smarthost-drops" if dropped else "smarthost-unreached", title, reason, "mail:smarthost",
        "Mail waits in the queue and is tried again. If it lasts: the smarthost's status page, "
        f"then whether the VPS's provider shuts port {port}{elsewhere}.",
        Station.RELAY, _stuck(case),
    )  # fmt: skip


def _smarthost_defers(case: _Case) -> Cause | None:
    reason = _reason(case)
    if _reply(case)[:1] != "4":
        return None
    return Cause(
        "smarthost-defers",
        f"{case.smarthost} puts mail off for now",
        reason,
        "mail:smarthost.provider",
        "Nothing is lost: the queue tries again. If it lasts, look at the account's limits and "
        "at the smarthost's status page.",
        Station.RELAY,
        _stuck(case),
    )


def _smarthost_refuses(case: _Case) -> Cause | None:
    reason = _reason(case)
    if _reply(case)[:1] != "5":
        return None
    return Cause(
        "smarthost-refuses",
        f"{case.smarthost}, or the receiver behind it, refuses the message",
        reason,
        "mail:smarthost",
        "The reply says why: a domain that is not verified, a limit, or the receiver's verdict.",
        Station.RELAY,
        _stuck(case),
    )


def _lost_message(case: _Case) -> Cause | None:
    if _state(case) != "delivered":
        return None
    return Cause(
        "message-lost",
        f"{case.smarthost} took the message and it never arrived",
        _reason(case),
        "mail:smarthost.provider",
        "Look the message up in the smarthost's log by the id in its reply; the address may be on "
        "its suppression list.",
        Station.VERDICT,
        _stuck(case),
    )


# The verdict


def _key_in_zone(case: _Case) -> Cause | None:
    kind = case.fact("dkim-record", "dkim")
    if not kind:
        return None
    settings = case.declaration.smarthost
    name = f"{settings.selector}._domainkey.{case.declaration.domain}"
    return Cause(
        "dkim-key",
        f"The zone does not hold the key that belongs to the smarthost's signature ({name})",
        case.seen("dkim-record"),
        "mail:dkimPublicKey",
        "Compare mail:dkimPublicKey with the smarthost's account page, then `pulumi refresh` and "
        "`pulumi up`.",
        Station.VERDICT,
        case.broken("dkim-record", "outbound-dkim", "outbound-dmarc", "outbound-folder"),
    )


def _no_signature(case: _Case) -> Cause | None:
    kind = case.fact("outbound-dkim", "signature")
    if not kind or case.fact("dkim-record", "dkim"):
        return None
    titles = {
        "absent": f"{case.smarthost} does not sign, although the zone holds its key",
        "broken": f"{case.smarthost} signs with another key than the one in the zone",
        "other": f"{case.smarthost} signs with another selector than the declared one",
    }
    return Cause(
        f"signature-{kind}",
        titles[kind],
        case.seen("outbound-dkim"),
        "mail:smarthost.selector" if kind == "other" else "mail:dkimPublicKey",
        "In the smarthost's account: the domain must be verified, with this selector and key.",
        Station.VERDICT,
        case.broken("outbound-dkim", "outbound-dmarc", "outbound-folder"),
    )


def _wrong_envelope(case: _Case) -> Cause | None:
    seen = case.fact("outbound-envelope", "envelope")
    if not seen:
        return None
    return Cause(
        "envelope-wrong",
        f"The smarthost sends under {seen} instead of our envelope domain, so SPF does not align",
        case.seen("outbound-envelope"),
        "mail:smarthost.envelopeLabel",
        "Set the custom return path of the domain in the smarthost's account to this label.",
        Station.VERDICT,
        case.broken("outbound-envelope", "outbound-spf", "outbound-dmarc", "outbound-folder"),
    )


def _spf_in_zone(case: _Case) -> Cause | None:
    if not case.fact("spf-envelope", "spf"):
        return None
    return Cause(
        "spf-record",
        "The envelope domain's SPF record is not the one that lets the smarthost send",
        case.seen("spf-envelope"),
        "mail:smarthost",
        "`pulumi refresh`, then `pulumi up`; take every second SPF record out.",
        Station.VERDICT,
        case.broken("spf-envelope", "outbound-spf", "outbound-dmarc", "outbound-folder"),
    )


def _dmarc_in_zone(case: _Case) -> Cause | None:
    kind = case.fact("dmarc-record", "dmarc")
    if not kind:
        return None
    return Cause(
        "dmarc-record",
        "The zone has no DMARC record"
        if kind == "absent"
        else "The zone says another DMARC policy",
        case.seen("dmarc-record"),
        "mail:dmarc.stage",
        "`pulumi refresh`, then `pulumi up`.",
        Station.PROTECTION,
        case.broken("dmarc-record", "dmarc-stage", "dmarc-reports", "outbound-dmarc", "forgery"),
    )


# The way in


def _inbound_deferred(case: _Case) -> Cause | None:
    code, reply = case.fact("inbound-taken", "code"), case.fact("inbound-taken", "reply")
    if code[:1] not in ("4", "5"):
        return None
    later = code[0] == "4"
    return Cause(
        "inbound-deferred" if later else "inbound-refused",
        f"Our own mail host {'puts off' if later else 'refuses'} mail from outside",
        f"{code} {reply}",
        "mail:mailcow.services",
        "On the host: `docker compose ps`, then `docker compose logs postfix-mailcow "
        "rspamd-mailcow`: a filter or a lookup behind Postfix does not answer.",
        Station.DELIVERY,
        case.broken("inbound-*", "forgery"),
    )


def _web_gateway(case: _Case) -> Cause | None:
    codes = {text: case.fact(text, "http") for text in case.with_fact("http")}
    gateway = [one for one, code in codes.items() if code in ("502", "504")]
    missing = [one for one, code in codes.items() if code == "404"]
    if gateway:
        return Cause(
            "nginx-silent", "Traefik answers, but nginx behind it does not",
            case.seen(gateway[0]), "mail:traefik.backendAddress",
            "On the host: `docker compose ps nginx-mailcow php-fpm-mailcow`.",
            Station.WEB, tuple(gateway),
        )  # fmt: skip
    if missing:
        return Cause(
            "route-missing", "Traefik does not know our web hosts", case.seen(missing[0]),
            "mail:traefik.dynamicDirectory",
            "`pulumi refresh`, then `pulumi up`; Traefik's log says if it refuses the file.",
            Station.WEB, tuple(missing),
        )  # fmt: skip
    return None


RULES: Sequence[Rule] = (
    _proxied_mx, _wrong_address, _wrong_mx, _shut_ports, _certificate,
    _direct_delivery, _smarthost_login, _smarthost_tls, _smarthost_drops, _smarthost_defers,
    _smarthost_refuses, _lost_message,
    _key_in_zone, _no_signature, _wrong_envelope, _spf_in_zone, _dmarc_in_zone,
    _inbound_deferred, _web_gateway,
)  # fmt: skip
"""In the order in which they are asked: what lies deeper comes first."""


def unexplained(results: Sequence[Result], causes: Sequence[Cause]) -> tuple[Result, ...]:
    """Return the failures that no cause explains: they stand for themselves."""
    explained: Mapping[str, None] = dict.fromkeys(id_ for cause in causes for id_ in cause.explains)
    return tuple(
        result
        for result in results
        if result.finding.status is Status.FAIL and result.check.id not in explained
    )
