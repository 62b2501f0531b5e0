"""Files, secrets and containers of a host that runs already."""

from typing import Any

from declaration.model import Declaration
from operations.adopt.containers import IMAGE, match_containers, other_mailcows
from operations.adopt.files import FILE, SECRET, OnHost, conf_settings, match_files
from operations.adopt.model import Wanted
from rehearsal.engine.values import UNKNOWN, Sealed
from tests.operations.adopt.wanted import MARKER, resource

CONF = "/opt/mailcow-dockerized/mailcow.conf"
UNIT = resource(FILE, "unit", path="/etc/unit", content="a\nb\nc\n", mode="0644")
KEY = resource(SECRET, "secret-database", path="/opt/po-mail/secrets/database", length=28)


def test_a_file_is_compared_line_by_line() -> None:
    area = match_files([UNIT], OnHost({"/etc/unit": (b"a\nB\nc\n", 0o644)}), CONF)
    (difference,) = area.matches[0].differences
    assert difference.lines == ("-B", "+b")
    assert area.matches[0].id == "/etc/unit"


def test_what_few_may_read_is_not_shown() -> None:
    area = match_files([UNIT], OnHost({"/etc/unit": (MARKER.encode(), 0o600)}), CONF)
    content, mode = area.matches[0].differences
    assert content.secret
    assert (mode.path, mode.live, mode.declared) == ("mode", "0600", "0644")
    assert MARKER not in repr(area)


def test_a_secret_that_all_may_read_is_sealed_in_the_file() -> None:
    scrape = resource(FILE, "scrape", path="/etc/x", content=Sealed(UNKNOWN), mode="0644")
    area = match_files([scrape], OnHost({"/etc/x": (MARKER.encode(), 0o644)}), CONF)
    (match,) = area.matches
    assert match.supplied is not None
    assert match.supplied.outputs["content"].open() == MARKER
    assert match.differences == ()
    assert MARKER not in repr(area)


def test_a_secret_in_use_that_is_not_in_its_place_is_a_warning_with_the_way_there() -> None:
    conf = conf_settings(f"# DBPASS=old\nDBPASS={MARKER}\nDBUSER=mailcow\n")
    area = match_files([KEY], OnHost(conf=conf), CONF)
    (warning,) = area.warnings
    assert "Mailcow would be locked out" in warning
    assert f"sed -n 's/^DBPASS=//p' {CONF} | tr -d '\\n' > {KEY.text('path')}" in warning
    assert MARKER not in repr(area)
    assert [wanted.name for wanted in area.missing] == ["secret-database"]


def test_a_secret_that_nobody_uses_yet_is_simply_made() -> None:
    area = match_files([KEY], OnHost(), CONF)
    assert area.warnings == []
    assert [wanted.name for wanted in area.missing] == ["secret-database"]


def test_a_secret_in_its_place_is_imported_by_its_path() -> None:
    host = OnHost({KEY.text("path"): (b"x" * 28, 0o600)})
    (match,) = match_files([KEY], host, CONF).matches
    assert (match.id, match.differences) == (KEY.text("path"), ())


def test_a_secret_of_a_later_generation_is_not_made_anew_by_its_adoption() -> None:
    path = KEY.text("path")
    rotated = resource(SECRET, "secret-database", path=path, length=28, generation=2)
    host = OnHost({path: (MARKER.encode(), 0o600)})
    (match,) = match_files([rotated], host, CONF).matches
    assert match.supplied is not None
    assert match.supplied.outputs["generation"] == 2
    assert match.supplied.outputs["value"].open() == MARKER
    assert MARKER not in repr(match)


def test_another_route_to_a_declared_host_is_named() -> None:
    host = OnHost(routing={"/opt/traefik/dynamic/mailcow.yml": "webmail.example.com"})
    (stranger,) = match_files([], host, CONF).strangers
    assert stranger.what == "/opt/traefik/dynamic/mailcow.yml"
    assert "two routers of one host contend" in stranger.note


def exporter(memory: int) -> Wanted:
    """Return the declared container; its image is known only once that is in the state."""
    kind, envs = "docker:index/container:Container", Sealed(["A=1"])
    return resource(kind, "exporter", name="exporter", image=UNKNOWN, envs=envs, memory=memory)


PULLED = resource(IMAGE, "exporter-image", name="repo@sha256:1")
RUNNING: dict[str, Any] = {
    "Id": "c1",
    "Name": "/exporter",
    "Image": "sha256:1",
    "Config": {"Env": ["A=1", "PATH=/bin"]},
    "HostConfig": {"Memory": 64 * 1024 * 1024},
}
TOLD = {"Id": "sha256:1", "Config": {"Env": ["PATH=/bin"]}}


def test_a_container_as_declared_is_imported_by_its_id() -> None:
    area = match_containers([PULLED, exporter(64)], {"exporter": RUNNING, "repo@sha256:1": TOLD})
    image, container = area.matches
    assert image.id == "sha256:1repo@sha256:1"
    assert (container.id, container.differences) == ("c1", ())
    assert "A=1" not in repr(container.supplied)


def test_what_a_running_container_cannot_change_replaces_it() -> None:
    told = {"exporter": RUNNING, "repo@sha256:1": {**TOLD, "Id": "sha256:2"}}
    container = match_containers([PULLED, exporter(32)], told).matches[1]
    said = [(difference.path, difference.replaces) for difference in container.differences]
    assert said == [("image", True), ("memory", False)]
    assert container.replaces


def test_another_mailcow_that_runs_is_a_warning(qual: Declaration) -> None:
    project = "com.docker.compose.project"
    folder = f"{project}.working_dir"
    ours = {project: qual.mailcow.project, folder: qual.mailcow.directory}
    theirs = {project: "mailcowdockerized", folder: "/opt/mailcow-dockerized"}
    (warning,) = other_mailcows([ours, theirs], qual)
    assert "runs as project mailcowdockerized in /opt/mailcow-dockerized" in warning
    assert "mail:mailcow.project and mail:mailcow.directory" in warning
