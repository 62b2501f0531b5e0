"""What nft would say of a rule: the statements that a packet filter of a mail server is made of."""

import ipaddress
import re
import socket
from collections.abc import Callable, Collection

_VALUE = r'(?P<value>\{[^}]*\}|@[\w-]+|\$[\w-]+|"[^"]*"|[^\s;{}]+)'
_TYPES = {"unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole",
          "unreachable", "prohibit"}  # fmt: skip
_STATES = {"new", "established", "related", "invalid", "untracked"}
_FAMILIES = {"ipv4", "ipv6", "ip", "ip6", "inet", "arp", "bridge"}
_PRIORITY = r"(?:-?\d+|(?:raw|mangle|dstnat|filter|security|srcnat)(?: [+-] \d+)?)"
HOOK = re.compile(
    r"^type (?:filter|nat|route) hook "
    r"(?:prerouting|input|forward|output|postrouting|ingress|egress) "
    rf"(?:device \S+ )?priority {_PRIORITY}$"
)
"""The first statement of a chain that the kernel calls."""


def _is_port(text: str) -> bool:
    if text.isdigit():
        return int(text) < 2**16
    try:
        socket.getservbyname(text)
    except OSError:
        return False
    return True


def _is_network(version: int) -> Callable[[str], bool]:
    def judge(text: str) -> bool:
        try:
            return ipaddress.ip_network(text, strict=False).version == version
        except ValueError:
            return False

    return judge


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d+|0x[0-9a-f]+", text) is not None


def _is_protocol(text: str) -> bool:
    try:
        socket.getprotobyname(text)
    except OSError:
        return text.isdigit() and int(text) < 256
    return True


def _anything(_text: str) -> bool:
    return True


_MATCHES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (r"(?:iif|oif|iifname|oifname|iifgroup|oifgroup)", _anything),
    (r"meta (?:nfproto|protocol)", _FAMILIES.__contains__),
    (r"meta l4proto", _is_protocol),
    (r"(?:meta mark|mark|meta skuid|meta skgid|skuid|skgid)", _is_number),
    (r"ip protocol", _is_protocol),
    (r"ip (?:saddr|daddr)", _is_network(4)),
    (r"ip6 (?:saddr|daddr)", _is_network(6)),
    (r"(?:tcp|udp|sctp|dccp|th|udplite) (?:dport|sport)", _is_port),
    (r"fib (?:(?:saddr|daddr|mark|iif|oif)(?: \. )?)+ type", _TYPES.__contains__),
    (r"ct state", _STATES.__contains__),
    (r"(?:icmp|icmpv6) type", _anything),
    (r"pkttype", _anything),
)
"""What a packet is compared with, and what it may be compared to."""

_ACTS = (
    r"accept", r"drop", r"continue", r"return", r"notrack", r"masquerade",
    r"counter(?: packets \d+ bytes \d+)?",
    r"reject(?: with (?:tcp reset|icmpx? \S+|icmp type \S+|icmpv6 \S+|icmpx type \S+))?",
    r'log(?: prefix "[^"]*")?(?: level \w+)?',
    r"limit rate (?:over )?\d+/(?:second|minute|hour|day)(?: burst \d+ packets)?",
    r"(?:jump|goto) [\w-]+", r'comment "[^"]*"',
    r"(?:dnat|snat)(?: ip6?)? to \S+", r"redirect(?: to :\d+)?",
)  # fmt: skip
"""What is done with a packet."""


def _members(value: str) -> list[str]:
    if value.startswith("{"):
        return [part.strip() for part in value.strip("{}").split(",") if part.strip()]
    return [part.strip() for part in value.split(",")]


def _fits(value: str, judge: Callable[[str], bool], sets: Collection[str]) -> bool:
    if value.startswith("@"):
        return value[1:] in sets
    if value.startswith("$"):
        return True
    members = _members(value)
    bounds = [
        part
        for member in members
        # A range; the names of services and addresses with colons have hyphens and colons, too.
        for part in (
            re.split(r"-(?=[\d.]+$)", member) if re.match(r"[\d.]+-", member) else [member]
        )
    ]
    return bool(members) and all(judge(bound.strip('"')) for bound in bounds)


def _after_match(rule: str, sets: Collection[str]) -> str | None:
    """Return what follows the comparison at the rule's beginning, None if there is none."""
    for words, judge in _MATCHES:
        found = re.match(rf"{words} (?:!= |== )?{_VALUE}(?:\s+|$)", rule)
        if found:
            return rule[found.end() :] if _fits(found["value"], judge, sets) else None
    return None


def mistake(rule: str, sets: Collection[str]) -> str | None:
    """Return where a rule stops being one, None if it is one to its end.

    Args:
        rule: One rule, in one line.
        sets: Names of the sets of its table.
    """
    rest = re.sub(r"\s+", " ", rule).strip()
    while rest:
        act = next((m for act in _ACTS if (m := re.match(rf"(?:{act})(?: |$)", rest))), None)
        left = rest[act.end() :] if act else _after_match(rest, sets)
        if left is None:
            return rest
        rest = left
    return None
