"""What the storage answers instead of doing as told."""


class RefusalError(Exception):
    """An S3 or MinIO error: HTTP status, code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def access_denied() -> RefusalError:
    """Return the refusal of what a policy does not allow."""
    return RefusalError(403, "AccessDenied", "Access Denied.")


def no_such_bucket() -> RefusalError:
    """Return the refusal for a bucket that is not there."""
    return RefusalError(404, "NoSuchBucket", "The specified bucket does not exist")


def no_such_key() -> RefusalError:
    """Return the refusal for an object that is not there."""
    return RefusalError(404, "NoSuchKey", "The specified key does not exist.")
