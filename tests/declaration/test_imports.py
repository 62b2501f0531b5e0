"""Old mail that is moved in: declared with an end, and each with a password of its own."""

from datetime import date
from typing import Any

import pytest

from declaration import secrets
from declaration.mistakes import DeclarationError
from declaration.reading import read, secret_keys

TODAY = date(2026, 11, 28)
GMAIL = {
    "name": "gmail", "mailbox": "cristina", "server": "imap.gmail.com", "user": "c@gmail.com",
    "until": "2026-12-31",
}  # fmt: skip


def mistakes(values: dict[str, Any], *imports: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with imports, by key."""
    with pytest.raises(DeclarationError) as caught:
        read(values | {"imports": [*imports]}, source="x", today=TODAY)
    return {
        mistake.path.removeprefix("mail:"): mistake.message for mistake in caught.value.mistakes
    }


def test_an_import_asks_for_a_password_of_its_own(qual_values: dict[str, Any]) -> None:
    declaration = read(qual_values | {"imports": [GMAIL]}, source="x", today=TODAY)

    assert "importPassword.gmail" in secret_keys(declaration)
    assert "importPassword.gmail" not in secret_keys(read(qual_values, source="x", today=TODAY))


def test_an_import_that_has_ended_is_to_be_taken_out(qual_values: dict[str, Any]) -> None:
    ended = {**GMAIL, "until": "2026-11-27"}

    assert mistakes(qual_values, ended) == {
        "imports[0].until": "2026-11-27 has passed; take the import out, what it fetched stays"
    }


def test_it_runs_on_its_last_day(qual_values: dict[str, Any]) -> None:
    values = qual_values | {"imports": [{**GMAIL, "until": "2026-11-28"}]}

    assert read(values, source="x", today=TODAY).imports


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"mailbox": "cristin"}, "mailbox", "did you mean cristina"),
        ({"mailbox": "hello"}, "mailbox", "there is no mailbox hello"),
        ({"server": "mx.portugalodyssey.pt"}, "server", "is our own"),
        ({"server": "imap"}, "server", "is not a domain name"),
        ({"user": "c d@gmail.com"}, "user", ""),
        ({"folder": "a/b"}, "folder", ""),
    ],
)
def test_a_mistake_is_told_at_its_key(
    qual_values: dict[str, Any], change: dict[str, str], key: str, words: str
) -> None:
    assert words in mistakes(qual_values, {**GMAIL, **change})[f"imports[0].{key}"]


def test_the_same_mail_is_fetched_once(qual_values: dict[str, Any]) -> None:
    again = {**GMAIL, "name": "again"}

    assert "fetches the same as gmail" in mistakes(qual_values, GMAIL, again)["imports[1].user"]
    assert "stands twice" in mistakes(qual_values, GMAIL, GMAIL)["imports[1].name"]


def test_a_password_of_no_import_is_refused_without_an_echo() -> None:
    given = dict.fromkeys(secrets.keys(["info"], ["gmail"]), "long enough, it is")
    given["sshPrivateKey"] = "-----BEGIN x"
    assert secrets.mistakes(given, ["info"], ["gmail"]) == []

    (mistake,) = secrets.mistakes(given, ["info"], [])
    assert (mistake.path, mistake.message) == (
        "mail:importPassword.gmail",
        "there is no import gmail; otherwise pulumi config rm mail:importPassword.gmail",
    )
