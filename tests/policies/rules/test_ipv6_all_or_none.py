"""The rule `ipv6-all-or-none`.

IPv6 is on everywhere or nowhere: AAAA, PTR, Postfix, firewall.
"""

from declaration.host import Ipv6Settings
from policies.stack import Stack
from tests.policies.planting import both, declared, messages, record, replaced

RULE = "ipv6-all-or-none"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_address_record_without_the_rest_is_refused(good: Stack) -> None:
    stack = record("mx", "AAAA", "2001:db8::7")(good)

    assert "IPv6 is off" in " ".join(messages(RULE, stack))


def test_ipv6_without_a_ptr_record_is_refused(good: Stack) -> None:
    stack = declared("ipv6", Ipv6Settings(address="2001:db8::7"))(good)

    assert "PTR" in " ".join(messages(RULE, stack))


def test_all_of_it_passes(good: Stack) -> None:
    stack = both(
        declared("ipv6", Ipv6Settings(address="2001:db8::7", reverse_is_set=True)),
        record("mx", "AAAA", "2001:db8::7"),
        replaced("smarthost-extra-cf", "ipv4", "all"),
        replaced("mailcow-conf", "ENABLE_IPV6=false", "ENABLE_IPV6=true"),
        replaced("firewall-rules", "meta nfproto ipv6 tcp", "tcp"),
    )(good)

    assert messages(RULE, stack) == []
