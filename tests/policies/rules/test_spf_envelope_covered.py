"""The rule `spf-envelope-covered`.

The smarthost may send with the envelope domain that it writes.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "spf-envelope-covered"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_envelope_without_the_smarthost_is_refused(good: Stack) -> None:
    stack = replaced("send-spf", "include:amazonses.com", "mx")(good)

    assert "it asks for v=spf1 include:amazonses.com" in " ".join(messages(RULE, stack))


@pytest.mark.parametrize(
    "text",
    ["-all include:amazonses.com", "?include:amazonses.com -all", "-include:amazonses.com ~all",
     "-ip4:54.240.0.0/18 include:amazonses.com ~all", "ip4:54.240.0.0/18 -all"],
)  # fmt: skip
def test_a_smarthost_that_does_not_pass_is_shut_out(good: Stack, text: str) -> None:
    stack = replaced("send-spf", "include:amazonses.com ~all", text)(good)

    assert "shuts the smarthost out" in " ".join(messages(RULE, stack))


def test_the_ranges_of_the_smarthost_may_be_written_out(good: Stack) -> None:
    ranges = good.snapshot.records["amazonses.com"].removeprefix("v=spf1 ").removesuffix(" -all")
    stack = replaced("send-spf", "include:amazonses.com", ranges)(good)

    assert messages(RULE, stack) == []


def test_further_senders_beside_the_smarthost_pass(good: Stack) -> None:
    stack = replaced("send-spf", "include:", "ip4:192.0.2.1 include:")(good)

    assert messages(RULE, stack) == []


def test_the_apex_need_not_name_the_smarthost(good: Stack) -> None:
    stack = replaced("apex-spf", "mx -all", "-all")(good)

    assert messages(RULE, stack) == []
