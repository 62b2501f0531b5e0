"""Which snapshots are kept over two years of daily runs: in theory, by the stand-in, by restic."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from declaration.backup import RetentionSettings, kept_days
from rehearsal.parts import need
from tests.conftest import PROJECT
from tests.real.both import BOTH

FIRST = datetime(2026, 1, 1, 3, tzinfo=UTC)
DAYS = 730
KEEP = RetentionSettings()

Forget = Callable[[Sequence[datetime]], set[datetime]]
"""Stores snapshots of these moments, and returns those that restic would keep."""


@pytest.fixture(params=BOTH)
def forget(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Forget:
    """Return what asks restic which snapshots it keeps, on a repository of its own."""
    genuine = request.param == "genuine"
    program = (
        [str(need("restic"))]
        if genuine
        else [sys.executable, "-m", "rehearsal.world.host_tools.restic"]
    )
    environment = os.environ | {
        "RESTIC_REPOSITORY": str(tmp_path / "repository"), "RESTIC_PASSWORD": "retention",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"), "TZ": "UTC", "PYTHONPATH": str(PROJECT),
        "RESTIC_PROGRESS_FPS": "0.01",
    }  # fmt: skip
    (tmp_path / "mail").write_text("mail")

    def run(*words: str) -> str:
        done = subprocess.run(
            [*program, *words], env=environment, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kept(moments: Sequence[datetime]) -> set[datetime]:
        run("init")
        for moment in moments:
            at = f"{moment:%Y-%m-%d %H:%M:%S}"
            run("backup", "--host", "mx", "--tag", "po-mail", "--time", at, str(tmp_path / "mail"))
        keep = [
            word for kind, n in KEEP.model_dump().items() for word in (f"--keep-{kind}", str(n))
        ]
        run("forget", "--host", "mx", "--tag", "po-mail", "--group-by", "host,tags", *keep)
        left = json.loads(run("snapshots", "--json"))
        return {datetime.fromisoformat(f"{snapshot['time'][:19]}+00:00") for snapshot in left}

    return kept


def night(number: int) -> datetime:
    return FIRST + timedelta(days=number)


@pytest.mark.parametrize("end", [24, 58, 365])
def test_restic_keeps_what_the_simulation_keeps(forget: Forget, end: int) -> None:
    # Of the long past only month's and week's ends can matter; each run costs a call.
    nights = [night(number) for number in range(end)]
    recent = nights[-9:]
    ends = [
        early
        for early in nights[:-9]
        if (early + timedelta(days=1)).day == 1 or early.weekday() == 6
    ]
    chosen = [*ends[-14:], *recent]
    assert forget(chosen) == set(kept_days(chosen, KEEP))


def test_two_years_of_nights_keep_thirteen_to_fifteen_snapshots() -> None:
    there: list[datetime] = []
    counts: Counter[int] = Counter()
    oldest = []
    for number in range(DAYS):
        there = kept_days([*there, night(number)], KEEP)
        if number >= 365:
            counts[len(there)] += 1
            oldest.append((night(number) - there[0]).days)
    assert set(counts) == {13, 14, 15}
    assert counts.most_common(1)[0][0] == 14
    assert (min(oldest), max(oldest)) == (121, 153)
