"""What becomes of a packet under a file of rules."""

from ipaddress import ip_address

import pytest

from readers.mistake import MistakeError
from readers.nft import Packet, parse

HOST = ip_address("203.0.113.1")
OUTSIDE = ip_address("198.51.100.7")
PROXY = ip_address("172.20.0.2")
CONTAINER = ip_address("172.22.1.10")

RULES = """
table inet po_mail
delete table inet po_mail
define web = { 9080, 9443 }
table inet po_mail {
    set mail { type inet_service; elements = { 25, 465, 587-589 } }
    chain prerouting {
        type filter hook prerouting priority -150; policy accept; # before Docker
        iif "lo" accept
        fib daddr type != local accept
        meta nfproto ipv6 tcp dport @mail counter drop
        tcp dport @mail accept
        ip saddr 172.20.0.0/16 tcp dport $web accept
        tcp dport $web counter drop
    }
}
"""


def packet(port: int, **more: object) -> Packet:
    return Packet(**{"source": OUTSIDE, "destination": HOST, "port": port, **more})  # type: ignore[arg-type]  # a table of fields


@pytest.mark.parametrize(
    ("arriving", "passes"),
    [
        (packet(9443), False),
        (packet(9443, container=(CONTAINER, 9443)), False),
        (packet(9443, source=PROXY), True),
        (packet(9443, interface="lo"), True),
        (packet(9443, local=False), True),
        (packet(9443, protocol="udp"), True),
        (packet(25), True),
        (packet(588, source=ip_address("2001:db8::7")), False),
        (packet(590, source=ip_address("2001:db8::7")), True),
        (packet(22), True),
    ],
)
def test_a_packet_is_dropped_by_the_first_rule_that_takes_it(
    arriving: Packet,
    passes: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    ruleset = parse(RULES)

    assert ruleset.mistakes == []
    assert ruleset.passes(arriving) is passes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hook prerouting priority -150", "hook input priority 0"),
        ("hook prerouting priority -150", "hook prerouting priority dstnat + 10"),
        ("counter drop\n    }", "counter accept\n    }"),
        ("tcp dport $web counter drop", "udp dport $web counter drop"),
        ("tcp dport $web counter drop", "tcp dport != $web counter drop"),
        ("tcp dport $web counter drop", "ip6 saddr ::/0 tcp dport $web drop"),
        ('iif "lo" accept', "accept"),
        ("172.20.0.0/16", "0.0.0.0/0"),
        (
            "delete table inet po_mail\n",
            "delete table inet po_mail\ntable inet po_mail { chain prerouting { accept; }; };\n",
        ),
    ],
)
def test_a_hole_is_seen_wherever_it_comes_from(old: str, new: str) -> None:
    assert old in RULES
    ruleset = parse(RULES.replace(old, new))

    translated = (CONTAINER, 443) if "dstnat" in new or "input" in new else (CONTAINER, 9443)
    assert ruleset.passes(packet(9443, container=translated))


def test_chains_are_jumped_to_and_come_back() -> None:
    text = """table ip t {
        chain in {
            type filter hook input priority filter; policy drop; jump known; tcp dport 22 accept
        }
        chain known { ct state { established, related } accept; tcp dport 22 return; goto last; }
        chain last { tcp dport 80-81 accept; }
    }"""

    ruleset = parse(text)

    assert ruleset.passes(packet(22))
    assert ruleset.passes(packet(81))
    assert ruleset.passes(packet(99, state="established"))
    assert not ruleset.passes(packet(99))
    assert ruleset.ports() == {22, 80, 81}


def test_a_drop_in_any_chain_is_the_end_of_a_packet() -> None:
    text = """
    table inet a { chain c { type filter hook input priority -10; tcp dport 25 accept; }; }
    table ip b { chain c { type filter hook input priority 10; policy drop; }; }
    """

    assert not parse(text).passes(packet(25))
    assert parse(text).passes(packet(25, source=ip_address("2001:db8::1")))


def test_rules_of_others_that_are_thrown_away_are_named() -> None:
    assert parse("flush ruleset\n" + RULES).flushes == 1
    assert parse(RULES).flushes is None


@pytest.mark.parametrize(
    "rule",
    ["limit rate 10/minute accept", "tcp dport vmap { 25 : accept }", "meta mark 1 accept",
     "tcp dport 25 dnat to 192.0.2.1", "xt match foo"],
)  # fmt: skip
def test_what_is_not_understood_is_named_with_its_line(rule: str) -> None:
    ruleset = parse(
        f"table inet t {{\n chain c {{\n type filter hook input priority 0;\n {rule}\n}}\n}}"
    )

    assert [mistake.place for mistake in ruleset.mistakes] == ["line 4"]
    assert not ruleset.mistakes[0].understood


@pytest.mark.parametrize(
    "text",
    ["table inet t {", "}", "tabel inet t { }", "table arp t { }", 'table inet t { comment "x }',
     "delete table inet gone", 'include "/etc/other.nft"'],
)  # fmt: skip
def test_a_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(MistakeError):
        parse(text)
