"""What commands of the shell switch on and off: `systemctl` in them, one after the other."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from readers.mistake import Mistake
from readers.systemd.unit import full_name

_STARTS = ("start", "restart", "reload-or-restart")
_NOT_HERE = ("--user", "--runtime", "--global", "--root", "--host", "-H", "--machine", "-M",
             "--no-reload", "--dry-run", "--now=no")  # fmt: skip
_HARMLESS = ("is-active", "is-enabled", "is-failed", "show", "status", "cat", "list-timers",
             "list-units", "reset-failed", "--version")  # fmt: skip


@dataclass
class Switched:
    """How commands leave the units behind.

    Attributes:
        enabled: Units that are started at boot.
        started: Units that run now.
        reloaded: Units that were started after systemd had read their files anew.
        mistakes: Commands that undo something, or are not understood.
    """

    enabled: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    reloaded: set[str] = field(default_factory=set)
    mistakes: list[Mistake] = field(default_factory=list)


def switched(texts: Iterable[tuple[str, str]]) -> Switched:
    """Return what commands switch on, in the order in which they are run.

    Args:
        texts: Place and text of each.
    """
    state = Switched()
    for place, text in texts:
        fresh = False
        for line in _commands(text):
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                words = line.split()
            if "systemctl" not in words:
                continue
            if words[0] != "systemctl" or re.search(r"\|", line):
                state.mistakes += [] if _asks(words) or words[0] == "echo" else [
                    Mistake(place, f"{line.strip()[:60]} is not understood", understood=False)
                ]  # fmt: skip
                continue
            if words[1:] == ["daemon-reload"]:
                fresh = True
                continue
            _obey(state, place, words[1:], fresh=fresh)
    return state


def _commands(text: str) -> list[str]:
    """Return simple commands; what runs only if another fails stays with it."""
    bare = re.sub(r"(?m)^\s*#.*$", "", text.replace("\\\n", " "))
    return [line.strip() for line in re.split(r"&&|;|\n", bare) if line.strip()]


def _asks(words: list[str]) -> bool:
    verb = words[words.index("systemctl") + 1 :][:1]
    return bool(verb) and verb[0] in (*_HARMLESS, ">/dev/null", "||", ";")


def _obey(state: Switched, place: str, words: list[str], *, fresh: bool) -> None:
    options = {word.partition("=")[0] if word != "--now=no" else word for word in words
               if word.startswith("-")}  # fmt: skip
    plain = [word for word in words if not word.startswith(("-", ">", "2>"))]
    verb, named = (plain or [""])[0], {full_name(name) for name in plain[1:]}
    if options & {*_NOT_HERE}:
        odd = min(options & {*_NOT_HERE})
        reason = f"systemctl {verb} {odd} is not for this host, or not for long"
        state.mistakes.append(Mistake(place, reason))
        return
    if verb in ("enable", "reenable"):
        state.enabled |= named
    if verb in _STARTS or (verb in ("enable", "reenable") and "--now" in options):
        state.started |= named
        state.reloaded |= named if fresh else set()
    elif verb in ("disable", "mask", "stop", "kill"):
        state.enabled -= named if verb != "stop" else set()
        state.started -= named if verb != "disable" or "--now" in options else set()
    elif verb not in (*_HARMLESS, "enable", "reenable", "reload", "try-restart", "daemon-reload"):
        reason = f"systemctl {verb} is not understood"
        state.mistakes.append(Mistake(place, reason, understood=False))
