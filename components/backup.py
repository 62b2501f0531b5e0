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

import pulumi
import pulumi_command as command
import pulumi_minio as minio

import pulumi_host
from components import drill
from components.remote import on_host, program_file
from components.units import Service, render_service, render_timer, run_program
from declaration.backup import BackupSettings
from declaration.mailcow import MailcowSettings
from declaration.names import (
    BACKUP_ENVIRONMENT,
    BACKUP_PASSPHRASE,
    BACKUP_PROGRAM,
    BACKUP_SETTINGS,
    BACKUP_UNIT,
    DRILL_PROGRAM,
    DRILL_SETTINGS,
    DRILL_UNIT,
    PROGRAMS,
    SECRETS,
    STATE,
    UNITS,
    Names,
)

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


@dataclass(frozen=True)
class Nightly:
    """What is stored every night, and where.

    Attributes:
        backup: What runs, and where it goes.
        mailcow: The stack whose mail it is.
        names: The mail host and the object storage.
        textfiles: Directory of the textfile collector.
    """

    backup: BackupSettings
    mailcow: MailcowSettings
    names: Names
    textfiles: str


def render_backup_settings(nightly: Nightly) -> str:
    """Return what the program on the host is told, as JSON."""
    mailcow, backup = nightly.mailcow, nightly.backup
    settings = {
        "project": mailcow.project,
        "directory": mailcow.directory,
        "host": nightly.names.mail_host,
        "release": mailcow.release.tag,
        "volumes": VOLUMES,
        "paths": backup_paths(mailcow.directory),
        "optionalPaths": own_paths(mailcow.directory),
        "environment": BACKUP_ENVIRONMENT,
        "state": STATE,
        "metrics": f"{nightly.textfiles}/{METRICS}",
        "database": MAILCOW_DATABASE,
        "keep": backup.retention.model_dump(),
        "checkPercent": CHECK_PERCENT,
        "patienceSeconds": PATIENCE_SECONDS,
    }
    return json.dumps(settings, indent=2) + "\n"


def render_environment(nightly: Nightly, access_key: str, secret_key: str) -> str:
    """Return restic's environment; it is secret.

    Args:
        nightly: Where the archives go.
        access_key: Access key of the backup's service account.
        secret_key: Its secret key.
    """
    backup = nightly.backup
    return (
        f"RESTIC_REPOSITORY=s3:{nightly.names.storage.url}/{backup.bucket}\n"
        f"RESTIC_PASSWORD_FILE={BACKUP_PASSPHRASE}\n"
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


def render_backup_service(textfiles: str) -> str:
    """Return the systemd service that makes one backup.

    Args:
        textfiles: Directory of the textfile collector.
    """
    run = run_program(BACKUP_PROGRAM, ["--settings", BACKUP_SETTINGS])
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
            writes=[STATE, f"-{textfiles}"],
            unit=[
                ("Documentation", f"file:{PROGRAMS}/{BACKUP_PROGRAM}"),
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
        nightly: What is stored, and where.
        generation: Which key to the object storage is in use.
        connection: How commands reach the host.
        passphrase: Passphrase of the archives.
        after: What must be there first: the directories on the host.
    """

    nightly: Nightly
    generation: int
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
        backup = self._args.nightly.backup
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
        backup = self._args.nightly.backup
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
        generation = self._args.generation
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
        nightly = self._args.nightly
        project, textfiles = nightly.mailcow.project, nightly.textfiles
        keys = pulumi.Output.all(account.access_key, account.secret_key)
        environment = keys.apply(lambda pair: render_environment(nightly, pair[0], pair[1]))
        contents: dict[str, tuple[str, pulumi.Input[str], str]] = {
            "settings": (BACKUP_SETTINGS, render_backup_settings(nightly), "0644"),
            "drill": (
                DRILL_SETTINGS,
                drill.render_drill_settings(project, textfiles, BACKUP_SETTINGS),
                "0644",
            ),
            "passphrase": (BACKUP_PASSPHRASE, pulumi.Output.secret(self._args.passphrase), "0600"),
            "environment": (BACKUP_ENVIRONMENT, pulumi.Output.secret(environment), "0600"),
            "service": (f"{UNITS}/{BACKUP_UNIT}.service", render_backup_service(textfiles), "0644"),
            "drill-clean": (f"{UNITS}/{DRILL_UNIT}", drill.render_clean_unit(textfiles), "0644"),
            "timer": (
                f"{UNITS}/{BACKUP_UNIT}.timer",
                render_backup_timer(nightly.backup.schedule),
                "0644",
            ),
        }
        files = {
            kind: pulumi_host.File(
                f"backup-{kind}", path=path, content=content, mode=mode, opts=self._on_host
            )
            for kind, (path, content, mode) in contents.items()
        }
        programs = (BACKUP_PROGRAM, ARCHIVES, INVENTORY, RESTORED_MAIL, DRILL_PROGRAM)
        return files | {name: program_file(name, self._on_host) for name in programs}

    def _schedule(
        self, files: dict[str, pulumi_host.File], after: Sequence[pulumi.Resource]
    ) -> command.remote.Command:
        """Let the timer run, once everything that a run needs is there."""
        calendar = shlex.quote(self._args.nightly.backup.schedule)
        timer = f"{BACKUP_UNIT}.timer"
        return on_host(
            "backup-schedule",
            f"systemd-analyze calendar {calendar} >/dev/null && systemctl daemon-reload"
            f" && systemctl enable --now {timer} && systemctl restart {timer}"
            # Started at boot alone: a drill may be under way now.
            f" && systemctl enable {DRILL_UNIT}",
            connection=self._args.connection,
            reads=[files[kind].revision for kind in ("service", "timer", "drill-clean")],
            delete=f"systemctl disable --now {timer} || true\n"
            f"systemctl disable {DRILL_UNIT} || true",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*files.values(), *after]),
        )
