"""The rule `relay-without-bypass`.

Nothing sends mail past the smarthost.
"""

from policies.stack import Stack
from tests.policies.planting import added, changed, messages, replaced

RULE = "relay-without-bypass"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_transport_map_is_refused(good: Stack) -> None:
    stack = replaced(
        "smarthost-extra-cf", "smtp_sasl_auth", "transport_maps = hash:/x\nsmtp_sasl_auth"
    )(good)

    assert "transport_maps" in " ".join(messages(RULE, stack))


def test_a_relayhost_object_that_is_the_smarthost_passes(good: Stack) -> None:
    stack = added("mailcow:index:Relayhost", "relay", hostname="[smtp.resend.com]:587")(good)

    assert messages(RULE, stack) == []


def test_a_mailbox_with_a_relayhost_of_its_own_is_refused(good: Stack) -> None:
    stack = changed("mailbox-info", "7", "relayhost")(good)

    assert "relayhost 7" in " ".join(messages(RULE, stack))
