"""The rule `dkim-key-strength`.

Nobody can forge the signature by factoring the key.
"""

from policies.stack import Stack
from tests.policies.keys import rsa_public_key
from tests.policies.planting import changed, judged, messages

RULE = "dkim-key-strength"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_key_of_768_bits_is_refused(good: Stack) -> None:
    stack = changed("dkim", f'"p={rsa_public_key(768)}"', "content")(good)

    assert "768 bits" in " ".join(messages(RULE, stack))


def test_a_key_of_1024_bits_is_accepted_with_a_note(good: Stack) -> None:
    stack = changed("dkim", f'"p={rsa_public_key(1024)}"', "content")(good)

    assert messages(RULE, stack) == []
    assert judged(RULE, stack).notes
