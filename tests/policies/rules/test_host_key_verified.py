"""The rule `host-key-verified`.

Every connection to the host compares its key with the declared one.
"""

from policies.stack import Stack
from tests.policies.planting import both, changed, messages

RULE = "host-key-verified"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_connection_with_another_key_is_refused(good: Stack) -> None:
    stack = changed("mailcow-release", "ssh-ed25519 AAAA", "connection", "hostKey")(good)

    assert "another host key" in " ".join(messages(RULE, stack))


def test_a_docker_socket_on_loopback_needs_no_key(good: Stack) -> None:
    stack = both(
        changed("docker", "tcp://127.0.0.1:2375", "host"), changed("docker", None, "sshOpts")
    )(good)

    assert messages(RULE, stack) == []
