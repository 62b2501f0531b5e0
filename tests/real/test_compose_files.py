"""`docker compose config`: our override and mailcow.conf over a release's compose file."""

import io
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from components.compose_override import render_override
from components.mailcow_conf import Installation, MailcowSecrets, render_mailcow_conf
from declaration.model import Declaration
from rehearsal.parts import need
from rehearsal.world.host_tools import compose
from rehearsal.world.host_tools.compose_files import memory, pairs, publish
from rehearsal.world.host_tools.surroundings import ToolError
from rehearsal.world.release_tree import SERVICES, release
from tests.real.both import BOTH

Compose = Callable[..., tuple[int, str]]
"""Runs `docker compose` in the release's folder; returns exit status and all that it said."""

SECRETS = MailcowSecrets(
    *("database-password", "root-password", "redis-password", "sogo-url-key-16c",
      "dovecot-master", "api-key", "api-key-read-only")
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, qual: Declaration) -> Path:
    """The release's folder as the deployment leaves it."""
    place = tmp_path / "root/opt/po-mail/mailcow"
    place.mkdir(parents=True)
    _, text = release()["docker-compose.yml"]
    (place / "docker-compose.yml").write_bytes(text)
    override = render_override(qual.mailcow.services, qual.mailcow.tiers)
    (place / "docker-compose.override.yml").write_text(override)
    (place / "mailcow.conf").write_text(
        render_mailcow_conf(Installation(qual.mailcow, qual.names), SECRETS)
    )
    (place / ".env").symlink_to("mailcow.conf")
    return place


def _genuine(folder: Path) -> Compose:
    program = need("docker-compose")

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [program, "--project-directory", folder, *words], cwd=folder, check=False,
            capture_output=True, text=True, timeout=60,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def _stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    monkeypatch.setenv("DESTDIR", str(folder.parents[2]))
    monkeypatch.chdir(folder)
    # `config` looks at files alone; the genuine one asks no engine either.
    monkeypatch.setattr(compose, "Engine", lambda: None)
    for name in [one for one in os.environ if one.startswith("COMPOSE_")]:
        monkeypatch.delenv(name)

    def run(*words: str) -> tuple[int, str]:
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            try:
                status = compose.main(["--project-directory", str(folder), *words])
            except ToolError as error:
                return 1, f"{said.getvalue()}{error}"
        return status, said.getvalue()

    return run


@pytest.fixture(params=BOTH)
def run(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    return _genuine(folder) if request.param == "genuine" else _stand_in(folder, monkeypatch)


def merged(run: Compose) -> dict[str, Any]:
    """Return the merged files."""
    status, said = run("config", "--format", "json")
    assert status == 0, said
    document: dict[str, Any] = json.loads(said[said.index("{") :])
    return document


def ports(service: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return what a service publishes: address, port of the host, port of the container."""
    every = [publish(one, "x") for one in service.get("ports") or ()]
    return {(one["HostIp"], one["HostPort"], one["container"]) for one in every}


def test_every_service_of_the_release_is_limited_as_its_tier_says(
    run: Compose, qual: Declaration
) -> None:
    services = merged(run)["services"]
    assert set(services) == set(SERVICES)
    for name, service in services.items():
        tier = qual.mailcow.tiers[qual.mailcow.services[name]]
        assert memory(service["mem_limit"], name) == tier.memory_mib * 2**20
        assert float(service["cpus"]) == tier.cpus


def test_the_project_is_named_as_declared(run: Compose, qual: Declaration) -> None:
    assert merged(run)["name"] == qual.mailcow.project


def test_what_the_project_is_called_on_the_command_line_counts(run: Compose) -> None:
    status, said = run("-p", "other", "config", "--format", "json")
    assert (status, json.loads(said)["name"]) == (0, "other")


def test_raw_mail_is_published_and_the_web_on_its_declared_port_alone(
    run: Compose, qual: Declaration
) -> None:
    services = merged(run)["services"]
    published = {
        (name, address, int(port)) for name, one in services.items()
        for address, port, _ in ports(one)
    }  # fmt: skip
    open_to_all = {port for _, address, port in published if address in {"", "0.0.0.0"}}
    assert set(qual.mailcow.raw_ports) <= open_to_all
    assert open_to_all <= {*qual.mailcow.raw_ports, qual.mailcow.https_port,
                           qual.mailcow.http_port}  # fmt: skip
    assert {port for name, _, port in published if name == "nginx-mailcow"} == {
        qual.mailcow.https_port, qual.mailcow.http_port,
    }  # fmt: skip


def test_mailcow_conf_reaches_the_containers(run: Compose) -> None:
    services = merged(run)["services"]
    database = pairs(services["mysql-mailcow"]["environment"])
    assert database["MYSQL_PASSWORD"] == "database-password"
    assert database["TZ"] == "Europe/Lisbon"
    assert pairs(services["php-fpm-mailcow"]["environment"])["API_KEY"] == "api-key"


def test_what_the_release_says_of_a_service_stays(run: Compose) -> None:
    services = merged(run)["services"]
    assert services["netfilter-mailcow"]["network_mode"] == "host"
    assert services["netfilter-mailcow"]["privileged"] is True
    assert services["dovecot-mailcow"]["cap_add"] == ["NET_BIND_SERVICE"]
    assert set(services["dovecot-mailcow"]["depends_on"]) == {
        "mysql-mailcow", "netfilter-mailcow", "redis-mailcow",
    }  # fmt: skip
    assert {one["restart"] for one in services.values()} == {"always"}
    network = services["dovecot-mailcow"]["networks"]["mailcow-network"]
    assert network["ipv4_address"] == "172.22.1.250"


@pytest.mark.parametrize("flag", ["--services", "--images", "--volumes"])
def test_lists_are_one_name_a_line(run: Compose, folder: Path, flag: str) -> None:
    status, said = run("config", flag)
    lines = said.split()
    assert status == 0
    expected = {"--services": "dovecot-mailcow", "--images": "memcached:alpine",
                "--volumes": "vmail-vol-1"}  # fmt: skip
    assert expected[flag] in lines
    assert len(lines) > 10


def test_a_good_project_says_nothing_when_asked_to_be_quiet(run: Compose) -> None:
    assert run("config", "--quiet") == (0, "")


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("services: {dovecot-mailcow: {mem_limitt: 1g}}", "additional properties 'mem_limitt'"),
        ("services: {dovecot-mailcow: {mem_limit: lots}}", "invalid size"),
        ("services: {nobody: {mem_limit: 1g}}", "has neither an image nor a build context"),
        ("services: {dovecot-mailcow: {depends_on: [nobody]}}", "depends on undefined service"),
        ("services: {dovecot-mailcow: {networks: [nowhere]}}", "refers to undefined network"),
        ("services: {dovecot-mailcow: {volumes: ['none:/x']}}", "refers to undefined volume"),
        ("services: {dovecot-mailcow: {network_mode: host}}", "mutually exclusive"),
        ("services: {dovecot-mailcow: {environment: {A: '${B:?is missing}'}}}",
         "required variable B is missing a value: is missing"),
        ("services: {dovecot-mailcow: {ports: ['x:1']}}", "invalid hostPort: x"),
        ("services:\n  a: {image: x}\n  a: {image: y}\n", "already defined"),
        ("services: [", "yaml"),
        ("servicez: {}", "additional properties 'servicez'"),
        ("services: {dovecot-mailcow: {cpus: 1, deploy: {resources: {limits: {cpus: '2'}}}}}",
         "can't set distinct values on 'cpus'"),
    ],
)  # fmt: skip
def test_an_override_that_compose_refuses_says_why(
    run: Compose, folder: Path, override: str, complaint: str
) -> None:
    (folder / "docker-compose.override.yml").write_text(override)
    status, said = run("config", "--quiet")
    assert status != 0
    assert complaint in said


def test_a_limit_can_be_taken_away_and_a_list_replaced(run: Compose, folder: Path) -> None:
    (folder / "docker-compose.override.yml").write_text(
        "services:\n  postfix-mailcow:\n    ports: !override ['2525:25']\n    volumes: !reset []\n"
    )
    service = merged(run)["services"]["postfix-mailcow"]
    assert ports(service) == {("", "2525", "25/tcp")}
    assert not service.get("volumes")


def test_ports_of_an_override_are_added(run: Compose, folder: Path) -> None:
    (folder / "docker-compose.override.yml").write_text(
        "services: {postfix-mailcow: {ports: ['2525:25']}}\n"
    )
    published = {port for _, port, _ in ports(merged(run)["services"]["postfix-mailcow"])}
    assert published == {"25", "465", "587", "2525"}


def test_an_unset_variable_is_warned_of(run: Compose, folder: Path) -> None:
    (folder / "docker-compose.override.yml").write_text(
        "services: {postfix-mailcow: {environment: {A: '$NOBODY_SET_IT'}}}\n"
    )
    status, said = run("config", "--quiet")
    assert status == 0
    assert "variable is not set. Defaulting to a blank string." in said
    assert "NOBODY_SET_IT" in said


def test_a_missing_file_is_named(run: Compose, folder: Path) -> None:
    status, said = run("-f", str(folder / "none.yml"), "config")
    assert status != 0
    assert "none.yml: no such file or directory" in said
