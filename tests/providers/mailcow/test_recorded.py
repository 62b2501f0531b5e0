"""The stand-in is held to what the genuine API of release 2026-07a answered."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from pulumi_mailcow.testing import Mailcow
from pulumi_mailcow.testing import __main__ as command
from pulumi_mailcow.testing.recording import Step, read, replay

RECORDING = Path(__file__).parent / "data" / "mailcow-api-2026-07a.jsonl.gz"
STEPS = read(RECORDING)
SCENARIOS = list(dict.fromkeys(step["scenario"] for step in STEPS))


def test_the_recording_is_whole() -> None:
    assert len(STEPS) == 763


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_recorded_answer_is_given(scenario: str) -> None:
    async def whole() -> None:
        steps = [step for step in STEPS if step["scenario"] == scenario]
        async for result in replay(steps):
            assert result.differing == []
            assert result.agree == len(steps)

    asyncio.run(whole())


def _replayed(file: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["testing", "replay", str(file)])
    return command.main()


def _step(answer: Any) -> Step:
    return {"scenario": "tiny", "step": 1, "method": "GET", "path": "get/domain/all", "body": None,
            "status": 200, "content_type": "application/json", "answer": answer}  # fmt: skip


def test_a_difference_is_shown_counted_and_an_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recording.jsonl"
    file.write_text(f"{json.dumps(_step({}))}\n{json.dumps(_step([1]))}\n")
    assert _replayed(file, monkeypatch) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "1 of 2 answers agree"
    assert said[:2] == ["tiny 1: GET get/domain/all null", "  .: recorded [1], answered {}"]
    file.write_text(json.dumps(_step({})))
    assert _replayed(file, monkeypatch) == 0


def test_a_file_that_is_not_there_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _replayed(tmp_path / "nothing.jsonl", monkeypatch) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "edit/rename-mbox"),
        ("POST", "add/filter"),
        ("POST", "add/mailbox/template"),
        ("GET", "get/admin"),
    ],
)
def test_what_nobody_asks_of_it_is_refused_by_name(method: str, path: str) -> None:
    async def whole() -> None:
        async with Mailcow() as mailcow, httpx.AsyncClient() as client:
            url = f"{mailcow.url}/api/v1/{path}"
            headers = {"X-API-Key": mailcow.key}
            answer = await client.request(
                method, url, headers=headers, json={} if method == "POST" else None
            )
            assert answer.status_code == 501
            assert path in answer.json()["msg"]

    asyncio.run(whole())


def test_faults_are_asked_for_over_http_too() -> None:
    async def whole() -> None:
        async with Mailcow() as mailcow, httpx.AsyncClient() as client:
            headers, there = {"X-API-Key": mailcow.key}, f"{mailcow.url}/testing"
            await client.put(f"{there}/faults", json=[{"kind": "status", "status": 405}])
            asked = {"domain": "example.org", "key_size": 0}
            url = f"{mailcow.url}/api/v1/add/domain"
            statuses = [
                (await client.post(url, json=asked, headers=headers)).status_code for _ in range(2)
            ]
            assert statuses == [405, 200]
            wrong = await client.put(f"{there}/faults", json=[{"kind": "nonsense"}])
            assert (wrong.status_code, "nonsense" in wrong.text) == (400, True)
            assert (await client.get(f"{there}/count")).json()["writes"] == 2

    asyncio.run(whole())
