"""The rule `spf-wellformed`.

Every SPF record can be evaluated.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "spf-wellformed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_misspelt_mechanism_is_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "mx ip:192.0.2.1")(good)

    assert "none of SPF's" in " ".join(messages(RULE, stack))


def test_an_include_without_a_domain_is_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "include")(good)

    assert "none of SPF's" in " ".join(messages(RULE, stack))


def test_an_unknown_modifier_is_ignored_as_the_rfc_says(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "mx foo=bar")(good)

    assert messages(RULE, stack) == []
