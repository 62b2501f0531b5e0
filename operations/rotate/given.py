"""The new secret: from the environment, from standard input, or asked for; never from argv."""

import getpass
import os
import sys
from collections.abc import Callable
from typing import TextIO

VARIABLE = "ROTATE_NEW"
"""Environment variable that holds the new secret."""


class Asking:
    """Asks for the new secret once, in the first place that has one."""

    def __init__(
        self,
        *,
        stdin: TextIO | None = None,
        prompt: Callable[[str], str] = getpass.getpass,
        rehearsed: bool,
    ) -> None:
        """Prepare to ask.

        Args:
            stdin: Standard input; the process's if None.
            prompt: Asks a person, without showing what is typed.
            rehearsed: Whether no answer will do: a rehearsal invents one.
        """
        self._stdin = stdin or sys.stdin
        self._prompt = prompt
        self._rehearsed = rehearsed

    def __call__(self, where: str) -> str:
        """Return the new secret, empty if there is none.

        Args:
            where: Where the operator finds it, for the question.
        """
        given = os.environ.get(VARIABLE, "")
        if given:
            return given.strip("\r\n")
        if not self._stdin.isatty():
            return self._stdin.readline().strip("\r\n")
        if self._rehearsed:
            return ""
        return self._prompt(f"{where}: ")
