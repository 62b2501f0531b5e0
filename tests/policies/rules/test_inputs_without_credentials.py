"""The rule `inputs-without-credentials`.

No plain value of a resource looks like a credential.
"""

from policies import Secret
from policies.stack import Stack
from tests.policies.keys import rsa_public_key
from tests.policies.planting import added, messages, record

RULE = "inputs-without-credentials"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_password_in_an_address_is_refused(good: Stack) -> None:
    stack = added("host:index:File", "x", path="/x", content="https://user:hunter22@example.org")(
        good
    )

    assert "looks like a credential" in " ".join(messages(RULE, stack))


def test_the_published_key_of_dkim_is_no_credential(good: Stack) -> None:
    stack = record("other._domainkey", "TXT", f'"p={rsa_public_key(1024)}"')(good)

    assert messages(RULE, stack) == []


def test_the_same_in_a_secret_passes(good: Stack) -> None:
    stack = added(
        "host:index:File", "x", path="/x", content=Secret("https://user:hunter22@example.org")
    )(good)

    assert messages(RULE, stack) == []
