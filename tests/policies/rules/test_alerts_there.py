"""The rule `alerts-there`.

What really happens to a mail server raises an alert.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "alerts-there"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_no_watch_over_the_disk_is_refused(good: Stack) -> None:
    stack = replaced("monitoring-rules", "node_filesystem_avail_bytes", "node_filesystem_free")(
        good
    )

    assert "the disk" in " ".join(messages(RULE, stack))


def test_a_metric_whose_name_begins_alike_does_not_count(good: Stack) -> None:
    stack = replaced("monitoring-rules", "po_mail_dnsbl_listed", "po_mail_dnsbl_listed_total")(good)

    assert "block lists" in " ".join(messages(RULE, stack))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("for: 15m", "for: 15h", "the queue"), ("> 14400", "> 144000", "old mail"),
        ("severity: critical", "severity: warning", "Postfix"),
        ("tmpfs|", "ext4|tmpfs|", "the disk"),
        ('reason="tls"', 'reason="tsl"', "refusals (tls)"), ("[1h]", "[1m]", "refusals (rejected)"),
        ("unless po_mail_drill", "and po_mail_drill", "a drill that failed"),
    ],
)  # fmt: skip
def test_an_alert_that_comes_late_or_never_or_too_quietly_is_refused(
    good: Stack, old: str, new: str, what: str
) -> None:
    assert what in " ".join(messages(RULE, replaced("monitoring-rules", old, new)(good)))
