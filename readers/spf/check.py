"""What a receiver makes of a client: check_host() of RFC 7208, its look-ups counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network

from readers.addresses import Address
from readers.dns import DnsFailureError, Resolver
from readers.mistake import MistakeError
from readers.spf.macros import Client, check_macros, expand
from readers.spf.record import Mechanism, Record, Term, parse, records_among

LOOKUP_LIMIT = 10
"""Terms that may cause a look-up (section 4.6.4)."""
VOID_LIMIT = 2
"""Look-ups that may find nothing (section 4.6.4)."""
HOST_LIMIT = 10
"""Hosts of one `mx`, and names of one client (section 4.6.4)."""


class Result(StrEnum):
    """What a check comes to (section 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result, no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


QUALIFIERS = {
    "+": Result.PASS,
    "-": Result.FAIL,
    "~": Result.SOFTFAIL,
    "?": Result.NEUTRAL,
}


@dataclass(frozen=True)
class Outcome:
    """What became of a check.

    Attributes:
        result: The result.
        reason: Why: the term that decided, or what is wrong.
        term: The term of the first record that decided, if one did.
        explanation: The domain's own words to a client that fails; empty where it has none.
        lookups: Terms that caused a look-up.
        voids: Questions that found nothing, as `name kind`.
    """

    result: Result
    reason: str
    term: Term | None = None
    explanation: str = ""
    lookups: int = 0
    voids: tuple[str, ...] = ()


class _EndError(Exception):
    """The check is over, with an error for its result."""

    def __init__(self, result: Result, reason: str) -> None:
        self.result = result
        self.reason = reason
        super().__init__(reason)


@dataclass
class _Run:
    """One check: who asks, and what it has cost so far."""

    client: Client
    ask: Resolver
    lookups: int = 0
    voids: list[str] = field(default_factory=list)

    def query(self, name: str, kind: str) -> Sequence[str]:
        """Ask a question for a term; an answer that holds nothing is counted."""
        answers = self.ask(name, kind) if is_name(name) else ()
        if not answers:
            self.voids.append(f"{name} {kind}")
            if len(self.voids) > VOID_LIMIT:
                found_nothing = ", ".join(self.voids)
                reason = f"more than {VOID_LIMIT} look-ups find nothing: {found_nothing}"
                raise _EndError(Result.PERMERROR, reason)
        return answers

    def addresses(self, name: str) -> list[Address]:
        """Ask for the addresses of a name, of the client's version of IP."""
        kind = "A" if self.client.version == 4 else "AAAA"
        return [ip_address(value) for value in self.query(name, kind)]

    def validated(self, domain: str, names: Sequence[str]) -> list[str]:
        """Return those of the client's names that lead back to it, the domain's first (5.5)."""
        kind = "A" if self.client.version == 4 else "AAAA"
        valid = []
        for name in names[:HOST_LIMIT]:
            try:
                back = self.ask(name, kind) if is_name(name) else ()
            except DnsFailureError:
                continue
            if any(ip_address(value) == self.client.address for value in back):
                valid.append(name.lower().removesuffix("."))
        return sorted(valid, key=lambda name: (name != domain, not below(name, domain)))

    def expand(self, text: str, domain: str, *, explaining: bool = False) -> str:
        """Return what a text with macros becomes."""

        def name() -> str:
            try:
                names = self.ask(self.client.reverse, "PTR")
            except DnsFailureError:
                return "unknown"
            return next(iter(self.validated(domain, names)), "unknown")

        return expand(text, self.client, domain, name, explaining=explaining)


def check(address: str, sender: str, helo: str, ask: Resolver) -> Outcome:
    """Check whether a client may send.

    Args:
        address: IP address of the client.
        sender: Envelope sender; empty for a bounce, which is checked as postmaster of the HELO.
        helo: Name given in HELO or EHLO.
        ask: Who answers for names. What it raises, `DnsFailureError` aside, is passed on.
    """
    client_address = ip_address(address)
    mapped = getattr(client_address, "ipv4_mapped", None)
    local, _, domain = sender.rpartition("@")
    domain = domain or helo
    client = Client(mapped or client_address, f"{local or 'postmaster'}@{domain}", helo)
    if not is_name(domain) or "." not in domain.removesuffix("."):
        return Outcome(Result.NONE, f"{domain} is no domain name")
    run = _Run(client, ask)
    try:
        result, reason, term, explanation = _check_host(run, domain.removesuffix("."))
    except DnsFailureError as error:
        result, reason, term, explanation = Result.TEMPERROR, str(error), None, ""
    except _EndError as error:
        result, reason, term, explanation = error.result, error.reason, None, ""
    return Outcome(result, reason, term, explanation, run.lookups, tuple(run.voids))


def record_at(domain: str, ask: Resolver) -> Record | None:
    """Return the record of a domain; None where it has none.

    Raises:
        MistakeError: it has more than one.
        DnsFailureError: no answer came.
    """
    texts = records_among(ask(domain, "TXT")) if is_name(domain) else []
    if len(texts) > 1:
        raise MistakeError(domain, f"has {len(texts)} SPF records")
    return parse(texts[0]) if texts else None


def is_name(name: str) -> bool:
    """Tell whether a name can be asked for: no empty label, none beyond 63 octets."""
    labels = name.removesuffix(".").split(".")
    return len(name) <= 254 and all(0 < len(label) < 64 for label in labels)


def below(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or stands below it."""
    return f".{name.lower()}".endswith(f".{domain.lower()}")


def _check_host(
    run: _Run, domain: str, *, included: bool = False
) -> tuple[Result, str, Term | None, str]:
    try:
        record = record_at(domain, run.ask)
    except MistakeError as error:
        raise _EndError(Result.PERMERROR, str(error)) from None
    if record is None:
        return Result.NONE, f"{domain} has no SPF record", None, ""
    if record.mistakes:
        raise _EndError(Result.PERMERROR, f"{domain}: {record.mistakes[0]}")
    for term in record.used:
        if _matches(run, term, domain):
            result = QUALIFIERS[term.qualifier]
            explanation = ""
            if result is Result.FAIL and not included:
                explanation = _explain(run, record, domain)
            return result, f"{domain}: {term.place}", term, explanation
    if record.redirect is None:
        return Result.NEUTRAL, f"{domain} names nobody else", None, ""
    _count(run)
    target = run.expand(record.redirect.value, domain)
    result, reason, _, explanation = _check_host(run, target, included=included)
    if result is Result.NONE:
        raise _EndError(Result.PERMERROR, f"{domain}: {record.redirect.place}: no SPF record there")
    return result, reason, record.redirect, explanation


def _count(run: _Run) -> None:
    run.lookups += 1
    if run.lookups > LOOKUP_LIMIT:
        raise _EndError(Result.PERMERROR, f"more than {LOOKUP_LIMIT} look-ups")


def _matches(run: _Run, term: Mechanism, domain: str) -> bool:
    if term.costs:
        _count(run)
    target = run.expand(term.domain, domain) if term.domain else domain
    address = run.client.address
    match term.name:
        case "all":
            return True
        case "ip4" | "ip6":
            return term.network is not None and address in term.network
        case "include":
            return _includes(run, term, target, domain)
        case "exists":
            return bool(run.query(target, "A"))
        case "ptr":
            return _validates(run, target)
        case "a":
            hosts = [target]
        case _:
            hosts = exchangers(run.query(target, "MX"))
            if len(hosts) > HOST_LIMIT:
                reason = f"{domain}: {term.place}: {len(hosts)} hosts, {HOST_LIMIT} may be"
                raise _EndError(Result.PERMERROR, reason)
    length = term.v4_length if run.client.version == 4 else term.v6_length
    return any(
        address in ip_network(f"{known}/{length}", strict=False)
        for host in hosts
        for known in run.addresses(host)
    )


def _validates(run: _Run, target: str) -> bool:
    try:
        names = run.query(run.client.reverse, "PTR")
    except DnsFailureError:
        return False
    return any(below(name, target) for name in run.validated(target, names))


def exchangers(answers: Sequence[str]) -> list[str]:
    """Return the hosts in MX data, the most preferred first; a null MX names none (RFC 7505)."""
    pairs = [answer.partition(" ") for answer in answers]
    ordered = sorted((int(preference), host.strip(".")) for preference, _, host in pairs)
    return [host for _, host in ordered if host]


def _includes(run: _Run, term: Mechanism, target: str, domain: str) -> bool:
    result, _, _, _ = _check_host(run, target, included=True)
    if result is Result.NONE:
        raise _EndError(Result.PERMERROR, f"{domain}: {term.place}: no SPF record there")
    return result is Result.PASS


def _explain(run: _Run, record: Record, domain: str) -> str:
    """Return the domain's words to the client; empty where anything about them is wrong."""
    if record.explanation is None:
        return ""
    name = run.expand(record.explanation.value, domain)
    try:
        texts = run.ask(name, "TXT") if is_name(name) else ()
        if len(texts) != 1:
            return ""
        check_macros(texts[0], name, explaining=True)
    except (DnsFailureError, MistakeError):
        return ""
    return run.expand(texts[0], domain, explaining=True)
