"""The rule `secrets-not-repeated`.

No secret of the stack stands in clear in another resource.
"""

from policies import Secret
from policies.stack import Stack
from tests.policies.planting import changed, messages, replaced

RULE = "secrets-not-repeated"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_secret_in_a_command_is_refused(good: Stack) -> None:
    stack = replaced(
        "firewall", "nft -c", "TOKEN=placeholder-of-cloudflareApiToken nft -c", "create"
    )(good)

    assert "repeats a secret" in " ".join(messages(RULE, stack))


def test_a_secret_that_is_handed_on_sealed_passes(good: Stack) -> None:
    stack = changed("firewall", Secret("placeholder-of-cloudflareApiToken"), "stdin")(good)

    assert messages(RULE, stack) == []
