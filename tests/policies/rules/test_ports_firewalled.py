"""The rule `ports-firewalled`.

The firewall opens the declared mail ports and keeps the web ports for Traefik.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "ports-firewalled"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_mail_port_left_out_is_refused(good: Stack) -> None:
    stack = replaced("firewall-rules", "        tcp dport { 25, 465, ", "        tcp dport { 25, ")(
        good
    )

    assert "465" in " ".join(messages(RULE, stack))


def test_another_network_is_refused(good: Stack) -> None:
    stack = replaced("firewall-rules", "172.20.0.0/16", "172.21.0.0/16")(good)

    assert "172.20.0.0/16" in " ".join(messages(RULE, stack))


def test_another_order_of_ports_is_the_same(good: Stack) -> None:
    stack = replaced(
        "firewall-rules", "{ 25, 465, 587, 993, 4190 }", "{ 4190, 993, 587, 465, 25 }"
    )(good)

    assert messages(RULE, stack) == []
