"""What waits in the queue, and what the smarthost refused: each refusal once, by its reason."""

import json
from pathlib import Path

import pytest

from components.onhost import machine
from components.onhost import queue_metrics as program

RELAY = "smtp.resend.com"
OPTIONS = [
    "--project", "po-mail", "--directory", "/m", "--relay", RELAY,
    "--state", "/state/relay.json", "--metrics", "/metrics/po_mail_queue.prom",
]  # fmt: skip


def logged(text: str) -> str:
    return (
        "Nov 23 19:00:00 x postfix/smtp[347]: 4A: to=<a@b.pt>, "
        f"relay={RELAY}[192.0.2.7]:587, delay=1, {text}"
    )


REFUSED = f"status=bounced (host {RELAY}[192.0.2.7] said: 550 Domain not verified)"
POSTPONED = f"status=deferred (host {RELAY}[192.0.2.7] said: 451 slow down)"
LOGIN = f"status=deferred (SASL authentication failed; server {RELAY}[192.0.2.7] said: 535 no)"
TLS = f"status=deferred (TLS is required, but was not offered by host {RELAY}[192.0.2.7])"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (logged(REFUSED), "rejected"),
        (logged(POSTPONED), "postponed"),
        (logged(LOGIN), "authentication"),
        (logged(TLS), "tls"),
        (logged("status=sent (250 ok)"), None),
        (logged(REFUSED).replace(RELAY, "mx.elsewhere.pt"), None),
        (logged(REFUSED).replace("/smtp[", "/lmtp["), None),
        (f"postfix/smtp[1]: warning: SASL authentication failed; server {RELAY}[1]", None),
    ],
)
def test_a_verdict_of_the_smarthost_is_counted_by_its_reason(line: str, reason: str | None) -> None:
    assert program.reason_of(line, RELAY) == reason


def at(second: int, text: str) -> str:
    return f"2026-11-23T19:00:{second:02d}.000000001Z {text}"


def test_a_line_is_counted_once_however_often_it_is_read() -> None:
    begun = program.Refusals(dict.fromkeys(program.REASONS, 0), "2026-11-23T18:00:00Z")
    lines = [at(1, logged(REFUSED)), at(2, logged(LOGIN))]
    once = program.read_log(lines, RELAY, begun)
    assert once.counts == {"rejected": 1, "authentication": 1, "tls": 0, "postponed": 0}
    again = program.read_log([*lines, at(3, logged(REFUSED))], RELAY, once)
    assert again.counts["rejected"] == 2
    assert again.counts["authentication"] == 1


def test_the_first_look_leaves_history_out() -> None:
    never = program.Refusals(dict.fromkeys(program.REASONS, 0), "")
    found = program.read_log([at(1, logged(REFUSED))], RELAY, never)
    assert found.counts["rejected"] == 0
    assert found.cursor.startswith("2026-11-23T19:00:01")


def test_the_queue_is_counted_and_its_oldest_message_timed() -> None:
    text = "\n".join(
        json.dumps({"queue_name": name, "arrival_time": arrived})
        for name, arrived in (("deferred", 1000), ("deferred", 400), ("active", 1090))
    )
    counts, oldest = program.read_queue(text, 1100)
    assert counts["deferred"] == 2
    assert counts["active"] == 1
    assert counts["hold"] == 0
    assert oldest == 700


def test_an_empty_queue_has_no_age() -> None:
    assert program.read_queue("", 1100) == (dict.fromkeys(program.QUEUES, 0), 0)


@pytest.mark.parametrize("text", ["postqueue: fatal: Queue report unavailable", "[]", "{}"])
def test_an_unexpected_word_is_no_empty_queue(text: str) -> None:
    with pytest.raises(machine.StepError):
        program.read_queue(text, 1)


def tool(folder: Path, script: str) -> str:
    folder.mkdir()
    (folder / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "docker").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_a_run_writes_metrics_and_remembers(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        'case "$*" in *postqueue*) echo \'{"queue_name": "deferred", "arrival_time": 1}\';;\n'
        f"*logs*) echo '{at(1, logged(REFUSED))}';; esac"
    )
    monkeypatch.setenv("PATH", tool(tmp_path / "tools", script))
    memory = root / "state/relay.json"
    memory.parent.mkdir()
    zero = dict.fromkeys(program.REASONS, 0)
    memory.write_text(json.dumps({"counts": zero, "cursor": "2026-11-23T18:00:00Z"}))
    for _ in range(2):
        assert program.main(OPTIONS) == 0
        lines = (root / "metrics/po_mail_queue.prom").read_text().splitlines()
        assert "po_mail_queue_readable 1" in lines
        assert 'po_mail_queue_messages{queue="deferred"} 1' in lines
        assert 'po_mail_relay_refused_total{reason="rejected"} 1' in lines


def test_a_postfix_that_cannot_be_asked_is_reported_as_such(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", tool(tmp_path / "tools", "exit 1"))
    assert program.main(OPTIONS) == 1
    text = (root / "metrics/po_mail_queue.prom").read_text()
    assert "po_mail_queue_readable 0\n" in text
    assert "po_mail_queue_messages" not in text


def test_the_share_of_its_limit_is_told_of_each_service(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        'case "$*" in "ps -q"*) echo a1; echo b2; echo c3;; inspect*) echo rspamd-mailcow;'
        "echo redis-mailcow; echo acme-mailcow;; esac"
    )
    monkeypatch.setenv("PATH", tool(tmp_path / "tools", script))
    for place, limit in (("system.slice/docker-a1.scope", "1000"), ("docker/b2", "max")):
        folder = root / "sys/fs/cgroup" / place
        folder.mkdir(parents=True)
        (folder / "memory.current").write_text("950\n")
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.stat").write_text("anon 1\ninactive_file 40\nactive_file 3\n")
    (root / "state").mkdir()
    assert program.main(OPTIONS) == 0
    told = (root / "metrics/po_mail_queue.prom").read_text()
    # Without a limit, or without a word of the kernel's, there is no share.
    assert [line for line in told.splitlines() if line.startswith("po_mail_memory")] == [
        'po_mail_memory_percent{service="rspamd-mailcow"} 91.0'
    ]


@pytest.mark.parametrize("spoilt", ["", "[]", "{}", '{"counts": {}, "cursor": 1}'])
def test_a_spoilt_memory_begins_anew(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "m").write_text(spoilt)
    assert program.recall(tmp_path / "m").cursor == ""
