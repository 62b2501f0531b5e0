"""The rule `spf-wellformed`.

Every SPF record can be evaluated.
"""

import pytest

from policies.stack import Stack
from tests.policies.planting import both, knowing, messages, refused, replaced

RULE = "spf-wellformed"


def test_the_good_stack_passes(good: Stack) -> None:
    assert messages(RULE, good) == []


def test_a_misspelt_mechanism_is_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "mx ip:192.0.2.1")(good)

    assert "is no mechanism" in " ".join(messages(RULE, stack))


def test_an_include_without_a_domain_is_refused(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "include")(good)

    assert "asks for a domain" in " ".join(messages(RULE, stack))


def test_an_unknown_modifier_is_ignored_as_the_rfc_says(good: Stack) -> None:
    stack = replaced("apex-spf", "mx", "mx foo=bar")(good)

    assert messages(RULE, stack) == []


@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 mx ip4:203.0.113.300 -all",
        "v=spf1 mx ip4:203.0.113.0/33 -all",
        "v=spf1 mx ip4:2001:db8::1 -all",
        "v=spf1 mx a:mailer.example.com:587 -all",
        "v=spf1 mx include:gone.portugalodyssey.pt -all",
        "v=spf1 mx -all moo",
        " v=spf1 mx -all",
    ],
)
def test_a_permanent_error_is_refused(good: Stack, text: str) -> None:
    assert messages(RULE, replaced("apex-spf", "v=spf1 mx -all", text)(good))


@pytest.mark.parametrize("text", ["v=spf1 mx -ALL", "v=spf1 mx -all exp=why.example.com"])
def test_what_the_rfc_allows_is_accepted(good: Stack, text: str) -> None:
    assert refused(replaced("apex-spf", "v=spf1 mx -all", text)(good)) == set()


def test_a_circle_of_includes_is_refused(good: Stack) -> None:
    stack = both(
        knowing(
            a_example="v=spf1 include:b.example -all", b_example="v=spf1 include:a.example -all"
        ),
        replaced("apex-spf", "mx", "include:a.example"),
    )(good)

    assert "circle" in " ".join(messages(RULE, stack))


def test_an_include_of_nothing_is_refused(good: Stack) -> None:
    stack = both(knowing(gone_example=""), replaced("apex-spf", "mx", "mx include:gone.example"))

    assert "gone.example has no SPF record" in " ".join(messages(RULE, stack(good)))
