"""The rule `images-pinned`.

Every image that the program itself names is the declared one, pinned by digest.
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
    image = f"{good.declaration.monitoring.exporter_image}@{good.declaration.exporter_digest}"

    assert messages(RULE, changed("exporter-image", image, "name")(good)) == []


def test_a_digest_that_nobody_declared_is_refused(good: Stack) -> None:
    image = f"{good.declaration.monitoring.exporter_image}@sha256:{'ab' * 32}"

    assert "nobody declared" in " ".join(
        messages(RULE, changed("exporter-image", image, "name")(good))
    )


def test_a_digest_cut_short_is_refused(good: Stack) -> None:
    stack = changed("exporter-image", "ghcr.io/x/y@sha256:abab", "name")(good)

    assert "not pinned" in " ".join(messages(RULE, stack))
