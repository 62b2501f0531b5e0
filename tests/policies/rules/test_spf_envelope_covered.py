"""The rule `spf-envelope-covered`.

The smarthost may send with the envelope domain that it writes.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "spf-envelope-covered"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_envelope_without_the_smarthost_is_refused(good: Stack) -> None:
    stack = replaced("send-spf", "include:amazonses.com", "mx")(good)

    assert "lacks include:amazonses.com" in " ".join(messages(RULE, stack))


def test_further_senders_beside_the_smarthost_pass(good: Stack) -> None:
    stack = replaced("send-spf", "include:", "ip4:192.0.2.1 include:")(good)

    assert messages(RULE, stack) == []


def test_the_apex_need_not_name_the_smarthost(good: Stack) -> None:
    stack = replaced("apex-spf", "mx -all", "-all")(good)

    assert messages(RULE, stack) == []
