"""The rule `ports-firewalled`.

The firewall opens the declared mail ports and keeps the web ports for Traefik.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "ports-firewalled"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_mail_port_that_is_open_over_ipv6_while_it_is_off_is_refused(good: Stack) -> None:
    stack = replaced("firewall-rules", "ipv6 tcp dport { 25, 465, ", "ipv6 tcp dport { 25, ")(good)

    assert "port 465 passes" in " ".join(messages(RULE, stack))


def test_a_mail_port_that_is_dropped_is_refused(good: Stack) -> None:
    stack = replaced("firewall-rules", "        tcp dport { 25, 465, 587, 993, 4190 } accept",
                     "        tcp dport { 465 } drop")(good)  # fmt: skip

    assert "port 465 is dropped" in " ".join(messages(RULE, stack))


def test_what_passes_anyway_need_not_be_accepted_by_name(good: Stack) -> None:
    stack = replaced("firewall-rules", "        tcp dport { 25, 465, 587, 993, 4190 } accept\n", "")

    assert messages(RULE, stack(good)) == []


def test_another_network_is_refused(good: Stack) -> None:
    stack = replaced("firewall-rules", "172.20.0.0/16", "172.21.0.0/16")(good)

    assert "172.20.0.0/16" in " ".join(messages(RULE, stack))


def test_another_order_of_ports_is_the_same(good: Stack) -> None:
    stack = replaced(
        "firewall-rules", "{ 25, 465, 587, 993, 4190 }", "{ 4190, 993, 587, 465, 25 }"
    )(good)

    assert messages(RULE, stack) == []
