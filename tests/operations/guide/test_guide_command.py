"""The command writes every person's guide, and leaves nothing stale behind."""

import json
import shutil
from pathlib import Path

import pytest

from operations.guide import command_line as command
from operations.guide.folder import LIST, write

STACK = Path(command.PROJECT) / "Pulumi.qual.yaml"
NAMES = ["accounts", "bookings", "cristina", "info", "partners", "postmaster", "support"]


def _run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["guide", *words])
    with pytest.raises(SystemExit) as ended:
        command.app()
    return int(ended.value.code or 0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project folder with the stack `qual`, free to be changed."""
    shutil.copy(STACK, tmp_path)
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    return tmp_path


def test_everyone_gets_eight_pages_and_a_profile(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(monkeypatch) == 0

    folder = project / ".rehearsal" / "guides" / "qual"
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == NAMES
    written = sorted(str(path.relative_to(folder / "info")) for path in folder.rglob("info/**/*.*"))
    programs = ("android", "apple", "outlook", "thunderbird")
    assert written == [
        *(f"en/{program}.html" for program in programs),
        "info.mobileconfig",
        *(f"pt/{program}.html" for program in programs),
    ]


def test_one_person_and_one_language_can_be_chosen(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    assert _run(monkeypatch, "--person", "cristina", "--language", "pt", "--out", str(out)) == 0
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["cristina"]
    assert not (out / "cristina" / "en").exists()
    assert "../en/" not in (out / "cristina" / "pt" / "apple.html").read_text("utf-8")


def test_a_person_who_is_no_longer_declared_has_no_guide_left(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / ".rehearsal" / "guides" / "qual"
    _run(monkeypatch)
    (folder / "cristina" / "note.txt").write_text("mine")
    stack = project / STACK.name
    lines = stack.read_text("utf-8").splitlines(keepends=True)
    leaving = ("name: cristina", "name: partners")
    stack.write_text("".join(line for line in lines if not any(name in line for name in leaving)))

    assert _run(monkeypatch) == 0
    assert "removed: no longer true" in capsys.readouterr().out
    assert not (folder / "partners").exists()
    assert [path.name for path in (folder / "cristina").rglob("*")] == ["note.txt"]


def test_a_list_cannot_lead_a_run_out_of_its_folder(tmp_path: Path) -> None:
    folder, beside = tmp_path / "guides", tmp_path / "beside.txt"
    folder.mkdir()
    beside.write_text("mine")
    (folder / LIST).write_text(json.dumps(["../beside.txt", str(beside), 7]))

    assert write(folder, {"a/b.html": b"x"}, whole=True) == []
    assert beside.exists()


def test_a_dry_run_writes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, "--dry-run", "--json") == 0

    report = json.loads(capsys.readouterr().out)
    assert len(report["files"]) == 9 * len(NAMES)
    assert not (project / ".rehearsal").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--person", "nobody"], "nobody is no mailbox of qual; there are postmaster, info"),
        (["--stack", "nowhere"], "Pulumi.nowhere.yaml"),
    ],
)
def test_a_mistake_is_one_message(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    assert _run(monkeypatch, *words) == command.EXIT_DECLARATION
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err


def test_a_folder_that_cannot_be_written_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = project / "taken"
    taken.write_text("a file")

    assert _run(monkeypatch, "--out", str(taken)) == command.EXIT_FAILED
    assert str(taken) in capsys.readouterr().err


def test_no_secret_of_the_stack_comes_into_a_guide(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = "v1:Zm9vYmFyZm9v:c2VhbGVkLW1hcmtlcg=="
    stack = project / STACK.name
    sealed = f"  mail:password.info:\n    secure: {marker}\n"
    stack.write_text(stack.read_text("utf-8") + sealed, "utf-8")

    assert _run(monkeypatch) == 0
    folder = project / ".rehearsal"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 9
    assert not [file for file in files if marker.encode() in file.read_bytes()]
