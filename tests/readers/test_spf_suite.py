"""The reader of SPF against RFC 7208's own test suite, every test of it.

The suite is `data/rfc7208-tests.yml`, release 2014.04, as pyspf publishes it; its licence lies
beside it. Where it allows several results, the first is the preferred one and any will do.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from readers.dns import DnsFailureError
from readers.spf.check import check

SUITE = Path(__file__).parent / "data" / "rfc7208-tests.yml"


class Zone:
    """Answers from the zone of one scenario, in the suite's own way of writing it."""

    def __init__(self, written: dict[str, list[Any]]) -> None:
        self.records = {str(name).lower().strip("."): entries for name, entries in written.items()}

    def __call__(self, name: str, kind: str, /, depth: int = 0) -> Sequence[str]:
        entries = self.records.get(name.lower().strip("."), [])
        records = [entry for entry in entries if isinstance(entry, dict)]
        answers = [entry[kind] for entry in records if kind in entry]
        if kind == "TXT" and not answers:
            # SPF stands for TXT too, wherever a name says nothing of TXT.
            answers = [entry["SPF"] for entry in records if "SPF" in entry]
        answers = [answer for answer in answers if answer != "NONE"]
        if not answers and "TIMEOUT" in entries:
            raise DnsFailureError(f"{name} {kind}: timed out")
        if not answers and depth < 8:
            for alias in (entry["CNAME"] for entry in records if "CNAME" in entry):
                return self(alias, kind, depth + 1)
        return [self._plain(answer, kind) for answer in answers]

    def _plain(self, answer: Any, kind: str) -> str:
        if kind == "MX":
            return f"{answer[0]} {answer[1]}"
        if isinstance(answer, list):
            return "".join(answer)
        return str(answer)


def scenarios() -> Iterator[Any]:
    """Yield each test of the suite with the zone of its scenario."""
    for scenario in yaml.safe_load_all(SUITE.read_text("utf-8")):
        for name, test in scenario["tests"].items():
            yield pytest.param(scenario["zonedata"], test, id=name)


@pytest.mark.parametrize(("zone", "test"), [*scenarios()])
def test_the_suite_of_the_rfc_passes(zone: dict[str, list[Any]], test: dict[str, Any]) -> None:
    outcome = check(test["host"], test["mailfrom"], test["helo"], Zone(zone))

    expected = test["result"] if isinstance(test["result"], list) else [test["result"]]
    assert outcome.result in expected, outcome.reason
    if "explanation" in test:
        assert (outcome.explanation or "DEFAULT") == test["explanation"]
