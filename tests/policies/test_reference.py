"""The page of policies, and what it is written from."""

from policies.reference import PAGE, page
from policies.registry import rule, rules
from tests.conftest import PROJECT


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m policies.reference"


def test_every_rule_says_what_why_whence_and_how() -> None:
    for entry in rules():
        assert entry.protects.endswith("."), entry.id
        assert entry.reason.endswith("."), entry.id
        assert entry.source, entry.id
        assert entry.remedy, entry.id
        assert not entry.remedy.endswith("."), entry.id


def test_every_rule_has_a_test_file_of_its_own() -> None:
    folder = PROJECT / "tests" / "policies" / "rules"
    files = {path.stem.removeprefix("test_").replace("_", "-") for path in folder.glob("test_*.py")}

    assert files == {entry.id for entry in rules()}


def test_a_rule_is_found_by_its_id() -> None:
    assert rule("spf-single").area.value == "authentication"


def test_rules_stand_in_the_order_of_their_modules_whoever_is_imported_first() -> None:
    modules = [known.check.__module__ for known in rules()]

    assert modules == sorted(modules)
