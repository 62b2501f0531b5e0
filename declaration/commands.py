"""How the programs on the host are called."""

import shlex

from declaration.names import PROGRAMS


def at(path: str) -> str:
    """Return a path of the host as a shell word that obeys `DESTDIR`."""
    return '"${DESTDIR:-}"' + shlex.quote(path)


def program(name: str) -> str:
    """Return the shell words that run one of the programs in `components/onhost`.

    Args:
        name: File name, such as `release.py`.
    """
    # -B: what is compiled beside the programs would be left when they go.
    return f"python3 -B {at(f'{PROGRAMS}/{name}')}"
