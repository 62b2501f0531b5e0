"""The rule `backup-encrypted`.

The archives are encrypted before they leave the host, and travel over TLS.
"""

from declaration.endpoints import Endpoints
from policies.stack import Stack
from tests.policies.planting import both, declared, messages, replaced

RULE = "backup-encrypted"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_unencrypted_way_is_refused(good: Stack) -> None:
    stack = replaced("backup-environment", "s3:https", "s3:http")(good)

    assert "TLS" in " ".join(messages(RULE, stack))


def test_another_bucket_is_refused(good: Stack) -> None:
    stack = replaced("backup-environment", "/po-mail-backups", "/other")(good)

    assert "another bucket" in " ".join(messages(RULE, stack))


def test_a_rehearsal_may_do_without_tls(good: Stack) -> None:
    stack = both(
        declared("endpoints", Endpoints(storage="127.0.0.1:9000")),
        replaced("backup-environment", "s3:https", "s3:http"),
    )(good)

    assert messages(RULE, stack) == []
