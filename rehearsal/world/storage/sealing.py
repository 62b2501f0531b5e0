"""MinIO's sealed payloads: what administrators send and get is encrypted with their secret key."""

import io
from typing import Any, cast

from minio.crypto import decrypt, encrypt

from rehearsal.world.storage.refusal import RefusalError


class _Answer(io.BytesIO):
    """Bytes in the shape of the HTTP answer that the client library opens."""

    def release_conn(self) -> None:
        """Nothing to give back."""


def seal(payload: bytes, secret: str) -> bytes:
    """Encrypt an answer for the holder of `secret` (Argon2id, AES-256-GCM in chunks)."""
    return encrypt(payload, secret)


def unseal(payload: bytes, secret: str) -> bytes:
    """Decrypt what the holder of `secret` sent.

    Raises:
        RefusalError: it is not sealed with that key.
    """
    try:
        return decrypt(cast("Any", _Answer(payload)), secret)
    except (ValueError, OSError, IndexError):
        raise RefusalError(
            400, "XMinioAdminConfigBadJSON", "The payload cannot be decrypted with the key given."
        ) from None
