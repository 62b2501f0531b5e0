"""One aggregate report, RFC 9990 or RFC 7489, as the few facts that are kept of it.

parsedmarc does the parsing, told to ask nobody: it knows what reporters really send, and names the
operator of a network from a data base that comes with it. Before it, the document is brought into a
shape in which one odd record does not cost the others.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from dmarc.evidence import UNKNOWN_KEY, Override, Report, Row
from dmarc.left_out import LeftOutError

if TYPE_CHECKING:
    from parsedmarc.config import ParserConfig

_NAME = re.compile(r"[a-z0-9_?]([a-z0-9._-]{0,250}[a-z0-9_])?")
_LONGEST = timedelta(days=8)
"""Longest period of a report; a day is usual, a week has been seen."""
_MOST_RECORDS = 5_000
_MOST_TAGS = 250_000
_DISPOSITIONS = ("none", "quarantine", "reject")
_BARE_AMPERSAND = re.compile(r"&(?!(?:[a-zA-Z]+|#\d+|#x[0-9a-fA-F]+);)")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ARC_PASSED = re.compile(r"\barc\s*=\s*pass\b", re.IGNORECASE)
_BY_TYPE = {
    "mailing_list": Override.LIST,
    "forwarded": Override.FORWARDER,
    "trusted_forwarder": Override.FORWARDER,
}
_SPARE = (
    "<record><row><source_ip>192.0.2.1</source_ip><count>0</count><policy_evaluated>"
    "<disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>"
    "<identifiers><header_from/></identifiers><auth_results/></record>"
)
"""parsedmarc refuses a report without records, and the whole of one whose only record it cannot
read. With one more, of no message, it does neither."""


def read_report(text: str, domain: str, sender: str = "") -> Report:
    """Return what a report says about a domain.

    Args:
        text: The report.
        domain: The mail domain.
        sender: Domain that sent it, where our own host has authenticated that.

    Raises:
        LeftOutError: it is malformed, or about another domain.
    """
    root = _mended(text)
    records = len(root.findall("record")) - 1
    parsed = _parsed(root)
    if _name(parsed["policy_published"]["domain"]) != domain:
        raise LeftOutError("of another domain")
    metadata = parsed["report_metadata"]
    begin, end = _moment(metadata["begin_date"]), _moment(metadata["end_date"])
    if not timedelta(0) <= end - begin <= _LONGEST:
        raise LeftOutError("malformed")
    rows: Counter[tuple[date, Row]] = Counter()
    whole = _whole_records(parsed["records"])
    left_out = Counter({"unreadable record": records - len(whole)})
    for parts in whole:
        author = _name(parts[0]["identifiers"]["header_from"])
        fault = _fault(parts[0], author, domain)
        left_out[fault] += bool(fault)
        for record in parts if not fault else ():
            day = _day(_moment(record["interval_begin"]), _moment(record["interval_end"]))
            rows[day, _row(record, domain, author)] += record["count"]
    left_out = +left_out
    if left_out and not rows:
        (reason, _), *_ = left_out.most_common()
        raise LeftOutError("of another domain" if "another domain" in reason else "malformed")
    return Report(
        _receiver(metadata, sender), _digest(metadata, begin, end),
        _day(begin, min(end, begin + timedelta(days=1))), end, rows, left_out,
    )  # fmt: skip


def _whole_records(records: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the records that tell of messages, each as the days over which it was spread."""
    whole: dict[int, list[Mapping[str, Any]]] = {}
    for record in records:
        if record["count"]:
            # The parts of a record share the results from which they stem.
            whole.setdefault(id(record["auth_results"]), []).append(record)
    return list(whole.values())


def _fault(record: Mapping[str, Any], author: str, domain: str) -> str:
    """Return why a record is not counted; an empty text if it is."""
    if not 0 < record["count"] < 10**9:
        return "unreadable record"
    if not author:
        return "record without an author"
    return "" if _is_ours(author, domain) else "record of another domain"


def _mended(text: str) -> Element:
    """Return the document without what is odd and means nothing.

    Raises:
        LeftOutError: it is no XML, cut off, or too large; or it has a document type.
    """
    if text.count("<") > _MOST_TAGS:
        raise LeftOutError("too large")
    text = _BARE_AMPERSAND.sub("&amp;", _FORBIDDEN.sub("\ufffd", text)).lstrip()
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise LeftOutError("malformed") from None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
        element.attrib.clear()
    if len(root.findall("record")) > _MOST_RECORDS:
        raise LeftOutError("too large")
    for results in root.iterfind("record/auth_results"):
        _drop(results, [each for each in results if not (each.findtext("domain") or "").strip()])
    for judged in root.iterfind("record/row/policy_evaluated"):
        _drop(judged, [each for each in judged.findall("reason") if each.find("type") is None])
    root.append(fromstring(_SPARE))
    return root


def _drop(parent: Element, children: Sequence[Element]) -> None:
    for child in children:
        parent.remove(child)


def _parsed(root: Element) -> Mapping[str, Any]:
    # It takes a second to import, and only collecting needs it.
    import parsedmarc  # noqa: PLC0415  # slow to import

    logging.getLogger("parsedmarc").setLevel(logging.CRITICAL)
    try:
        text = tostring(root, encoding="unicode")
        return dict(parsedmarc.parse_aggregate_report_xml(text, config=_offline()))
    except (parsedmarc.ParserError, KeyError, TypeError, ValueError, RecursionError):
        raise LeftOutError("malformed") from None


@cache
def _offline() -> "ParserConfig":
    """Return settings with which parsedmarc asks neither the DNS nor the web."""
    from parsedmarc.config import ParserConfig  # noqa: PLC0415  # as above

    # A report of a day may end a second late; a longer one is spread over its days.
    return ParserConfig(
        offline=True, always_use_local_files=True, normalize_timespan_threshold_hours=36.0
    )


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except (TypeError, ValueError):
        raise LeftOutError("malformed") from None


def _day(begin: datetime, end: datetime) -> date:
    """Return the day in whose hours the middle of a period lies."""
    return (begin + (end - begin) / 2).date()


def _digest(metadata: Mapping[str, Any], begin: datetime, end: datetime) -> str:
    told = (_organisation(metadata["org_name"]), str(metadata["report_id"]),
            begin.isoformat(), end.isoformat())  # fmt: skip
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _receiver(metadata: Mapping[str, Any], sender: str) -> str:
    """Return who reports, once however many names it gives itself.

    That is whoever was authenticated as the sender of the message; without one, the domain of the
    address in the report, and without that the organisation.
    """
    from parsedmarc.utils import get_base_domain  # noqa: PLC0415  # as above

    domain = sender or _name(metadata["org_email"])
    base = get_base_domain(domain) if "." in domain else None
    return base or _organisation(metadata["org_name"])


def _organisation(text: object) -> str:
    """Return the name of an organisation: a domain where it is one, never a mailbox."""
    letters = str(text or "").rpartition("@")[2]
    name = "".join(char for char in letters if char.isalnum() or char in " .-&")[:60].strip()
    return name.lower() if "." in name else name or "unnamed"


def _name(text: object) -> str:
    """Return a name of the DNS, or an empty text for what is none."""
    name = str(text or "").strip().lower().rstrip(".>").rpartition("@")[2]
    return name if _NAME.fullmatch(name) else ""


def _row(record: Mapping[str, Any], domain: str, author: str) -> Row:
    results = record["auth_results"]
    dkim = [
        (_name(signature["domain"]), _name(signature["selector"]), signature["result"])
        for signature in results["dkim"]
    ]
    spf = [(_name(envelope["domain"]), envelope["result"]) for envelope in results["spf"]]
    ours = [signature for signature in dkim if _is_ours(signature[0], domain)]
    envelope = next((name for name, _ in spf if _is_ours(name, domain)), "")
    aligned_spf = bool(record["alignment"]["spf"])
    judged = record["policy_evaluated"]
    disposition = str(judged["disposition"]).lower()
    return Row(
        network=_network(record["source"]),
        key=_selector(ours, "pass") or UNKNOWN_KEY if record["alignment"]["dkim"] else "",
        envelope=envelope or (domain if aligned_spf else ""),
        spf=aligned_spf,
        broken=_selector([signature for signature in ours if signature[2] != "none"], "")
        if not record["alignment"]["dkim"] else "",
        other=_other(dkim, spf, domain),
        below="" if author == domain else author,
        override=next(_overrides(judged["policy_override_reasons"]), Override.NONE),
        # RFC 9990 says `pass` where RFC 7489 said `none`: nothing was done.
        disposition=disposition if disposition in _DISPOSITIONS else "none",
    )  # fmt: skip


def _overrides(reasons: Sequence[Mapping[str, Any]]) -> Iterator[Override]:
    """Yield why a receiver took a message in that DMARC would have refused."""
    for reason in reasons:
        if str(reason.get("type")).strip() in _BY_TYPE:
            yield _BY_TYPE[str(reason["type"]).strip()]
    for reason in reasons:
        # A chain of receivers that vouch for what they changed (RFC 8617 section 7.2.2).
        if _ARC_PASSED.search(str(reason.get("comment") or "")):
            yield Override.ARC


def _is_ours(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _selector(signatures: Sequence[tuple[str, str, str]], result: str) -> str:
    """Return the first selector of some signatures with a result; of any, if it is empty."""
    selectors = (
        selector if selector not in ("", "none") else UNKNOWN_KEY
        for _, selector, told in signatures
        if result in ("", told)
    )  # fmt: skip
    return next(selectors, "")


def _other(
    dkim: Sequence[tuple[str, str, str]], spf: Sequence[tuple[str, str]], domain: str
) -> str:
    """Return the domain of somebody else that a message was authenticated by."""
    from parsedmarc.utils import get_base_domain  # noqa: PLC0415  # as above

    names = [name for name, _, result in dkim if result == "pass"]
    names += [name for name, result in spf if result == "pass"]
    base = (get_base_domain(name) or name for name in names if name)
    return next((name for name in base if not _is_ours(domain, name)), "")


def _network(source: Mapping[str, Any]) -> str:
    """Return whose network an address belongs to; the address itself is not kept."""
    operator = _name(source.get("as_domain"))
    if operator:
        return operator
    country = str(source.get("country") or "")
    return f"network in {country}" if country.isalpha() else "unknown network"
