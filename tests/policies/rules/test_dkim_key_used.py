"""The rule `dkim-key-used`.

Every DKIM key in the zone is that of somebody who signs.
"""

from datetime import date

from declaration.smarthost import SecondSelectorSettings, TransactionalSender
from policies.stack import Stack
from tests.policies.keys import rsa_public_key
from tests.policies.planting import both, declared, messages, record

RULE = "dkim-key-used"
LEFT = record("old._domainkey", "TXT", f'"p={rsa_public_key(2048)}"')


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_key_that_was_left_behind_is_refused(good: Stack) -> None:
    assert "nobody signs with the key at old._domainkey" in " ".join(messages(RULE, LEFT(good)))


def test_an_alias_that_was_left_behind_is_refused_too(good: Stack) -> None:
    stack = record("old._domainkey", "CNAME", "k.resend.example")(good)

    assert messages(RULE, stack)


def test_the_second_selector_of_a_change_passes(good: Stack) -> None:
    second = SecondSelectorSettings(selector="old", public_key="p=x", until=date(2026, 12, 1))
    stack = both(LEFT, declared("smarthost.second_selector", second))(good)

    assert messages(RULE, stack) == []


def test_the_key_of_a_transactional_sender_passes(good: Stack) -> None:
    sender = TransactionalSender(name="app", domain="portugalodyssey.pt", selector="old")
    stack = both(LEFT, declared("transactional_senders", (sender,)))(good)

    assert messages(RULE, stack) == []
