"""The rule `admin-on-one-host`.

The administration answers on its own host and on no other.
"""

import pytest

from components.traefik import ADMINISTRATION, HANDED_OUT, WELL_KNOWN
from policies.stack import Stack
from tests.policies.planting import messages, replaced

RULE = "admin-on-one-host"
AUTODISCOVER = f" && {WELL_KNOWN['autodiscover']}"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_host_without_a_restriction_is_refused(good: Stack) -> None:
    stack = replaced("traefik-routes", AUTODISCOVER, "")(good)

    assert "autodiscover" in " ".join(messages(RULE, stack))


@pytest.mark.parametrize("paths", [HANDED_OUT, ADMINISTRATION])
def test_the_mail_host_is_bound_to_what_it_hands_out_and_against_climbing_out_of_it(
    good: Stack, paths: str
) -> None:
    narrow, shut = f" && PathRegexp(`{HANDED_OUT}`)", f" && !PathRegexp(`{ADMINISTRATION}`)"
    left = shut if paths == HANDED_OUT else narrow
    stack = replaced("traefik-routes", narrow + shut, left)(good)

    assert "mx.portugalodyssey.pt" in " ".join(messages(RULE, stack))


def test_a_host_that_answers_one_path_alone_passes(good: Stack) -> None:
    stack = replaced(
        "traefik-routes",
        AUTODISCOVER,
        " && Path(`/autodiscover.xml`)",
    )(good)

    assert messages(RULE, stack) == []
