"""The backup: a private bucket, a user confined to it, encrypted archives, every day."""

from pydantic import Field, PositiveInt

from components.settings import Settings


class RetentionSettings(Settings):
    """How many snapshots are kept of each kind; restic's kinds overlap."""

    daily: PositiveInt = 7
    """The last of each of the last N days."""
    weekly: PositiveInt = 4
    """The last of each of the last N weeks."""
    monthly: PositiveInt = 6
    """The last of each of the last N months."""


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
    """How old the last restore drill may be."""
