"""Boxes on a shelf: resource classes of the provider that the engine's tests run on."""

from .resources import Box, Provider, describe

__all__ = ["Box", "Provider", "describe"]
