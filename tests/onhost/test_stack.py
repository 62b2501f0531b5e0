"""Starting, renewing and stopping the compose project."""

from pathlib import Path

import pytest

from components.onhost import stack
from tests.onhost.fake_docker import Docker

WORDS = ["--project", "po-mail", "--directory", "/m", "--memory", "/state/stack.json"]
WATCH = ["--watch", "postfix-mailcow=extra.cf=1", "--watch", "postfix-mailcow=smarthost_passwd=1"]


@pytest.fixture
def directory(root: Path) -> Path:
    """Return the directory of the release."""
    folder = root / "m"
    folder.mkdir()
    (folder / "mailcow.conf").write_text("ENABLE_IPV6=false\n")
    (folder / "extra.cf").write_text("first\n")
    return folder


@pytest.fixture
def up(docker: Docker, directory: Path) -> None:
    """Bring the project up for the first time."""
    docker.know(starts={"postfix-mailcow": "first"})
    assert stack.main(["up", *WORDS, *WATCH]) == 0


def test_the_files_are_checked_before_anything_starts(
    docker: Docker, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.know(fails=["config"])
    assert stack.main(["up", *WORDS]) == 1
    assert docker.told("up") == []
    assert "docker compose config: exit status 1: config went wrong" in capsys.readouterr().err


@pytest.mark.usefixtures("up")
def test_the_first_start_waits_for_health_and_restarts_nothing(docker: Docker) -> None:
    assert docker.told("up") == [["up", "-d", "--wait", "--remove-orphans"]]
    assert docker.told("restart") == []


@pytest.mark.usefixtures("up")
def test_a_changed_file_restarts_the_service_that_reads_it_once(
    docker: Docker, directory: Path
) -> None:
    (directory / "extra.cf").write_text("second\n")
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert docker.told("restart") == [["restart", "postfix-mailcow"]]


@pytest.mark.usefixtures("up")
def test_a_file_that_was_changed_and_written_back_is_read_again(docker: Docker) -> None:
    again = [word.replace("extra.cf=1", "extra.cf=2") for word in WATCH]
    assert stack.main(["up", *WORDS, *again]) == 0
    assert docker.told("restart") == [["restart", "postfix-mailcow"]]


@pytest.mark.usefixtures("up")
def test_a_service_that_started_anew_is_not_restarted(docker: Docker, directory: Path) -> None:
    (directory / "extra.cf").write_text("second\n")
    docker.know(starts={"postfix-mailcow": "second"})
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert docker.told("restart") == []


@pytest.mark.usefixtures("up")
def test_a_restart_that_failed_is_tried_again(docker: Docker, directory: Path) -> None:
    (directory / "extra.cf").write_text("second\n")
    docker.know(fails=["restart"])
    assert stack.main(["up", *WORDS, *WATCH]) == 1
    docker.know(fails=[])
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert len(docker.told("restart")) == 2


def test_services_that_ran_before_read_their_files_again(docker: Docker, directory: Path) -> None:
    docker.know(running={"postfix-mailcow": "theirs"})
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert docker.told("restart") == [["restart", "postfix-mailcow"]]


@pytest.mark.usefixtures("up")
def test_switching_ipv6_takes_the_network_down_first(docker: Docker, directory: Path) -> None:
    (directory / "mailcow.conf").write_text("ENABLE_IPV6=true\n")
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert docker.told("down") == [["down"]]
    assert docker.calls.index(["down"]) < len(docker.calls) - 1


@pytest.mark.usefixtures("up")
def test_removal_keeps_the_volumes(docker: Docker) -> None:
    assert stack.main(["down", *WORDS]) == 0
    assert docker.told("down") == [["down"]]


def test_removal_of_what_never_was_is_no_mistake(docker: Docker, root: Path) -> None:
    assert stack.main(["down", *WORDS]) == 0
    assert docker.calls == []


@pytest.mark.usefixtures("directory")
def test_the_release_of_the_first_start_is_noted_and_no_change(docker: Docker) -> None:
    assert stack.main(["up", *WORDS, *WATCH, "--release", "2026-07a aa"]) == 0
    assert stack.main(["up", *WORDS, *WATCH, "--release", "2026-07a aa"]) == 0
    assert docker.told("down") == []


@pytest.mark.usefixtures("directory")
def test_another_release_stops_everything_and_pulls_what_is_missing_before(docker: Docker) -> None:
    assert stack.main(["up", *WORDS, "--release", "2026-07a aa"]) == 0
    docker.know(images={"postfix:2": False, "redis:7": True}, calls=[])
    assert stack.main(["up", *WORDS, "--release", "2026-07b bb"]) == 0
    assert docker.told("pull") == [["pull", "-q", "postfix:2"]]
    actions = [words[0] for words in docker.calls]
    assert actions.index("pull") < actions.index("down") < actions.index("up")


@pytest.mark.usefixtures("directory")
def test_an_image_that_cannot_be_pulled_stops_nothing(
    docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.main(["up", *WORDS, "--release", "2026-07a aa"]) == 0
    docker.know(images={"postfix:2": False}, fails=["pull"])
    assert stack.main(["up", *WORDS, "--release", "2026-07b bb"]) == 1
    assert docker.told("down") == []
    assert "image postfix:2 cannot be pulled" in capsys.readouterr().err


@pytest.mark.usefixtures("directory")
def test_the_way_back_from_a_release_that_did_not_start_stops_everything_too(
    docker: Docker,
) -> None:
    assert stack.main(["up", *WORDS, "--release", "2026-07a aa"]) == 0
    docker.know(fails=["up"])
    assert stack.main(["up", *WORDS, "--release", "2026-07b bb"]) == 1
    docker.know(fails=[], calls=[])
    assert stack.main(["up", *WORDS, "--release", "2026-07a aa"]) == 0
    assert [words[0] for words in docker.calls if words[0] in {"down", "up"}] == ["down", "up"]


@pytest.mark.usefixtures("up")
def test_where_the_memory_was_lost_everything_starts_anew_once(docker: Docker, root: Path) -> None:
    (root / "state/stack.json").write_text("")
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert stack.main(["up", *WORDS, *WATCH]) == 0
    assert docker.told("down") == [["down"]]
