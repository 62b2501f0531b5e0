"""Backup: a private bucket, a confined user, everything in it, every day, for long enough."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from declaration.names import BACKUP_UNIT, SECRETS, UNITS
from policies.model import Area, Finding, Resource, Severity
from policies.registry import in_area
from policies.stack import Stack
from readers import storage_policy
from readers.mistake import MistakeError
from readers.systemd.calendar import calendar

rule = in_area(Area.BACKUP)

BUCKET = "minio:index/s3Bucket:S3Bucket"
VERSIONING = "minio:index/s3BucketVersioning:S3BucketVersioning"
LIFECYCLE = "minio:index/ilmPolicy:IlmPolicy"
USER = "minio:index/iamUser:IamUser"
POLICY = "minio:index/iamPolicy:IamPolicy"
ATTACHMENT = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"
SERVICE_ACCOUNT = "minio:index/iamServiceAccount:IamServiceAccount"

_LEAST = {"daily": 7, "weekly": 4, "monthly": 6}
_VOLUMES = {
    "vmail-vol-1": "all mail",
    "crypt-vol-1": "the key without which no mail can be read",
    "redis-vol-1": "DKIM keys and rate limits",
}
_PATHS = (
    "data/conf",
    "data/assets/ssl",
    "data/hooks",
    "mailcow.conf",
    "docker-compose.override.yml",
)
_ALLOWED = re.compile(r"s3:(?:Get|List|Put|Abort)[A-Za-z]*|s3:DeleteObject")
_ADMINISTRATIVE = re.compile(
    r"(?i)s3:(?:Put|Delete)?Bucket|Policy|Lifecycle|Versioning|Acl|Retention"
)


def _buckets(stack: Stack) -> list[Resource]:
    name = stack.declaration.backup.bucket
    return [
        resource for resource in stack.of_type(BUCKET) if stack.text(resource, "bucket") == name
    ]


def _settings(stack: Stack) -> tuple[Resource | None, dict[str, Any]]:
    """Return what the backup on the host is told, and the resource that says it."""
    for path, file in stack.files.items():
        if path.endswith("/backup.json"):
            return file.resource, stack.json(path)
    return None, {}


@rule(
    "backup-there",
    Severity.CRITICAL,
    protects="There is a backup: a bucket, and settings of what is stored in it.",
    reason="What is not backed up is gone with the disk.",
    source="https://docs.mailcow.email/backup_restore/b_n_r-backup/",
    remedy="deploy the backup with its bucket",
)
def _there(stack: Stack) -> Iterator[Finding]:
    key = "mail:backup"
    if not _buckets(stack):
        name = stack.declaration.backup.bucket
        yield Finding(f"there is no bucket {name}", "mail:backup.bucket", seen=name, absent=True)
    if not _settings(stack)[1]:
        yield Finding("nothing tells the backup what to store", key, absent=True)


@rule(
    "bucket-private",
    Severity.CRITICAL,
    protects="The bucket is private, and its content survives a mistake.",
    reason="It holds all mail; a public bucket is found within hours.",
    source="https://min.io/docs/minio/linux/administration/identity-access-management/"
    "policy-based-access-control.html",
    remedy="set acl to private, and force_destroy to nothing",
)
def _private(stack: Stack) -> Iterator[Finding]:
    for resource in stack.of_type(BUCKET):
        acl = stack.text(resource, "acl")
        if acl != "private":
            message = f"the bucket of {resource.name} is {acl or 'whatever the provider says'}"
            yield Finding(message, "mail:backup.bucket", resource, acl)
        if stack.get(resource, "forceDestroy"):
            message = f"{resource.name} is destroyed with everything in it"
            yield Finding(message, "mail:backup.bucket", resource)
    for resource in stack.of_type("minio:index/s3BucketPolicy:S3BucketPolicy"):
        try:
            policy = storage_policy.parse(stack.text(resource, "policy") or "{}")
        except MistakeError as error:
            yield Finding(
                f"{resource.name} cannot be read: {error}", "mail:backup.bucket", resource
            )
            continue
        if storage_policy.lets_strangers(policy):
            message = f"{resource.name} lets everybody into the bucket"
            yield Finding(message, "mail:backup.bucket", resource)


@rule(
    "bucket-versioned",
    Severity.HIGH,
    protects="What is overwritten or deleted can be brought back for the declared time.",
    reason="Whoever takes over the host can delete through its key; versions stay.",
    source="https://min.io/docs/minio/linux/administration/object-management/object-versioning.html",
    remedy="enable versioning, and let versions expire after backup.noncurrentDays",
)
def _versioned(stack: Stack) -> Iterator[Finding]:
    name = stack.declaration.backup.bucket
    if not _buckets(stack):
        return  # `backup-there` says so
    found = [
        resource for resource in stack.of_type(VERSIONING) if stack.text(resource, "bucket") == name
    ]
    if not found:
        yield Finding(f"{name} keeps no versions", "mail:backup.bucket", seen=name, absent=True)
    for item in found:
        status = stack.text(item, "versioningConfiguration", "status")
        if status != "Enabled":
            message = f"versioning of {name} is {status or 'not set'}"
            yield Finding(message, "mail:backup.bucket", item, status)


@rule(
    "bucket-lifecycle",
    Severity.HIGH,
    protects="Old versions end after the declared time, and nothing that is in use ends at all.",
    reason="restic keeps data of many snapshots in one object: one that expires breaks them all.",
    source="https://restic.readthedocs.io/en/stable/060_forget.html",
    remedy="expire noncurrent versions alone, after backup.noncurrentDays",
)
def _lifecycle(stack: Stack) -> Iterator[Finding]:
    backup = stack.declaration.backup
    if not _buckets(stack):
        return
    rules = [
        (resource, entry)
        for resource in stack.of_type(LIFECYCLE)
        if stack.text(resource, "bucket") == backup.bucket
        for entry in stack.get(resource, "rules") or ()
    ]
    days = {int(float(entry.get("noncurrentVersionExpirationDays") or 0)) for _, entry in rules}
    for one, entry in rules:
        expiration = str(entry.get("expiration") or "")
        if expiration not in ("", "DeleteMarker"):
            message = f"objects of the backup expire after {expiration}"
            yield Finding(message, "mail:backup.retention", one, expiration)
    if backup.noncurrent_days not in days:
        resource = rules[0][0] if rules else None
        message = f"old versions do not end after {backup.noncurrent_days} days"
        yield Finding(message, "mail:backup.noncurrentDays", resource, absent=resource is None)


@rule(
    "backup-user-confined",
    Severity.CRITICAL,
    protects="The backup's key opens its own bucket, and can neither change nor open it.",
    reason="It lies on the host; whoever takes the host over has it.",
    source="https://min.io/docs/minio/linux/administration/identity-access-management/"
    "policy-based-access-control.html",
    remedy="name the bucket's ARN and the actions that restic needs, and nothing else",
)
def _confined(stack: Stack) -> Iterator[Finding]:
    for resource in stack.of_type(POLICY, SERVICE_ACCOUNT):
        for statement in _statements(stack.text(resource, "policy")):
            fault = _too_wide(statement, stack.declaration.backup.bucket)
            if fault:
                yield Finding(f"{resource.name} {fault}", "mail:backup.user", resource)
                break
    own = {stack.text(resource, "name") for resource in stack.of_type(POLICY)}
    for resource in stack.of_type(ATTACHMENT):
        given = stack.text(resource, "policyName")
        if given and given not in own:
            message = f"{resource.name} gives the user the policy {given}"
            yield Finding(message, "mail:backup.user", resource, given, absent=True)
    for resource in stack.of_type(SERVICE_ACCOUNT):
        if not stack.text(resource, "policy") and not stack.of_type(ATTACHMENT):
            yield Finding(f"{resource.name} has no policy", "mail:backup.user", resource)
        elif stack.text(resource, "targetUser") not in ("", stack.declaration.backup.user):
            given = stack.text(resource, "targetUser")
            message = f"{resource.name} is a key of {given}"
            yield Finding(message, "mail:backup.user", resource, given)


def _statements(policy: str) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(policy)["Statement"] if policy else []
    except (ValueError, KeyError, TypeError):
        return [{"Effect": "Allow", "Action": "*", "Resource": "*"}]  # what cannot be read is wide
    return list(found) if isinstance(found, list) else [found]


def _listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _too_wide(statement: Mapping[str, Any], bucket: str) -> str | None:
    if statement.get("Effect") != "Allow":
        return None
    if "NotAction" in statement or "NotResource" in statement:
        return "allows everything but something"
    arn = f"arn:aws:s3:::{bucket}"
    for resource in _listed(statement.get("Resource", "*")):
        if resource != arn and not resource.startswith(f"{arn}/"):
            return f"reaches {resource}"
    for action in _listed(statement.get("Action", "*")):
        allowed = _ALLOWED.fullmatch(action)
        reading = action.startswith(("s3:Get", "s3:List"))
        if not allowed or (not reading and _ADMINISTRATIVE.search(action)):
            return f"allows {action}"
    return None


@rule(
    "backup-encrypted",
    Severity.CRITICAL,
    protects="The archives are encrypted before they leave the host, and travel over TLS.",
    reason="They hold all mail and every key of the stack.",
    source="https://restic.readthedocs.io/en/stable/070_encryption.html",
    remedy="give restic a repository over HTTPS and the passphrase in a file of its own",
)
def _encrypted(stack: Stack) -> Iterator[Finding]:
    resource, settings = _settings(stack)
    path = str(settings.get("environment", ""))
    if not settings:
        return
    file = stack.file(path)
    if file is None:
        yield Finding(
            "restic is told no passphrase", "mail:backupPassphrase", resource, absent=True
        )
        return
    if file.text is None:
        return
    given = dict(line.partition("=")[::2] for line in file.text.splitlines() if "=" in line)
    passphrase = given.get("RESTIC_PASSWORD_FILE", "")
    rehearsed = stack.declaration.endpoints.storage is not None
    if passphrase not in stack.files and not given.get("RESTIC_PASSWORD"):
        message = "restic's passphrase is not among the files that are written"
        yield Finding(message, "mail:backupPassphrase", file.resource, absent=True)
    if not given.get("RESTIC_REPOSITORY", "").startswith("s3:https://") and not rehearsed:
        message = "the backup does not travel over TLS"
        yield Finding(message, "mail:backup.server", file.resource)
    elif not given.get("RESTIC_REPOSITORY", "").endswith(f"/{stack.declaration.backup.bucket}"):
        message = "the backup goes to another bucket"
        yield Finding(message, "mail:backup.bucket", file.resource)


@rule(
    "backup-retention",
    Severity.HIGH,
    protects="At least seven daily, four weekly and six monthly snapshots are kept.",
    reason="What was deleted by mistake is often missed only weeks later.",
    source="declaration: backup.retention; https://restic.readthedocs.io/en/stable/060_forget.html",
    remedy="raise backup.retention",
)
def _retention(stack: Stack) -> Iterator[Finding]:
    resource, settings = _settings(stack)
    declared = stack.declaration.backup.retention.model_dump()
    kept = settings.get("keep")
    kept = kept if isinstance(kept, Mapping) else declared
    for kind, least in _LEAST.items():
        key = f"mail:backup.retention.{kind}"
        if declared[kind] < least:
            yield Finding(
                f"{declared[kind]} {kind} snapshots are declared", key, seen=str(declared[kind])
            )
        elif int(kept.get(kind) or 0) != declared[kind]:
            message = (
                f"{kept.get(kind) or 'no'} {kind} snapshots are kept, {declared[kind]} declared"
            )
            yield Finding(message, key, resource, str(kept.get(kind)))


@rule(
    "backup-daily",
    Severity.HIGH,
    protects="The backup runs every day, at the declared time, and later if the host was off.",
    reason="A day of mail is the most that may be lost.",
    source="systemd.time(7), calendar events; systemd.timer(5), Persistent=",
    remedy='declare a schedule such as "*-*-* 03:00:00 UTC"',
)
def _daily(stack: Stack) -> Iterator[Finding]:
    written, key = stack.declaration.backup.schedule, "mail:backup.schedule"
    try:
        declared = calendar(written)
    except MistakeError as error:
        yield Finding(f"{written} is no time: {error.mistake.reason}", key, seen=written)
        return
    if not declared.every_day:
        yield Finding(f"{written} is not every day", key, seen=written)
        return
    timer = stack.units.get(f"{BACKUP_UNIT}.timer")
    if timer is None or timer.mistakes:
        return  # `units-switched-on` or `units-stand` says so
    resource = stack.files[f"{UNITS}/{timer.name}"].resource
    if timer.calendars != [declared]:
        given = ", ".join(timer.values("Timer", "OnCalendar")) or "no time"
        yield Finding(f"the timer runs at {given}, declared is {written}", key, resource, given)
    elif not timer.makes_up:
        message = "a run that is missed, the host being off, is not made up for (Persistent)"
        yield Finding(message, key, resource, timer.name)


@rule(
    "backup-complete",
    Severity.CRITICAL,
    protects="Everything that cannot be made anew is stored, what Mailcow's own leaves out too.",
    reason="A restore without the crypt key is unreadable mail; Mailcow's script leaves out"
    " data/conf, the certificate, the override and the hooks.",
    source="https://docs.mailcow.email/backup_restore/b_n_r-backup/; "
    "helper-scripts/backup_and_restore.sh",
    remedy="name the volume or path in the settings of the backup",
)
def _complete(stack: Stack) -> Iterator[Finding]:
    resource, settings = _settings(stack)
    if not settings:
        return
    volumes = {str(volume) for volume in (settings.get("volumes") or {}).values()}
    for volume, what in _VOLUMES.items():
        if volume not in volumes:
            message = f"{volume} is not stored: {what}"
            yield Finding(message, "mail:backup", resource, volume)
    directory = stack.declaration.mailcow.directory
    paths = [str(path).rstrip("/") for path in (settings.get("paths") or {}).values()]
    for path in (*(f"{directory}/{path}" for path in _PATHS), SECRETS):
        if not any(f"{path}/".startswith(f"{item}/") for item in paths):
            yield Finding(f"{path} is not stored", "mail:backup", resource, path)


@rule(
    "backup-of-this-stack",
    Severity.HIGH,
    protects="The backup stores this project, and reports where it is watched.",
    reason="A backup of another project's volumes is a good run and no backup.",
    source="https://docs.docker.com/compose/how-tos/project-name/",
    remedy="render the settings from mailcow.project and monitoring.textfileDirectory",
)
def _of_this_stack(stack: Stack) -> Iterator[Finding]:
    resource, settings = _settings(stack)
    mailcow = stack.declaration.mailcow
    wanted = {"project": mailcow.project, "directory": mailcow.directory}
    for name, value in wanted.items() if settings else ():
        if settings.get(name) != value:
            given = str(settings.get(name))
            yield Finding(
                f"the backup stores the {name} {given}", f"mail:mailcow.{name}", resource, given
            )
    metrics = str(settings.get("metrics", ""))
    folder = stack.declaration.monitoring.textfile_directory
    if settings and metrics.rpartition("/")[0] != folder:
        message = f"the backup reports to {metrics or 'nobody'}"
        yield Finding(message, "mail:monitoring.textfileDirectory", resource, metrics)


@rule(
    "drill-in-time",
    Severity.HIGH,
    protects="The backup was restored and compared, not longer ago than declared.",
    reason="A backup that was never restored is a hope: what is missing shows only then.",
    source="declaration: backup.drillEveryDays; evidence/<stack>/drill.json, written by make drill",
    remedy="hold the drill (make drill OPTIONS=--live) and commit its certificate",
)
def _drill_in_time(stack: Stack) -> Iterator[Finding]:
    backup, found = stack.declaration.backup, stack.evidence.get("drill") or {}
    if not found:
        by, key = backup.first_drill_by, "mail:backup.firstDrillBy"
        if by is None:
            yield Finding("no drill is on record; hold the first one", key, note=True)
        elif stack.today > by:
            yield Finding(
                f"no drill is on record, and the first was due by {by}", key, seen=str(by)
            )
        return
    key = "mail:backup.drillEveryDays"
    fault = _not_of_this_stack(stack, found)
    held = _day(found.get("held"))
    if fault or held is None:
        yield Finding(f"the certificate of the drill {fault or 'has no date'}", key)
    elif held > stack.today + timedelta(days=1):
        yield Finding(f"the drill of {held} lies in the future", key, seen=str(held))
    elif (stack.today - held).days > backup.drill_every_days:
        age = (stack.today - held).days
        message = f"the last drill is {age} days old, declared are {backup.drill_every_days}"
        yield Finding(message, key, seen=str(held))


def _not_of_this_stack(stack: Stack, found: Mapping[str, Any]) -> str | None:
    declaration = stack.declaration
    if found.get("good") is not True:
        return "is not of a good one"
    if found.get("rehearsed") is not False:
        return "is of a rehearsal, which says nothing of the real backup"
    wanted = {"domain": declaration.domain, "bucket": declaration.backup.bucket}
    differing = [name for name, value in wanted.items() if found.get(name) != value]
    return f"is of another {differing[0]}" if differing else None


def _day(text: object) -> date | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).date()
    except ValueError:
        return None
