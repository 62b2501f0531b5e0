"""Every genuine part: what it is for, which stand-in it checks, and where it comes from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Debian:
    """Packages of the Debian release that this machine runs.

    Attributes:
        packages: Their names; the first one's version stands for the part's.
        units: Services of theirs that must not run by themselves on a developer's machine.
    """

    packages: tuple[str, ...]
    units: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"Debian: {' '.join(self.packages)}"


@dataclass(frozen=True)
class GoModule:
    """A program that is built from a Go module.

    Attributes:
        module: Path of the module.
        version: Its pinned version.
        checksum: Checksum of its content, as go.sum has it.
        package: Path of the main package.
        go: Oldest toolchain that builds it.
        stamp: Variable that the linker sets to the version; none if empty.
        main: Folder with the go.mod and go.sum of the main module; one is made from the module's
            own if None.
        files: Programs that are no Go: by name, the module and the path in it. go.sum holds the
            module's content.
    """

    module: str
    version: str
    checksum: str
    package: str
    go: tuple[int, ...]
    stamp: str = ""
    main: Path | None = None
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"Go: {self.module} {self.version}"


@dataclass(frozen=True)
class Part:
    """One genuine part.

    Attributes:
        name: Its name on the command line.
        purpose: What the tests do with it.
        checks: Stand-in or artifact that it is the counterpart of.
        source: Where it comes from.
        programs: Programs that it gives; it is there when all of them are.
    """

    name: str
    purpose: str
    checks: str
    source: Debian | GoModule
    programs: tuple[str, ...]


_PULUMI = "github.com/pulumi/pulumi"

CATALOGUE: Sequence[Part] = (
    Part(
        "postfix",
        "takes the rendered configuration; relays with TLS and login to the smarthost",
        "rehearsal/world/mail (server, queue, routing)",
        Debian(("postfix", "postfix-sqlite", "libsasl2-modules"), ("postfix.service",)),
        ("postfix", "postconf", "postmap", "postqueue"),
    ),
    Part(
        "dovecot",
        "IMAP, LMTP and ManageSieve as people's programs see them",
        "rehearsal/world/mail (imap, store)",
        Debian(
            (
                "dovecot-core",
                "dovecot-imapd",
                "dovecot-lmtpd",
                "dovecot-sieve",
                "dovecot-managesieved",
            ),
            ("dovecot.service", "dovecot.socket"),
        ),
        ("dovecot", "doveadm", "doveconf"),
    ),
    Part(
        "nsd",
        "loads and serves the exported zone",
        "rehearsal/world/dns.py",
        Debian(("nsd",), ("nsd.service",)),
        ("nsd", "nsd-checkzone", "nsd-checkconf"),
    ),
    Part(
        "prometheus",
        "checks alert rules and runs their unit tests; scrapes the exporter",
        "components/monitoring.py",
        Debian(("prometheus",), ("prometheus.service",)),
        ("prometheus", "promtool"),
    ),
    Part(
        "sshd",
        "files and commands on a host over SSH",
        "rehearsal/world/ssh_host.py",
        Debian(("openssh-server", "openssh-client"), ("ssh.service",)),
        ("sshd", "ssh", "ssh-keygen"),
    ),
    Part(
        "nginx",
        "reads paths as Mailcow's web server does, behind the genuine Traefik",
        "components/traefik.py (which paths are shut)",
        Debian(("nginx-light",), ("nginx.service",)),
        ("nginx",),
    ),
    Part(
        "docker",
        "runs the exporter's container",
        "rehearsal/world/docker_engine.py",
        Debian(
            ("docker.io", "containerd"), ("docker.service", "docker.socket", "containerd.service")
        ),
        ("dockerd", "containerd"),
    ),
    Part(
        "iptables",
        "is asked for by the Docker engine",
        "(none: the Docker engine needs it)",
        Debian(("iptables",)),
        ("iptables",),
    ),
    Part(
        "nftables",
        "reads the packet filter's rules in check mode",
        "rehearsal/world/host_tools/nft.py",
        Debian(("nftables",), ("nftables.service",)),
        ("nft",),
    ),
    Part(
        "namespaces",
        "lets packets be sent through the packet filter, apart from this machine's own network",
        "rehearsal/world/host_tools/nft.py",
        Debian(("iproute2", "util-linux")),
        ("ip", "unshare"),
    ),
    Part(
        "chromium",
        "prints and shows the pages that people get",
        "operations/guide",
        Debian(("chromium",)),
        ("chromium",),
    ),
    Part(
        "restic",
        "writes and reads back a backup",
        "rehearsal/world/host_tools/restic.py",
        Debian(("restic",)),
        ("restic",),
    ),
    Part(
        "minio",
        "object storage with buckets, lifecycle and users",
        "rehearsal/world/storage",
        GoModule(
            "github.com/minio/minio",
            "v0.0.0-20260212201848-7aac2a2c5b7c",
            "h1:/qdoYujxF5MBLDMVLeiYJ/7fBa1HikX39Dvzb9Ji8pA=",
            "github.com/minio/minio",
            go=(1, 24),
        ),
        ("minio",),
    ),
    Part(
        "traefik",
        "routes by the rendered dynamic file",
        "rehearsal/world/traefik.py",
        GoModule(
            "github.com/traefik/traefik/v3",
            "v3.6.12",
            "h1:6pe4s7aaDTQs+AsF7KP3sM/xnq7zOVvibRQe5tw9eFo=",
            "github.com/traefik/traefik/v3/cmd/traefik",
            go=(1, 25),
            stamp="github.com/traefik/traefik/v3/pkg/version.Version",
        ),
        ("traefik",),
    ),
    Part(
        "docker-compose",
        "merges the override over the release's compose file",
        "rehearsal/world/host_tools/compose.py",
        GoModule(
            "github.com/docker/compose/v2",
            "v2.40.3",
            "h1:XeYkQu1svDtyfZPv5nTwFryQ25ZJMkIlc4pz9HalMPI=",
            "github.com/docker/compose/v2/cmd",
            go=(1, 24),
            stamp="github.com/docker/compose/v2/internal.Version",
        ),
        ("docker-compose",),
    ),
    Part(
        "pulumi",
        "deploys as the program's users do: a whole life of a stack, policies included",
        "rehearsal/engine",
        GoModule(
            f"{_PULUMI}/pkg/v3",
            "v3.276.0",
            "h1:RKovVWNh+H8qnmbv88QZWirM/HmfBqR28rbnRN3n6FA=",
            f"{_PULUMI}/pkg/v3/cmd/pulumi",
            go=(1, 26, 6),
            stamp=f"{_PULUMI}/sdk/v3/go/common/version.Version",
            main=Path(__file__).parent / "pulumi",
            files={
                "pulumi-language-python-exec": (
                    f"{_PULUMI}/sdk/v3",
                    "python/cmd/pulumi-language-python-exec",
                )
            },
        ),
        ("pulumi",),
    ),
    Part(
        "actionlint",
        "checks the workflow files",
        ".github/workflows",
        GoModule(
            "github.com/rhysd/actionlint",
            "v1.7.7",
            "h1:0KgkoNTrYY7vmOCs9BW2AHxLvvpoY9nEUzgBHiPUr0k=",
            "github.com/rhysd/actionlint/cmd/actionlint",
            go=(1, 18),
        ),
        ("actionlint",),
    ),
)
"""Every genuine part, in the order in which they are installed."""


class UnknownPartError(ValueError):
    """A name that no part has; the message lists those that there are."""


def chosen(names: Iterable[str]) -> list[Part]:
    """Return the parts of these names in the catalogue's order; all of them for none.

    Raises:
        UnknownPartError: a name is no part's.
    """
    wanted = set(names)
    unknown = wanted - {part.name for part in CATALOGUE}
    if unknown:
        known = ", ".join(part.name for part in CATALOGUE)
        raise UnknownPartError(f"no part is called {', '.join(sorted(unknown))}; there are {known}")
    return [part for part in CATALOGUE if not wanted or part.name in wanted]
