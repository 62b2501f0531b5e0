"""Secrets are taken out of text, however many there are and however they are spelled."""

import time

import pytest

from pulumi_kit.scrubbing import Scrubber

SECRET = "pa:ss\"<word>&'1"


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        "pa\\:ss\"<word>&'1",
        "pa\\\\:ss\"<word>&'1",
        "pa:ss\\\"<word>&'1",
        "pa:ss&quot;&lt;word&gt;&amp;&#039;1",
    ],
    ids=["as it is", "escaped", "escaped twice", "in JSON", "in HTML"],
)
def test_a_secret_is_found_in_every_spelling(spelling: str) -> None:
    assert Scrubber([SECRET]).clean(f"a {spelling} b") == "a [secret] b"


def test_the_longer_of_two_secrets_is_taken_out_whole() -> None:
    assert Scrubber(["token", "token-and-more"]).clean("token-and-more, token.") == (
        "[secret], [secret]."
    )


def test_every_line_of_a_secret_is_hidden_and_the_message_is_one_line() -> None:
    scrubber = Scrubber(["first line of a key\nsecond line of a key\n}"])
    told = scrubber.line("bad key\n  first line of a key }\nsee second line of a key")
    assert told == "bad key; [secret] }; see [secret]"


def test_what_is_too_short_to_be_told_from_words_is_left() -> None:
    assert Scrubber(["abc", ""]).clean("abc") == "abc"


def test_a_thousand_secrets_cost_no_more_than_one() -> None:
    text = "the relayhost refused a message of 1234 octets; " * 40

    def cost(count: int) -> float:
        started = time.process_time()
        scrubber = Scrubber()
        for number in range(1000):
            scrubber.learn([f"{number % count:04d}-planted"])
            if number % 10 == 0:
                scrubber.clean(text)
        return time.process_time() - started

    cost(1)
    assert cost(1000) < 3 * cost(1) + 0.1
