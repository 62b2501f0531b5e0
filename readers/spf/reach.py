"""What a record costs at worst, and who may send by it at all: questions without a client.

A check stops at the first term that matches. Here every term is looked at that any client can
come to, for IPv4 and IPv6, so that what is wrong for somebody is found by nobody's accident.
"""

from dataclasses import dataclass, field
from ipaddress import ip_network

from readers.addresses import Addresses, Network
from readers.dns import Resolver
from readers.mistake import Mistake, MistakeError
from readers.spf.check import HOST_LIMIT, QUALIFIERS, Result, exchangers, is_name, record_at
from readers.spf.macros import has_macro
from readers.spf.record import Mechanism, Record

VERSIONS = (4, 6)
_WORLD = {4: 2**22, 6: 2**104}
"""More addresses than all large senders have together: whoever gets a result with so many gets it
like anybody."""


class UnseenError(Exception):
    """Nobody can say here what a name holds. A resolver raises it, and `reach` notes the name."""


@dataclass
class Reach:
    """What evaluating a record comes to.

    Attributes:
        lookups: Terms that may cause a look-up, those of included records too.
        voids: Questions that find nothing, as `name kind`, by the client's version of IP.
        mistakes: What makes the record a permanent error, here or in a record that it goes on to.
        unseen: Names of which nobody can say here what they hold.
        open_terms: Terms whose matches depend on the client's names, or on what was not seen.
        results: The addresses that get each result; those that only such a term decides are
            counted as if it did not match.
    """

    lookups: int = 0
    voids: dict[int, list[str]] = field(default_factory=lambda: {4: [], 6: []})
    mistakes: list[Mistake] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    open_terms: list[str] = field(default_factory=list)
    results: dict[Result, Addresses] = field(default_factory=dict)

    @property
    def senders(self) -> Addresses:
        """The addresses that pass."""
        return self.results.get(Result.PASS, Addresses())

    def said_of_anybody(self) -> Result | None:
        """Return `pass` or `neutral` where so many addresses get it that anybody may send."""
        for result in (Result.PASS, Result.NEUTRAL):
            addresses = self.results.get(result, Addresses())
            if any(addresses.count(version) > _WORLD[version] for version in VERSIONS):
                return result
        return None

    def voids_that_matter(self) -> dict[int, list[str]]:
        """Return the void look-ups by version of IP, where somebody may send over it at all.

        A permanent error is no worse than a fail to a client that would have failed.
        """
        there = {version for version in VERSIONS if self.senders.count(version)}
        return {
            version: self.voids[version] for version in VERSIONS if version in (there or VERSIONS)
        }


def reach(domain: str, ask: Resolver) -> Reach | None:
    """Return what the record of a domain comes to; None where it has none.

    Args:
        domain: The domain.
        ask: Who answers for names. It may raise `UnseenError`.

    Raises:
        DnsFailureError: no answer came.
        UnseenError: for the domain itself.
    """
    total = Reach()
    try:
        record = record_at(domain, ask)
    except MistakeError as error:
        total.mistakes.append(error.mistake)
        return total
    if record is None:
        return None
    total.results = _walk(record, domain.lower(), ask, total, (domain.lower(),))
    return total


def _walk(
    record: Record, domain: str, ask: Resolver, total: Reach, way: tuple[str, ...]
) -> dict[Result, Addresses]:
    """Count a record's cost into the total and divide all addresses among its results."""
    for mistake in record.mistakes:
        total.mistakes.append(Mistake(f"{domain}, {mistake.place}", mistake.reason))
    results: dict[Result, Addresses] = {}
    left = Addresses.everything()
    for term in record.used:
        total.lookups += term.costs
        matched = _matched(term, domain, ask, total, way) & left
        result = QUALIFIERS[term.qualifier]
        results[result] = results.get(result, Addresses()) | matched
        left -= matched
    if record.redirect is not None:
        total.lookups += 1
        place = f"{domain}, {record.redirect.place}"
        further = _further(record.redirect.value, place, ask, total, way)
        for result, addresses in further.items():
            results[result] = results.get(result, Addresses()) | (addresses & left)
    elif left:
        results[Result.NEUTRAL] = results.get(Result.NEUTRAL, Addresses()) | left
    return results


def _further(
    target: str, place: str, ask: Resolver, total: Reach, way: tuple[str, ...]
) -> dict[Result, Addresses]:
    """Go on to another record: that of `include` or `redirect`."""
    if has_macro(target):
        total.open_terms.append(place)
        return {}
    name = target.removesuffix(".").lower()
    if name in way:
        total.mistakes.append(Mistake(place, "leads in a circle"))
        return {}
    try:
        record = record_at(name, ask)
    except UnseenError:
        total.unseen.append(name)
        total.open_terms.append(place)
        return {}
    except MistakeError as error:
        total.mistakes.append(error.mistake)
        return {}
    if record is None:
        total.mistakes.append(Mistake(place, f"{name} has no SPF record"))
        return {}
    return _walk(record, name, ask, total, (*way, name))


def _matched(
    term: Mechanism, domain: str, ask: Resolver, total: Reach, way: tuple[str, ...]
) -> Addresses:
    """Return the addresses that a term matches for certain."""
    place = f"{domain}, {term.place}"
    target = term.domain.removesuffix(".").lower() or domain
    if term.network is not None or term.name == "all":
        return Addresses.of([term.network]) if term.network else Addresses.everything()
    if term.name == "include":
        return _further(target, place, ask, total, way).get(Result.PASS, Addresses())
    if term.name == "ptr" or has_macro(target):
        total.open_terms.append(place)
    elif not is_name(target):
        total.mistakes.append(Mistake(place, f"{target} cannot be asked for"))
    else:
        try:
            return _hosts(term, target, place, ask, total)
        except UnseenError:
            total.open_terms.append(place)
    return Addresses()


def _query(name: str, kind: str, ask: Resolver, total: Reach, version: int) -> list[str]:
    answers = [*ask(name, kind)] if is_name(name) else []
    if not answers:
        total.voids[version].append(f"{name} {kind}")
    return answers


def _hosts(term: Mechanism, target: str, place: str, ask: Resolver, total: Reach) -> Addresses:
    if term.name == "exists":
        there = [bool(_query(target, "A", ask, total, version)) for version in VERSIONS]
        return Addresses.everything() if there[0] else Addresses()
    networks: list[Network] = []
    for version, kind, length in ((4, "A", term.v4_length), (6, "AAAA", term.v6_length)):
        hosts = [target]
        if term.name == "mx":
            hosts = exchangers(_query(target, "MX", ask, total, version))
            if len(hosts) > HOST_LIMIT and version == 4:
                reason = f"{target} has {len(hosts)} mail hosts, {HOST_LIMIT} may be"
                total.mistakes.append(Mistake(place, reason))
        for host in hosts:
            networks += [
                ip_network(f"{known}/{length}", strict=False)
                for known in _query(host, kind, ask, total, version)
            ]
    return Addresses.of(networks)
