"""The rule `images-pinned`.

Every image that the program itself names is pinned by digest.
"""

from policies.stack import Stack
from tests.policies.planting import changed, messages

RULE = "images-pinned"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_tag_is_refused(good: Stack) -> None:
    stack = changed("exporter", "ghcr.io/mailcow/prometheus-exporter:2", "image")(good)

    assert "not pinned" in " ".join(messages(RULE, stack))


def test_a_tag_with_a_digest_passes(good: Stack) -> None:
    stack = changed("exporter-image", f"ghcr.io/x/y:2@sha256:{'ab' * 32}", "name")(good)

    assert messages(RULE, stack) == []


def test_a_digest_cut_short_is_refused(good: Stack) -> None:
    stack = changed("exporter-image", "ghcr.io/x/y@sha256:abab", "name")(good)

    assert "not pinned" in " ".join(messages(RULE, stack))
