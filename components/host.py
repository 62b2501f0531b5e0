"""The host: how it is reached, what it can carry, which ports it opens to whom.

The firewall is one table of its own, `inet po_mail`. Ports that Docker publishes never pass the
host's INPUT chain, so the table filters in prerouting, before Docker rewrites the destination.
It only ever drops, and only packets for the host's own addresses and the ports of mail: no other
table, chain or port is touched. The file replaces the table in one transaction; a systemd unit
loads it at boot and again whenever the distribution's `nftables.service` has flushed the rules.
"""

import ipaddress
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command

import pulumi_host
from components.remote import on_host, program_file
from components.units import Service, render_service
from declaration.commands import at
from declaration.mailcow import MailcowSettings
from declaration.names import (
    BASE,
    CONFIGURATION,
    FIREWALL_RULES,
    FIREWALL_UNIT,
    PROGRAMS,
    SECRETS,
    STATE,
    UNITS,
    Names,
)


@dataclass(frozen=True)
class Condition:
    """What a host must or should be like.

    Attributes:
        name: A word for it.
        test: Condition of the shell.
        otherwise: What is wrong where it does not hold, with the way out.
        seen: Condition of the shell under which `test` says anything; elsewhere nothing is known.
    """

    name: str
    test: str
    otherwise: str
    seen: str = "true"


_TOOLS = {
    "docker": "https://docs.docker.com/engine/install/debian/",
    "git": "apt-get install git",
    "nft": "apt-get install nftables",
    "python3": "apt-get install python3",
    "restic": "apt-get install restic",
    "systemctl": "take a Debian or Ubuntu that systemd starts",
}
"""Programs that must be there, with the way to have them."""
TOOLS = tuple(
    Condition(tool, f"command -v {tool} >/dev/null", f"{tool} is not installed on the host: {way}")
    for tool, way in _TOOLS.items()
)
"""That they are there; what else is asked of the host is asked with them."""
MUST = (
    Condition(
        "compose",
        "docker compose version >/dev/null 2>&1",
        "Docker has no compose plugin: apt-get install docker-compose-plugin",
        seen="command -v docker",
    ),
    Condition(
        "docker-release",
        "[ \"$(docker version --format '{{.Server.Version}}' | cut -d. -f1)\" -ge 24 ]",
        "Docker is older than 24, or does not answer: bring it up to date",
        seen="command -v docker",
    ),
    Condition(
        "userland-proxy",
        f"! grep -qsE '\"userland-proxy\": *false' {at('/etc/docker/daemon.json')}",
        (
            "Docker's userland proxy is off in /etc/docker/daemon.json: Traefik reaches nginx "
            "through it; take that line away and restart Docker"
        ),
    ),
)
"""What must hold."""
SHOULD = (
    Condition(
        "kernel",
        '[ "$(uname -r | cut -d. -f1)" -ge 5 ]',
        "the kernel is older than 5: bring the host up to date",
    ),
    Condition(
        "clock",
        '[ "$(timedatectl show -p NTPSynchronized --value 2>/dev/null)" != no ]',
        (
            "the clock is not synchronised, so tokens and certificates may be refused: apt-get "
            "install systemd-timesyncd"
        ),
        seen="timedatectl show -p NTPSynchronized --value | grep -qE '^(yes|no)$'",
    ),
    Condition(
        "swap",
        "[ \"$(awk '/^SwapTotal/ { print $2 }' /proc/meminfo)\" -ge 1000000 ]",
        "there is less than 1 GiB of swap, which Mailcow asks for: make a swap file",
    ),
    Condition(
        "disk",
        "[ \"$(df -Pk /var/lib/docker 2>/dev/null | awk 'END { print $4 }')\" -ge 20971520 ]",
        "less than 20 GiB are free where Docker keeps its images and the mail",
    ),
    Condition(
        "input-policy",
        "! iptables -S INPUT 2>/dev/null | grep -q '^-P INPUT DROP'",
        (
            "the firewall drops what it does not know in INPUT: let the mail ports, and Docker's "
            "networks to Traefik, in"
        ),
        seen="iptables -S INPUT",
    ),
)
"""What should hold on a real host; it is told, and ends nothing."""


@dataclass(frozen=True)
class Firewall:
    """Which ports are for whom.

    Attributes:
        open_ports: TCP ports for anyone.
        closed_ports: TCP ports for `network` and the host itself alone.
        network: Network of the reverse proxy, in CIDR notation.
        ipv6: Whether anyone may come over IPv6.
    """

    open_ports: Sequence[int]
    closed_ports: Sequence[int]
    network: str
    ipv6: bool


def _ports(ports: Sequence[int]) -> str:
    return "{ " + ", ".join(str(port) for port in sorted(set(ports))) + " }"


def render_rules(firewall: Firewall) -> str:
    """Return the nftables file. Loading it twice leaves what loading it once does."""
    family = "ip6" if ipaddress.ip_network(firewall.network).version == 6 else "ip"
    mine, behind = _ports(firewall.open_ports), _ports(firewall.closed_ports)
    over_ipv6 = (
        f"tcp dport {mine} accept"
        if firewall.ipv6
        else f"meta nfproto ipv6 tcp dport {mine} counter drop\n        tcp dport {mine} accept"
    )
    return f"""\
# Ports of mail. Written by Pulumi; the next `pulumi up` undoes edits.
table inet po_mail
delete table inet po_mail

table inet po_mail {{
    chain prerouting {{
        # Docker rewrites destinations at priority -100; here the port is still the published one.
        type filter hook prerouting priority -150; policy accept;
        iif "lo" accept
        # What containers ask of other hosts is none of this table's business.
        fib daddr type != local accept
        {over_ipv6}
        {family} saddr {firewall.network} tcp dport {behind} accept
        tcp dport {behind} counter drop
    }}
}}
"""


def render_firewall_unit() -> str:
    """Return the systemd unit that loads the firewall at boot, before the network is up."""
    return render_service(
        Service(
            "Firewall of the mail ports",
            [
                f"ExecStartPre=/usr/sbin/nft -c -f {FIREWALL_RULES}",
                # No ExecStop: a restart replaces the table in one transaction, with no moment
                # without it.
                f"ExecStart=/usr/sbin/nft -f {FIREWALL_RULES}",
            ],
            capabilities=["CAP_NET_ADMIN"],
            families=["AF_NETLINK"],
            writes=[],
            unit=[
                ("Documentation", f"file:{FIREWALL_RULES}"),
                ("DefaultDependencies", "no"),
                ("Wants", "network-pre.target"),
                ("Before", "network-pre.target shutdown.target"),
                ("Conflicts", "shutdown.target"),
                ("After", "local-fs.target nftables.service"),
                # The distribution's unit flushes every table when it restarts, this one too.
                ("PartOf", "nftables.service"),
                ("RequiresMountsFor", CONFIGURATION),
            ],
            service={"RemainAfterExit": "yes"},
            wanted_by="sysinit.target",
        )
    )


def firewall_of(mailcow: MailcowSettings, names: Names) -> Firewall:
    """Return the firewall that a declaration asks for."""
    return Firewall(
        open_ports=mailcow.raw_ports,
        closed_ports=(mailcow.http_port, mailcow.https_port),
        network=names.proxy_network,
        ipv6=names.ipv6,
    )


_KEEPS_SENDERS = r"""
import json, pathlib, sys
version, file = sys.argv[1], pathlib.Path(sys.argv[2])
try:
    settings = json.loads(file.read_text()) if file.exists() else {}
except ValueError as error:
    sys.exit(f"{file.name} of Docker cannot be read: {error}")
recent = int(version.partition(".")[0]) >= 27
if not settings.get("ip6tables", recent) or not (recent or settings.get("experimental")):
    sys.exit(
        f"Docker {version} carries IPv6 through its own proxy as it is set: Postfix would take "
        "every sender for a neighbour and relay for the world. Put "
        '{"ip6tables": true, "experimental": true} into /etc/docker/daemon.json and restart '
        "Docker, or update it to 27 or later; or leave mail:ipv6 out"
    )
"""
"""Ends with the reason where Docker hides who sends over IPv6. Before version 27 it filters and
forwards IPv6 by its own proxy unless `ip6tables` is set, which is experimental there
(https://docs.docker.com/engine/release-notes/27/, daemon.json reference)."""


def _docker_keeps_senders() -> str:
    """Return the command that looks whether Docker passes on who sends over IPv6."""
    return (
        "version=$(docker version --format '{{.Server.Version}}') || exit 1\n"
        f"python3 -c {shlex.quote(_KEEPS_SENDERS)} "
        f'"$version" {at("/etc/docker/daemon.json")} || exit 1\n'
    )


def passes_senders_on() -> Condition:
    """Return what must hold as well where anyone may come over IPv6."""
    otherwise = (
        "Docker hides who sends over IPv6, so that Postfix would relay for the world: update it "
        "to 27 or later, or leave mail:ipv6 out"
    )
    return Condition("ipv6-senders", f"(\n{_docker_keeps_senders()})", otherwise)


def _look(condition: Condition, then: str, word: str = "") -> str:
    """Return a line of shell that tells what is wrong where a condition does not hold."""
    text = shlex.quote(f"{word}{condition.otherwise}")
    return f"{{ {condition.test}; }} || {{ echo {text} >&2; {then}; }}"


def _prepare(*, ipv6: bool) -> str:
    """Return the command that looks at the host and makes the directories.

    Args:
        ipv6: Whether anyone may come over IPv6, so that Docker must pass on who does.
    """
    looks = [_look(condition, "missing=1") for condition in TOOLS]
    more = [_look(condition, "missing=1") for condition in MUST]
    stop = '[ "$missing" = 0 ] || exit 1'
    advice = [_look(condition, ":", "advice: ") for condition in SHOULD]
    open_to_read = " ".join(at(path) for path in (BASE, PROGRAMS, CONFIGURATION))
    for_root = " ".join(at(path) for path in (SECRETS, STATE))
    return (
        "\n".join(
            [
                "missing=0",
                *looks,
                stop,
                *more,
                stop,
                'if [ -z "${DESTDIR:-}" ]; then',
                *advice,
                "fi",
            ]
        )
        + "\n"
        f"{_docker_keeps_senders() if ipv6 else ''}"
        f"install -d -m 0755 {open_to_read}\n"
        f"install -d -m 0700 {for_root}\n"
    )


def _load() -> str:
    """Return the command that checks the rules and loads them now and at every boot."""
    return (
        f"nft -c -f {at(FIREWALL_RULES)} && systemctl daemon-reload"
        f" && systemctl enable --now {FIREWALL_UNIT} && systemctl restart {FIREWALL_UNIT}"
    )


def _unload() -> str:
    """Return the command that takes the table away again, and nothing else."""
    words = "table inet po_mail; delete table inet po_mail"
    gone = f"{STATE}/firewall-removal.nft"
    return (
        f"systemctl disable --now {FIREWALL_UNIT} || true\n"
        f"echo '{words}' > {at(gone)} && nft -f {at(gone)}; rm -f {at(gone)}"
    )


@dataclass(frozen=True)
class HostArgs:
    """What the host needs to know.

    Attributes:
        firewall: Which ports are for whom.
        connection: How commands reach the host (`components.remote.connection_to`).
    """

    firewall: Firewall
    connection: command.remote.ConnectionArgs


class HostComponent(pulumi.ComponentResource):
    """Directories and firewall. Everything else on the host depends on it."""

    directories: command.remote.Command
    """The directories are there, and so are the tools that the programs need."""
    library: pulumi_host.File
    """What the programs have in common lies beside them; they depend on it."""
    firewall: command.remote.Command
    """The firewall is loaded."""

    def __init__(
        self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the host.

        Args:
            name: Name of the component.
            args: What it needs to know.
            opts: Resource options; they carry the `host` provider.
        """
        super().__init__("mail:components:Host", name, None, opts)
        self.directories = on_host(
            "host-directories",
            _prepare(ipv6=args.firewall.ipv6),
            connection=args.connection,
            reads=[],
            opts=pulumi.ResourceOptions(parent=self),
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=[self.directories])
        self.library = program_file("machine.py", after)
        rules = pulumi_host.File(
            "firewall-rules",
            path=FIREWALL_RULES,
            content=render_rules(args.firewall),
            opts=after,
        )
        unit = pulumi_host.File(
            "firewall-unit",
            path=f"{UNITS}/{FIREWALL_UNIT}",
            content=render_firewall_unit(),
            opts=after,
        )
        self.firewall = on_host(
            "firewall",
            _load(),
            connection=args.connection,
            reads=[rules.revision, unit.revision],
            delete=_unload(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rules, unit]),
        )
        self.register_outputs({})
