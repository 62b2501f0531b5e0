"""The rule `routes-lead-to-nginx`.

Every route leads to Mailcow's nginx on this host, as it was asked for.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "routes-lead-to-nginx"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_machine_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", "https://172.20.0.1:9443", "https://198.51.100.9:9443")(good)

    assert "198.51.100.9" in " ".join(messages(RULE, stack))


def test_a_backend_without_tls_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", "https://172.20.0.1:9443", "http://172.20.0.1:9080")(good)

    assert "http://" in " ".join(messages(RULE, stack))
