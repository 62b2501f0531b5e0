"""The rule `spf-void-lookups`.

An SPF record looks up at most two names in vain.
"""

from policies.stack import Stack
from tests.policies.planting import both, knowing, messages, replaced

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


def test_an_include_that_has_gone_counts(good: Stack) -> None:
    stack = both(
        knowing(gone_example=""),
        replaced(
            "apex-spf", "mx", "a:x.portugalodyssey.pt a:y.portugalodyssey.pt include:gone.example"
        ),
    )(good)

    assert "gone.example" in " ".join(messages(RULE, stack))
