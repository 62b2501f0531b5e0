"""The backup: a private bucket, a user confined to it, encrypted archives, every day.

Mailcow's own script ends with status 0 when it failed, and leaves out the configuration and the
certificate. So the host runs a program of ours (`components/onhost/backup.py`): it dumps the
database, stores every part in one restic snapshot, looks at the snapshot again, and only then thins
out the old ones. restic encrypts before anything leaves the host.

The bucket is versioned, and the host's key can delete objects but no versions: whoever takes the
host over can hide the archives, and for `noncurrentDays` the storage's administrator brings them
back.
"""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import pulumi
import pulumi_command as command
import pulumi_minio as minio
from pydantic import Field, PositiveInt

import pulumi_host
from components import drill
from components.remote import BASE, PROGRAMS, SECRETS, STATE, UNITS, on_host, program_file
from components.settings import Settings
from components.units import Service, render_service, render_timer, run_program

if TYPE_CHECKING:  # the declaration is made of the parts, which must not import it back
    from components.declaration import Declaration


class RetentionSettings(Settings):
    """How many snapshots are kept of each kind; restic's kinds overlap."""

    daily: PositiveInt = 7
    """The last of each of the last N days."""
    weekly: PositiveInt = 4
    """The last of each of the last N weeks."""
    monthly: PositiveInt = 6
    """The last of each of the last N months."""


_PERIODS = {"daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m"}
"""What makes two moments belong to the same day, week (ISO 8601) or month."""


def kept_days(moments: Sequence[datetime], keep: RetentionSettings) -> list[datetime]:
    """Return which snapshots restic keeps of those that there are, the oldest first.

    Each kind keeps the last snapshot of each of its last N periods that have one; the kinds
    overlap (https://restic.readthedocs.io/en/stable/060_forget.html).

    Args:
        moments: When the snapshots were made, in UTC.
        keep: How many are kept of each kind.
    """
    newest_first, kept = sorted(moments, reverse=True), set[datetime]()
    for kind, number in keep.model_dump().items():
        last: dict[str, datetime] = {}
        for moment in newest_first:
            last.setdefault(moment.strftime(_PERIODS[kind]), moment)
        kept.update(list(last.values())[:number])
    return sorted(kept)


class BackupSettings(Settings):
    """What runs every night, and where it goes."""

    server: str = Field(pattern=r"^[a-z0-9.-]+(:\d+)?$")
    """MinIO server as host:port, spoken to over TLS."""
    bucket: str = Field("po-mail-backups", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Bucket, private and versioned."""
    region: str = "eu-west-1"
    """Region of the bucket as MinIO reports it; within the EU."""
    user: str = "po-mail-backup"
    """MinIO user of the backup, confined to the bucket."""
    schedule: str = "*-*-* 03:00:00 UTC"
    """When it runs, as a systemd calendar expression."""
    retention: RetentionSettings = RetentionSettings()
    """What is kept."""
    noncurrent_days: int = Field(30, ge=7)
    """Days that an overwritten or deleted object can still be brought back."""
    drill_every_days: int = Field(90, ge=1)
    """How old the last restore drill may be. A policy refuses the stack when it is older."""
    first_drill_by: date | None = None
    """Until when the first restore drill will have been held; a policy refuses the stack from the
    day after, unless there is a certificate. Without a date, a missing certificate is only noted,
    and the alert MailDrillOld is raised."""


PROGRAM = "backup.py"
"""The program that makes the backup."""
UNIT = "po-mail-backup"
"""Name of the systemd service and of its timer."""
SETTINGS = f"{BASE}/backup.json"
"""What the program is told; no secret."""
ENVIRONMENT = f"{SECRETS}/backup.env"
"""What restic is told; secret."""
PASSPHRASE = f"{SECRETS}/backup-passphrase"
"""The passphrase of the archives."""
MAILCOW_DATABASE = "mailcow"
"""Name of Mailcow's database; its release takes no other for granted."""
INVENTORY = "inventory.py"
"""What the programs of backup and drill know in common: what is in a backup."""
ARCHIVES = "archives.py"
"""How both speak to restic, and what its snapshots are worth to them."""
RESTORED_MAIL = "restored_mail.py"
"""How the drill opens restored mail."""
METRICS = "po_mail_backup.prom"
"""Metrics of the backup, in the directory of the textfile collector."""
CHECK_PERCENT = 5
"""Share of the archives, in per cent, that is read again after every run."""

PATIENCE_SECONDS = 600
"""How long a step of the backup is tried again before the night is lost."""

VOLUMES = {
    "vmail": "vmail-vol-1",
    "crypt": "crypt-vol-1",
    "redis": "redis-vol-1",
    "rspamd": "rspamd-vol-1",
    "postfix": "postfix-vol-1",
    "sogo": "sogo-userdata-backup-vol-1",
}
"""Volumes that are stored, by part. The database is dumped instead; the other volumes are made
anew. Without `crypt` no mail can be read, without `redis` the DKIM keys are gone."""


def backup_paths(directory: str) -> dict[str, str]:
    """Return what is stored outside the volumes, by part; Mailcow's own script leaves it out.

    Args:
        directory: Directory of the release on the host.
    """
    return {
        "configuration": f"{directory}/data/conf",
        "certificates": f"{directory}/data/assets/ssl",
        "hooks": f"{directory}/data/hooks",
        "limits": f"{directory}/docker-compose.override.yml",
        "mailcow-conf": f"{directory}/mailcow.conf",
        "secrets": SECRETS,
    }


def own_paths(directory: str) -> dict[str, str]:
    """Return what people may have put into Mailcow's pages, by part; it need not be there.

    Args:
        directory: Directory of the release on the host.
    """
    return {
        "web-settings": f"{directory}/data/web/inc/vars.local.inc.php",
        "web-style": f"{directory}/data/web/css/build/0081-custom-mailcow.css",
    }


def render_backup_settings(declaration: "Declaration") -> str:
    """Return what the program on the host is told, as JSON."""
    mailcow, backup = declaration.mailcow, declaration.backup
    settings = {
        "project": mailcow.project,
        "directory": mailcow.directory,
        "host": declaration.mail_host,
        "release": mailcow.release.tag,
        "volumes": VOLUMES,
        "paths": backup_paths(mailcow.directory),
        "optionalPaths": own_paths(mailcow.directory),
        "environment": ENVIRONMENT,
        "state": STATE,
        "metrics": f"{declaration.monitoring.textfile_directory}/{METRICS}",
        "database": MAILCOW_DATABASE,
        "keep": backup.retention.model_dump(),
        "checkPercent": CHECK_PERCENT,
        "patienceSeconds": PATIENCE_SECONDS,
    }
    return json.dumps(settings, indent=2) + "\n"


def render_environment(declaration: "Declaration", access_key: str, secret_key: str) -> str:
    """Return restic's environment; it is secret.

    Args:
        declaration: The declaration.
        access_key: Access key of the backup's service account.
        secret_key: Its secret key.
    """
    backup, endpoints = declaration.backup, declaration.endpoints
    scheme = "https" if endpoints.storage is None or endpoints.storage_tls else "http"
    server = endpoints.storage or backup.server
    return (
        f"RESTIC_REPOSITORY=s3:{scheme}://{server}/{backup.bucket}\n"
        f"RESTIC_PASSWORD_FILE={PASSPHRASE}\n"
        f"AWS_ACCESS_KEY_ID={access_key}\n"
        f"AWS_SECRET_ACCESS_KEY={secret_key}\n"
        f"AWS_DEFAULT_REGION={backup.region}\n"
    )


def bucket_policy(bucket: str) -> str:
    """Return the policy that confines the backup's user to its bucket, as JSON.

    Deleting an object leaves a version behind; deleting versions is not allowed.

    Args:
        bucket: Name of the bucket.
    """
    arn = f"arn:aws:s3:::{bucket}"
    on_bucket = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    on_objects = [
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:ListMultipartUploadParts",
        "s3:PutObject",
    ]
    statements = [
        {"Effect": "Allow", "Action": on_bucket, "Resource": [arn]},
        {"Effect": "Allow", "Action": on_objects, "Resource": [f"{arn}/*"]},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def render_backup_service(declaration: "Declaration") -> str:
    """Return the systemd service that makes one backup."""
    run = run_program(PROGRAM, ["--settings", SETTINGS])
    return render_service(
        Service(
            "Back the mail up",
            # Whatever ended it, an unfinished run is noted as a failed one.
            [f"ExecStart={run}", f"ExecStopPost=-{run} --ended"],
            # It reads files of every user.
            capabilities=["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"],
            # Docker over its socket, the storage over the network, wherever its name leads.
            families=["AF_UNIX", "AF_INET", "AF_INET6"],
            addresses=None,
            writes=[STATE, f"-{declaration.monitoring.textfile_directory}"],
            unit=[
                ("Documentation", f"file:{PROGRAMS}/{PROGRAM}"),
                ("Wants", "network-online.target"),
                ("After", "network-online.target docker.service"),
            ],
            service={
                "TimeoutStartSec": "12h",
                "TimeoutStopSec": "60",
                "Nice": "10",
                "IOSchedulingClass": "idle",
                "PrivateTmp": "yes",
            },
        )
    )


def render_backup_timer(schedule: str) -> str:
    """Return the systemd timer; a run that was missed is made up for.

    Args:
        schedule: systemd calendar expression.
    """
    return render_timer("Back the mail up every day", OnCalendar=schedule, Persistent="true")


@dataclass(frozen=True)
class BackupArgs:
    """What the backup needs to know.

    Attributes:
        declaration: The declaration.
        connection: How commands reach the host.
        passphrase: Passphrase of the archives.
        after: What must be there first: the directories on the host.
    """

    declaration: "Declaration"
    connection: command.remote.ConnectionArgs
    passphrase: pulumi.Input[str]
    after: Sequence[pulumi.Resource] = ()


class BackupComponent(pulumi.ComponentResource):
    """Bucket, user, and the program on the host with its timer."""

    bucket: minio.S3Bucket
    """The bucket, private and versioned."""
    schedule: command.remote.Command
    """The timer runs."""

    def __init__(
        self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the backup.

        Args:
            name: Name of the component.
            args: What it needs to know.
            opts: Resource options; they carry the `minio` and `host` providers.
        """
        super().__init__("mail:components:Backup", name, None, opts)
        self._args = args
        self._mine = pulumi.ResourceOptions(parent=self)
        self._on_host = pulumi.ResourceOptions(parent=self, depends_on=list(args.after))
        self.bucket, versioning = self._storage()
        account = self._account()
        files = self._files(account)
        self.schedule = self._schedule(files, [versioning])
        self.register_outputs({})

    def _storage(self) -> tuple[minio.S3Bucket, minio.S3BucketVersioning]:
        """Make the bucket, keep versions, and let them expire."""
        backup = self._args.declaration.backup
        bucket = minio.S3Bucket(
            "backup-bucket", bucket=backup.bucket, acl="private", opts=self._mine
        )
        versioning = minio.S3BucketVersioning(
            "backup-versioning",
            bucket=bucket.bucket,
            versioning_configuration=minio.S3BucketVersioningVersioningConfigurationArgs(
                status="Enabled"
            ),
            opts=self._mine,
        )
        minio.IlmPolicy(
            "backup-lifecycle",
            bucket=bucket.bucket,
            rules=[
                # The status of a rule is decided by the provider; setting it fails.
                minio.IlmPolicyRuleArgs(
                    id="noncurrent-versions",
                    expiration="DeleteMarker",
                    noncurrent_version_expiration_days=backup.noncurrent_days,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        return bucket, versioning

    def _account(self) -> minio.IamServiceAccount:
        """Make the user, confine it to the bucket, and give it a key."""
        backup = self._args.declaration.backup
        policy_text = self.bucket.bucket.apply(bucket_policy)
        user = minio.IamUser(
            "backup-user",
            name=backup.user,
            opts=pulumi.ResourceOptions(
                parent=self,
                additional_secret_outputs=["secret"],
                # Left as they are, whatever a state says of them: the plugin deletes a user, and
                # its key, on any update while `forceDestroy` is true, as stacks have it that were
                # deployed before (aminueza/terraform-provider-minio 1.20.1, `minioUpdateUser`).
                ignore_changes=["forceDestroy", "disableUser", "updateSecret"],
            ),
        )
        policy = minio.IamPolicy(
            "backup-policy", name=backup.user, policy=policy_text, opts=self._mine
        )
        attachment = minio.IamUserPolicyAttachment(
            "backup-policy-attachment",
            user_name=user.name,
            policy_name=policy.name,
            opts=self._mine,
        )
        generation = self._args.declaration.generations.storage_key
        return minio.IamServiceAccount(
            # Another name is another key: it is made first, and the one before goes at the end.
            "backup-key" if generation == 1 else f"backup-key-{generation}",
            target_user=user.name,
            # Without a policy of its own the provider shows a change at every run.
            policy=policy_text,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[attachment],
                additional_secret_outputs=["access_key", "secret_key"],
            ),
        )

    def _files(self, account: minio.IamServiceAccount) -> dict[str, pulumi_host.File]:
        """Write what the program and its service read, by kind."""
        declaration = self._args.declaration
        keys = pulumi.Output.all(account.access_key, account.secret_key)
        environment = keys.apply(lambda pair: render_environment(declaration, pair[0], pair[1]))
        contents: dict[str, tuple[str, pulumi.Input[str], str]] = {
            "settings": (SETTINGS, render_backup_settings(declaration), "0644"),
            "drill": (drill.SETTINGS, drill.render_drill_settings(declaration, SETTINGS), "0644"),
            "passphrase": (PASSPHRASE, pulumi.Output.secret(self._args.passphrase), "0600"),
            "environment": (ENVIRONMENT, pulumi.Output.secret(environment), "0600"),
            "service": (f"{UNITS}/{UNIT}.service", render_backup_service(declaration), "0644"),
            "drill-clean": (f"{UNITS}/{drill.UNIT}", drill.render_clean_unit(declaration), "0644"),
            "timer": (
                f"{UNITS}/{UNIT}.timer",
                render_backup_timer(declaration.backup.schedule),
                "0644",
            ),
        }
        files = {
            kind: pulumi_host.File(
                f"backup-{kind}", path=path, content=content, mode=mode, opts=self._on_host
            )
            for kind, (path, content, mode) in contents.items()
        }
        programs = (PROGRAM, ARCHIVES, INVENTORY, RESTORED_MAIL, drill.PROGRAM)
        return files | {name: program_file(name, self._on_host) for name in programs}

    def _schedule(
        self, files: dict[str, pulumi_host.File], after: Sequence[pulumi.Resource]
    ) -> command.remote.Command:
        """Let the timer run, once everything that a run needs is there."""
        calendar = shlex.quote(self._args.declaration.backup.schedule)
        return on_host(
            "backup-schedule",
            f"systemd-analyze calendar {calendar} >/dev/null && systemctl daemon-reload"
            f" && systemctl enable --now {UNIT}.timer && systemctl restart {UNIT}.timer"
            # Started at boot alone: a drill may be under way now.
            f" && systemctl enable {drill.UNIT}",
            connection=self._args.connection,
            reads=[files[kind].revision for kind in ("service", "timer", "drill-clean")],
            delete=f"systemctl disable --now {UNIT}.timer || true\n"
            f"systemctl disable {drill.UNIT} || true",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*files.values(), *after]),
        )
