"""The rule `mailboxes-protected`.

A mailbox is not deleted because a line was taken out.
"""

from declaration.endpoints import Endpoints
from policies.stack import Stack
from tests.policies.planting import both, declared, messages, switched_off, unprotected

RULE = "mailboxes-protected"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_unprotected_mailbox_is_refused(good: Stack) -> None:
    stack = unprotected("mailbox-cristina")(good)

    assert "mailbox-cristina" in " ".join(messages(RULE, stack))


def test_a_rehearsal_has_no_mail_to_lose(good: Stack) -> None:
    stack = both(
        switched_off("protect_mailboxes"),
        declared("endpoints", Endpoints(storage="127.0.0.1:9000")),
        unprotected("mailbox-cristina"),
    )(good)

    assert messages(RULE, stack) == []
