"""One TLS report (RFC 8460): how often senders kept to TLS with our mail host, and why not."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dmarc.evidence import TlsReport
from dmarc.left_out import LeftOutError

_KINDS = frozenset(
    {
        "starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
        "certificate-not-trusted", "validation-failure", "tlsa-invalid", "dnssec-invalid",
        "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid",
    }
)  # fmt: skip
"""What can fail (RFC 8460 section 4.3)."""
_MOST_SESSIONS = 10**9


def read_tls_report(text: str, domain: str, sender: str = "") -> TlsReport:
    """Return what a report says about a domain.

    Args:
        text: The report, JSON.
        domain: The mail domain.
        sender: Domain that sent it, where our own host has authenticated that.

    Raises:
        LeftOutError: it is malformed, or about another domain.
    """
    import parsedmarc  # noqa: PLC0415  # slow to import

    try:
        report: Mapping[str, Any] = parsedmarc.parse_smtp_tls_report_json(text)
        policies = [
            policy for policy in report["policies"]
            if str(policy["policy_domain"]).strip().lower().rstrip(".") == domain
        ]  # fmt: skip
        if not policies:
            raise LeftOutError("of another domain")
        begin, end = (_moment(report[key]) for key in ("begin_date", "end_date"))
        failures: Counter[str] = Counter()
        for policy in policies:
            failures += _failures(policy)
        successful = sum(_sessions(policy["successful_session_count"]) for policy in policies)
    except (parsedmarc.ParserError, KeyError, TypeError, ValueError, RecursionError):
        raise LeftOutError("malformed") from None
    letters = str(report["organization_name"])
    name = "".join(char for char in letters if char.isalnum() or char in " .-")
    told = (name, str(report["report_id"]), begin.isoformat(), end.isoformat())
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    middle = (begin + (end - begin) / 2).date()
    return TlsReport(sender or name.strip()[:60] or "unnamed", digest, middle, successful, failures)


def _failures(policy: Mapping[str, Any]) -> Counter[str]:
    """Return the failed sessions of a policy by kind; those without details as `unexplained`."""
    failures: Counter[str] = Counter()
    for detail in policy.get("failure_details", ()):
        kind = str(detail["result_type"]).strip().lower()
        failures[kind if kind in _KINDS else "other"] += _sessions(detail["failed_session_count"])
    missing = _sessions(policy["failed_session_count"]) - failures.total()
    failures["unexplained"] += max(0, missing)
    return +failures


def _sessions(count: object) -> int:
    sessions = int(str(count))
    if not 0 <= sessions <= _MOST_SESSIONS:
        raise ValueError(count)
    return sessions


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
