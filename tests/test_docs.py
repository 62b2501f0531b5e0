"""The pages name places of the house that are there."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("benchmarks/*.md")]
ROOMS = {path.name for path in PROJECT.iterdir() if path.is_dir() and path.name[0] != "."}
_PLACE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_what_a_page_points_at_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    named = {place for place in _PLACE.findall(text) if place.partition("/")[0] in ROOMS}
    missing = [place for place in sorted(named) if not (PROJECT / place).exists()]
    missing += [link for link in _LINK.findall(text) if not (page.parent / link).exists()]
    assert not missing, f"{page.name} points at what is not there"
