"""systemd units of the programs on the host: one renderer, one hardening.

Every program runs as root, because it reads what belongs to others (mail, Traefik's storage) or
speaks to Docker, whose socket is root's. So it is held otherwise: it may write to named folders
alone, has no capability but the named ones, speaks to nobody but the named families and addresses,
and no system call is left to it that changes the machine. `systemd-analyze security` finds each of
them at 3 or better (tests/real/test_units.py). What stays, and why:

- `User=`, `PrivateUsers=`: root, as above.
- `ProtectHome=read-only`: Docker's command looks for its plugins in root's home directory.
- `CAP_DAC_OVERRIDE`: the folders of mail, certificates and metrics belong to other users.
- `RootDirectory=`: they read volumes, secrets and the release where these lie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from declaration.names import PROGRAMS, STATE

_HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
PrivateDevices=yes
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# Go's run time asks for more open files when it starts, and can do without.
SystemCallErrorNumber=EPERM
UMask=0077
"""


@dataclass(frozen=True)
class Service:
    """A program that runs to its end (`Type=oneshot`).

    Attributes:
        description: What it does.
        commands: Lines of `[Service]` that start it, such as `ExecStart=...`.
        capabilities: The only ones it may use, as root.
        families: Address families that it may speak (systemd's `RestrictAddressFamilies`).
        addresses: Who it may speak to over IP; None for anybody. Nobody at all if it is empty and
            `families` names no IP: then it has no network.
        writes: Folders that it may write to; one that need not be there begins with a minus.
        unit: More lines of `[Unit]`, by key.
        service: More lines of `[Service]`.
        wanted_by: Target that starts it; empty where a timer does.
    """

    description: str
    commands: Sequence[str]
    capabilities: Sequence[str] = ("CAP_DAC_OVERRIDE",)
    families: Sequence[str] = ("AF_UNIX",)
    addresses: Sequence[str] | None = ()
    writes: Sequence[str] = (STATE,)
    unit: Sequence[tuple[str, str]] = (("After", "docker.service"),)
    service: Mapping[str, str] = field(default_factory=dict)
    wanted_by: str = ""


def run_program(name: str, options: Sequence[str]) -> str:
    """Return the command line of one of our programs, as a unit has it."""
    return f"/usr/bin/python3 -B {PROGRAMS}/{name} {' '.join(options)}".rstrip()


def _network(service: Service) -> list[str]:
    lines = [f"RestrictAddressFamilies={' '.join(service.families)}"]
    if service.addresses is None:
        return lines
    lines += ["IPAddressDeny=any", *(f"IPAddressAllow={address}" for address in service.addresses)]
    # Docker's socket is a file: whoever speaks to nothing else needs no network.
    return [*lines, "PrivateNetwork=yes"] if tuple(service.families) == ("AF_UNIX",) else lines


def render_service(service: Service) -> str:
    """Return the unit of a program."""
    lines = ["[Unit]", f"Description={service.description}"]
    lines += [f"{key}={value}" for key, value in service.unit]
    lines += ["", "[Service]", "Type=oneshot", *service.commands]
    lines += [f"{key}={value}" for key, value in service.service.items()]
    lines += [f"CapabilityBoundingSet={' '.join(service.capabilities)}"]
    if service.writes:
        lines += [f"ReadWritePaths={' '.join(service.writes)}"]
    lines += [*_network(service), _HARDENING.rstrip("\n")]
    if service.wanted_by:
        lines += ["", "[Install]", f"WantedBy={service.wanted_by}"]
    return "\n".join(lines) + "\n"


def render_timer(description: str, **when: str) -> str:
    """Return a timer.

    Args:
        description: What it does.
        when: Lines of `[Timer]`.
    """
    lines = [f"{key}={value}" for key, value in when.items()]
    head = ["[Unit]", f"Description={description}", "", "[Timer]"]
    return "\n".join([*head, *lines, "", "[Install]", "WantedBy=timers.target"]) + "\n"
