#!/usr/bin/env python3
"""Refuse settings that are unsafe to change once Mailcow has been started.

The settings are read from standard input, as JSON: `{"KEY": {"value": ..., "reason": ...,
"secret": ...}}`. They are compared with what was noted at the first start; where nothing was
noted, with a `mailcow.conf` that this program's deployment did not write, because then an
installation that already runs is being taken over. A deployment that failed before the first
start leaves nothing to compare with, and may be corrected freely.

With --note they are noted instead, once; what is noted already stays. Of a secret, a salted hash
is kept.

Exit status: 0 nothing unsafe changed, 1 refused, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

# On the host the programs lie side by side in one folder, and nothing else of the project is there.
if TYPE_CHECKING or __package__:
    from components.onhost import machine
else:
    import machine

ROUNDS = 100_000
HEADER = "# Written by Pulumi"


class SettingsError(Exception):
    """A setting that is unsafe to change was changed; the text says which, and why not."""


def sealed(value: str, salt: str) -> str:
    """Return a salted hash by which a secret is known again."""
    digest = hashlib.pbkdf2_hmac("sha256", value.encode(), bytes.fromhex(salt), ROUNDS)
    return f"{salt}:{digest.hex()}"


def is_same(noted: str, value: str, *, secret: bool) -> bool:
    """Tell whether a value is the one that was noted."""
    if not secret:
        return noted == value
    return hmac.compare_digest(noted, sealed(value, noted.partition(":")[0]))


def read_conf(path: Path) -> dict[str, str] | None:
    """Return the settings of a `mailcow.conf`, none if there is none."""
    if not path.exists():
        return None
    pairs = (
        line.partition("=")
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
    return {key.strip(): value.strip() for key, separator, value in pairs if separator}


def is_ours(path: Path) -> bool:
    """Tell whether this program's deployment wrote a `mailcow.conf`."""
    return path.exists() and path.read_text(encoding="utf-8").startswith(HEADER)


def compare(settings: Mapping[str, Mapping[str, object]], note: Path, conf: Path) -> None:
    """Compare the settings with those of the first start.

    Where the note was lost, they are compared with the `mailcow.conf` in place.

    Raises:
        SettingsError: one of them was changed.
    """
    noted: dict[str, str] | None = machine.recall(note)
    foreign = not noted
    if foreign:
        noted = read_conf(conf) if noted is None or not is_ours(conf) else None
    if noted is None:
        return
    complaints = []
    for key, setting in sorted(settings.items()):
        secret, value = bool(setting["secret"]), str(setting["value"])
        if key not in noted:
            continue
        old = noted[key]
        if is_same(old, value, secret=secret and not foreign):
            continue
        change = "was changed" if secret else f"is {old}, not {value}"
        complaints.append(f"{key} {change}: {setting['reason']}")
    if complaints:
        lines = "".join(f"\n  {complaint}" for complaint in complaints)
        raise SettingsError(
            "settings that are unsafe to change after the first start were changed; Mailcow was "
            f"left alone. Declare the old values again{lines}"
        )


def write_note(settings: Mapping[str, Mapping[str, object]], note: Path) -> None:
    """Note the settings, unless they were noted before."""
    if machine.recall(note):
        return
    noted = {
        key: sealed(str(setting["value"]), secrets.token_hex(16))
        if setting["secret"]
        else str(setting["value"])
        for key, setting in settings.items()
    }
    machine.remember(note, noted)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    command = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_argument("--conf", required=True, help="mailcow.conf in place")
    command.add_argument("--file", required=True, help="where the settings are noted")
    command.add_argument("--note", action="store_true", help="note them: Mailcow is about to start")
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    options = parser().parse_args(arguments)
    settings = json.load(sys.stdin)
    try:
        compare(settings, machine.on_disk(options.file), machine.on_disk(options.conf))
        if options.note:
            write_note(settings, machine.on_disk(options.file))
    except (SettingsError, OSError) as error:
        sys.stderr.write(f"settings: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
