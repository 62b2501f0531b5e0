"""Judging a message as a receiver does: SPF, DKIM and DMARC, by what the DNS says.

SPF and DMARC are read by `readers`, signatures evaluated by dkimpy; here they are only given the
world's DNS, and one verdict is made of their results.
"""

import re
from dataclasses import asdict, dataclass
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from typing import Any

import dkim
import dns.exception

from readers import dmarc
from readers.dns import DnsFailureError, Resolver
from readers.resolving import blocking
from readers.spf.check import Result, check
from rehearsal.world.names import Names

_TAG = re.compile(rb"(?:^|;)\s*([a-z]+)\s*=\s*([^;]*)")


@dataclass(frozen=True)
class Signature:
    """One DKIM signature of a message and what became of it."""

    domain: str
    selector: str
    result: str


@dataclass(frozen=True)
class Verdict:
    """What a receiver makes of a message.

    Attributes:
        spf: Result for the envelope sender (RFC 7208 section 2.6), `none` without a record.
        spf_domain: Domain of the envelope sender.
        spf_reason: Why.
        dkim: `pass` when at least one signature holds, `none` without any, otherwise `fail`.
        signatures: Every signature found.
        dmarc: `pass`, `fail`, `none` without a record, `permerror` without an author,
            `temperror` where the DNS does not answer.
        policy: The published policy that applies: `none`, `quarantine`, `reject`, or empty.
        from_domain: Domain of the From header.
    """

    spf: str
    spf_domain: str
    spf_reason: str
    dkim: str
    signatures: tuple[Signature, ...]
    dmarc: str
    policy: str
    from_domain: str

    @property
    def disposition(self) -> str:
        """What the sender's policy asks for: `deliver`, `quarantine` or `reject`."""
        if self.dmarc == "fail" and self.policy in {"quarantine", "reject"}:
            return self.policy
        return "deliver"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict for JSON, the disposition included."""
        return {**asdict(self), "disposition": self.disposition}


def _judge_dkim(message: bytes, names: Names) -> tuple[Signature, ...]:
    def lookup(name: bytes | str, timeout: float = 5) -> bytes | None:
        del timeout  # the resolver has its own
        query = name.decode() if isinstance(name, bytes) else name
        return next(iter(names.text(query.rstrip("."))), None)

    # Without a minimum of its own, dkimpy refuses keys under 1024 bits (RFC 8301).
    checker = dkim.DKIM(message)
    fields = [value for name, value in checker.headers if name.lower() == b"dkim-signature"]
    signatures = []
    for index, field in enumerate(fields):
        tags = dict(_TAG.findall(re.sub(rb"\s+", b"", field)))
        try:
            result = "pass" if checker.verify(idx=index, dnsfunc=lookup) else "fail"
        except dkim.DKIMException:
            result = "fail"
        except dns.exception.DNSException:
            result = "temperror"
        signatures.append(
            Signature(tags.get(b"d", b"").decode(), tags.get(b"s", b"").decode(), result)
        )
    return tuple(signatures)


def _judge_dmarc(
    from_domain: str, spf_domain: str, signatures: tuple[Signature, ...], ask: Resolver
) -> tuple[str, str]:
    """Return the result and the policy that applies; a domain is empty where SPF did not pass."""
    try:
        return _by_dmarc(from_domain, spf_domain, signatures, ask)
    except DnsFailureError:
        return "temperror", ""


def _by_dmarc(
    from_domain: str, spf_domain: str, signatures: tuple[Signature, ...], ask: Resolver
) -> tuple[str, str]:
    found = dmarc.discover(from_domain, ask)
    if found is None:
        return "none", ""
    signed = [signature.domain for signature in signatures if signature.result == "pass"]
    identities = [("spf", spf_domain), *(("dkim", domain) for domain in signed)]
    aligned = any(
        dmarc.aligned(from_domain, domain, ask, strict=found.record.strict(what))
        for what, domain in identities
        if domain
    )
    return "pass" if aligned else "fail", str(found.policy)


def judge(message: bytes, *, address: str, sender: str, helo: str, names: Names) -> Verdict:
    """Judge a message as received. Blocks while it asks the DNS.

    Args:
        message: The message, headers and body (RFC 5322), lines ending in CRLF.
        address: Public IP address of the client.
        sender: Envelope sender, empty for a bounce.
        helo: Name given in HELO or EHLO.
        names: The DNS to ask.
    """
    ask = blocking(names.resolver)
    outcome = check(address, sender, helo, ask)
    signatures = _judge_dkim(message, names)
    header = BytesHeaderParser().parsebytes(message)
    from_domain = parseaddr(str(header.get("From", "")))[1].rpartition("@")[2].lower()
    spf_domain = (sender.rpartition("@")[2] or helo).lower()
    result, policy = "permerror", ""
    if from_domain:
        passed = spf_domain if outcome.result is Result.PASS else ""
        result, policy = _judge_dmarc(from_domain, passed, signatures, ask)
    dkim_result = "none"
    if signatures:
        dkim_result = (
            "pass" if any(signature.result == "pass" for signature in signatures) else "fail"
        )
    return Verdict(
        spf=str(outcome.result),
        spf_domain=spf_domain,
        spf_reason=outcome.reason,
        dkim=dkim_result,
        signatures=signatures,
        dmarc=result,
        policy=policy,
        from_domain=from_domain,
    )
