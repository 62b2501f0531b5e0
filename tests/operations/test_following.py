"""What follows from a key is found by changing it."""

import json
import subprocess
import sys

from declaration.model import Declaration
from operations.following import FILE, Variation, changed, variations
from operations.reference import page
from tests.conftest import PROJECT

TRIED = ("SmarthostSettings.port", "ZoneSettings.mxPreference", "Declaration.imports")
"""Keys that are changed anew; trying all of them takes minutes."""

_PROGRAM = (
    "import json, sys; from operations.following import following; "
    "out, sys.stdout = sys.stdout, sys.stderr; "
    "json.dump(following(sys.argv[1:]), out); out.flush()"
)


def test_what_is_kept_is_what_a_change_shows() -> None:
    # In a process of its own: it forks, and this one has threads.
    command = [sys.executable, "-c", _PROGRAM, *TRIED]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)

    kept = json.loads(FILE.read_text("utf-8"))
    assert json.loads(done.stdout) == {key: kept[key] for key in TRIED}, (
        "run python -m operations.following"
    )


def test_every_key_that_is_kept_is_one_of_the_declaration(qual: Declaration) -> None:
    values = qual.model_dump(mode="json", by_alias=True, exclude_none=True)
    known = {variation.key for variation in variations(values)}

    assert set(json.loads(FILE.read_text("utf-8"))) <= known


def test_another_value_is_put_in_one_place_alone() -> None:
    values = {"zone": {"ttl": 300}, "mailboxes": [{"name": "info"}, {"name": "support"}]}
    other = changed(values, Variation("MailboxSettings.name", ("mailboxes", 0, "name"), "hello"))

    assert other == {"zone": {"ttl": 300}, "mailboxes": [{"name": "hello"}, {"name": "support"}]}
    assert values["mailboxes"] == [{"name": "info"}, {"name": "support"}]


def test_the_page_tells_unit_example_danger_and_what_follows() -> None:
    text = page()

    assert "| `memoryMib` | whole number of MiB, > 0 | required | `8192` |" in text
    assert "**Danger:** deleting a mailbox deletes its mail" in text
    assert "| records: apex-mx |" in text
    assert "smarthost-extra-cf" in text
    assert "importPassword.NAME" in text
