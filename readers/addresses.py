"""Sets of IP addresses, exact and of any size: who may send, who may come in."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_Spans = tuple[tuple[int, int], ...]
_LAST = {4: 2**32 - 1, 6: 2**128 - 1}


@dataclass(frozen=True)
class Addresses:
    """A set of addresses.

    Attributes:
        v4: First and last address of each range, as numbers, in their order and apart.
        v6: The same for IPv6.
    """

    v4: _Spans = ()
    v6: _Spans = ()

    @classmethod
    def of(cls, networks: Iterable[Network]) -> "Addresses":
        """Return the addresses in some networks."""
        spans: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        for network in networks:
            first = int(network.network_address)
            spans[network.version].append((first, first + network.num_addresses - 1))
        return cls(_merged(spans[4]), _merged(spans[6]))

    @classmethod
    def everything(cls) -> "Addresses":
        """Return every address there is."""
        return cls(((0, _LAST[4]),), ((0, _LAST[6]),))

    def spans(self, version: int) -> _Spans:
        """Return the ranges of one version of IP, 4 or 6."""
        return self.v4 if version == 4 else self.v6

    def __contains__(self, address: Address) -> bool:
        number = int(address)
        return any(first <= number <= last for first, last in self.spans(address.version))

    def __bool__(self) -> bool:
        return bool(self.v4 or self.v6)

    def __or__(self, other: "Addresses") -> "Addresses":
        return Addresses(_merged([*self.v4, *other.v4]), _merged([*self.v6, *other.v6]))

    def __sub__(self, other: "Addresses") -> "Addresses":
        return Addresses(_without(self.v4, other.v4), _without(self.v6, other.v6))

    def __and__(self, other: "Addresses") -> "Addresses":
        return self - (self - other)

    def __le__(self, other: "Addresses") -> bool:
        return not self - other

    def only(self, version: int) -> "Addresses":
        """Return those of one version of IP."""
        return Addresses(self.v4, ()) if version == 4 else Addresses((), self.v6)

    def count(self, version: int) -> int:
        """Return how many of one version there are."""
        return sum(last - first + 1 for first, last in self.spans(version))

    def __str__(self) -> str:
        written = [f"{IPv4Address(first)}-{IPv4Address(last)}" for first, last in self.v4]
        written += [f"{IPv6Address(first)}-{IPv6Address(last)}" for first, last in self.v6]
        return ", ".join(written) or "nobody"


def _merged(spans: Iterable[tuple[int, int]]) -> _Spans:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _without(spans: _Spans, taken: _Spans) -> _Spans:
    left = list(spans)
    for begin, end in taken:
        pieces = []
        for first, last in left:
            if end < first or begin > last:
                pieces.append((first, last))
                continue
            if first < begin:
                pieces.append((first, begin - 1))
            if last > end:
                pieces.append((end + 1, last))
        left = pieces
    return tuple(left)
