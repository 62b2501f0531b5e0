"""The rule `dmarc-tags`.

The DMARC record says what RFC 9989 knows, and nothing that is gone.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "dmarc-tags"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_tag_that_is_gone_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "aspf=r", "ri=86400")(good)

    assert "done away with" in " ".join(messages(RULE, stack))


def test_tags_of_the_new_rfc_pass(good: Stack) -> None:
    stack = replaced("dmarc", "aspf=r", "np=none; t=n; psd=u")(good)

    assert messages(RULE, stack) == []


def test_a_semicolon_at_the_end_passes(good: Stack) -> None:
    stack = replaced("dmarc", "aspf=r", "aspf=r;")(good)

    assert messages(RULE, stack) == []


def test_a_tag_twice_is_refused(good: Stack) -> None:
    stack = replaced("dmarc", "aspf=r", "aspf=r; p=none")(good)

    assert "twice" in " ".join(messages(RULE, stack))
