"""The tools of the rehearsed host, called as a deployment calls them."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.host import Firewall, render_rules
from rehearsal.world.docker_engine import DockerEngine
from rehearsal.world.host_tools import nft, shims
from rehearsal.world.host_tools.docker import render
from rehearsal.world.host_tools.surroundings import ToolError
from rehearsal.world.release_tree import LINK, SERVICES, release
from tests.world.host_neighbourhood import started

RELEASE = "/opt/po-mail/mailcow"
COMPOSE = f'docker compose -p po-mail --project-directory "$DESTDIR{RELEASE}"'
CONF = """\
# mailcow.conf
MAILCOW_HOSTNAME=mx.example.org
DBNAME=mailcow
DBUSER=mailcow
DBPASS=secret-of-the-database
DBROOT=secret-of-root
REDISPASS=secret-of-redis
TZ=Europe/Lisbon
ADDITIONAL_SAN=
COMPOSE_PROJECT_NAME=po-mail
HTTP_PORT=9080
HTTPS_PORT=9443
HTTP_BIND=127.0.0.1
"""


@dataclass
class Shell:
    """Commands with the environment that the SSH host gives."""

    folder: Path
    root: Path
    engine: DockerEngine

    def __call__(self, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        tools = self.folder / "tools"
        given = {
            "DESTDIR": str(self.root), "PATH": f"{tools}:/usr/bin:/bin", "HOME": str(self.root),
            "REHEARSAL_TOOLS": str(tools), "REHEARSAL_STATE": str(self.folder / "host"),
            "DOCKER_HOST": self.engine.overlay()["endpoints"]["docker"],
        }  # fmt: skip
        return subprocess.run(
            ["/bin/sh", "-c", command], env=given | environment, cwd=self.root, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip

    def good(self, command: str, **environment: str) -> str:
        done = self(command, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def bad(self, command: str, **environment: str) -> str:
        done = self(command, **environment)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def write(self, path: str, text: str) -> Path:
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    engine = DockerEngine()
    with started(tmp_path / "world", engine) as neighbourhood:
        folder = neighbourhood.world.folder
        shims.lay(folder / "tools")
        yield Shell(folder, neighbourhood.world.root, engine)


@pytest.fixture
def deployed(shell: Shell) -> Shell:
    folder = shell.root / RELEASE.removeprefix("/")
    for path, (mode, content) in release().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if mode == LINK:
            file.symlink_to(content.decode())
        else:
            file.write_bytes(content)
    shell.write(f"{RELEASE}/mailcow.conf", CONF)
    return shell


def override(shell: Shell, text: str) -> None:
    shell.write(f"{RELEASE}/docker-compose.override.yml", text)


# docker compose


def test_the_services_of_the_release_are_listed(deployed: Shell) -> None:
    listed = deployed.good(f"{COMPOSE} config --services").split()
    assert sorted(listed) == sorted(SERVICES)


def test_the_stack_starts_and_a_second_time_nothing_happens(deployed: Shell) -> None:
    override(deployed, "services:\n  postfix-mailcow:\n    mem_limit: 384m\n    cpus: 1.0\n")
    assert "Started" in deployed.good(f"{COMPOSE} up -d --wait 2>&1")
    assert all(deployed.engine.running("po-mail", name) for name in SERVICES)
    postfix = deployed.engine.store.container("po-mail-postfix-mailcow-1")
    assert postfix["HostConfig"]["Memory"] == 384 * 2**20
    assert postfix["HostConfig"]["NanoCpus"] == 10**9
    before = len(deployed.engine.store.events)
    again = deployed.good(f"{COMPOSE} up -d --wait 2>&1")
    assert "Started" not in again
    assert len(deployed.engine.store.events) == before


def test_a_changed_service_alone_is_made_anew(deployed: Shell) -> None:
    deployed.good(f"{COMPOSE} up -d")
    ids = {
        container["Name"]: container["Id"]
        for container in deployed.engine.store.containers.values()
    }
    override(deployed, "services:\n  redis-mailcow:\n    mem_limit: 256m\n")
    deployed.good(f"{COMPOSE} up -d")
    now = {
        container["Name"]: container["Id"]
        for container in deployed.engine.store.containers.values()
    }
    assert [name for name in now if now[name] != ids[name]] == ["/po-mail-redis-mailcow-1"]


def test_ports_and_variables_come_from_mailcow_conf(deployed: Shell) -> None:
    model = json.loads(deployed.good(f"{COMPOSE} config --format json"))
    nginx = model["services"]["nginx-mailcow"]
    assert nginx["ports"] == [":9443:9443", "127.0.0.1:9080:9080"]
    assert "MAILCOW_HOSTNAME=mx.example.org" in nginx["environment"]


def test_ps_speaks_json_lines(deployed: Shell) -> None:
    deployed.good(f"{COMPOSE} up -d redis-mailcow")
    rows = [json.loads(line) for line in deployed.good(f"{COMPOSE} ps --format json").splitlines()]
    redis = next(row for row in rows if row["Service"] == "redis-mailcow")
    assert redis["State"] == "running"
    assert redis["Publishers"][0]["PublishedPort"] == 7654


def test_down_keeps_volumes_unless_told(deployed: Shell) -> None:
    deployed.good(f"{COMPOSE} up -d")
    volume = deployed.root / "var/lib/docker/volumes/po-mail_vmail-vol-1/_data"
    deployed.good(f"{COMPOSE} down --remove-orphans")
    assert not deployed.engine.store.containers
    assert volume.is_dir()
    deployed.good(f"{COMPOSE} down -v")
    assert not volume.exists()


def test_restart_wants_a_service_that_is_there(deployed: Shell) -> None:
    deployed.good(f"{COMPOSE} up -d postfix-mailcow")
    deployed.good(f"{COMPOSE} restart postfix-mailcow")
    assert deployed.engine.running("po-mail", "postfix-mailcow")
    assert "no such service" in deployed.bad(f"{COMPOSE} restart postfix")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("services:\n  clamav-mailcow:\n    mem_limit: 1g\n", "neither an image nor a build"),
        ("services:\n  postfix-mailcow:\n    mem_limit: lots\n", "invalid size"),
        ("services:\n  postfix-mailcow:\n    cpus: -1\n", "positive number"),
        ("services:\n  postfix-mailcow:\n    memory: 1g\n", "'memory' not allowed"),
        ("services:\n  postfix-mailcow: {\n", "yaml: line"),
        ("services:\n  a: {image: x}\n  a: {image: y}\n", "already defined"),
        ("services:\n  nginx-mailcow:\n    volumes: ['lost-vol:/x']\n", "undefined volume"),
        ("services:\n  nginx-mailcow:\n    depends_on: [nobody]\n", "undefined service"),
        ("services:\n  nginx-mailcow:\n    ports: ['1:99999']\n", "ports"),
    ],
)
def test_what_compose_refuses_is_refused_before_any_container(
    deployed: Shell, text: str, words: str
) -> None:
    override(deployed, text)
    assert words in deployed.bad(f"{COMPOSE} up -d")
    assert not deployed.engine.store.containers


def test_an_image_that_cannot_be_pulled_stops_the_start(deployed: Shell) -> None:
    deployed.engine.faults = {"pull_refused": "rspamd"}
    assert "503" in deployed.bad(f"{COMPOSE} pull -q")


def test_waiting_notices_a_container_that_ends(deployed: Shell) -> None:
    deployed.engine.faults = {"container_exits": {"po-mail-nginx-mailcow-1": 3}}
    assert "exited (3)" in deployed.bad(f"{COMPOSE} up -d --wait")


def test_commands_run_inside_a_running_service_alone(deployed: Shell) -> None:
    assert "is not running" in deployed.bad(f"{COMPOSE} exec -T mysql-mailcow mariadb-dump")
    deployed.good(f"{COMPOSE} up -d")
    dump = deployed.good(
        f"{COMPOSE} exec -T mysql-mailcow sh -c "
        "'mariadb-dump -uroot -p\"$MYSQL_ROOT_PASSWORD\" --all-databases'"
    )
    assert dump.splitlines()[-1].startswith("-- Dump completed")
    refused = deployed.bad(f"{COMPOSE} exec -T mysql-mailcow mariadb-dump -uroot -pwrong")
    assert "Access denied" in refused
    redis = f"{COMPOSE} exec -T -e REDISCLI_AUTH=secret-of-redis redis-mailcow redis-cli"
    assert deployed.good(f"{redis} ping") == "PONG\n"
    assert deployed.good(f"{redis} save") == "OK\n"
    assert (deployed.root / "var/lib/docker/volumes/po-mail_redis-vol-1/_data/dump.rdb").exists()
    assert "NOAUTH" in deployed(f"{COMPOSE} exec -T redis-mailcow redis-cli ping").stdout


def test_the_web_part_raises_the_schema_and_a_dump_brings_the_old_one_back(
    deployed: Shell,
) -> None:
    source = f"{RELEASE}/data/web/inc/init_db.inc.php"
    client = f"{COMPOSE} exec -T -e MYSQL_PWD=secret-of-root mysql-mailcow"
    ask = f"{client} mariadb -N -e 'SELECT version FROM mailcow.versions'"
    deployed.write(source, '<?php $db_version = "1";')
    deployed.good(f"{COMPOSE} up -d")
    assert deployed.good(ask) == "1\n"
    dump = deployed.good(f"{client} mariadb-dump --all-databases")
    deployed.write(source, '<?php $db_version = "2";')
    deployed.good(f"{COMPOSE} up -d --force-recreate")
    assert deployed.good(ask) == "2\n"
    deployed.write("/dump.sql", dump)
    deployed.good(f'{client} mariadb < "$DESTDIR/dump.sql"')
    assert deployed.good(ask) == "1\n"


def test_a_container_has_what_is_mounted_and_no_tool_that_nobody_runs(deployed: Shell) -> None:
    deployed.write(f"{RELEASE}/data/conf/postfix/extra.cf", "relayhost = [smtp.example.net]:587\n")
    deployed.good(f"{COMPOSE} up -d postfix-mailcow")
    refused = deployed.bad(f"{COMPOSE} exec -T postfix-mailcow sogo-tool backup")
    assert 'exec failed: "sogo-tool": executable file not found' in refused
    shown = deployed.good(f"{COMPOSE} exec -T postfix-mailcow cat /opt/postfix/conf/extra.cf")
    assert "relayhost" in shown


def test_a_tool_can_be_told_to_fail(deployed: Shell) -> None:
    deployed.good(f"{COMPOSE} up -d mysql-mailcow")
    failed = deployed(f"{COMPOSE} exec -T mysql-mailcow mariadb-dump",
                      REHEARSAL_TOOL_FAULTS='{"mariadb-dump": 2}')  # fmt: skip
    assert failed.returncode == 2


def test_docker_itself_lists_and_inspects(deployed: Shell) -> None:
    deployed.good(f"{COMPOSE} up -d redis-mailcow")
    names = deployed.good(
        "docker ps --filter label=com.docker.compose.service=redis-mailcow --format '{{.Names}}'"
    )
    assert names == "po-mail-redis-mailcow-1\n"
    running = deployed.good("docker inspect -f '{{.State.Running}}' po-mail-redis-mailcow-1")
    assert running == "true\n"
    assert "No such" in deployed.bad("docker inspect nobody")


def test_docker_tells_where_a_volume_lies(deployed: Shell) -> None:
    deployed.good(f"{COMPOSE} up -d redis-mailcow")

    place = deployed.good("docker volume inspect --format '{{.Mountpoint}}' po-mail_redis-vol-1")

    assert place.strip().endswith("/var/lib/docker/volumes/po-mail_redis-vol-1/_data")


def test_docker_refuses_what_no_artifact_asks(deployed: Shell) -> None:
    assert "invalid choice: 'rm'" in deployed.bad("docker rm po-mail-redis-mailcow-1")


def test_a_template_of_docker_is_filled() -> None:
    value = {"A": {"B": [1]}, "L": {"x.y": "z"}}
    assert render('{{json .A.B}} {{index .L "x.y"}}', value) == "[1] z"
    with pytest.raises(ToolError):
        render("{{range .A}}", value)


# systemctl, systemd-analyze

SERVICE = """\
[Unit]
Description=Rehearsed
[Service]
Type=oneshot
Environment=WORD=%N
ExecStart=/usr/bin/python3 /opt/po-mail/bin/tool.py first
"""
TIMER = """\
[Timer]
OnCalendar=*-*-* 03:00:00 UTC
Persistent=true
[Install]
WantedBy=timers.target
"""
TOOL = """\
import os, sys
with open(os.environ["DESTDIR"] + "/opt/ran", "a") as file:
    file.write(" ".join([os.environ["WORD"], *sys.argv[1:]]) + "\\n")
sys.exit(int(os.environ.get("EXIT", "0")))
"""


@pytest.fixture
def timed(shell: Shell) -> Shell:
    shell.write("/etc/systemd/system/po-mail-x.service", SERVICE)
    shell.write("/etc/systemd/system/po-mail-x.timer", TIMER)
    shell.write("/opt/po-mail/bin/tool.py", TOOL)
    shell.good("systemctl daemon-reload")
    return shell


def test_a_timer_is_enabled_and_listed(timed: Shell) -> None:
    timed.good("systemctl enable --now po-mail-x.timer")
    link = timed.root / "etc/systemd/system/timers.target.wants/po-mail-x.timer"
    assert link.is_symlink()
    assert timed.good("systemctl is-active po-mail-x.timer") == "active\n"
    assert timed.good("systemctl is-enabled po-mail-x.timer") == "enabled\n"
    assert "po-mail-x.service" in timed.good("systemctl list-timers")
    timed.good("systemctl disable --now po-mail-x.timer")
    assert not link.parent.exists()
    assert timed("systemctl is-active po-mail-x.timer").returncode == 3


def test_a_oneshot_service_really_runs(timed: Shell) -> None:
    timed.good("systemctl start po-mail-x.service")
    assert (timed.root / "opt/ran").read_text() == "po-mail-x first\n"


def test_a_failed_service_is_remembered_and_tells_its_follower(timed: Shell) -> None:
    failing = SERVICE.replace("[Service]", "OnFailure=after.service\n[Service]\nEnvironment=EXIT=4")
    timed.write("/etc/systemd/system/po-mail-x.service", failing)
    timed.write("/etc/systemd/system/after.service", SERVICE.replace("first", "second"))
    timed.good("systemctl daemon-reload")
    assert "failed" in timed.bad("systemctl start po-mail-x.service")
    assert (timed.root / "opt/ran").read_text() == "po-mail-x first\nafter second\n"
    shown = timed.good("systemctl show -p Result,ExecMainStatus po-mail-x.service")
    assert shown == "Result=exit-code\nExecMainStatus=4\n"
    timed.good("systemctl is-failed po-mail-x.service")


def test_credentials_reach_the_service_and_are_gone_afterwards(timed: Shell) -> None:
    timed.write("/opt/po-mail/secrets/word", "hidden")
    unit = SERVICE.replace(
        "ExecStart=/usr/bin/python3 /opt/po-mail/bin/tool.py first",
        "LoadCredential=word:/opt/po-mail/secrets/word\n"
        "ExecStart=/bin/sh -c 'cat $CREDENTIALS_DIRECTORY/word > $DESTDIR/opt/ran'",
    )
    timed.write("/etc/systemd/system/po-mail-x.service", unit)
    timed.good("systemctl start po-mail-x.service")
    assert (timed.root / "opt/ran").read_text() == "hidden"
    assert not list((timed.folder / "host").glob("credentials-*"))


@pytest.mark.parametrize(
    ("unit", "text", "words"),
    [
        ("x.service", "ExecStart=/bin/true\n", "outside of section"),
        ("x.service", "[Service]\nType=oneshot\n", "no ExecStart="),
        ("x.service", "[Service]\nType=sometimes\nExecStart=/bin/true\n", "Type="),
        ("x.service", "[Service]\nExecStart=bin/true x\n", "absolute path"),
        ("x.service", "[Service]\nExecStart=/nowhere/at/all\n", "not executable"),
        ("x.timer", "[Timer]\nOnCalendar=*-*-* 25:00:00\nUnit=docker.service\n", "calendar"),
        ("x.timer", "[Timer]\nPersistent=true\n", "lacks value"),
        ("x.timer", "[Timer]\nOnCalendar=daily\n", "to trigger not loaded"),
    ],
)
def test_an_ill_formed_unit_is_refused(shell: Shell, unit: str, text: str, words: str) -> None:
    shell.write(f"/etc/systemd/system/{unit}", text)
    said = shell.bad(f'systemd-analyze verify "$DESTDIR/etc/systemd/system/{unit}"')
    assert words.lower() in said.lower()
    if "not executable" not in words:
        assert shell.bad(f"systemctl enable --now {unit}")


def test_a_unit_that_is_not_there_is_refused(shell: Shell) -> None:
    assert "not found" in shell.bad("systemctl start nothing.service")


# nft

RULES = """\
table inet po_mail {}
delete table inet po_mail
table inet po_mail {
    set proxies { type ipv4_addr; flags interval; elements = { 172.20.0.0/16 } } # Traefik
    chain input {
        type filter hook input priority -5; policy accept;
        tcp dport { 25, 465, 587 } accept
        tcp dport 9443 ip saddr @proxies accept comment "the proxy; alone"
        tcp dport { 9080, 9443 } drop
    }
}
"""


def test_a_rule_set_is_checked_and_kept(shell: Shell) -> None:
    shell.write("/etc/po-mail/nftables.nft", RULES)
    shell.good('nft -c -f "$DESTDIR/etc/po-mail/nftables.nft"')
    assert shell.good("nft list ruleset") == ""
    for _ in range(2):
        shell.good('nft -f "$DESTDIR/etc/po-mail/nftables.nft"')
    assert shell.good("nft list ruleset").count("table inet po_mail") == 1
    assert "9443" in shell.good("nft list table inet po_mail")
    shell.write("/etc/other.nft", "table inet po_mail {}\ntable inet other {}\n")
    shell.good('nft -f "$DESTDIR/etc/other.nft"')
    assert "9443" in shell.good("nft list table inet po_mail")
    shell.write("/etc/gone.nft", "table inet po_mail; delete table inet po_mail\n")
    shell.good('nft -f "$DESTDIR/etc/gone.nft"')
    assert shell.bad("nft list table inet po_mail")


def test_the_firewall_of_the_host_is_a_rule_set() -> None:
    firewall = Firewall((25, 465, 587, 993), (9080, 9443), "172.20.0.0/16", ipv6=False)
    nft.check(render_rules(firewall), "rules")


@pytest.mark.parametrize(
    "text",
    [
        RULES.rstrip()[:-1], RULES + "}", RULES.replace("table inet po_mail {\n", "tabel x {\n"),
        RULES.replace("hook input", "hook inputs"), RULES.replace("policy accept", "policy allow"),
        RULES.replace("tcp dport { 9080", "port { 9080"), RULES.replace("accept\n", "jump mail\n"),
    ],
)  # fmt: skip
def test_nonsense_is_no_rule_set(text: str) -> None:
    nft.check(RULES, "rules")
    with pytest.raises(ToolError):
        nft.check(text, "rules")


# The tools as such


def test_a_tool_never_touches_a_real_host(shell: Shell) -> None:
    for command in ("systemctl daemon-reload", "nft list ruleset", "docker compose -p x ps"):
        assert "rehearsed host alone" in shell.bad(command, DESTDIR="")


def test_python_is_this_python_and_restic_the_genuine_one_if_any(shell: Shell) -> None:
    assert shell.good("python3 -c 'import sys; print(sys.version_info[:2])'").startswith("(3, ")
    if shutil.which("restic"):
        assert "restic" in shell.good("restic version")


def test_tools_ignore_what_lies_in_the_current_folder(shell: Shell) -> None:
    shell.write("/yaml.py", "raise SystemExit(9)")
    assert os.path.exists(shell.root / "yaml.py")  # noqa: PTH110  # the point is a plain file
    shell.good("docker ps")
