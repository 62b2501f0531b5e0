"""The rule `secrets-sealed`.

Every password, token and key is a secret where it is used.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "secrets-sealed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_the_key_of_the_api_in_clear_is_refused(good: Stack) -> None:
    stack = changed("mailcow", "key", "apiKey", kind="pulumi:providers")(good)

    assert "apiKey" in " ".join(messages(RULE, stack))


def test_a_container_with_a_token_in_clear_is_refused(good: Stack) -> None:
    stack = changed("exporter", ["EXPORTER_TOKEN=abc"], "envs")(good)

    assert "environment variable" in " ".join(messages(RULE, stack))


def test_a_container_with_the_name_of_a_file_passes(good: Stack) -> None:
    stack = changed("exporter", ["TOKEN_FILE=/run/secrets/token"], "envs")(good)

    assert messages(RULE, stack) == []
