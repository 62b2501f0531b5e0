"""The rule `exporter-scraped`.

Prometheus asks the exporter where it listens.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced, without

RULE = "exporter-scraped"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_port_is_refused(good: Stack) -> None:
    stack = replaced("monitoring-scrape", "127.0.0.1:9099", "127.0.0.1:9091")(good)

    assert "asks 127.0.0.1:9091" in " ".join(messages(RULE, stack))


def test_no_exporter_at_all_is_refused(good: Stack) -> None:
    stack = without("exporter")(good)

    assert "no exporter runs" in " ".join(messages(RULE, stack))
