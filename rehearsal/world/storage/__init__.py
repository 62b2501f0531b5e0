"""Object storage of the rehearsal: S3 and MinIO's admin API on one port."""

from rehearsal.world.storage.service import ObjectStorage

__all__ = ["ObjectStorage"]
