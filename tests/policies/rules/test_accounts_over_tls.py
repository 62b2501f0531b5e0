"""The rule `accounts-over-tls`.

Every account is opened over TLS with its certificate checked.
"""

from declaration.endpoints import Endpoints
from policies.stack import Stack
from tests.policies.planting import both, changed, declared, messages

RULE = "accounts-over-tls"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_an_api_without_tls_is_refused(good: Stack) -> None:
    stack = changed(
        "mailcow", "http://mail-admin.portugalodyssey.pt", "endpoint", kind="pulumi:providers"
    )(good)

    assert "http://" in " ".join(messages(RULE, stack))


def test_a_foreign_address_for_cloudflare_is_refused(good: Stack) -> None:
    stack = changed("cloudflare", "https://api.example.org", "baseUrl")(good)

    assert "api.example.org" in " ".join(messages(RULE, stack))


def test_a_rehearsal_keeps_to_loopback_without_tls(good: Stack) -> None:
    stack = both(
        declared("endpoints", Endpoints(storage="127.0.0.1:9000")),
        changed("minio", "false", "minioSsl"),
    )(good)

    assert messages(RULE, stack) == []
