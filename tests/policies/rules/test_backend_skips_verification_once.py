"""The rule `backend-skips-verification-once`.

insecureSkipVerify holds for the one backend on the host, and for nothing else.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "backend-skips-verification-once"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_second_careless_transport_is_refused(good: Stack) -> None:
    stack = replaced(
        "traefik-routes",
        "  serversTransports:\n",
        "  serversTransports:\n    z: {insecureSkipVerify: true}\n",
    )(good)

    assert "second transport" in " ".join(messages(RULE, stack))


def test_a_careful_second_transport_passes(good: Stack) -> None:
    stack = replaced(
        "traefik-routes",
        "  serversTransports:\n",
        "  serversTransports:\n    z: {insecureSkipVerify: false}\n",
    )(good)

    assert messages(RULE, stack) == []
