"""Providers that stand in for the official plugins, on the official Python clients."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from pulumi.provider.experimental.provider import Provider


def _lazily(package: str) -> Callable[[], Provider]:
    """Import a stand-in only when it is asked for: a run without containers needs no `docker`."""

    def build() -> Provider:
        module = import_module(f"rehearsal.standins.{package}")
        return cast("Callable[[], Provider]", module.StandInProvider)()

    return build


PROVIDERS: Mapping[str, Callable[[], Provider]] = {
    package: _lazily(package) for package in ("cloudflare", "command", "docker", "minio")
}
"""A constructor per package name."""
