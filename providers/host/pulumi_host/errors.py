"""What goes wrong, in one line that an operator understands."""

from pulumi_kit.failures import ProviderError


class HostError(ProviderError):
    """A failure on the way to the host or on it. The message never holds content of a file."""
