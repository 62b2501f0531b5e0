"""The rule `routes-own-hosts-alone`.

Only the hosts of this stack lead to its nginx.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "routes-own-hosts-alone"
DOMAIN = "portugalodyssey.pt"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_catch_all_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", f"Host(`webmail.{DOMAIN}`)", "PathPrefix(`/`)")(good)

    assert "no host of this stack" in " ".join(messages(RULE, stack))


def test_a_pattern_without_an_end_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", f"Host(`webmail.{DOMAIN}`)", "HostRegexp(`webmail`)")(good)

    assert "no host of this stack" in " ".join(messages(RULE, stack))


def test_a_pattern_for_the_one_host_passes(good: Stack) -> None:
    stack = replaced(
        "traefik-routes",
        f"Host(`webmail.{DOMAIN}`)",
        r"HostRegexp(`^webmail\.portugalodyssey\.pt$`)",
    )(good)

    assert messages(RULE, stack) == []
