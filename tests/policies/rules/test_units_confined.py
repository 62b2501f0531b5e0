"""The rule `units-confined`.

Every service may do what it needs, and nothing else, and reach whom it needs.
"""

from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "units-confined"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_protection_that_is_taken_back_is_refused(good: Stack) -> None:
    stack = replaced("backup-service", "UMask=0077", "PrivateDevices=no")(good)

    assert messages(RULE, stack) == ["po-mail-backup.service runs without PrivateDevices"]


def test_fewer_capabilities_pass(good: Stack) -> None:
    stack = replaced("backup-service", "=CAP_DAC_OVERRIDE CAP", "=CAP")(good)

    assert messages(RULE, stack) == []
