"""The backup: where it goes, when, and how long it is kept."""

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import Field, PositiveInt

from declaration.names import BACKUP_UNIT, PROJECT
from declaration.settings import AccountName, Day, Settings


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


class OnTheHostSettings(Settings):
    """That the backup lies on the host whose mail it is, knowingly and for a time.

    Danger: what takes the host takes the backup along: a broken disk, an intruder, a bill.
    """

    reason: str = Field(min_length=10)
    """Why, in a sentence."""
    until: Day
    """Last day on which it may lie there; afterwards it is a mistake."""


class BackupSettings(Settings):
    """What runs every night, and where it goes."""

    server: str = Field(pattern=r"^[a-z0-9.-]+(:\d+)?$")
    """MinIO server as host:port, spoken to over TLS."""
    bucket: str = Field(f"{PROJECT}-backups", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Bucket, private and versioned."""
    region: str = "eu-west-1"
    """Region of the bucket as MinIO reports it; within the EU."""
    user: AccountName = BACKUP_UNIT
    """MinIO user of the backup, confined to the bucket."""
    schedule: str = "*-*-* 03:00:00 UTC"
    """When it runs, as a systemd calendar expression."""
    retention: RetentionSettings = RetentionSettings()
    """What is kept."""
    on_the_host: OnTheHostSettings | None = None
    """Must be declared when `server` is the host itself; none if null."""
    noncurrent_days: int = Field(30, ge=7)
    """Days that an overwritten or deleted object can still be brought back."""
    drill_every_days: int = Field(90, ge=1)
    """How old the last restore drill may be. A policy refuses the stack when it is older."""
    first_drill_by: date | None = None
    """Until when the first restore drill will have been held; a policy refuses the stack from the
    day after, unless there is a certificate. Without a date, a missing certificate is only noted,
    and the alert MailDrillOld is raised."""
