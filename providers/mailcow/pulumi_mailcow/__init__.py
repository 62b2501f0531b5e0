"""The local Pulumi package `mailcow`."""
