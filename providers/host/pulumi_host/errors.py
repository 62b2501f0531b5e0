"""What goes wrong, in one line that an operator understands."""


class HostError(Exception):
    """A failure on the way to the host or on it. The message never holds content of a file."""
