"""Bringing the release: what is refused, and what is never touched."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.onhost import machine, release
from tests.onhost.fake_docker import Docker

COMPOSE = """\
# services: not these
services:

    postfix-mailcow:
      image: example/postfix:1
      environment:
        - TZ=${TZ}
    # nginx comes last
    nginx-mailcow:
      image: example/nginx:1
      networks:
        mailcow-network:
networks:
  mailcow-network:
    driver: bridge
"""
DIRECTORY = "/opt/po-mail/mailcow"
Run = Callable[..., int]


class Upstream:
    """A repository with releases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q")

    def git(self, *words: str) -> str:
        """Run git in it."""
        fixed = {
            "NAME": "Upstream",
            "EMAIL": "upstream@example.com",
            "DATE": "2026-07-01T00:00:00Z",
        }
        names = {f"GIT_{who}_{key}": value for key, value in fixed.items() for who in _WHO}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *words],
            env=os.environ | names | {"GIT_CONFIG_GLOBAL": os.devnull},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout.strip()

    def publish(self, tag: str, files: dict[str, str]) -> str:
        """Commit files under a tag; return the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", tag, "--allow-empty")
        self.git("tag", "-f", tag)
        return self.git("rev-parse", "HEAD")


_WHO = ("AUTHOR", "COMMITTER")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    """Return a repository with one release."""
    made = Upstream(tmp_path / "upstream")
    made.publish(
        "2026-07",
        {
            "docker-compose.yml": COMPOSE,
            ".gitignore": "mailcow.conf\ndata/conf/postfix/extra.cf\ndata/assets/ssl/*\n",
            "data/conf/postfix/main.cf": "first\n# Overrides\n",
            "data/conf/dovecot/global_sieve_before": "# empty\n",
            "data/assets/ssl-example/dhparams.pem": "parameters\n",
            "data/assets/ssl-example/cert.pem": "snake oil\n",
        },
    )
    return made


@pytest.fixture
def bring(upstream: Upstream, root: Path, docker: Docker) -> Run:
    """Return a function that runs the program for a tag of the repository."""

    def run(
        tag: str = "2026-07",
        commit: str | None = None,
        services: tuple[str, ...] = ("postfix-mailcow", "nginx-mailcow"),
        back_from: str = "",
    ) -> int:
        words = ["--directory", DIRECTORY, "--state", "/opt/po-mail/state"]
        words += ["--repository", str(upstream.folder), "--tag", tag]
        words += ["--commit", commit or upstream.git("rev-parse", tag)]
        words += ["--back-from", back_from]
        for service in services:
            words += ["--service", service]
        return release.main(words)

    return run


@pytest.fixture
def tree(root: Path) -> Path:
    """Return the directory of the release."""
    return root / DIRECTORY.lstrip("/")


def test_the_release_is_brought_into_an_empty_directory(bring: Run, tree: Path) -> None:
    assert bring() == 0
    assert (tree / "data/conf/postfix/main.cf").read_text() == "first\n# Overrides\n"


def test_a_second_run_needs_no_network_and_changes_nothing(
    bring: Run, tree: Path, upstream: Upstream
) -> None:
    commit = upstream.git("rev-parse", "2026-07")
    assert bring(commit=commit) == 0
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("data/**/*")}
    upstream.folder.rename(upstream.folder.with_name("gone"))
    assert bring(commit=commit) == 0
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("data/**/*")} == before


def test_a_tag_that_is_another_commit_is_refused(
    bring: Run, tree: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = upstream.git("rev-parse", "2026-07")
    moved = upstream.publish("2026-07", {"evil.sh": "echo\n"})
    assert bring(commit=declared) == 1
    complaint = capsys.readouterr().err
    assert moved in complaint
    assert "mail:mailcow.release.commit" in complaint
    assert [path.name for path in tree.iterdir()] == [".git"]


def test_a_service_without_a_tier_is_refused_before_the_tree_moves(
    bring: Run, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bring(services=("postfix-mailcow",)) == 1
    assert "nginx-mailcow has no tier in mail:mailcow.services" in capsys.readouterr().err
    assert not (tree / "docker-compose.yml").exists()


def test_a_tier_for_no_service_is_refused(bring: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert bring(services=("postfix-mailcow", "nginx-mailcow", "solr-mailcow")) == 1
    assert "solr-mailcow has a tier" in capsys.readouterr().err


def test_what_lies_there_already_is_kept(bring: Run, tree: Path) -> None:
    own = tree / "data/conf/postfix/extra.cf"
    own.parent.mkdir(parents=True)
    own.write_text("myhostname = mx.example.com\n")
    (tree / "mailcow.conf").write_text("planted\n")
    assert bring() == 0
    assert own.read_text() == "myhostname = mx.example.com\n"
    assert (tree / "mailcow.conf").read_text() == "planted\n"


def test_files_of_ones_own_survive_an_upgrade(bring: Run, tree: Path, upstream: Upstream) -> None:
    bring()
    (tree / "data/assets/ssl/key.pem").write_text("key\n")
    (tree / "data/notes.txt").write_text("untracked\n")
    (tree / "data/conf/dovecot/global_sieve_before").write_text("keep;\n")
    upstream.publish("2026-08", {"new.txt": "new\n"})
    assert bring("2026-08") == 0
    assert (tree / "new.txt").exists()
    assert (tree / "data/assets/ssl/key.pem").read_text() == "key\n"
    assert (tree / "data/notes.txt").read_text() == "untracked\n"
    assert (tree / "data/conf/dovecot/global_sieve_before").read_text() == "keep;\n"


def test_a_changed_file_that_the_release_replaces_is_put_aside(
    bring: Run, tree: Path, upstream: Upstream, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = upstream.git("rev-parse", "2026-07")
    bring()
    (tree / "data/conf/postfix/main.cf").write_text("rewritten at start\n")
    upstream.publish("2026-08", {"data/conf/postfix/main.cf": "second\n# Overrides\n"})
    assert bring("2026-08") == 0
    assert (tree / "data/conf/postfix/main.cf").read_text() == "second\n# Overrides\n"
    aside = root / "opt/po-mail/state/replaced" / old[:12] / "data/conf/postfix/main.cf"
    assert aside.read_text() == "rewritten at start\n"
    assert "data/conf/postfix/main.cf" in capsys.readouterr().out


def test_the_compose_file_that_was_checked_is_the_one_that_runs(
    bring: Run, tree: Path, upstream: Upstream, root: Path
) -> None:
    bring()
    (tree / "docker-compose.yml").write_text("services:\n    miner:\n      image: evil\n")
    (tree / "data/conf/postfix/main.cf").unlink()
    assert bring() == 0
    assert (tree / "docker-compose.yml").read_text() == COMPOSE
    assert (tree / "data/conf/postfix/main.cf").exists()
    assert [path.read_text()[:9] for path in root.rglob("replaced/*/docker-compose.yml")] == [
        "services:"
    ]


def test_a_file_of_ones_own_in_the_way_of_the_release_is_refused(
    bring: Run, tree: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    bring()
    (tree / "mailcow.conf").write_text("secrets\n")
    upstream.git("config", "core.excludesFile", os.devnull)
    upstream.publish("2026-08", {".gitignore": "", "mailcow.conf": "theirs\n"})
    assert bring("2026-08") == 1
    assert "mailcow.conf" in capsys.readouterr().err
    assert (tree / "mailcow.conf").read_text() == "secrets\n"
    assert not (tree / "new.txt").exists()


def test_what_the_generator_would_leave_is_there_except_the_snake_oil(
    bring: Run, tree: Path
) -> None:
    bring()
    override = tree / "data/conf/rspamd/override.d/worker-controller-password.inc"
    assert override.read_text().startswith("#")
    assert 'MAILCOW_GIT_VERSION="2026-07"' in (tree / "data/web/inc/app_info.inc.php").read_text()
    assert [path.name for path in (tree / "data/assets/ssl").iterdir()] == ["dhparams.pem"]


def test_a_password_set_in_rspamd_is_kept(bring: Run, tree: Path) -> None:
    bring()
    override = tree / "data/conf/rspamd/override.d/worker-controller-password.inc"
    override.write_text('enable_password = "$2$x";\n')
    bring()
    assert override.read_text() == 'enable_password = "$2$x";\n'


def test_an_address_without_a_repository_is_one_clear_line(
    bring: Run, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = upstream.git("rev-parse", "2026-07")
    upstream.folder.rename(upstream.folder.with_name("gone"))
    assert bring(commit=commit) == 1
    assert capsys.readouterr().err.startswith("release: git fetch failed: ")


def test_a_compose_file_without_services_is_refused() -> None:
    with pytest.raises(machine.StepError, match="no services"):
        release.services_of("networks:\n  default:\n")
    with pytest.raises(machine.StepError, match="no services"):
        release.services_of("services: {a: {image: x}}\n")


def test_the_way_back_to_a_release_that_was_in_place_needs_no_network(
    bring: Run, tree: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    first = upstream.git("rev-parse", "2026-07")
    second = upstream.publish("2026-07a", {"data/conf/postfix/main.cf": "second\n"})
    assert bring() == 0
    assert bring("2026-07a") == 0
    assert (tree / "data/conf/postfix/main.cf").read_text() == "second\n"
    upstream.folder.rename(upstream.folder.with_name("gone"))
    assert bring(commit=first) == 1, "databases do not go back"
    assert "Declare 2026-07a" in capsys.readouterr().err
    assert (tree / "data/conf/postfix/main.cf").read_text() == "second\n"
    assert bring(commit=first, back_from="2026-07a") == 0
    assert (tree / "data/conf/postfix/main.cf").read_text().startswith("first")
    # The other way round: what a tag was never checked to be needs the repository.
    assert bring("2026-07", commit=second) == 1
    assert "git fetch failed" in capsys.readouterr().err


def test_others_can_read_the_tree_whatever_the_umask_of_who_deploys(bring: Run, tree: Path) -> None:
    """The web server and PHP read it as users of their own."""
    before = os.umask(0o077)
    try:
        assert bring() == 0
    finally:
        os.umask(before)
    for path in (tree, *tree.rglob("data/**/*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o044 == 0o044, path


UPDATE = """\
#!/usr/bin/env bash
# As release 2026-07a does: the hook first, whatever its exit status, and then the harm.
if [ -f "${SCRIPT_DIR:=$PWD}/pre_update_hook.sh" ]; then
  bash "${SCRIPT_DIR}/pre_update_hook.sh"
fi
set -o pipefail
touch harm
"""


def updated(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run an `update.sh` in the tree."""
    (tree / "update.sh").write_text(UPDATE)
    (tree / "update.sh").chmod(0o755)
    return subprocess.run(
        ["./update.sh", "--force"],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_mailcows_own_updater_is_stopped_before_any_harm(bring: Run, tree: Path) -> None:
    assert bring() == 0
    done = updated(tree)
    assert done.returncode != 0
    assert "make mail-update OPTIONS=--live" in done.stderr
    assert not (tree / "harm").exists()


def test_whoever_runs_the_hook_by_hand_keeps_the_shell(bring: Run, tree: Path) -> None:
    assert bring() == 0
    done = subprocess.run(
        ["sh", "-c", f"bash {tree.name}/pre_update_hook.sh; echo still here"], cwd=tree.parent,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout == "still here\n"


def test_a_hook_of_ones_own_is_put_aside_and_told(
    bring: Run, tree: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.mkdir(parents=True)
    (tree / "pre_update_hook.sh").write_text("echo mine\n")
    assert bring() == 0
    aside = root / "opt/po-mail/state/replaced/pre_update_hook.sh"
    assert aside.read_text() == "echo mine\n"
    assert "pre_update_hook.sh" in capsys.readouterr().out
    assert updated(tree).returncode != 0


def test_git_does_not_know_what_is_ours(bring: Run, tree: Path) -> None:
    assert bring() == 0
    for name in release.OURS:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    assert bring() == 0
    done = subprocess.run(
        ["git", "-C", str(tree), "status", "--porcelain", "--untracked-files=all"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert [line for line in done.stdout.splitlines() if line[3:] in release.OURS] == []


def test_the_images_of_another_release_are_there_before_its_files_are(
    bring: Run, tree: Path, upstream: Upstream, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bring() == 0
    assert docker.told("pull") == []
    compose = COMPOSE.replace("example/postfix:1", "example/postfix:2")
    upstream.publish("2026-08", {"docker-compose.yml": compose, "new.txt": "new\n"})
    docker.know(images={"example/nginx:1": True}, fails=["pull"])
    assert bring("2026-08") == 1
    assert "image example/postfix:2 cannot be pulled" in capsys.readouterr().err
    assert not (tree / "new.txt").exists()
    assert (tree / "docker-compose.yml").read_text() == COMPOSE
    docker.know(fails=[])
    assert bring("2026-08") == 0
    assert (tree / "new.txt").exists()
    assert docker.told("pull")[-1] == ["pull", "-q", "example/postfix:2"]


def test_images_that_are_there_are_renewed_with_another_release_if_they_can_be(
    bring: Run, tree: Path, upstream: Upstream, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bring() == 0
    upstream.publish("2026-08", {"new.txt": "new\n"})
    here = {"example/nginx:1": True, "example/postfix:1": True}
    docker.know(images=here, fails=["pull"])
    assert bring("2026-08") == 0
    assert (
        "not renewed, the one that is here goes on: image example/nginx:1"
        in capsys.readouterr().out
    )
    assert docker.told("pull") == [["pull", "-q", image] for image in here]
    assert (tree / "new.txt").exists()


def test_a_lock_that_a_killed_run_left_ends_no_later_release(
    bring: Run, tree: Path, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bring() == 0
    lock = tree / ".git/index.lock"
    lock.touch()
    upstream.publish("2026-08", {"new.txt": "new\n"})
    assert bring("2026-08") == 1, "it may be another Git at work"
    os.utime(lock, (1, 1))
    assert bring("2026-08") == 0
    assert "index.lock was left by a run that was killed; removed" in capsys.readouterr().err
