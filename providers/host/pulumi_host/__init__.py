"""The local Pulumi package `host`: files and secrets on a host that is reached over SSH."""

from pulumi_host.resources import ALPHANUMERIC, File, Provider, Secret

__all__ = ["ALPHANUMERIC", "File", "Provider", "Secret"]
