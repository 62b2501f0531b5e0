"""Another user of the machine."""

import os
import pickle
from collections.abc import Callable
from typing import Any

NOBODY = 65534


def as_nobody(act: Callable[[], Any]) -> Any:
    """Do something in a process of the user `nobody`.

    Without root nobody else can be played: then the permissions that a test looks at as well are
    what stands, and `PermissionError` is answered.

    Args:
        act: What is done; its result can be pickled.

    Returns:
        The result, or the name of the exception that was raised.
    """
    if os.geteuid() != 0:
        return "PermissionError"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_nobody(act, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(told)


def _be_nobody(act: Callable[[], Any], writing: int) -> None:
    try:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        result = act()
    except BaseException as error:  # noqa: BLE001 - told to the test
        result = type(error).__name__
    with os.fdopen(writing, "wb") as pipe:
        pickle.dump(result, pipe)
    os._exit(0)
