"""The rule `spf-void-lookups`.

An SPF record looks up at most two names in vain.
"""

from policies.stack import Stack
from tests.policies.planting import both, messages, record, replaced

RULE = "spf-void-lookups"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_three_names_in_vain_are_refused(good: Stack) -> None:
    stack = replaced(
        "apex-spf", "mx", "a:x.portugalodyssey.pt a:y.portugalodyssey.pt mx:z.portugalodyssey.pt"
    )(good)

    assert "in vain" in " ".join(messages(RULE, stack))


def test_two_names_in_vain_pass(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "a:x.portugalodyssey.pt a:y.portugalodyssey.pt")(good)

    assert messages(RULE, stack) == []


def test_look_ups_are_void_for_the_kind_of_address_that_a_client_asks_for(good: Stack) -> None:
    names = [f"v6-{number}" for number in range(3)]
    planted = [record(name, "AAAA", "2001:db8::1") for name in names]
    terms = " ".join(f"a:{name}.portugalodyssey.pt" for name in names)

    stack = both(*planted, replaced("apex-spf", "mx", f"mx {terms}"))(good)

    assert "over IPv4" in " ".join(messages(RULE, stack))


def test_nobody_is_hurt_by_look_ups_over_a_version_by_which_nobody_may_send(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "mx a:mx.portugalodyssey.pt a:webmail.portugalodyssey.pt")

    assert messages(RULE, stack(good)) == []
