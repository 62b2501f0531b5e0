"""The rule `dkim-selector-published`.

Every sender that signs with the domain has its key in the zone.
"""

from declaration.smarthost import TransactionalSender
from policies.stack import Stack
from tests.policies.planting import both, declared, messages, record, without

RULE = "dkim-selector-published"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_selector_without_a_record_is_refused(good: Stack) -> None:
    stack = without("dkim")(good)

    assert "no key is published" in " ".join(messages(RULE, stack))


def test_a_key_published_as_an_alias_counts(good: Stack) -> None:
    stack = both(without("dkim"), record("resend._domainkey", "CNAME", "k.resend.example"))(good)

    assert messages(RULE, stack) == []


def test_a_sender_with_a_domain_of_its_own_publishes_elsewhere(good: Stack) -> None:
    stack = declared(
        "transactional_senders",
        (TransactionalSender(name="app", domain="example.org", selector="a"),),
    )(good)

    assert messages(RULE, stack) == []
