"""Postfix's parameters and maps as they take effect."""

import pytest

from readers.mistake import MistakeError
from readers.postfix import (
    Hop,
    TlsPolicy,
    expanded,
    hop,
    parameters,
    table,
    tls_policy,
    words,
    wraps,
)


def test_the_last_assignment_counts_and_lines_go_on_after_white_space() -> None:
    text = "a = 1\n# a = 2\nb =\n    x,\n# a comment between\n  y\na = $b # no comment\n  \nc=\n"

    assert parameters(text) == {"a": "$b # no comment", "b": "x, y", "c": ""}


def test_a_line_without_an_equals_sign_is_named() -> None:
    with pytest.raises(MistakeError, match="line 2"):
        parameters("a = 1\nrelayhost [x]\n")


def test_names_are_put_in_where_they_are_known() -> None:
    values = {"a": "${b}/$c", "b": "x", "loop": "$loop"}

    assert expanded("$a $$a $(b)", values) == "x/$c $a x"
    assert expanded("$loop", values) == "$loop"


def test_the_first_entry_of_a_map_counts() -> None:
    text = "# key value\n[smtp.example.com]:587\tuser:a b:c\n[smtp.example.com]:587 other\nbare\n"

    assert table(text) == {"[smtp.example.com]:587": "user:a b:c", "bare": ""}


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("[smtp.example.com]:587", Hop("smtp.example.com", "587", direct=True)),
        ("[2001:db8::1]:25", Hop("2001:db8::1", "25", direct=True)),
        ("example.com", Hop("example.com", "", direct=False)),
        ("Example.com:submission", Hop("example.com", "submission", direct=False)),
    ],
)
def test_a_next_hop_in_brackets_is_the_host_itself(value: str, read: Hop) -> None:
    assert hop(value) == read


@pytest.mark.parametrize("value", ["", "[smtp.example.com", "a b", "[x]:"])
def test_what_is_no_next_hop_is_refused(value: str) -> None:
    with pytest.raises(MistakeError):
        hop(value)


@pytest.mark.parametrize(
    ("policy", "verifies"),
    [
        ("secure", "yes"), ("secure match=nexthop:dot-nexthop", "yes"), ("dane-only", "yes"),
        ("secure match=smtp.example.com protocols=>=TLSv1.2", "yes"), ("encrypt", "no"),
        ("may", "no"), ("", "no"), ("secure match=evil.example", "no"),
    ],
)  # fmt: skip
def test_a_policy_verifies_the_host_or_does_not(policy: str, verifies: str) -> None:
    assert tls_policy(policy).verifies("smtp.example.com") is (verifies == "yes")


def test_a_policy_keeps_what_it_does_not_judge() -> None:
    assert tls_policy("secure ciphers=high") == TlsPolicy("secure", (), ("ciphers=high",))
    assert words("a, b\tc") == ["a", "b", "c"]


@pytest.mark.parametrize("level", ["encrypt", "secure"])
def test_tls_begins_with_the_first_byte_at_a_level_that_is_mandatory(level: str) -> None:
    assert wraps({"smtp_tls_wrappermode": "yes"}, level)
    assert not wraps({}, level)


@pytest.mark.parametrize("level", ["", "may", "dane", "none"])
def test_tls_from_the_first_byte_is_not_for_a_milder_level(level: str) -> None:
    with pytest.raises(MistakeError, match="encrypt or more"):
        wraps({"smtp_tls_wrappermode": "yes"}, level)
