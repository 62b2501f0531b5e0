"""Aggregate reports of a receiver: what it saw of a domain, as XML, gzip and mail.

In the format of RFC 9990, and in the older one of RFC 7489 that most receivers still send.
"""

import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from xml.etree import ElementTree as ET

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"


@dataclass(frozen=True)
class Seen:
    """What messages have in common that a receiver reports as one.

    Attributes:
        address: Address of the client.
        header_from: Domain of the From header.
        envelope: Domain of the envelope sender.
        spf: Result of SPF for it.
        signatures: Domain, selector and result of each DKIM signature.
        disposition: What was done: `none`, `quarantine`, `reject`.
        reason: Why that is not what the policy asks for, such as `mailing_list`; mostly empty.
    """

    address: str
    header_from: str
    envelope: str = ""
    spf: str = "none"
    signatures: tuple[tuple[str, str, str], ...] = ()
    disposition: str = "none"
    reason: str = ""

    @property
    def dkim_aligned(self) -> bool:
        """Whether a signature holds whose domain is that of the From header, relaxed."""
        return any(
            result == "pass" and _related(domain, self.header_from)
            for domain, _, result in self.signatures
        )

    @property
    def spf_aligned(self) -> bool:
        """Whether SPF holds for a domain that is that of the From header, relaxed."""
        return self.spf == "pass" and _related(self.envelope, self.header_from)


@dataclass(frozen=True)
class Period:
    """Who reports, and on when.

    Attributes:
        reporter: Domain of the receiver.
        identifier: Number of the report.
        begin: First second.
        end: Last second.
    """

    reporter: str
    identifier: str
    begin: datetime
    end: datetime

    @property
    def file_name(self) -> str:
        """File name without the domain's part (RFC 9990 section 3.1)."""
        return f"{self.begin.timestamp():.0f}!{self.end.timestamp():.0f}.xml.gz"


def _related(one: str, other: str) -> bool:
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def render(
    period: Period, policy: Mapping[str, str], seen: Counter[Seen], *, legacy: bool = False
) -> bytes:
    """Return a report.

    Args:
        period: Who reports, and on when.
        policy: Tags of the published record, with `domain`.
        seen: How many messages of each kind.
        legacy: RFC 7489 instead of RFC 9990.
    """
    root = ET.Element("feedback", {} if legacy else {"xmlns": NAMESPACE})
    _texts(root, version="1.0")
    told = ET.SubElement(root, "report_metadata")
    _texts(
        told,
        org_name=period.reporter,
        email=f"dmarc-reports@{period.reporter}",
        report_id=period.identifier,
    )
    _texts(
        ET.SubElement(told, "date_range"),
        begin=f"{period.begin.timestamp():.0f}",
        end=f"{period.end.timestamp():.0f}",
    )
    if not legacy:
        _texts(told, generator="rehearsal")
    published = ET.SubElement(root, "policy_published")
    _texts(published, domain=policy["domain"])
    if not legacy:
        _texts(published, discovery_method="treewalk")
    asked = policy.get("p", "none")
    _texts(published, p=asked, sp=policy.get("sp", asked))
    _texts(published, adkim=policy.get("adkim", "r"), aspf=policy.get("aspf", "r"))
    if legacy:
        _texts(published, pct="100")
    for one, count in sorted(seen.items(), key=lambda pair: repr(pair[0])):
        _record(root, one, count, legacy=legacy)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _record(root: ET.Element, one: Seen, count: int, *, legacy: bool) -> None:
    record = ET.SubElement(root, "record")
    row = ET.SubElement(record, "row")
    _texts(row, source_ip=one.address, count=str(count))
    judged = ET.SubElement(row, "policy_evaluated")
    passed = one.dkim_aligned or one.spf_aligned
    done = "pass" if passed and not legacy else one.disposition
    _texts(
        judged,
        disposition=done,
        dkim="pass" if one.dkim_aligned else "fail",
        spf="pass" if one.spf_aligned else "fail",
    )
    if one.reason:
        _texts(ET.SubElement(judged, "reason"), type=one.reason)
    _texts(
        ET.SubElement(record, "identifiers"),
        header_from=one.header_from,
        envelope_from=one.envelope,
    )
    results = ET.SubElement(record, "auth_results")
    for domain, selector, result in one.signatures:
        _texts(ET.SubElement(results, "dkim"), domain=domain, selector=selector, result=result)
    _texts(ET.SubElement(results, "spf"), domain=one.envelope, scope="mfrom", result=one.spf)


def _texts(parent: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, name).text = text


def enclose(report: bytes, period: Period, domain: str, to: str) -> EmailMessage:
    """Return the message that carries a report (RFC 9990 section 3.1)."""
    message = EmailMessage()
    message["From"] = f"dmarc-reports@{period.reporter}"
    message["To"] = to
    message["Subject"] = (
        f"Report Domain: {domain} Submitter: {period.reporter} Report-ID: <{period.identifier}>"
    )
    message.set_content(f"Aggregate report on {domain}.\n")
    message.add_attachment(
        gzip.compress(report, mtime=0),
        maintype="application",
        subtype="gzip",
        filename=f"{period.reporter}!{domain}!{period.file_name}",
    )
    return message
