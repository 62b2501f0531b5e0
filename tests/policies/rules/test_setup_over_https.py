"""The rule `setup-over-https`.

Autodiscover, calendars and address books point at port 443 of a routed host.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "setup-over-https"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_port_than_443_is_refused(good: Stack) -> None:
    stack = changed("srv-carddavs", 8443.0, "data", "port")(good)

    assert "443" in " ".join(messages(RULE, stack))


def test_calendars_may_be_looked_for_at_the_mail_host_but_not_autodiscover(good: Stack) -> None:
    mail_host = {"port": 443.0, "priority": 0.0, "target": "mx.portugalodyssey.pt", "weight": 1.0}

    assert messages(RULE, changed("srv-caldavs", mail_host, "data")(good)) == []
    stack = changed("srv-autodiscover", mail_host, "data")(good)
    assert "no answer" in " ".join(messages(RULE, stack))


def test_a_service_that_is_not_offered_passes(good: Stack) -> None:
    stack = changed("srv-carddavs", {"target": ".", "port": 0.0}, "data")(good)

    assert messages(RULE, stack) == []
