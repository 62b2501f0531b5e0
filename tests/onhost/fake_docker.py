"""A `docker` for tests: keeps which services run, notes what it was told, fails when told to."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, os, sys
from pathlib import Path

state = Path({state!r})
words = sys.argv[1:]
known = json.loads(state.read_text())


def finish(text="", status=0, complaint=""):
    state.write_text(json.dumps(known))
    sys.stdout.write(text)
    sys.stderr.write(complaint)
    sys.exit(status)


known["calls"].append(words)
action = words[5] if words[0] == "compose" else words[0]
if action in known["fails"]:
    finish(status=1, complaint=action + " went wrong")
if words[0] == "ps":
    service = words[-1].rpartition("=")[2]
    finish(known["running"].get(service, "") + "\\n")
if words[5:7] == ["config", "--images"]:
    finish("\\n".join(known.get("images", {{}})))
if action == "inspect" and not known.get("images", {{}}).get(words[-1]):
    finish(status=1)
if action == "ps":
    finish(known["running"].get(words[7], "") + "\\n")
if action == "up":
    for service, identity in known["starts"].items():
        known["running"][service] = identity
if action == "down":
    known["running"] = {{}}
finish()
"""


class Docker:
    """The fake, and what is known about it."""

    def __init__(self, folder: Path) -> None:
        """Write the program into `folder`, which belongs on PATH."""
        folder.mkdir(parents=True, exist_ok=True)
        self._state = folder / "docker.json"
        self.know(running={}, starts={}, fails=[], calls=[])
        program = folder / "docker"
        program.write_text(_PROGRAM.format(python=sys.executable, state=str(self._state)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.path = f"{folder}{os.pathsep}{os.environ['PATH']}"

    def know(self, **facts: Any) -> None:
        """Change what runs (`running`), what `up` starts (`starts`) or what `fails`."""
        known = json.loads(self._state.read_text()) if self._state.exists() else {}
        self._state.write_text(json.dumps(known | facts))

    @property
    def calls(self) -> list[list[str]]:
        """What it was told, compose's own options left out."""
        calls = json.loads(self._state.read_text())["calls"]
        return [words[5:] if words[0] == "compose" else words for words in calls]

    def told(self, action: str) -> list[list[str]]:
        """Return the calls for an action."""
        return [words for words in self.calls if words[0] == action]
