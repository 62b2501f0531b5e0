"""The inventory: every object that is made follows from the declaration, and says what it says.

A closed world: nobody can think of every file, user, policy, job or key that does harm, so one that
is not in the inventory is refused by its name. Records of the zone have such a rule of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from declaration.names import (
    AUTHORITIES,
    BACKUP_ENVIRONMENT,
    BACKUP_PASSPHRASE,
    BACKUP_SETTINGS,
    DRILL_SETTINGS,
    EXPORTER,
    FIREWALL_RULES,
    PROGRAMS,
    PROJECT,
    SECRETS,
    UNITS,
)
from declaration.people import goto
from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.rules import backup, people, units
from policies.stack import (
    ALIAS,
    COMMAND,
    CONTAINER,
    DOMAIN,
    FILE,
    IMAGE,
    MAILBOX,
    SECRET,
    SYNC_JOB,
    Stack,
)
from policies.zone import DNS_RECORD

rule = in_area(Area.HOST)

_PROGRAM, _OPEN, _CLOSED, _GROUP = "0755", "0644", "0600", "0640"
_IDENTITY = {
    FILE: ("path",), SECRET: ("path",), DOMAIN: ("domain",), MAILBOX: ("localPart", "domain"),
    ALIAS: ("address",), SYNC_JOB: ("username", "host1", "user1"), CONTAINER: ("name",),
    backup.BUCKET: ("bucket",), backup.VERSIONING: ("bucket",), backup.LIFECYCLE: ("bucket",),
    backup.USER: ("name",), backup.POLICY: ("name",), backup.SERVICE_ACCOUNT: ("targetUser",),
    backup.ATTACHMENT: ("userName", "policyName"), IMAGE: (),
}  # fmt: skip
"""Properties by which an object of a type is known; others are known by their resource's name."""
_FORBIDDEN: dict[str, dict[str, Any]] = {
    DOMAIN: {"active": False, "backupmx": True, "relayAllRecipients": True,
             "relayUnknownOnly": True},
    MAILBOX: {"active": (0, 2), "imapAccess": False, "smtpAccess": False, "authsource": ("ldap",
              "keycloak", "generic-oidc")},
    ALIAS: {"active": False, "gotoNull": True, "gotoSpam": True, "gotoHam": True,
            "internal": True},
    backup.USER: {"disableUser": True, "forceDestroy": True},
    backup.BUCKET: {"objectLocking": None, "quota": None},
    backup.SERVICE_ACCOUNT: {"disableUser": True},
    backup.VERSIONING: {"versioningConfiguration.excludedPrefixes": None,
                        "versioningConfiguration.excludeFolders": True},
}  # fmt: skip
"""Values that take from an object what it is for; None for any value at all."""


@dataclass(frozen=True)
class _Item:
    """One object that follows from the declaration.

    Attributes:
        type: Type of its resource.
        identity: Values of what it is known by.
        key: Key in the declaration.
        values: Properties with the value that follows from the declaration.
    """

    type: str
    identity: tuple[str, ...]
    key: str = "mail"
    values: Mapping[str, Any] = field(default_factory=dict)


def _items(stack: Stack) -> dict[tuple[str, tuple[str, ...]], _Item]:
    """Return what follows from the declaration, by type and identity."""
    return stack.once(
        "inventory",
        lambda watch: {
            (item.type, item.identity): item
            for part in (_host, _people, _storage, _accounts)
            for item in part(watch)
        },
    )


def _file(path: str, mode: str, key: str) -> _Item:
    return _Item(FILE, (path,), key, {"mode": mode})


def _host(stack: Stack) -> Iterator[_Item]:
    declaration = stack.declaration
    monitoring, directory = declaration.monitoring, declaration.mailcow.directory
    watched = ["dnsbl"] if monitoring.dnsbl else []
    programs = ["machine", "release", "certificate_delivery", "settings_guard", "stack", "backup",
                "archives", "inventory", "restored_mail", "drill", "queue_metrics",
                *watched]  # fmt: skip
    yield from (_file(f"{PROGRAMS}/{name}.py", _PROGRAM, "mail") for name in programs)
    yield from (_file(f"{UNITS}/{name}", _OPEN, "mail") for name, _ in units.written(stack))
    if stack.names.ca_bundle is not None:
        yield _file(AUTHORITIES, _OPEN, "mail:endpoints.caBundle")
    yield _file(FIREWALL_RULES, _OPEN, "mail:mailcow.rawPorts")
    yield _file(f"{declaration.traefik.dynamic_directory}/{PROJECT}.yml", _OPEN, "mail:traefik")
    postfix = f"{directory}/data/conf/postfix"
    for path, mode, key in (
        (f"{postfix}/smarthost_passwd", _GROUP, "mail:smarthost"),
        (f"{postfix}/smarthost_tls_policy", _OPEN, "mail:smarthost"),
        (f"{postfix}/extra.cf", _OPEN, "mail:smarthost"),
        (f"{directory}/mailcow.conf", _CLOSED, "mail:mailcow"),
        (f"{directory}/docker-compose.override.yml", _OPEN, "mail:mailcow.services"),
        (BACKUP_SETTINGS, _OPEN, "mail:backup"), (DRILL_SETTINGS, _OPEN, "mail:backup"),
        (BACKUP_PASSPHRASE, _CLOSED, "mail:backup"), (BACKUP_ENVIRONMENT, _CLOSED, "mail:backup"),
        (f"{monitoring.prometheus_directory}/rules/{PROJECT}.yml", _OPEN, "mail:monitoring"),
        (f"{monitoring.grafana_directory}/{PROJECT}.json", _OPEN, "mail:monitoring"),
    ):  # fmt: skip
        yield _file(path, mode, key)
    scrape = f"{monitoring.prometheus_directory}/scrape/{PROJECT}.yml"
    shared = {"mode": _GROUP, "group": str(monitoring.prometheus_group)}
    yield _Item(FILE, (scrape,), "mail:monitoring", shared)
    if declaration.zone.mta_sts is not None:
        for name in ("site.mta-sts.custom", "mta-sts.txt"):
            yield _file(f"{directory}/data/conf/nginx/{name}", _OPEN, "mail:zone.mtaSts")
    for name, least in (
        ("database", 20), ("database-root", 20), ("redis", 20), ("sogo-url-key", 16),
        ("dovecot-master", 20), ("api-key", 30), ("api-key-read-only", 30), ("exporter-token", 30),
    ):  # fmt: skip
        yield _Item(SECRET, (f"{SECRETS}/{name}",), values={"length": range(least, 129)})
    schedules = ["certificate-schedule", "backup-schedule", "queue-metrics-schedule"]
    schedules += ["dnsbl-metrics-schedule"] if monitoring.dnsbl else []
    commands = ("host-directories", "firewall", "mailcow-release", "mailcow-settings-guard",
                "certificate-delivery", "mailcow", *schedules)  # fmt: skip
    yield from (_Item(COMMAND, (name,)) for name in commands)
    yield _Item(CONTAINER, (EXPORTER,), "mail:monitoring")
    yield _Item(IMAGE, (), "mail:monitoring.exporterImage")


def _people(stack: Stack) -> Iterator[_Item]:
    declaration, domain = stack.declaration, stack.declaration.domain
    disk = declaration.host.disk_gib * 1024
    whole = {"quota": disk, "maxquota": disk, "defquota": range(1, disk + 1)}
    yield _Item(DOMAIN, (domain,), "mail:domain", whole)
    for mailbox in declaration.mailboxes:
        key = people.key_of(stack, f"{mailbox.name}@{domain}")
        values = {"quota": mailbox.quota_mib, "name": mailbox.full_name}
        yield _Item(MAILBOX, (mailbox.name, domain), key, values)
    for alias in declaration.aliases:
        address = f"{alias.name}@{domain}"
        targets = [target.lower() for target in goto(alias, domain)]
        yield _Item(ALIAS, (address,), people.key_of(stack, address), {"goto": targets})
    for source in declaration.imports:
        identity = (f"{source.mailbox}@{domain}", source.server, source.user)
        values = {"port1": source.port, "delete2duplicates": False, "subfolder2": source.folder}
        yield _Item(SYNC_JOB, identity, "mail:imports", values)


def _storage(stack: Stack) -> Iterator[_Item]:
    settings, key = stack.declaration.backup, "mail:backup"
    yield _Item(backup.BUCKET, (settings.bucket,), "mail:backup.bucket")
    yield _Item(backup.VERSIONING, (settings.bucket,), "mail:backup.bucket")
    ends = {"rules": [{"noncurrentVersionExpirationDays": settings.noncurrent_days}]}
    yield _Item(backup.LIFECYCLE, (settings.bucket,), "mail:backup.noncurrentDays", ends)
    for kind, identity in (
        (backup.USER, (settings.user,)), (backup.POLICY, (settings.user,)),
        (backup.ATTACHMENT, (settings.user, settings.user)),
        (backup.SERVICE_ACCOUNT, (settings.user,)),
    ):  # fmt: skip
        yield _Item(kind, identity, key)


def _accounts(stack: Stack) -> Iterator[_Item]:
    names, ssh = stack.names, stack.names.ssh
    yield _Item("pulumi:providers:cloudflare", ("cloudflare",))
    where = {"address": ssh.address, "user": ssh.user, "port": ssh.port}
    yield _Item("pulumi:providers:host", ("host",), "mail:host", where)
    yield _Item("pulumi:providers:docker", ("docker",), "mail:host", {"host": names.docker})
    server = {"minioServer": names.storage.server}
    yield _Item("pulumi:providers:minio", ("minio",), "mail:backup.server", server)
    api = {"endpoint": f"https://{names.administration}", "connectTo": names.web}
    yield _Item("pulumi:providers:mailcow", ("mailcow",), "mail:web.admin", api)


def _identity(stack: Stack, resource: Resource) -> tuple[str, ...]:
    properties = _IDENTITY.get(resource.type)
    if properties is None:
        return (resource.name,)
    return tuple(stack.text(resource, name) for name in properties)


@rule(
    "resources-declared",
    Severity.HIGH,
    protects="Every file, secret, command, person, user and policy follows from the declaration.",
    reason="An administrator, a key, a job or a file that nobody declared is a way in that nobody"
    " closes; one that is missing is a part that does not work.",
    source="docs/declaration.md",
    remedy="declare what it is for, or take it out; let the component make what is missing",
    yields=True,
)
def _inventory(stack: Stack) -> Iterator[Finding]:
    missing = dict(_items(stack))
    for resource in stack.resources:
        if resource.type.startswith(("mail:components:", "pulumi:pulumi:")):
            continue
        if resource.is_provider and resource.name.startswith("default"):
            continue  # the engine makes those by itself
        if resource.type == DNS_RECORD:
            continue  # `records-declared` judges those
        identity = _identity(stack, resource)
        if missing.pop((resource.type, identity), None) is None and all(identity):
            shown = " ".join(identity) or resource.name
            message = f"{resource.name} ({resource.type}, {shown}) follows from no declaration"
            yield Finding(f"{message}, or stands twice", "mail", resource, shown, absent=True)
    for (kind, identity), item in missing.items():
        message = f"{' '.join(identity) or kind} ({kind}) is declared and not made"
        yield Finding(message, item.key, seen=" ".join(identity) or kind, absent=True)


@rule(
    "resources-as-declared",
    Severity.HIGH,
    protects="What is made is as it was declared: modes, quotas, targets, accounts, switches.",
    reason="A mailbox that is switched off, an alias that throws mail away, a domain that relays or"
    " an account at another address looks like the declared one.",
    source="docs/declaration.md; https://docs.mailcow.email/manual-guides/mailcow-UI/",
    remedy="let the component make it again; what it should be stands in the declaration",
    yields=True,
)
def _as_declared(stack: Stack) -> Iterator[Finding]:
    items = _items(stack)
    for resource in stack.resources:
        if resource.type == DNS_RECORD or resource.type.startswith("mail:components:"):
            continue
        item = items.get((resource.type, _identity(stack, resource)))
        fault = _fault(stack, resource, item.values if item else {})
        if fault:
            key = item.key if item else "mail"
            yield Finding(f"{resource.name} has {fault}", key, resource)


def _fault(stack: Stack, resource: Resource, values: Mapping[str, Any]) -> str | None:
    for name, wanted in values.items():
        value = stack.get(resource, name)
        if not matches(value, wanted) and not _waiting(stack, resource):
            return f"{name} {value}, where {shown(wanted)} is declared"
    for path, bad in _FORBIDDEN.get(resource.type, {}).items():
        value = stack.get(resource, *path.split("."))
        wrong = (
            bool(value) if bad is None else value in bad if isinstance(bad, tuple) else value is bad
        )
        if value is not None and wrong:
            return f"{path} {value}, which nobody declared"
    return None


def _waiting(stack: Stack, resource: Resource) -> bool:
    return any(met is resource for met, _ in stack.met)


def shown(wanted: Any) -> str:
    """Return what was declared as a person reads it."""
    return f"at least {wanted.start}" if isinstance(wanted, range) else str(wanted)


def matches(value: Any, wanted: Any) -> bool:
    """Tell whether a value is the declared one; a range where any within it will do."""
    if isinstance(wanted, range):
        return isinstance(value, int | float) and int(value) in wanted
    if isinstance(wanted, bool) or wanted is None:
        return value is wanted
    if isinstance(wanted, int):
        return str(value).removesuffix(".0") == str(wanted)
    if isinstance(wanted, str):
        return str("" if value is None else value) == wanted
    if isinstance(wanted, list) and wanted and isinstance(wanted[0], Mapping):
        entries = value if isinstance(value, list) else []
        return len(entries) == len(wanted) and all(
            isinstance(entry, Mapping)
            and all(matches(entry.get(key), part) for key, part in item.items())
            for entry, item in zip(entries, wanted, strict=True)
        )
    return sorted(str(each).lower() for each in value or ()) == sorted(wanted)
