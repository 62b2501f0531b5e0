"""People: mailboxes and aliases become what Mailcow knows them as."""

from typing import Any

import pytest

from components.people import PeopleComponent
from declaration.model import Declaration
from declaration.people import AliasSettings, goto, local_target
from declaration.reading import read
from tests.components import arguments
from tests.recording import Recording, Sealed, record


def people(declaration: Declaration) -> Recording:
    passwords = {mailbox.name: f"planted-{mailbox.name}" for mailbox in declaration.mailboxes}
    recording = record(
        lambda: PeopleComponent("people", arguments.people(declaration, passwords)),
    )
    assert recording.error is None
    return recording


def test_every_mailbox_and_alias_of_qual_is_registered(qual: Declaration) -> None:
    recording = people(qual)

    mailboxes = recording.of_type("mailcow:index:Mailbox")
    assert set(mailboxes) == {f"mailbox-{mailbox.name}" for mailbox in qual.mailboxes}
    assert {
        name: (one.inputs["address"], one.inputs["goto"])
        for name, one in recording.of_type("mailcow:index:Alias").items()
    } == {
        f"alias-{alias.name}": (
            f"{alias.name}@portugalodyssey.pt",
            [f"{alias.to[0]}@portugalodyssey.pt"],
        )
        for alias in qual.aliases
    }


def test_old_mail_is_fetched_over_tls_and_deleted_nowhere(qual_values: dict[str, Any]) -> None:
    qual_values["imports"] = [
        {"name": "gmail", "mailbox": "cristina", "server": "imap.gmail.com", "user": "c@gmail.com",
         "until": "2999-12-31"},
        {"name": "old", "mailbox": "info", "server": "imap.example.net", "port": 143,
         "user": "info", "folder": "Old", "until": "2999-12-31"},
    ]  # fmt: skip
    jobs = people(read(qual_values, source="x")).of_type("mailcow:index:SyncJob")

    assert set(jobs) == {"import-gmail", "import-old"}
    ways = {name: (job.inputs["port1"], job.inputs["enc1"]) for name, job in jobs.items()}
    assert ways == {"import-gmail": (993, "SSL"), "import-old": (143, "TLS")}
    assert jobs["import-old"].inputs["subfolder2"] == "Old"
    for job in jobs.values():
        assert isinstance(job.inputs["password1"], Sealed)
        assert job.inputs["delete2duplicates"] is False
        assert not {"delete1", "delete2"} & {name for name, value in job.inputs.items() if value}


def test_a_password_is_a_secret_and_a_mailbox_is_protected(qual: Declaration) -> None:
    for resource in people(qual).of_type("mailcow:index:Mailbox").values():
        assert isinstance(resource.inputs["password"], Sealed)
        assert resource.protect


def test_a_rehearsal_may_leave_nothing(qual_values: dict[str, Any]) -> None:
    qual_values["protectMailboxes"] = False

    mailboxes = people(read(qual_values, source="x")).of_type("mailcow:index:Mailbox")

    assert not any(mailbox.protect for mailbox in mailboxes.values())


def test_a_mailbox_waits_for_the_domain_and_an_alias_for_its_mailbox(qual: Declaration) -> None:
    recording = people(qual)

    for resource in recording.of_type("mailcow:index:Mailbox").values():
        assert resource.after("domain")
    assert recording.of_type("mailcow:index:Alias")["alias-hello"].after("mailbox-info")


def test_the_limits_of_the_domain_do_not_follow_the_number_of_people(
    qual: Declaration, qual_values: dict[str, Any]
) -> None:
    qual_values["mailboxes"].append({"name": "new", "fullName": "New", "quotaMib": 1})
    after = people(read(qual_values, source="x")).of_type("mailcow:index:Domain")

    before = people(qual).of_type("mailcow:index:Domain")

    assert before["domain"].inputs == after["domain"].inputs
    quota = before["domain"].inputs["quota"]
    assert quota == 100 * 1024 >= sum(mailbox.quota_mib for mailbox in qual.mailboxes)
    assert before["domain"].inputs["maxquota"] <= quota


@pytest.mark.parametrize(
    ("target", "local"),
    [
        ("info", "info"),
        ("info@example.pt", "info"),
        ("Info@Example.PT", "info"),
        ("a@example.org", None),
    ],
)
def test_a_target_within_the_domain_is_known_by_its_local_part(
    target: str, local: str | None
) -> None:
    assert local_target(target, "example.pt") == local


def test_an_alias_hands_on_to_whole_addresses() -> None:
    alias = AliasSettings(name="all", to=("info", "A@Example.org"), outside=True)

    assert goto(alias, "example.pt") == ["info@example.pt", "a@example.org"]
