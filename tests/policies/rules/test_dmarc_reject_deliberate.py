"""The rule `dmarc-reject-deliberate`.

reject is chosen on purpose, and does not rest on SPF alone.
"""

from policies.stack import Stack
from tests.policies.planting import both, messages, replaced, switched_on, without

RULE = "dmarc-reject-deliberate"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_reject_without_acknowledgement_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "p=none", "p=reject")(good)

    assert "not acknowledged" in " ".join(messages(RULE, stack))


def test_reject_without_a_key_rests_on_spf_alone(good: Stack) -> None:
    stack = both(
        switched_on("dmarc.reject_acknowledged"),
        without("dkim"),
        replaced("dmarc", "p=none", "p=reject"),
    )(good)

    assert "SPF alone" in " ".join(messages(RULE, stack))


def test_reject_for_subdomains_counts_too(good: Stack) -> None:
    stack = replaced("dmarc", "p=none", "p=none; sp=reject")(good)

    assert "not acknowledged" in " ".join(messages(RULE, stack))
