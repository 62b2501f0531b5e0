"""The rule `addresses-declared`.

Every address record names the declared host.
"""

from declaration.host import Ipv6Settings
from policies.stack import Stack
from tests.policies.planting import both, changed, declared, messages, record

RULE = "addresses-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_machines_address_is_refused(good: Stack) -> None:
    stack = changed("webmail-a", "198.51.100.1", "content")(good)

    assert "198.51.100.1" in " ".join(messages(RULE, stack))


def test_an_ipv6_address_in_another_spelling_is_the_same(good: Stack) -> None:
    stack = both(
        declared("ipv6", Ipv6Settings(address="2001:db8::7", reverse_is_set=True)),
        record("mx", "AAAA", "2001:0db8:0:0::7"),
    )(good)

    assert messages(RULE, stack) == []
