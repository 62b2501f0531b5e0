"""What changes between two releases is seen, and what stands in the way."""

from dataclasses import replace

import pytest

from operations.update.compare import (
    COMPOSE,
    GENERATOR,
    OPTIONS,
    Differences,
    Ours,
    Source,
    compare,
)
from operations.update.releases import UpdateError

OLD = """
services:
  mysql-mailcow:
    image: mariadb:10.11
    ports: ["${SQL_PORT:-127.0.0.1:13306}:3306"]
  web-mailcow:
    image: web:1
    environment: ["OPT_A=${OPT_A:-n}"]
  old-mailcow:
    image: old:1
volumes:
  vmail-vol-1:
  old-vol-1:
"""
NEW = """
services:
  mysql-mailcow:
    image: mariadb:10.11
    ports: ["${SQL_PORT:-127.0.0.1:13306}:3306"]
  web-mailcow:
    image: web:2
    environment: ["OPT_A=${OPT_A:-n}", "OPT_B=${OPT_B:-7}"]
    ports: ["${WEB_PORT:-8080}:80"]
  new-mailcow:
    image: new:1
volumes:
  vmail-vol-1:
  new-vol-1:
"""
OURS = Ours(
    settings={"OPT_A": "y", "SQL_PORT": "127.0.0.1:13306", "GONE": "x"},
    files=frozenset({"mailcow.conf"}),
    tiers={"mysql-mailcow": "database", "web-mailcow": "web", "old-mailcow": "helper"},
    stored_volumes=frozenset({"vmail-vol-1"}),
)


def source(tag: str, compose: str, options: str = '"OPT_A"') -> Source:
    return Source(tag, "c" * 40, {COMPOSE: compose, OPTIONS: f"CONFIG_ARRAY=(\n{options}\n)"})


PINNED = source("2026-07a", OLD, '"OPT_A"\n"GONE"')


def compared(target: Source, pinned: Source = PINNED, ours: Ours = OURS) -> Differences:
    return compare(pinned, target, ours, changed=["docker-compose.yml"], history=[])


def test_containers_come_go_and_change() -> None:
    plan = compared(source("2026-07b", NEW))
    assert [(service.sign, service.name) for service in plan.services] == [
        ("+", "new-mailcow"), ("-", "old-mailcow"), ("~", "web-mailcow"),
    ]  # fmt: skip
    assert (plan.tierless, plan.dropped) == (("new-mailcow",), ("old-mailcow",))


def test_options_are_told_with_what_becomes_of_them_here() -> None:
    plan = compared(source("2026-07b", NEW, '"OPT_A"\n"OPT_B"'))
    assert {option.name: option.remark for option in plan.options} == {
        "OPT_B": "not written here; its default holds: 7",
        "GONE": "still written here, without effect",
    }


def test_options_of_the_generator_count_too() -> None:
    texts = {
        COMPOSE: OLD,
        GENERATOR: "X=1\ncat << EOF > mailcow.conf\nOPT_C=1\n#OPT_D=\nEOF\nY=2\n",
    }
    assert Source("2026-07b", "c" * 40, texts).options() == {"OPT_C", "OPT_D"}


def test_a_port_that_is_open_to_anyone_is_marked() -> None:
    (port,) = compared(source("2026-07b", NEW)).ports
    assert (port.name, port.after) == ("web-mailcow 80", "*:8080")
    assert "open to anyone" in port.remark


def test_a_new_volume_is_not_in_the_backup() -> None:
    signs = {
        volume.name: (volume.sign, volume.remark)
        for volume in compared(source("2026-07b", NEW)).volumes
    }
    assert signs["new-vol-1"][1].startswith("not in the backup")
    assert signs["old-vol-1"] == ("-", "stays behind")


def test_a_setting_without_a_default_that_is_not_written_stands_in_the_way() -> None:
    (blocker,) = compared(source("2026-07b", NEW.replace("${OPT_B:-7}", "${OPT_B}"))).blockers
    assert blocker.startswith("2026-07b needs OPT_B, which has no default")


def test_a_file_of_ours_that_becomes_the_releases_stands_in_the_way() -> None:
    target = replace(source("2026-07b", OLD), names=frozenset({"mailcow.conf"}))
    assert any("mailcow.conf would be a file of the release" in blocker
               for blocker in compared(target).blockers)  # fmt: skip


def test_a_stored_volume_that_goes_stands_in_the_way() -> None:
    target = source("2026-07b", NEW.replace("  vmail-vol-1:\n", ""))
    assert any("volume vmail-vol-1 is gone" in blocker for blocker in compared(target).blockers)


def test_a_database_server_that_changes_its_files_is_a_one_way_street() -> None:
    def with_server(image: str) -> Differences:
        return compared(source("2026-07b", NEW.replace("mariadb:10.11", image)))

    assert "mysql-mailcow" in with_server("mariadb:11.4").one_way
    assert not with_server("mariadb:10.11.9").one_way


def test_a_compose_file_that_cannot_be_read_is_said() -> None:
    with pytest.raises(UpdateError, match=r"docker-compose\.yml of 2026-07b cannot be read"):
        compared(source("2026-07b", "services: ["))
