"""The host: directories and firewall."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.host import (
    Firewall,
    HostComponent,
    firewall_of,
    render_firewall_unit,
    render_rules,
)
from components.remote import readings
from declaration.model import Declaration
from declaration.names import FIREWALL_RULES
from declaration.reading import read
from tests.components import arguments
from tests.components.registrations import CONNECTION, Registration, registered, waits_for

FIREWALL = Firewall((25, 587), (9080, 9443), "172.20.0.0/16", ipv6=False)


def in_a_namespace(script: str) -> str:
    """Run a script in a network namespace of its own."""
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_firewall_is_that_of_the_declaration(qual: Declaration) -> None:
    firewall = firewall_of(qual.mailcow, qual.names)
    assert tuple(firewall.open_ports) == (25, 465, 587, 993, 4190)
    assert tuple(firewall.closed_ports) == (9080, 9443)
    assert firewall.network == "172.20.0.0/16"
    assert not firewall.ipv6


def test_the_rules_filter_before_docker_rewrites_destinations() -> None:
    assert "hook prerouting priority -150" in render_rules(FIREWALL)


def test_nginx_is_for_traefik_and_the_host_alone() -> None:
    rules = render_rules(FIREWALL)
    allowed = rules.index("ip saddr 172.20.0.0/16 tcp dport { 9080, 9443 } accept")
    assert rules.index('iif "lo" accept') < allowed
    assert allowed < rules.index("tcp dport { 9080, 9443 } counter drop")


def test_packets_for_other_hosts_are_left_alone() -> None:
    rules = render_rules(FIREWALL)
    assert rules.index("fib daddr type != local accept") < rules.index("tcp dport")


def test_without_ipv6_nobody_reaches_mail_over_it() -> None:
    closed = "meta nfproto ipv6 tcp dport { 25, 587 } counter drop"
    assert closed in render_rules(FIREWALL)
    assert "ipv6" not in render_rules(Firewall((25,), (9443,), "172.20.0.0/16", ipv6=True))


def test_a_network_of_ipv6_is_matched_as_such() -> None:
    rules = render_rules(Firewall((25,), (9443,), "fd00:1::/64", ipv6=True))
    assert "ip6 saddr fd00:1::/64 tcp dport { 9443 } accept" in rules


def test_only_our_own_table_is_named() -> None:
    lines = [line.strip() for line in render_rules(FIREWALL).splitlines()]
    tables = [line for line in lines if "table" in line and not line.startswith("#")]
    assert len(tables) == 3
    assert all("table inet po_mail" in line for line in tables)
    assert "flush" not in render_rules(FIREWALL)


@pytest.mark.real
def test_the_kernel_takes_the_rules_twice_and_leaves_other_tables(tmp_path: Path) -> None:
    file = tmp_path / "rules.nft"
    file.write_text(render_rules(FIREWALL))
    listed = in_a_namespace(
        f"nft add table inet other; nft -c -f {file}; nft -f {file}; nft -f {file};"
        " nft list ruleset"
    )
    assert listed.count("table inet po_mail") == 1
    assert "table inet other" in listed
    assert listed.count("chain prerouting") == 1


_KNOCK = """
import socket, sys
for source, port in (("172.20.0.9", 9443), ("10.9.0.9", 9443), ("10.9.0.9", 25)):
    s = socket.socket(); s.settimeout(0.5); s.bind((source, 0))
    try:
        s.connect(("172.20.0.1", port)); print(source, port, "open")
    except TimeoutError:
        print(source, port, "dropped")
"""


@pytest.mark.real
def test_the_kernel_lets_traefik_through_and_nobody_else(tmp_path: Path) -> None:
    rules, knock = tmp_path / "rules.nft", tmp_path / "knock.py"
    rules.write_text(render_rules(FIREWALL))
    knock.write_text(_KNOCK)
    listen = (
        "import socket,sys;"
        "a=[socket.create_server(('172.20.0.1',p)) for p in (9443,25)];"
        "print('up',flush=True);sys.stdin.read()"
    )
    # The caller lives in a namespace of its own, behind a pair of virtual cables.
    answer = in_a_namespace(
        f"""
        mkfifo {tmp_path}/up {tmp_path}/hold {tmp_path}/cable
        unshare -n sh -ec 'echo ready > {tmp_path}/up; read go < {tmp_path}/cable;
            ip link set c1 up; ip addr add 172.20.0.9/16 dev c1; ip addr add 10.9.0.9/16 dev c1;
            python3 {knock} > {tmp_path}/answer' &
        caller=$!
        read ready < {tmp_path}/up
        ip link add c0 type veth peer name c1 netns $caller
        ip link set lo up; ip link set c0 up
        ip addr add 172.20.0.1/16 dev c0; ip route add 10.9.0.0/16 dev c0
        nft -f {rules}
        python3 -c "{listen}" < {tmp_path}/hold > {tmp_path}/up &
        exec 3> {tmp_path}/hold
        read up < {tmp_path}/up
        echo go > {tmp_path}/cable
        wait $caller
        exec 3>&-
        cat {tmp_path}/answer
        """
    )
    assert answer.splitlines() == [
        "172.20.0.9 9443 open",
        "10.9.0.9 9443 dropped",
        "10.9.0.9 25 open",
    ]


def test_the_unit_names_a_document_that_every_host_has() -> None:
    """A manual page need not be installed where nft is; systemd complains of one that is not."""
    assert f"Documentation=file:{FIREWALL_RULES}\n" in render_firewall_unit()


def test_what_the_programs_share_is_there_once_the_directories_are(qual: Declaration) -> None:
    found = registered(lambda: HostComponent("host", arguments.host(qual, CONNECTION)))
    assert found["program-machine"].inputs["path"] == "/opt/po-mail/bin/machine.py"
    assert waits_for(found, "program-machine", "host-directories")


def test_the_firewall_is_checked_loaded_and_taken_away_again(qual: Declaration) -> None:
    found = registered(lambda: HostComponent("host", arguments.host(qual, CONNECTION)))
    firewall = found["firewall"]
    create = firewall.inputs["create"]
    assert create.index("nft -c -f") < create.index("systemctl restart")
    assert firewall.inputs["update"] == create
    assert readings(create) == ["revision-of-firewall-rules", "revision-of-firewall-unit"]
    assert "delete table inet po_mail" in firewall.inputs["delete"]
    assert waits_for(found, "firewall-rules", "host-directories")


def test_a_missing_tool_ends_the_deployment_with_its_name(
    qual: Declaration, tmp_path: Path
) -> None:
    found = registered(lambda: HostComponent("host", arguments.host(qual, CONNECTION)))
    done = subprocess.run(
        ["/bin/sh", "-c", found["host-directories"].inputs["create"]],
        env={"PATH": str(tmp_path), "DESTDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert done.returncode == 1
    assert "git is not installed on the host" in done.stderr


def prepared(
    found: dict[str, Registration], root: Path, version: str, settings: str | None
) -> subprocess.CompletedProcess[str]:
    """Prepare a host that has every tool, with a Docker of a version and with settings."""
    tools, docker = root / "tools", root / "etc/docker"
    tools.mkdir()
    docker.mkdir(parents=True)
    for tool in ("docker", "git", "nft", "restic", "systemctl"):
        (tools / tool).write_text(f"#!/bin/sh\necho {version}\n")
        (tools / tool).chmod(0o755)
    if settings is not None:
        (docker / "daemon.json").write_text(settings)
    return subprocess.run(
        ["/bin/sh", "-c", found["host-directories"].inputs["create"]],
        env={"PATH": f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin",
             "DESTDIR": str(root)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("version", "settings", "refusal"),
    [
        ("24.0.7", None, ""),
        ("23.0.1", None, "Docker is older than 24"),
        ("none", None, "Docker is older than 24, or does not answer"),
        ("26.1.4", '{"userland-proxy":  false}', "Traefik reaches nginx through it"),
        ("26.1.4", '{"userland-proxy": true}', ""),
    ],
)
def test_a_docker_that_will_not_do_is_told_with_the_way_out_before_the_first_write(
    qual: Declaration, tmp_path: Path, version: str, settings: str | None, refusal: str
) -> None:
    found = registered(lambda: HostComponent("host", arguments.host(qual, CONNECTION)))
    done = prepared(found, tmp_path, version, settings)
    assert refusal in done.stderr
    assert (done.returncode == 0) == (refusal == "")
    assert (tmp_path / "opt/po-mail").exists() == (refusal == "")


RELAYS = "Postfix would take every sender for a neighbour and relay for the world"


@pytest.mark.parametrize(
    ("version", "settings", "refusal"),
    [
        ("24.0.7", None, RELAYS),
        ("26.1.4", '{"ip6tables": true}', RELAYS),
        ("26.1.4", '{"ip6tables": true, "experimental": true}', ""),
        ("27.5.1", None, ""),
        ("27.5.1", '{"log-driver": "local"}', ""),
        ("28.0.0", '{"ip6tables": false}', RELAYS),
        ("28.0.0", "{", "daemon.json of Docker cannot be read"),
    ],
)
def test_a_docker_that_hides_who_sends_over_ipv6_ends_the_deployment(
    qual_values: dict[str, Any], tmp_path: Path, version: str, settings: str | None, refusal: str
) -> None:
    qual_values["ipv6"] = {"address": "2a02:4780:28:5d2e::1", "reverseIsSet": True}
    declaration = read(qual_values, source="test")
    found = registered(lambda: HostComponent("host", arguments.host(declaration, CONNECTION)))
    done = prepared(found, tmp_path, version, settings)
    assert refusal in done.stderr
    assert (done.returncode == 0) == (refusal == "")
    assert waits_for(found, "firewall-rules", "host-directories")
