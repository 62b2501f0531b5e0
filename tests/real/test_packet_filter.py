"""The packet filter: nft and its stand-in refuse the same rules, and take the same rules."""

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from components.host import firewall_of, render_rules
from declaration.model import Declaration
from rehearsal.parts import need
from rehearsal.world.host_tools import nft
from tests.real.both import BOTH

Nft = Callable[..., tuple[int, str]]
"""Runs nft; returns its exit status and everything that it said."""


def _genuine(folder: Path) -> Nft:
    """Run the genuine nft in a network namespace that lives as long as the call."""
    program = need("nft")

    def run(*calls: str) -> tuple[int, str]:
        script = "\n".join(f"{program} {call} || exit $?" for call in calls)
        done = subprocess.run(
            ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=20,
            cwd=folder, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def _stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Nft:
    """Run the stand-in without the genuine one behind it."""
    monkeypatch.setenv("DESTDIR", str(folder))
    monkeypatch.setenv("REHEARSAL_STATE", str(folder / "state"))
    monkeypatch.setattr(nft, "_ask_genuine", lambda _path: None)

    def run(*calls: str) -> tuple[int, str]:
        shutil.rmtree(folder / "state", ignore_errors=True)
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            for call in calls:
                words = [
                    str(folder / part) if part.endswith(".nft") else part for part in call.split()
                ]
                status = nft.main(words)
                if status:
                    break
        return status, said.getvalue()

    return run


@pytest.fixture(params=BOTH)
def run(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nft:
    if request.param == "stand-in":
        return _stand_in(tmp_path, monkeypatch)
    assert os.geteuid() == 0, "the genuine nft needs root, in a network namespace of its own"
    return _genuine(tmp_path)


@pytest.fixture
def rules(qual: Declaration) -> str:
    return render_rules(firewall_of(qual.mailcow, qual.names))


def tables(said: str) -> list[str]:
    return sorted(line.strip(" {") for line in said.splitlines() if line.startswith("table"))


def test_the_rendered_rules_are_taken(run: Nft, rules: str, tmp_path: Path) -> None:
    (tmp_path / "rules.nft").write_text(rules)
    assert run("-c -f rules.nft") == (0, "")
    assert run("-c -f rules.nft", "list ruleset") == (0, "")


def test_loading_twice_leaves_what_loading_once_does_and_the_neighbours_tables(
    run: Nft, rules: str, tmp_path: Path
) -> None:
    (tmp_path / "rules.nft").write_text(rules)
    (tmp_path / "other.nft").write_text(
        "table inet filter {\n chain input {\n }\n}\ntable ip nat {\n}\n"
    )
    status, once = run("-f other.nft", "-f rules.nft", "list ruleset")
    assert status == 0
    assert tables(once) == ["table inet filter", "table inet po_mail", "table ip nat"]
    assert run("-f other.nft", "-f rules.nft", "-f rules.nft", "list ruleset") == (0, once)


def test_the_table_is_taken_away_and_nothing_else(run: Nft, rules: str, tmp_path: Path) -> None:
    (tmp_path / "rules.nft").write_text(rules)
    (tmp_path / "other.nft").write_text("table inet filter {\n}\n")
    # As `components.host` unloads it: the first statement lets the second succeed always.
    (tmp_path / "gone.nft").write_text("table inet po_mail; delete table inet po_mail\n")
    for calls in (("-f rules.nft",), ()):
        status, left = run("-f other.nft", *calls, "-f gone.nft", "list ruleset")
        assert status == 0
        assert tables(left) == ["table inet filter"]


def test_a_table_that_is_not_there_is_not_listed(run: Nft) -> None:
    status, said = run("list table inet po_mail")
    assert status == 1
    assert "No such file or directory" in said


def test_a_file_that_is_not_there_is_told(run: Nft) -> None:
    status, said = run("-c -f nowhere.nft")
    assert status == 1
    assert "No such file or directory" in said


BROKEN: dict[str, Callable[[str], str]] = {
    "a brace is missing": lambda text: text.rstrip().removesuffix("}"),
    "a brace is too many": lambda text: text + "}\n",
    "a word at the top is unknown": lambda text: text.replace("delete table", "remove table"),
    "a family is unknown": lambda text: text.replace("table inet", "table internet"),
    "a hook is unknown": lambda text: text.replace("hook prerouting", "hook before"),
    "a policy is unknown": lambda text: text.replace("policy accept", "policy allow"),
    "a verdict is unknown": lambda text: text.replace("counter drop", "counter discard"),
    "a match is unknown": lambda text: text.replace("tcp dport", "tcp port"),
    "a port is out of range": lambda text: text.replace("{ 25,", "{ 70000,"),
    "a port is no port": lambda text: text.replace("{ 25,", "{ twenty-five,"),
    "a network is malformed": lambda text: text.replace("/16 tcp", "/61 tcp"),
    "an address type is unknown": lambda text: text.replace("type != local", "type != here"),
    "a semicolon is missing": lambda text: text.replace("-150;", "-150"),
    "a chain is jumped to that is not there": lambda text: text.replace("counter drop", "jump x"),
    "a table is deleted that is not there": lambda text: "delete table inet nobody\n" + text,
    "a set is used that is not there":
        lambda text: text.replace("saddr 172.20.0.0/16", "saddr @proxies"),
}  # fmt: skip


@pytest.mark.parametrize("harm", list(BROKEN))
def test_broken_rules_are_refused_and_nothing_is_loaded(
    run: Nft, rules: str, tmp_path: Path, harm: str
) -> None:
    broken = BROKEN[harm](rules)
    assert broken != rules
    (tmp_path / "broken.nft").write_text(broken)
    for call in ("-c -f broken.nft", "-f broken.nft"):
        status, said = run(call)
        assert status == 1, said
        assert "Error" in said
