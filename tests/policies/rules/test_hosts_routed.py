"""The rule `hosts-routed`.

Every web host that is published is routed.
"""

from policies.stack import Stack
from tests.policies.planting import messages, record, replaced

RULE = "hosts-routed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_published_host_without_a_route_is_refused(good: Stack) -> None:
    stack = record("shop", "A", "31.97.159.7")(good)

    assert "not routed" in " ".join(messages(RULE, stack))


def test_the_mail_host_is_routed_too(good: Stack) -> None:
    stack = replaced("traefik-routes", "Host(`mx.", "Host(`www.")(good)

    assert messages(RULE, stack) == [
        "mx.portugalodyssey.pt is the mail host and not routed by Traefik"
    ]


def test_an_alias_that_leads_elsewhere_is_no_web_host_of_ours(good: Stack) -> None:
    stack = record("status", "CNAME", "status.example.org")(good)

    assert messages(RULE, stack) == []
