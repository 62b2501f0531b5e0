"""The local Pulumi package `host`."""
