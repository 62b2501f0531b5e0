"""The rule `dkim-key-declared`.

The key that is published is the one that was declared.
"""

from declaration.records import quote_text
from policies.stack import Stack
from tests.policies.keys import rsa_public_key
from tests.policies.planting import changed, messages, replaced

RULE = "dkim-key-declared"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_key_is_refused(good: Stack) -> None:
    stack = changed("dkim", quote_text(f"p={rsa_public_key(2048)}"), "content")(good)

    assert "not the declared one" in " ".join(messages(RULE, stack))


def test_the_same_key_written_otherwise_passes(good: Stack) -> None:
    stack = replaced("dkim", '"p=', '"v=DKIM1; k=rsa; " "p=')(good)

    assert messages(RULE, stack) == []
