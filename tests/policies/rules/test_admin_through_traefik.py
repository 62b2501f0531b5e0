"""The rule `admin-through-traefik`.

The web interface listens where Traefik alone can reach it.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "admin-through-traefik"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_every_address_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-conf", "HTTP_BIND=172.20.0.1", "HTTP_BIND=")(good)

    assert "HTTP_BIND is not set" in " ".join(messages(RULE, stack))


def test_another_port_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-conf", "HTTPS_PORT=9443", "HTTPS_PORT=443")(good)

    assert "HTTPS_PORT is 443" in " ".join(messages(RULE, stack))
