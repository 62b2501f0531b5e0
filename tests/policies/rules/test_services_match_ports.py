"""The rule `services-match-ports`.

The service records offer what is open, and nothing that is closed.
"""

from policies.stack import Stack
from tests.policies.planting import both, changed, messages, switched_off, without

RULE = "services-match-ports"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_closed_port_that_is_offered_is_refused(good: Stack) -> None:
    stack = changed("srv-pop3s", {"target": "mx.portugalodyssey.pt", "port": 995.0}, "data")(good)

    assert "closed" in " ".join(messages(RULE, stack))


def test_a_target_of_a_dot_offers_nothing(good: Stack) -> None:
    stack = changed("srv-pop3s", {"target": ".", "port": 995.0}, "data")(good)

    assert messages(RULE, stack) == []


def test_no_records_at_all_are_fine_when_none_are_declared(good: Stack) -> None:
    stack = both(switched_off("zone.srv"), without("srv-imaps", "srv-imap"))(good)

    assert messages(RULE, stack) == []


def test_the_answer_of_the_api_is_read_too(good: Stack) -> None:
    stack = both(
        changed("srv-imaps", None, "data"),
        changed("srv-imaps", "1 993 mx.portugalodyssey.pt", "content"),
    )(good)

    assert messages(RULE, stack) == []
