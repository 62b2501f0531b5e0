"""The rule `certificate-covers`.

The certificate covers the mail host and every routed host.
"""

from policies.stack import Stack
from tests.policies.planting import both, deployed, messages, refused, replaced

RULE = "certificate-covers"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_host_without_its_name_in_the_certificate_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", "          - autodiscover.portugalodyssey.pt\n", "")(good)

    assert "autodiscover.portugalodyssey.pt" in " ".join(messages(RULE, stack))


def test_a_wildcard_covers_one_label(good: Stack) -> None:
    stack = both(
        replaced("traefik-routes", "          - webmail.portugalodyssey.pt\n", ""),
        replaced(
            "traefik-routes",
            "          - mail-admin.portugalodyssey.pt\n",
            "          - mail-admin.portugalodyssey.pt\n          - '*.portugalodyssey.pt'\n",
        ),
    )(good)

    assert messages(RULE, stack) == []


def test_a_wildcard_one_level_up_covers_nothing(good: Stack) -> None:
    stack = replaced(
        "traefik-routes", "          - webmail.portugalodyssey.pt\n", "          - '*.pt'\n"
    )(good)

    assert "webmail" in " ".join(messages(RULE, stack))


def test_a_certificate_that_exists_is_taken_and_no_other_is_asked_for() -> None:
    stack = deployed(certificate={"existing": ["*.portugalodyssey.pt"]})
    assert refused(stack) == set()

    asking = replaced("traefik-routes", "tls: {}", "tls: {certResolver: cloudflare}")(stack)
    assert "and one exists" in " ".join(messages(RULE, asking))
