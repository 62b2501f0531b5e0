"""The rule `dmarc-alignment`.

Mail through the smarthost can align: its envelope and its signature are ours.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "dmarc-alignment"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_strict_spf_alignment_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "aspf=r", "aspf=s")(good)

    assert "SPF cannot align" in " ".join(messages(RULE, stack))


def test_strict_dkim_alignment_passes_because_the_signature_is_the_domains_own(good: Stack) -> None:
    stack = replaced("dmarc", "adkim=r", "adkim=s")(good)

    assert messages(RULE, stack) == []
