"""The rule `alerts-quiet`.

A sound mail server raises no alert.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "alerts-quiet"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("> 85", "> 8.5", "MailDiskFull is raised"), ("< 21", "< 210", "MailCertificateExpires"),
        ("po_mail_dnsbl_listed ==", "po_mail_dnsbl_liste ==", "nobody measures"),
        ("== 0 unless", "!= 2 unless", "MailBackupFailed is raised"),
    ],
)  # fmt: skip
def test_an_alert_on_nothing_is_refused(good: Stack, old: str, new: str, what: str) -> None:
    assert what in " ".join(messages(RULE, replaced("monitoring-rules", old, new)(good)))
