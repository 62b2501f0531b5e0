"""Policies as the rehearsed storage takes them.

They are read by `readers.storage_policy` and refused in the words of MinIO.
"""

from collections.abc import Mapping
from typing import Any

from readers import storage_policy
from readers.mistake import MistakeError
from readers.storage_policy import BUILT_IN, decide, open_to_all
from rehearsal.world.storage.refusal import RefusalError

__all__ = ["BUILT_IN", "decide", "open_to_all", "parse"]


def parse(text: bytes | str | Mapping[str, Any]) -> dict[str, Any]:
    """Read a policy document.

    Raises:
        RefusalError: it is none.
    """
    try:
        return storage_policy.parse(text)
    except MistakeError:
        words = "policy document is malformed"
        raise RefusalError(400, "XMinioMalformedIAMPolicy", words) from None
