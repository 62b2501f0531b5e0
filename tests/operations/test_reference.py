"""The reference of the declaration is current and complete."""

import re

from declaration.model import Declaration
from operations.reference import PAGE, main, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m operations.reference"
    assert main(["--check"]) == 0


def test_every_key_is_described() -> None:
    text = page()

    for name, field in Declaration.model_fields.items():
        assert f"| `mail:{field.alias or name}` |" in text
    for row in re.findall(r"^\| `.*$", text, re.MULTILINE):
        cells = re.split(r"(?<!\\)\|", row)[1:-1]
        assert cells[4 if len(cells) == 6 else -1].strip(), row


def test_every_link_leads_to_a_heading() -> None:
    text = page()

    headings = {
        match.lower().replace(" ", "-") for match in re.findall(r"^## (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= headings
