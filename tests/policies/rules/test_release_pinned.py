"""The rule `release-pinned`.

The Mailcow release is the declared one, by tag and by commit.
"""

from declaration.endpoints import Endpoints, RepositoryEndpoint
from policies.stack import Stack
from tests.policies.planting import both, declared, messages, replaced

RULE = "release-pinned"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_another_repository_is_refused(good: Stack) -> None:
    stack = replaced("mailcow-release", "github.com/mailcow/", "github.com/somebody/", "create")(
        good
    )

    assert "--repository" in " ".join(messages(RULE, stack))


def test_a_rehearsed_repository_is_taken_from_the_endpoints(good: Stack) -> None:
    stack = both(
        declared(
            "endpoints",
            Endpoints(repository=RepositoryEndpoint(url="https://127.0.0.1/r", commit="a" * 40)),
        ),
        replaced(
            "mailcow-release",
            "https://github.com/mailcow/mailcow-dockerized",
            "https://127.0.0.1/r",
            "create",
        ),
        replaced("mailcow-release", "489db905122d20487e29c9a8438b311c403442ab", "a" * 40, "create"),
    )(good)

    assert messages(RULE, stack) == []
