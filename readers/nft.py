"""A packet filter's rules (nftables): what becomes of a packet.

The part of the language that a filter of ports is made of: tables, chains, sets, matches on
addresses, ports, protocols, interfaces and states, and verdicts (nft(8)). Everything else is a
mistake that is not understood, with its line, never passed over.
"""

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

from readers.addresses import Address
from readers.mistake import Mistake, MistakeError

DOCKER_NAT = -100
"""Priority at which Docker rewrites destinations, in `prerouting`."""

_PRIORITIES = {
    "raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100,
}  # fmt: skip
_FAMILIES = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
_TOKEN = re.compile(r'"[^"]*"|[{}]|;|\n|#[^\n]*|[^\s{};"]+')
_BASE = re.compile(r"type (\w+) hook (\w+)(?: device \S+)? priority (-?\w+)(?: ([+-]) (\d+))?")


@dataclass(frozen=True)
class Packet:
    """A packet that comes to the host.

    Attributes:
        source: Where it comes from.
        destination: Where it is going, as it arrives.
        port: Destination port.
        protocol: `tcp` or `udp`.
        interface: By which it comes.
        state: Of its connection.
        local: Whether the destination is an address of the host itself.
        container: Address and port to which Docker sends it on; None where no container has
            published that port.
    """

    source: Address
    destination: Address
    port: int
    protocol: str = "tcp"
    interface: str = "eth0"
    state: str = "new"
    local: bool = True
    container: tuple[Address, int] | None = None

    def sent_on(self) -> "Packet":
        """Return it as it is behind Docker's rewriting."""
        if self.container is None:
            return self
        address, port = self.container
        return replace(self, destination=address, port=port, local=False)


@dataclass(frozen=True)
class Rule:
    """One rule: its line, and its words."""

    line: int
    words: tuple[str, ...]


@dataclass
class Chain:
    """A chain; `hook` is empty for one that is only jumped to."""

    name: str
    hook: str = ""
    kind: str = ""
    priority: int = 0
    policy: str = "accept"
    rules: list[Rule] = field(default_factory=list)


@dataclass
class Table:
    """A table with its chains and its sets."""

    family: str
    name: str
    chains: dict[str, Chain] = field(default_factory=dict)
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass
class Ruleset:
    """What a file leaves in the kernel, of its own and of others.

    Attributes:
        tables: By family and name.
        flushes: Line on which the rules of everybody else are thrown away too, if any.
        mistakes: What is not understood.
    """

    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    flushes: int | None = None
    mistakes: list[Mistake] = field(default_factory=list)

    def passes(self, packet: Packet) -> bool:
        """Tell whether a packet arrives where it is going, as far as these rules decide.

        Raises:
            MistakeError: a rule that it meets is not understood.
        """
        behind = packet.sent_on()
        last = "input" if behind.local else "forward"
        for hook in ("prerouting", last):
            for table, chain in self._chains(hook, packet.source.version):
                early = hook == "prerouting" and chain.priority < DOCKER_NAT
                if _verdict(table, chain, packet if early else behind) == "drop":
                    return False
        return True

    def ports(self) -> set[int]:
        """Return every port that a rule names."""
        named = set()
        for table in self.tables.values():
            for chain in table.chains.values():
                for rule in chain.rules:
                    for index, word in enumerate(rule.words[:-1]):
                        if word == "dport":
                            value = [part for part in rule.words[index + 1 :] if part != "!="]
                            named |= _ports(table, value[0]) if value else set()
        return named

    def _chains(self, hook: str, version: int) -> list[tuple[Table, Chain]]:
        chains = [
            (table, chain)
            for table in self.tables.values()
            for chain in table.chains.values()
            if chain.hook == hook and version in _FAMILIES.get(table.family, ())
        ]
        return sorted(chains, key=lambda pair: pair[1].priority)


def parse(text: str) -> Ruleset:
    """Read a file of rules, as it would be loaded into a kernel that holds none.

    Raises:
        MistakeError: braces or quotes do not balance, or a statement has no place there.
    """
    return _Reader(text).read()


class _Reader:
    """Reads statement by statement: words up to a line's end or a semicolon, sets in one piece."""

    def __init__(self, text: str) -> None:
        self.ruleset = Ruleset()
        self.defined: dict[str, str] = {}
        self.line = 1
        self.parts = _TOKEN.findall(text.replace("\\\n", " "))
        if re.sub(r'"[^"]*"|#[^\n]*', "", text).count('"'):
            raise MistakeError("file", "holds a quotation that does not end")

    def read(self) -> Ruleset:
        for words, opens in self._statements(top=True):
            self._top(words, opens=opens)
        return self.ruleset

    def _place(self) -> str:
        return f"line {self.line}"

    def _statements(self, *, top: bool = False) -> Iterator[tuple[list[str], bool]]:
        """Yield the statements of a block, and whether each opens a block of its own."""
        words: list[str] = []
        while self.parts:
            part = self.parts.pop(0)
            if part == "{" and not _opens(words):
                words.append(self._set())
                continue
            if part not in ("{", "}", ";", "\n") and not part.startswith("#"):
                words.append(part)
                continue
            if part == "}" and top:
                raise MistakeError(self._place(), "closes a block that is not open")
            if words:
                yield words, part == "{"
            if part == "}":
                if self.parts and self.parts[0] not in (";", "\n"):
                    raise MistakeError(self._place(), "a line's end is due behind the brace")
                return
            words = []
            self.line += part == "\n"
        if words:
            yield words, False
        if not top:
            raise MistakeError("end", "a block is not closed")

    def _set(self) -> str:
        members: list[str] = []
        while self.parts:
            part = self.parts.pop(0)
            if part == "}":
                return "{" + "".join(members) + "}"
            if part == "{":
                raise MistakeError(self._place(), "a set within a set")
            self.line += part == "\n"
            members.append("" if part == "\n" or part.startswith("#") else part)
        raise MistakeError("end", "a set is not closed")

    def _top(self, words: list[str], *, opens: bool) -> None:
        if words[0] == "define" and len(words) >= 4 and words[2] == "=":
            self.defined["$" + words[1]] = "".join(words[3:])
        elif words == ["flush", "ruleset"]:
            self.ruleset.tables.clear()
            self.ruleset.flushes = self.line
        elif words[0] in ("table", "add", "delete", "destroy", "flush") and "table" in words[:2]:
            self._table(words, opens=opens)
        else:
            raise MistakeError(self._place(), f"{' '.join(words)[:40]} is not understood",
                               understood=False)  # fmt: skip

    def _table(self, words: list[str], *, opens: bool) -> None:
        verb = words[0]
        named = words[words.index("table") + 1 :]
        family, name = named if len(named) == 2 else ("ip", *named[:1], "")[:2]
        if family not in _FAMILIES:
            raise MistakeError(self._place(), f"the family {family} is not understood",
                               understood=False)  # fmt: skip
        if verb in ("delete", "destroy"):
            if self.ruleset.tables.pop((family, name), None) is None and verb == "delete":
                raise MistakeError(self._place(), f"deletes the table {name}, which is not there")
            return
        table = self.ruleset.tables.setdefault((family, name), Table(family, name))
        if verb == "flush":
            for chain in table.chains.values():
                chain.rules.clear()
        for inner, block in self._statements() if opens else ():
            if inner[0] == "chain" and block:
                self._chain(table, inner[1])
            elif inner[0] in ("set", "map") and block:
                self._named_set(table, inner)
            else:
                raise MistakeError(self._place(), f"{' '.join(inner)[:40]} is not understood",
                                   understood=False)  # fmt: skip

    def _chain(self, table: Table, name: str) -> None:
        chain = table.chains.setdefault(name, Chain(name))
        for written, opens in self._statements():
            words = [self.defined.get(word, word) for word in written]
            base = _BASE.fullmatch(" ".join(words))
            if opens:
                raise MistakeError(self._place(), "a block where a rule should be")
            if base:
                chain.kind, chain.hook = base[1], base[2]
                number = _PRIORITIES.get(base[3])
                chain.priority = int(base[3]) if number is None else number
                chain.priority += int(f"{base[4] or '+'}{base[5] or 0}")
            elif words[0] == "policy" and words[1:] in (["accept"], ["drop"]):
                chain.policy = words[1]
            else:
                rule = Rule(self.line, tuple(words))
                chain.rules.append(rule)
                try:
                    _compiled(table, rule)
                except MistakeError as error:
                    mistake = replace(error.mistake, place=f"line {rule.line}")
                    self.ruleset.mistakes.append(mistake)

    def _named_set(self, table: Table, words: list[str]) -> None:
        for inner, _ in self._statements():
            if inner[0] == "elements" and len(inner) == 3 and words[0] == "set":
                table.sets[words[1]] = _members(inner[2])
            elif inner[0] not in ("type", "flags", "typeof", "comment", "auto-merge"):
                raise MistakeError(self._place(), f"{inner[0]} in a set is not understood",
                                   understood=False)  # fmt: skip
        table.sets.setdefault(words[1], ())


def _opens(words: list[str]) -> bool:
    return bool(words) and (
        (words[0] in ("chain", "set", "map") and len(words) == 2) or "table" in words[:2]
    )


def _members(value: str) -> tuple[str, ...]:
    return tuple(part for part in value.strip("{}").split(",") if part)


def _values(table: Table, value: str) -> tuple[str, ...]:
    if value.startswith("@"):
        if value[1:] not in table.sets:
            raise MistakeError(value, "is a set that is not there")
        return table.sets[value[1:]]
    return _members(value)


def _port(text: str) -> int:
    try:
        return int(text) if text.isdigit() else socket.getservbyname(text)
    except OSError:
        raise MistakeError(text, "is no port") from None


def _ports(table: Table, value: str) -> set[int]:
    ports: set[int] = set()
    for member in _values(table, value):
        first, _, last = member.partition("-") if member[:1].isdigit() else (member, "", "")
        ports |= set(range(_port(first), _port(last or first) + 1))
    return ports


def _in_networks(address: Address, members: tuple[str, ...]) -> bool:
    for member in members:
        first, hyphen, last = member.partition("-")
        try:
            if hyphen:
                low, high = int(ip_address(first)), int(ip_address(last))
                inside = low <= int(address) <= high
            else:
                inside = address in ip_network(member, strict=False)
        except ValueError:
            raise MistakeError(member, "is no address") from None
        if inside:
            return True
    return False


_Test = Callable[[Packet], bool]
_VERDICTS = ("accept", "drop", "return", "continue")
_NOTHING = ("counter", "notrack")
_NFPROTO = {"ipv4": 4, "ipv6": 6}
_PROTOCOLS = {"6": "tcp", "17": "udp"}


def _compiled(table: Table, rule: Rule) -> tuple[list[_Test], tuple[str, ...]]:
    """Return what a rule compares, and its verdict (with the chain of a jump).

    Raises:
        MistakeError: it is not understood.
    """
    words = list(rule.words)
    tests: list[_Test] = []
    while words:
        if words[0] in _VERDICTS and len(words) == 1:
            return tests, (words[0],)
        if words[0] == "reject":
            return tests, ("drop",)
        if words[0] in ("jump", "goto") and len(words) == 2:
            return tests, (words[0], words[1])
        if words[0] in _NOTHING:
            words = words[5:] if words[1:2] == ["packets"] else words[1:]
        elif words[0] == "log":
            words = words[1:]
            while words[:1] in (["prefix"], ["level"], ["flags"]):
                words = words[2:]
        elif words[0] == "comment":
            words = words[2:]
        else:
            words = _match(table, rule, words, tests)
    return tests, ("continue",)


def _match(table: Table, rule: Rule, words: list[str], tests: list[_Test]) -> list[str]:
    for key, make in _MATCHES.items():
        length = len(key)
        if tuple(words[:length]) != key:
            continue
        rest = words[length:]
        negated = rest[:1] == ["!="]
        rest = rest[1:] if rest[:1] in (["!="], ["=="]) else rest
        if not rest or rest[0] in ("vmap", "map", "&", "."):
            break
        test = make(_values(table, rest[0]), table, rest[0])
        tests.append(_not(test) if negated else test)
        # A comparison of one family's or protocol's field holds for no other, negated or not.
        guard = _GUARDS.get(key[0])
        if guard is not None:
            tests.append(guard)
        return rest[1:]
    place = f"line {rule.line}"
    raise MistakeError(place, f"{' '.join(words)[:40]} is not understood", understood=False)


def _not(test: _Test) -> _Test:
    return lambda packet: not test(packet)


def _transport(protocol: str) -> _Test:
    return lambda packet: packet.protocol == protocol


_GUARDS: dict[str, _Test] = {
    "ip": lambda packet: packet.source.version == 4,
    "ip6": lambda packet: packet.source.version == 6,
    "tcp": _transport("tcp"),
    "udp": _transport("udp"),
}
_Make = Callable[[tuple[str, ...], Table, str], _Test]


def _interface(members: tuple[str, ...], _table: Table, _value: str) -> _Test:
    names = [member.strip('"') for member in members]
    return lambda packet: any(
        packet.interface == name or (name.endswith("*") and packet.interface.startswith(name[:-1]))
        for name in names
    )


def _protocol(members: tuple[str, ...], _table: Table, _value: str) -> _Test:
    return lambda packet: packet.protocol in {_PROTOCOLS.get(member, member) for member in members}


def _destination_port(_named: tuple[str, ...], table: Table, value: str) -> _Test:
    ports = _ports(table, value)
    return lambda packet: packet.port in ports


def _source_address(members: tuple[str, ...], _table: Table, _value: str) -> _Test:
    return lambda packet: _in_networks(packet.source, members)


def _destination_address(members: tuple[str, ...], _table: Table, _value: str) -> _Test:
    return lambda packet: _in_networks(packet.destination, members)


def _local(members: tuple[str, ...], _table: Table, _value: str) -> _Test:
    return lambda packet: ("local" if packet.local else "unicast") in members


def _family(members: tuple[str, ...], _table: Table, _value: str) -> _Test:
    return lambda packet: packet.source.version in {_NFPROTO.get(member) for member in members}


def _state(members: tuple[str, ...], _table: Table, _value: str) -> _Test:
    return lambda packet: packet.state in members


_MATCHES: dict[tuple[str, ...], _Make] = {
    ("iif",): _interface,
    ("iifname",): _interface,
    ("meta", "iif"): _interface,
    ("meta", "iifname"): _interface,
    ("meta", "nfproto"): _family,
    ("meta", "l4proto"): _protocol,
    ("ip", "protocol"): _protocol,
    ("ip6", "nexthdr"): _protocol,
    ("ip", "saddr"): _source_address,
    ("ip6", "saddr"): _source_address,
    ("ip", "daddr"): _destination_address,
    ("ip6", "daddr"): _destination_address,
    ("tcp", "dport"): _destination_port,
    ("udp", "dport"): _destination_port,
    ("th", "dport"): _destination_port,
    ("fib", "daddr", "type"): _local,
    ("ct", "state"): _state,
}


def _verdict(table: Table, chain: Chain, packet: Packet, depth: int = 0) -> str:
    """Return `accept` or `drop` of a chain, or `return` of one that was jumped to."""
    if depth > 16:
        raise MistakeError(chain.name, "chains jump in a circle")
    for rule in chain.rules:
        tests, verdict = _compiled(table, rule)
        if verdict[0] == "continue" or not all(test(packet) for test in tests):
            continue
        if verdict[0] in ("jump", "goto"):
            if verdict[1] not in table.chains:
                raise MistakeError(f"line {rule.line}", f"the chain {verdict[1]} is not there")
            inner = _verdict(table, table.chains[verdict[1]], packet, depth + 1)
            if inner != "return":
                return inner
            if verdict[0] == "jump":
                continue
            break
        if verdict[0] == "return":
            break
        return verdict[0]
    return chain.policy if chain.hook else "return"
