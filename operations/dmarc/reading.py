"""One aggregate report, RFC 9990 or RFC 7489, as the few facts that are kept of it.

parsedmarc does the parsing, told to ask nobody: it knows what reporters really send, refuses
document types, and names the operator of a network from a data base that comes with it.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from components.dmarc_evidence import UNKNOWN_KEY, Report, Row
from operations.dmarc.unpacking import LeftOutError

if TYPE_CHECKING:
    from parsedmarc.config import ParserConfig

_RECORD = re.compile(rb"<record[\s>]")
_NAME = re.compile(r"[a-z0-9_?]([a-z0-9._-]{0,250}[a-z0-9_])?")
_LONGEST = timedelta(days=8)
"""Longest period of a report; a day is usual, a week has been seen."""
_DISPOSITIONS = ("none", "quarantine", "reject")


def read_report(xml: bytes, domain: str) -> Report:
    """Return what a report says about a domain.

    Args:
        xml: The report.
        domain: The mail domain.

    Raises:
        LeftOutError: it is malformed, or about another domain.
    """
    parsed = _parsed(xml)
    if _name(parsed["policy_published"]["domain"]) != domain:
        raise LeftOutError("of another domain")
    told = parsed["report_metadata"]
    begin, end = _moment(told["begin_date"]), _moment(told["end_date"])
    if not timedelta(0) <= end - begin <= _LONGEST:
        raise LeftOutError("malformed")
    rows: Counter[tuple[date, Row]] = Counter()
    for record in parsed["records"]:
        sender = _name(record["identifiers"]["header_from"])
        if sender != domain and not sender.endswith(f".{domain}"):
            raise LeftOutError("of another domain")
        day = _day(_moment(record["interval_begin"]), _moment(record["interval_end"]))
        rows[day, _row(record, domain, sender)] += _count(record["count"])
    reporter = _reporter(told)
    known = "\n".join((reporter, str(told["report_id"]), begin.isoformat(), end.isoformat()))
    digest = hashlib.sha256(known.encode()).hexdigest()[:16]
    return Report(reporter, digest, _day(begin, min(end, begin + timedelta(days=1))), end, rows)


def _parsed(xml: bytes) -> Mapping[str, Any]:
    # It takes a second to import, and only collecting needs it.
    import parsedmarc  # noqa: PLC0415  # slow to import

    logging.getLogger("parsedmarc").setLevel(logging.CRITICAL)
    try:
        text = xml.decode("utf-8", "replace")
        found: Any = parsedmarc.parse_aggregate_report_xml(text, config=_offline())
        told = found["report_metadata"]
        # What lxml mended was cut off somewhere; half a report is worse than none.
        mended = any(str(one).startswith("Invalid XML") for one in told["errors"])
        split = bool(told["timespan_requires_normalization"])
        lost = not split and len(found["records"]) != len(_RECORD.findall(xml))
    except (parsedmarc.ParserError, KeyError, TypeError, ValueError, RecursionError):
        raise LeftOutError("malformed") from None
    if mended or lost or not found["records"]:
        raise LeftOutError("malformed")
    return dict(found)


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


def _count(given: object) -> int:
    count = int(str(given))
    if not 0 < count < 10**9:
        raise LeftOutError("malformed")
    return count


def _reporter(told: Mapping[str, Any]) -> str:
    """Return the organisation that reports: a domain where it names one, never a mailbox."""
    given = str(told["org_name"] or "").rpartition("@")[2]
    name = "".join(one for one in given if one.isalnum() or one in " .-&")[:60].strip()
    return name.lower() if "." in name else name or "unnamed"


def _name(given: object) -> str:
    """Return a name of the DNS, or an empty text for what is none."""
    text = str(given or "").strip().lower().rstrip(".").rpartition("@")[2]
    return text if _NAME.fullmatch(text) else ""


def _row(record: Mapping[str, Any], domain: str, sender: str) -> Row:
    found = record["auth_results"]
    dkim = [(_name(one["domain"]), _name(one["selector"]), one["result"]) for one in found["dkim"]]
    spf = [(_name(one["domain"]), one["result"]) for one in found["spf"]]
    ours = [one for one in dkim if _is_ours(one[0], domain)]
    envelope = next((name for name, _ in spf if _is_ours(name, domain)), "")
    aligned_spf = bool(record["alignment"]["spf"])
    judged = record["policy_evaluated"]
    reasons = {str(one.get("type")) for one in judged["policy_override_reasons"]}
    disposition = str(judged["disposition"]).lower()
    return Row(
        network=_network(record["source"]),
        key=_selector(ours, "pass") or UNKNOWN_KEY if record["alignment"]["dkim"] else "",
        envelope=envelope or (domain if aligned_spf else ""),
        spf=aligned_spf,
        broken=_selector([one for one in ours if one[2] != "none"], "")
        if not record["alignment"]["dkim"] else "",
        other=_other(dkim, spf, domain),
        below="" if sender == domain else sender,
        forwarded=bool(reasons & {"forwarded", "trusted_forwarder", "mailing_list"}),
        # RFC 9990 says `pass` where RFC 7489 said `none`: nothing was done.
        disposition=disposition if disposition in _DISPOSITIONS else "none",
    )  # fmt: skip


def _is_ours(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _selector(signatures: Sequence[tuple[str, str, str]], result: str) -> str:
    """Return the first selector of some signatures with a result; of any, if it is empty."""
    found = (
        selector if selector not in ("", "none") else UNKNOWN_KEY
        for _, selector, one in signatures
        if result in ("", one)
    )  # fmt: skip
    return next(found, "")


def _other(
    dkim: Sequence[tuple[str, str, str]], spf: Sequence[tuple[str, str]], domain: str
) -> str:
    """Return the domain of somebody else that a message was authenticated by."""
    from parsedmarc.utils import (  # noqa: PLC0415  # as above
        get_base_domain,
    )

    names = [name for name, _, result in dkim if result == "pass"]
    names += [name for name, result in spf if result == "pass"]
    base = (get_base_domain(name) or name for name in names if name)
    return next((name for name in base if not _is_ours(domain, name)), "")


def _network(source: Mapping[str, Any]) -> str:
    """Return whose network an address belongs to; the address itself is not kept."""
    named = _name(source.get("as_domain"))
    if named:
        return named
    country = str(source.get("country") or "")
    return f"network in {country}" if country.isalpha() else "unknown network"
