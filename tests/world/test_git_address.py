"""The git address, as the genuine git finds it."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from rehearsal.world.git_address import GitAddress
from rehearsal.world.release_editions import following
from rehearsal.world.release_tree import SERVICES, release
from tests.world.host_neighbourhood import Neighbourhood, started


@pytest.fixture
def address() -> GitAddress:
    return GitAddress()


@pytest.fixture
def neighbourhood(tmp_path: Path, address: GitAddress) -> Iterator[Neighbourhood]:
    with started(tmp_path / "world", address) as neighbourhood:
        yield neighbourhood


def git(*arguments: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def clone(address: GitAddress, folder: Path, tag: str = "2026-07a") -> Path:
    git("clone", "-q", "--branch", tag, "--depth", "1", address.url, str(folder))
    return folder


def test_the_release_is_cloned_by_its_tag(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    folder = clone(address, tmp_path / "clone")
    overlay = address.overlay()["endpoints"]["repository"]
    assert overlay["url"] == address.url
    assert git("rev-parse", "HEAD", folder=folder) == overlay["commit"]
    assert git("rev-list", "--count", "HEAD", folder=folder) == "1"


def test_the_release_has_what_a_deployment_touches(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    folder = clone(address, tmp_path / "clone")
    compose = yaml.safe_load((folder / "docker-compose.yml").read_text())
    assert set(compose["services"]) == set(SERVICES)
    assert len(SERVICES) == 18
    assert compose["services"]["mysql-mailcow"]["image"] == "mariadb:10.11"
    assert (folder / ".env").readlink() == Path("mailcow.conf")
    assert (folder / "data/conf/postfix/main.cf").exists()
    refused = subprocess.run([folder / "generate_config.sh"], capture_output=True, check=False)
    assert refused.returncode == 1


def test_what_the_deployment_writes_is_ignored(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    folder = clone(address, tmp_path / "clone")
    (folder / "data/assets/ssl").mkdir()
    for name in ("mailcow.conf", "docker-compose.override.yml", "data/assets/ssl/key.pem",
                 "data/conf/postfix/extra.cf"):  # fmt: skip
        (folder / name).write_text("written by the deployment")
    assert git("status", "--porcelain", folder=folder) == ""


def test_the_same_release_has_the_same_commit(tmp_path: Path) -> None:
    commits = []
    for name in ("one", "two"):
        address = GitAddress()
        with started(tmp_path / name, address):
            commits.append(address.commit)
    assert commits[0] == commits[1]


def test_a_later_release_can_bring_a_service(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    later = address.add_release("2026-09", {"new-mailcow": "ghcr.io/mailcow/new:1.0"})
    folder = clone(address, tmp_path / "clone", "2026-09")
    assert git("rev-parse", "HEAD", folder=folder) == later != address.commit
    compose = yaml.safe_load((folder / "docker-compose.yml").read_text())
    assert set(compose["services"]) == {*SERVICES, "new-mailcow"}
    git("fetch", "-q", "origin", "tag", "2026-07a", folder=folder)
    assert git("rev-parse", "2026-07a", folder=folder) == address.commit


def test_a_commit_is_fetched_by_its_id(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    git("init", "-q", str(tmp_path / "empty"))
    git("fetch", "-q", "--depth", "1", address.url, address.commit, folder=tmp_path / "empty")
    assert git("rev-parse", "FETCH_HEAD", folder=tmp_path / "empty") == address.commit


def test_a_tag_can_be_moved(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    moved = address.add_release("2026-07a", {"other-mailcow": "ghcr.io/mailcow/other:1.0"})
    folder = clone(address, tmp_path / "clone")
    assert git("rev-parse", "HEAD", folder=folder) == moved != address.commit


def test_a_tag_that_is_not_there_is_refused(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="not found"):
        clone(address, tmp_path / "clone", "2027-01")


def test_the_address_can_be_told_to_fail(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    address.faults = {"unavailable": True}
    with pytest.raises(RuntimeError, match="503"):
        clone(address, tmp_path / "clone")


def test_no_thread_and_no_port_stays(tmp_path: Path, address: GitAddress) -> None:
    before = threading.active_count()
    with started(tmp_path, address):
        clone(address, tmp_path / "clone")
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match=r"[Cc]onnect"):
        clone(address, tmp_path / "again")


def test_two_releases_follow_with_what_happened_in_between(
    neighbourhood: Neighbourhood, address: GitAddress, tmp_path: Path
) -> None:
    assert sorted(address.releases()) == ["2026-07a", "2026-07b", "2026-08"]
    folder = clone(address, tmp_path / "clone", "2026-08")
    git("fetch", "-q", "--shallow-exclude=2026-07a", "origin", "tag", "2026-08", folder=folder)
    said = git("log", "--format=%s", "2026-08", folder=folder).splitlines()
    assert said[0] == "Release 2026-08"
    assert "[Dovecot] Update to 2.4" in said
    assert "Release 2026-07a" not in said


@pytest.mark.parametrize(
    ("tag", "next_ones"),
    [
        ("2026-07", ["2026-07a", "2026-08"]),
        ("2026-12c", ["2026-12d", "2027-01"]),
        ("master", []),
    ],
)
def test_the_releases_that_follow_have_mailcows_names(tag: str, next_ones: list[str]) -> None:
    assert list(following(tag)) == next_ones


def test_a_following_release_changes_what_releases_change() -> None:
    files = release(edition=following("2026-07a")["2026-08"])
    compose = yaml.safe_load(files["docker-compose.yml"][1])
    assert "archive-mailcow" in compose["services"]
    assert "olefy-mailcow" not in compose["services"]
    assert "dovecot-sieve-vol-1" in compose["volumes"]
    options = files["_modules/scripts/new_options.sh"][1].decode()
    assert '"SKIP_ARCHIVE"' in options
    assert '"WATCHDOG_VERBOSE"' not in options
    assert b"01092026_1200" in files["data/web/inc/init_db.inc.php"][1]
