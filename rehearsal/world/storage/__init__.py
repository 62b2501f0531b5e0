"""Object storage of the rehearsal: S3 and MinIO's admin API on one port."""
