"""A MinIO server as the MinIO stand-in sees it: S3 and admin API, on the official client."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import urllib3
from minio import Minio
from minio.crypto import decrypt, encrypt
from minio.error import MinioAdminException, S3Error
from minio.minioadmin import _COMMAND, MinioAdmin

from pulumi_kit.failures import ProviderError

T = TypeVar("T")


class Administration(MinioAdmin):
    """The admin client, with the one call that it lacks."""

    def add_service_account_for(self, user: str, policy: Mapping[str, Any]) -> dict[str, str]:
        """Create a service account of `user`; return its `accessKey` and `secretKey`."""
        own = self._provider.retrieve().secret_key
        body = json.dumps({"targetUser": user, "policy": policy}).encode()
        response = self._url_open(
            method="PUT",
            command=_COMMAND.SERVICE_ACCOUNT_ADD,
            body=encrypt(body, own),
            preload_content=False,
        )
        credentials: dict[str, str] = json.loads(decrypt(response, own))["credentials"]
        return credentials


class Storage:
    """A MinIO server: its S3 and its admin API, called in threads, refusals in one line."""

    def __init__(
        self, s3: Minio, admin: Administration, pool: urllib3.PoolManager, url: str
    ) -> None:
        self.s3 = s3
        self.admin = admin
        self.url = url
        self.attaching = asyncio.Lock()
        self._pool = pool

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    async def call(self, what: str, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Return what a blocking call returns.

        Raises:
            MissingError: the server knows no such thing.
            ProviderError: the server refused, or was not reached; `what` begins the message.
        """
        try:
            return await asyncio.to_thread(function, *arguments, **named)
        except S3Error as error:
            code, words = error.code, error.message
        except MinioAdminException as error:
            code, words = _admin_words(error)
        except urllib3.exceptions.HTTPError as error:
            raise ProviderError(f"{what}: {error}") from None
        refusal = MissingError if code in _MISSING else ProviderError
        raise refusal(f"{what}: {words} ({code})") from None


class MissingError(ProviderError):
    """The server knows no such thing."""


_MISSING = frozenset(
    {
        "NoSuchBucket",
        "NoSuchLifecycleConfiguration",
        "NoSuchBucketPolicy",
        "XMinioAdminNoSuchUser",
        "XMinioAdminNoSuchPolicy",
        "XMinioInvalidIAMCredentials",
        "XMinioAdminServiceAccountNotFound",
    }
)


def _admin_words(error: MinioAdminException) -> tuple[str, str]:
    """Return code and message of a refusal of the admin API, which are JSON inside the text."""
    try:
        told = json.loads(str(error).partition("Body: ")[2])
        return str(told["Code"]), str(told["Message"])
    except (ValueError, LookupError, TypeError):
        return "no code", str(error)
