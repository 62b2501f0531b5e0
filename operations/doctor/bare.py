"""Whether this Python can run the project at all. Any Python 3 can read this file."""

import re
import sys

EXIT_MISSING = 3
"""As everywhere: there is something to do."""


def least_python(settings: str) -> "tuple[int, int]":
    """Return the oldest Python that the project runs on, as a pair of numbers.

    Args:
        settings: Content of pyproject.toml, the one place that says so; an old Python has no
            library that reads it.
    """
    found = re.search(r'^python_version = "(\d+)\.(\d+)"', settings, re.MULTILINE)
    return (int(found.group(1)), int(found.group(2))) if found else (3, 0)


def too_old(settings: str) -> str:
    """Return what to do about a Python that is too old; nothing for one that will do."""
    least = least_python(settings)
    if sys.version_info[:2] >= least:
        return ""
    here = "{}.{}".format(*sys.version_info[:2])
    return (
        "{} is Python {}, and {}.{} or later is needed; install one and name it: "
        "make setup PYTHON=python{}.{}"
    ).format(sys.executable, here, *least, *least)
