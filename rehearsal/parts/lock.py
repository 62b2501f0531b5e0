"""One installation at a time, across every clone of this user."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]
"""Takes one line of progress."""

_LOOK_SECONDS = 0.2


class BusyError(RuntimeError):
    """Somebody else installs for too long."""


@contextmanager
def alone(file: Path, say: Say, *, patience: float) -> Iterator[None]:
    """Hold a lock while the block runs; it ends with the process, however that ends.

    Args:
        file: File of the lock; made if it is not there.
        say: Told once if another process holds it.
        patience: Seconds to wait for that one.

    Raises:
        BusyError: it holds it for longer.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + patience
    waiting = False
    with file.open("a") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise BusyError(
                        f"another process installs parts since {patience:.0f} s; see {file}"
                    ) from None
                if not waiting:
                    say("another process installs parts; waiting for it")
                waiting = True
                time.sleep(_LOOK_SECONDS)
        yield
