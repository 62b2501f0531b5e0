"""Finding genuine programs, and the catalogue they stand in."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rehearsal.parts import PartMissingError, find, finder, need
from rehearsal.parts.catalogue import CATALOGUE, Debian, GoModule, UnknownPartError, chosen
from tests.conftest import PROJECT


def program(folder: Path, name: str, mode: int = 0o755) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text("#!/bin/sh\n")
    file.chmod(mode)
    return file


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(finder, "SYSTEM", (tmp_path / "sbin",))
    return tmp_path


def test_a_program_on_path_comes_before_a_server_and_that_before_the_cache(places: Path) -> None:
    cached = program(places / "cache/po-mail/bin", "nsd")
    assert find("nsd") == cached
    server = program(places / "sbin", "nsd")
    assert find("nsd") == server
    on_path = program(places / "path", "nsd")
    assert find("nsd") == on_path


def test_a_file_that_cannot_be_run_is_no_program(places: Path) -> None:
    program(places / "sbin", "nsd", mode=0o644)
    (places / "cache/po-mail/bin/nsd").mkdir(parents=True)
    assert find("nsd") is None


def test_without_xdg_the_cache_lies_in_the_home_folder(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(places / "home"))
    assert find("minio") is None
    cached = program(places / "home/.cache/po-mail/bin", "minio")
    assert find("minio") == cached


def test_a_needed_part_that_is_missing_names_the_command_that_installs_it(places: Path) -> None:
    with pytest.raises(PartMissingError, match="postfix is not installed; `make parts`"):
        need("postfix")


def test_every_part_says_what_it_is_for_and_what_it_checks() -> None:
    names = [part.name for part in CATALOGUE]
    assert len(set(names)) == len(names)
    programs = [program for part in CATALOGUE for program in part.programs]
    assert len(set(programs)) == len(programs)
    assert all(part.purpose and part.checks and part.programs for part in CATALOGUE)


def test_the_stand_in_that_a_part_checks_is_in_the_project() -> None:
    for part in CATALOGUE:
        place = part.checks.split()[0]
        if not place.startswith("("):
            assert (PROJECT / place).exists(), part.name


def test_a_go_module_is_pinned_by_version_and_content() -> None:
    for source in (part.source for part in CATALOGUE):
        if isinstance(source, GoModule):
            assert re.fullmatch(r"v\d+\.\d+\.\d+(-\d{14}-[0-9a-f]{12})?", source.version)
            assert re.fullmatch(r"h1:[A-Za-z0-9+/]{43}=", source.checksum)
            assert source.package.startswith(source.module)


def test_a_server_of_debian_names_the_units_that_must_not_start() -> None:
    servers = {"postfix", "dovecot", "nsd", "prometheus", "sshd", "docker"}
    named = {p.name for p in CATALOGUE if isinstance(p.source, Debian) and p.source.units}
    assert servers <= named


def test_parts_are_chosen_by_name_in_the_order_of_the_catalogue() -> None:
    assert [part.name for part in chosen(["minio", "postfix"])] == ["postfix", "minio"]
    assert chosen([]) == list(CATALOGUE)
    with pytest.raises(UnknownPartError, match="no part is called exim; there are postfix"):
        chosen(["exim", "minio"])


def run(*arguments: str, cache: Path, path: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rehearsal.parts", *arguments],
        cwd=PROJECT, env={"PATH": path, "XDG_CACHE_HOME": str(cache), "HOME": str(cache)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_list_tells_a_machine_what_is_missing(tmp_path: Path) -> None:
    status, out, _ = run("list", "--json", cache=tmp_path, path=str(tmp_path))
    document: dict[str, Any] = json.loads(out)
    minio = next(part for part in document["parts"] if part["name"] == "minio")
    assert status == 3
    assert minio["complete"] is False
    assert minio["programs"] == {"minio": None}
    assert minio["source"].startswith("Go: github.com/minio/minio v0.0.0-")


def test_the_list_tells_a_person_how_missing_parts_come(tmp_path: Path) -> None:
    _, out, _ = run("list", cache=tmp_path, path=str(tmp_path))
    assert "comes from Go: github.com/traefik/traefik/v3 v3.6.12" in out
    assert re.search(r"next +make parts installs .*traefik", out)


def test_an_unknown_part_is_a_mistake_on_the_command_line(tmp_path: Path) -> None:
    status, _, error = run("install", "exim", cache=tmp_path, path=str(tmp_path))
    assert status == 2
    assert "no part is called exim" in error


def test_what_is_there_already_is_not_installed_again(tmp_path: Path) -> None:
    program(tmp_path / "path", "minio")
    status, out, _ = run("install", "minio", cache=tmp_path, path=str(tmp_path / "path"))
    assert (status, "building" in out) == (0, False)
