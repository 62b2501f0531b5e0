"""A Docker engine as the Docker stand-in sees it, on the official client."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from docker import APIClient
from docker.errors import APIError, DockerException

from pulumi_kit.failures import ProviderError

T = TypeVar("T")

TIMEOUT = 120
"""Seconds that one request may take; a pull is one request."""


class MissingError(ProviderError):
    """The engine knows no such thing."""


class _Client(APIClient):  # type: ignore[misc]  # docker publishes no types
    """The official client, deaf to the proxies of the environment: it speaks to loopback."""

    trust_env = property(lambda _self: False, lambda _self, _value: None)


class Engine:
    """The engine's API, called in threads, refusals in one line."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._client: APIClient | None = None
        self._opening = asyncio.Lock()

    async def _opened(self) -> APIClient:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(
                    _Client, base_url=self._host, version="auto", timeout=TIMEOUT
                )
            return self._client

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    async def call(self, what: str, function: Callable[[APIClient], T]) -> T:
        """Return what `function` returns for the client; `what` begins the message of a refusal.

        Raises:
            MissingError: the engine knows no such thing.
            ProviderError: the engine refused, or was not reached.
        """
        try:
            client = await self._opened()
            return await asyncio.to_thread(function, client)
        except APIError as error:
            words = error.explanation or str(error)
            refusal = MissingError if error.status_code == 404 else ProviderError
            raise refusal(f"{what}: {words}") from None
        except (DockerException, requests.RequestException) as error:
            raise ProviderError(f"{what}: {error}") from None

    async def image(self, name: str) -> dict[str, Any]:
        """Return an image, pulled first where the engine has none of that name."""
        try:
            return await self.held_image(name)
        except MissingError:
            pass
        await self.call(f"image {name}", lambda client: _pull(client, name))
        return await self.held_image(name)

    async def held_image(self, name: str) -> dict[str, Any]:
        """Return an image that the engine has.

        Raises:
            MissingError: it has none of that name.
        """
        return await self.call(f"image {name}", lambda client: dict(client.inspect_image(name)))


def reference(name: str) -> tuple[str, str]:
    """Return repository, and tag or digest, of an image's name; a digest beats a tag.

    `ghcr.io/a/b:2@sha256:...` is `ghcr.io/a/b`, `sha256:...`.
    """
    base, _, digest = name.partition("@")
    repository, colon, tag = base.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = base, "latest"
    return repository, digest or tag


def _pull(client: APIClient, name: str) -> None:
    repository, tag = reference(name)
    # An empty auth_config: the operator's own registry passwords are no business of a rehearsal.
    progress = client.pull(repository, tag=tag, auth_config={})
    for line in progress.splitlines():
        if line.strip() and "error" in (told := json.loads(line)):
            raise ProviderError(f"image {name}: {told['error']}")
