"""Judging a message as a receiver does: SPF, DKIM and DMARC, by what the DNS says.

SPF is read by `readers.spf`, DKIM evaluated by dkimpy and DMARC by authheaders; here they are only
given the world's DNS, and one verdict is made of their results.
"""

import functools
import re
from dataclasses import asdict, dataclass
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from typing import Any

import authheaders
import dkim
import dns.exception
from authres import DKIMAuthenticationResult, SPFAuthenticationResult
from publicsuffixlist import PublicSuffixList

from readers.dns import blocking
from readers.spf.check import check
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
        dmarc: `pass`, `fail`, `none` without a record, `permerror` where it cannot be read.
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


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def organizational_domain(name: str) -> str:
    """Return the organizational domain of a name (RFC 7489 section 3.2): one label and its suffix.

    A top-level domain that the public suffix list does not hold, such as `.example`, is a suffix
    by the list's own rule for unknown ones.
    """
    return _suffixes().privatesuffix(name.lower()) or name.lower()


# That of authheaders reads an old list anew at each call, and leaves out that rule.
authheaders.get_org_domain = organizational_domain
authheaders.dmarc_lookup.get_org_domain = organizational_domain


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
    from_domain: str, spf_result: Any, signatures: tuple[Signature, ...], names: Names
) -> tuple[str, str]:
    def record(name: str) -> str:
        found = [one for one in names.text(name) if one.startswith(b"v=DMARC1")]
        # More than one record counts as none (RFC 9989 section 4.10).
        return found[0].decode() if len(found) == 1 else ""

    best = ("none", "")
    # authheaders weighs one signature at a time; one aligned pass is enough.
    for signature in signatures or (Signature("", "", "none"),):
        signed = DKIMAuthenticationResult(result=signature.result, header_d=signature.domain)
        try:
            result, _, _, policy = authheaders.dmarc_per_from(
                from_domain, spf_result=spf_result, dkim_result=signed, dnsfunc=record
            )
        except authheaders.dmarc_lookup.DMARCException:
            return "permerror", ""
        if result == "pass":
            return "pass", str(policy)
        best = (str(result), "" if result == "none" else str(policy))
    return best


def judge(message: bytes, *, address: str, sender: str, helo: str, names: Names) -> Verdict:
    """Judge a message as received. Blocks while it asks the DNS.

    Args:
        message: The message, headers and body (RFC 5322), lines ending in CRLF.
        address: Public IP address of the client.
        sender: Envelope sender, empty for a bounce.
        helo: Name given in HELO or EHLO.
        names: The DNS to ask.
    """
    outcome = check(address, sender, helo, blocking(names.resolver))
    spf_result, reason = str(outcome.result), outcome.reason
    signatures = _judge_dkim(message, names)
    header = BytesHeaderParser().parsebytes(message)
    from_domain = parseaddr(str(header.get("From", "")))[1].rpartition("@")[2].lower()
    spf_domain = (sender.rpartition("@")[2] or helo).lower()
    enveloped = SPFAuthenticationResult(
        result=spf_result, smtp_mailfrom=sender or f"postmaster@{helo}", smtp_helo=helo
    )
    dmarc, policy = ("permerror", "")
    if from_domain:
        dmarc, policy = _judge_dmarc(from_domain, enveloped, signatures, names)
    dkim_result = "none"
    if signatures:
        dkim_result = "pass" if any(one.result == "pass" for one in signatures) else "fail"
    return Verdict(
        spf=spf_result,
        spf_domain=spf_domain,
        spf_reason=reason,
        dkim=dkim_result,
        signatures=signatures,
        dmarc=dmarc,
        policy=policy,
        from_domain=from_domain,
    )
