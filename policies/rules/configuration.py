"""Configuration on the host: what files and commands say is what was declared, and nothing else.

The closed world of settings: a switch that nobody declared on is off, one that nobody knows is
refused by its name. What a setting is worth to others has rules of its own.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from declaration.mailcow import PORT_VARIABLES
from declaration.names import (
    BACKUP_ENVIRONMENT,
    BACKUP_SETTINGS,
    BASE,
    DRILL_SETTINGS,
    PROGRAMS,
    SECRETS,
    STATE,
)
from policies.model import Area, Finding, Severity
from policies.registry import in_area
from policies.rules.containers import INNER_PORTS
from policies.rules.inventory import matches, shown
from policies.stack import COMMAND, Stack

rule = in_area(Area.HOST)

_ANY = range(1, 100_000)
"""A number within reason: of seconds, megabytes, lines."""
_LONG = re.compile(r"[A-Za-z0-9-]{16,}")
_SECRETS = ("DBPASS", "DBROOT", "REDISPASS", "API_KEY", "API_KEY_READ_ONLY",
            "SOGO_URL_ENCRYPTION_KEY", "DOVECOT_MASTER_PASS")  # fmt: skip


def _yes(on: bool) -> str:  # noqa: FBT001 - Mailcow's own spelling
    return "y" if on else "n"


def _conf(stack: Stack) -> dict[str, Any]:
    """Return what `mailcow.conf` must set; a pattern where any such text will do."""
    declaration, names = stack.declaration, stack.names
    mailcow = declaration.mailcow
    ports = (*PORT_VARIABLES, *INNER_PORTS)
    off = ("ADDITIONAL_SAN",)
    no = ("AUTODISCOVER_SAN", "ACME_DNS_CHALLENGE", "ENABLE_SSL_SNI", "ALLOW_ADMIN_EMAIL_LOGIN",
          "WEBAUTHN_ONLY_TRUSTED_VENDORS", "WATCHDOG_NOTIFY_BAN", "WATCHDOG_NOTIFY_START",
          "WATCHDOG_EXTERNAL_CHECKS", "DISABLE_NETFILTER_ISOLATION_RULE",
          "SKIP_UNBOUND_HEALTHCHECK")  # fmt: skip
    either = ("SKIP_IP_CHECK", "SKIP_HTTP_VERIFICATION", "WATCHDOG_VERBOSE")
    return {
        # `ports-published` and `api-narrow` judge what these open.
        **dict.fromkeys(ports, re.compile(r"(127\.0\.0\.1:)?\d+")),
        **dict.fromkeys(off, ""), **dict.fromkeys(no, "n"),
        **dict.fromkeys(either, re.compile("[yn]")), **dict.fromkeys(_SECRETS, _LONG),
        "MAILCOW_HOSTNAME": names.mail_host, "TZ": mailcow.time_zone,
        "COMPOSE_PROJECT_NAME": mailcow.project, "DOCKER_COMPOSE_VERSION": "native",
        "DBNAME": "mailcow", "DBUSER": "mailcow", "MAILDIR_SUB": "Maildir",
        "HTTP_PORT": mailcow.http_port, "HTTPS_PORT": mailcow.https_port,
        "HTTP_BIND": names.backend_address, "HTTPS_BIND": names.backend_address,
        "HTTP_REDIRECT": re.compile("[yn]"), "TRUSTED_PROXIES": names.proxy_network,
        "ADDITIONAL_SERVER_NAMES": f"{names.administration},{names.webmail}",
        # Traefik gets the certificate; an ACME of Mailcow's own would write over it.
        "SKIP_LETS_ENCRYPT": "y", "ACME_DNS_PROVIDER": re.compile(".*"),
        "ACME_ACCOUNT_EMAIL": re.compile(".*"),
        "SKIP_CLAMD": _yes(mailcow.skip_clamd), "SKIP_OLEFY": _yes(mailcow.skip_olefy),
        "SKIP_SOGO": _yes(mailcow.skip_sogo), "SKIP_FTS": _yes(mailcow.skip_fts),
        "FTS_HEAP": re.compile(r"[1-9]\d{1,3}"), "FTS_PROCS": re.compile(r"[1-9]\d?"),
        "MAILCOW_PASS_SCHEME": re.compile("BLF-CRYPT|ARGON2ID?|PBKDF2|SHA512-CRYPT"),
        "ACL_ANYONE": "disallow", "MAILDIR_GC_TIME": re.compile(r"[1-9]\d{1,5}"),
        "SOGO_EXPIRE_SESSION": re.compile(r"[1-9]\d{0,4}"),
        "USE_WATCHDOG": "y", "LOG_LINES": re.compile(r"[1-9]\d{1,5}"),
        "IPV4_NETWORK": mailcow.ipv4_network, "IPV6_NETWORK": re.compile(r"f[cd][0-9a-f:]+/\d+"),
        "ENABLE_IPV6": "true" if names.ipv6 else "false",
        "API_ALLOW_FROM": re.compile(".+"), "DOVECOT_MASTER_USER": re.compile(r"\w+"),
        "SPAMHAUS_DQS_KEY": re.compile("[A-Za-z0-9]*"),
    }  # fmt: skip


@rule(
    "mailcow-conf-as-declared",
    Severity.HIGH,
    protects="mailcow.conf switches on what was declared, and nothing else.",
    reason="One variable lets Mailcow's own ACME write over the certificate, stores passwords in"
    " clear, lets everybody share folders or takes the watchdog away.",
    source="https://docs.mailcow.email/getstarted/install/; mailcow.conf of the release",
    remedy="let the component write the file again",
    yields=True,
)
def _mailcow_conf(stack: Stack) -> Iterator[Finding]:
    file, key = stack.mailcow_file("mailcow.conf"), "mail:mailcow"
    if file is None or file.text is None:
        return
    conf, wanted = stack.mailcow_conf, _conf(stack)
    for name, value in conf.items():
        if name not in wanted:
            message = f"mailcow.conf sets {name}, which follows from no declaration"
            yield Finding(message, key, file.resource, name)
        elif not _fits(value, wanted[name]):
            said = "a value that is none" if name in _SECRETS else value or "nothing"
            message = f"mailcow.conf sets {name} to {said}, which follows from no declaration"
            yield Finding(message, key, file.resource, name)
    for name in wanted.keys() - conf.keys():
        message = f"mailcow.conf does not set {name}: what the release says holds"
        yield Finding(message, key, file.resource, name)


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.fullmatch(value) is not None
    return matches(value, wanted)


# What the programs on the host are told


def _backup_settings(stack: Stack) -> dict[str, Any]:
    mailcow, names = stack.declaration.mailcow, stack.names
    inside = {"configuration": "data/conf", "certificates": "data/assets/ssl",
              "hooks": "data/hooks", "limits": "docker-compose.override.yml",
              "mailcow-conf": "mailcow.conf"}  # fmt: skip
    own = {"web-settings": "data/web/inc/vars.local.inc.php",
           "web-style": "data/web/css/build/0081-custom-mailcow.css"}  # fmt: skip
    volumes = ("vmail", "crypt", "redis", "rspamd", "postfix")
    textfiles = stack.declaration.monitoring.textfile_directory
    return {
        "project": mailcow.project, "directory": mailcow.directory, "host": names.mail_host,
        "release": mailcow.release.tag, "database": "mailcow", "state": STATE,
        "environment": BACKUP_ENVIRONMENT, "metrics": f"{textfiles}/po_mail_backup.prom",
        "keep": stack.declaration.backup.retention.model_dump(),
        "checkPercent": range(1, 101), "patienceSeconds": range(60, 3601),
        "volumes": {**{name: f"{name}-vol-1" for name in volumes},
                    "sogo": "sogo-userdata-backup-vol-1"},
        "paths": {**{name: f"{mailcow.directory}/{path}" for name, path in inside.items()},
                  "secrets": SECRETS},
        "optionalPaths": {name: f"{mailcow.directory}/{path}" for name, path in own.items()},
    }  # fmt: skip


def _drill_settings(stack: Stack) -> dict[str, Any]:
    textfiles = stack.declaration.monitoring.textfile_directory
    memory = dict.fromkeys(("mysql", "redis", "dovecot"), range(64, 4097))
    return {
        "backup": BACKUP_SETTINGS, "project": f"{stack.declaration.mailcow.project}-drill",
        "scratch": f"{BASE}/drill", "metrics": f"{textfiles}/po_mail_drill.prom",
        "memoryMib": memory,
    }  # fmt: skip


def _environment(stack: Stack) -> dict[str, Any]:
    settings = stack.declaration.backup
    return {
        "RESTIC_REPOSITORY": f"s3:{stack.names.storage.url}/{settings.bucket}",
        "RESTIC_PASSWORD_FILE": re.compile(rf"{re.escape(SECRETS)}/[\w-]+"),
        "AWS_ACCESS_KEY_ID": re.compile(r"[!-~]{8,}"),
        "AWS_SECRET_ACCESS_KEY": re.compile(r"[!-~]{8,}"),
        "AWS_DEFAULT_REGION": settings.region,
    }


@rule(
    "backup-as-declared",
    Severity.HIGH,
    protects="Backup and drill are told what follows from the declaration, and nothing else.",
    reason="A database of another name, a volume in another's place or a share of nothing that is"
    " read back makes a backup that looks well until it is needed.",
    source="docs/restore.md; https://restic.readthedocs.io/en/stable/045_working_with_repos.html",
    remedy="let the component write the file again",
    yields=True,
)
def _told(stack: Stack) -> Iterator[Finding]:
    key = "mail:backup"
    for path, wanted in ((BACKUP_SETTINGS, _backup_settings(stack)),
                         (DRILL_SETTINGS, _drill_settings(stack))):  # fmt: skip
        file = stack.file(path)
        if file is None or file.text is None:
            continue
        for place, fault in _differences(stack.json(path), wanted):
            name = path.rpartition("/")[2]
            yield Finding(f"{name}: {place} {fault}", key, file.resource, place)
    file, expected = stack.file(BACKUP_ENVIRONMENT), _environment(stack)
    lines = [] if file is None else (file.text or "").splitlines()
    given = dict(line.partition("=")[::2] for line in lines if line.strip())
    if file is None or file.text is None:
        return
    for name in sorted(given.keys() ^ expected.keys()):
        message = f"backup.env {'sets' if name in given else 'does not set'} {name}"
        yield Finding(f"{message}, which follows from no declaration", key, file.resource, name)
    for name, value in given.items():
        if name in expected and not _fits(value, expected[name]):
            # What it holds may be a secret.
            message = f"backup.env sets {name} to what follows from no declaration"
            yield Finding(message, key, file.resource, name)


def _differences(given: Any, wanted: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not isinstance(given, Mapping):
        yield "the whole", "is no mapping"
        return
    for name in given.keys() - wanted.keys():
        yield str(name), "follows from no declaration"
    for name, value in wanted.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{place}", fault)
                        for place, fault in _differences(given.get(name, {}), value))  # fmt: skip
        elif not _fits(given.get(name), value):
            yield name, f"is {given.get(name)}, and {shown(value)} is declared"


# Commands


def _options(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the options of each program that a command starts, by the name of the command."""
    declaration, names = stack.declaration, stack.names
    mailcow, monitoring = declaration.mailcow, declaration.monitoring
    place = {"--directory": mailcow.directory, "--project": mailcow.project}
    guard = {"--conf": f"{mailcow.directory}/mailcow.conf", "--file": f"{STATE}/first-start.json"}
    release = f"{names.release.tag}@{names.release.commit}"
    delivery = {
        **place, "--acme": declaration.traefik.acme_storage, "--host": names.mail_host,
        "--resolver": declaration.traefik.certificate_resolver, "--state": STATE,
        "--metrics": monitoring.textfile_directory, "--wait": "600",
    }  # fmt: skip
    return {
        "mailcow-release": {"--directory": mailcow.directory, "--state": STATE},
        "mailcow-settings-guard": guard,
        "mailcow": {**place, **guard, "--memory": f"{STATE}/stack.json", "--release": release},
        "certificate-delivery": {} if names.existing_certificate else delivery,
    }


_POSTFIX = "--watch postfix-mailcow=data/conf/postfix"
_PARTS = {
    "mailcow": (" --note", f"{_POSTFIX}/extra.cf=", f"{_POSTFIX}/smarthost_passwd=",
                f"{_POSTFIX}/smarthost_tls_policy="),
    "host-directories": ("install -d -m 0755", PROGRAMS, "install -d -m 0700", SECRETS, STATE),
}  # fmt: skip
"""What else must stand in a command."""


@rule(
    "commands-as-declared",
    Severity.HIGH,
    protects="Commands on the host act on the declared places, and an update does what a first run"
    " does.",
    reason="A program that is given another folder, file or release does its work where nobody"
    " looks.",
    source="https://www.pulumi.com/registry/packages/command/api-docs/remote/command/",
    remedy="let the component make the command again",
    yields=True,
)
def _commands(stack: Stack) -> Iterator[Finding]:
    options = _options(stack)
    for resource in stack.of_type(COMMAND):
        text = stack.text(resource, "create")
        update = stack.text(resource, "update")
        for fault in _command_faults(stack, resource.name, text, options.get(resource.name, {})):
            yield Finding(f"{resource.name} {fault}", "mail", resource)
            break
        else:
            if text and update and update != text:
                message = f"{resource.name} does another thing in an update than at first"
                yield Finding(message, "mail", resource)


def _command_faults(stack: Stack, name: str, text: str, wanted: Mapping[str, str]) -> Iterator[str]:
    if not text:
        return
    words = shlex.split(text.replace("\n#", "\n # "), comments=True)
    for option, value in wanted.items():
        given = {words[index + 1] for index, word in enumerate(words[:-1]) if word == option}
        if given != {value}:
            yield f"is given {option} {' '.join(sorted(given)) or 'nothing'}, not {value}"
    if name == "mailcow-release":
        looked = {words[index + 1] for index, word in enumerate(words[:-1]) if word == "--service"}
        for service in sorted(stack.declaration.mailcow.services.keys() - looked):
            yield f"does not look for {service}"
    for part in _PARTS.get(name, ()):
        if part not in text:
            yield f"lacks {part}"
