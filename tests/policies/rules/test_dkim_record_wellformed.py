"""The rule `dkim-record-wellformed`.

A DKIM record can be read by every receiver.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages, replaced

RULE = "dkim-record-wellformed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_revoked_key_is_refused(good: Stack) -> None:
    stack = changed("dkim", '"p="', "content")(good)

    assert "revoked" in " ".join(messages(RULE, stack))


def test_a_record_with_its_version_first_passes(good: Stack) -> None:
    stack = replaced("dkim", '"p=', '"v=DKIM1; k=rsa; " "p=')(good)

    assert messages(RULE, stack) == []


def test_a_version_that_is_not_first_is_refused(good: Stack) -> None:
    stack = replaced("dkim", '"p=', '"k=rsa; v=DKIM1; " "p=')(good)

    assert "DKIM1" in " ".join(messages(RULE, stack))


def test_an_ed25519_key_passes(good: Stack) -> None:
    stack = changed(
        "dkim", '"k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="', "content"
    )(good)

    assert messages(RULE, stack) == []
