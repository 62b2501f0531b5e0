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
from readers.compose import Service
from rehearsal.parts import need
from rehearsal.world.host_tools import compose
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
    for name in [key for key in os.environ if key.startswith("COMPOSE_")]:
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


def services(run: Compose) -> dict[str, Service]:
    """Return the merged services."""
    return {name: Service(name, settings) for name, settings in merged(run)["services"].items()}


def ports(service: Service) -> set[tuple[str, str, int]]:
    """Return what a service publishes: address, port of the host, port of the container."""
    return {(port.address, port.published, port.target) for port in service.ports}


def test_every_service_of_the_release_is_limited_as_its_tier_says(
    run: Compose, qual: Declaration
) -> None:
    limited = services(run)
    assert set(limited) == set(SERVICES)
    for name, service in limited.items():
        tier = qual.mailcow.tiers[qual.mailcow.services[name]]
        assert (service.memory, service.cpus) == (tier.memory_mib * 2**20, tier.cpus)


def test_the_project_is_named_as_declared(run: Compose, qual: Declaration) -> None:
    assert merged(run)["name"] == qual.mailcow.project


def test_what_the_project_is_called_on_the_command_line_counts(run: Compose) -> None:
    status, said = run("-p", "other", "config", "--format", "json")
    assert (status, json.loads(said)["name"]) == (0, "other")


def test_raw_mail_is_published_and_the_web_on_its_declared_port_alone(
    run: Compose, qual: Declaration
) -> None:
    published = {
        (name, address, int(port)) for name, service in services(run).items()
        for address, port, _ in ports(service)
    }  # fmt: skip
    open_to_all = {port for _, address, port in published if address in {"", "0.0.0.0"}}
    assert set(qual.mailcow.raw_ports) <= open_to_all
    assert open_to_all <= {*qual.mailcow.raw_ports, qual.mailcow.https_port,
                           qual.mailcow.http_port}  # fmt: skip
    assert {port for name, _, port in published if name == "nginx-mailcow"} == {
        qual.mailcow.https_port, qual.mailcow.http_port,
    }  # fmt: skip


def test_mailcow_conf_reaches_the_containers(run: Compose) -> None:
    told = {name: service.pairs("environment") for name, service in services(run).items()}
    assert told["mysql-mailcow"]["MYSQL_PASSWORD"] == "database-password"
    assert told["mysql-mailcow"]["TZ"] == "Europe/Lisbon"
    assert told["php-fpm-mailcow"]["API_KEY"] == "api-key"


def test_what_the_release_says_of_a_service_stays(run: Compose) -> None:
    merged = services(run)
    filter_, dovecot = merged["netfilter-mailcow"], merged["dovecot-mailcow"]
    assert filter_.text("network_mode") == "host"
    assert filter_.settings["privileged"] is True
    assert dovecot.listed("cap_add") == ["NET_BIND_SERVICE"]
    assert set(dovecot.depends_on) == {"mysql-mailcow", "netfilter-mailcow", "redis-mailcow"}
    assert {service.restart for service in merged.values()} == {"always"}
    assert dovecot.networks["mailcow-network"]["ipv4_address"] == "172.22.1.250"


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
    service = services(run)["postfix-mailcow"]
    assert ports(service) == {("", "2525", 25)}
    assert not service.mounts


def test_ports_of_an_override_are_added(run: Compose, folder: Path) -> None:
    (folder / "docker-compose.override.yml").write_text(
        "services: {postfix-mailcow: {ports: ['2525:25']}}\n"
    )
    published = {port for _, port, _ in ports(services(run)["postfix-mailcow"])}
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
