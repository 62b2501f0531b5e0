"""restic on the host, as the backup calls it."""

import json
import shlex
from typing import Any

from declaration.names import BACKUP_ENVIRONMENT, BACKUP_PASSPHRASE, BACKUP_UNIT
from operations.site import CommandFailedError, Finished, Site, SiteError

_NO_REPOSITORY = 10, "Is there a repository at the following location?"
"""Exit status where there is no repository yet, and what older releases say with status 1."""
_WRONG_PASSWORD = 12, "wrong password or no key found"
"""The same where no key of the repository has the passphrase."""


def no_repository(done: Finished) -> bool:
    """Return whether restic found no repository."""
    status, words = _NO_REPOSITORY
    return done.status == status or (done.status == 1 and words in done.stderr)


def wrong_password(done: Finished) -> bool:
    """Return whether the repository has no key with the passphrase."""
    status, words = _WRONG_PASSWORD
    return done.status == status or (done.status == 1 and words in done.stderr)


async def restic(
    site: Site, *words: str, passphrase: str = BACKUP_PASSPHRASE,
    environment: str = BACKUP_ENVIRONMENT, new_passphrase: str = "",
) -> Finished:  # fmt: skip
    """Run restic on the host; neither passphrase nor key is in any list of processes.

    Args:
        site: Where.
        words: Its command line.
        passphrase: File with the passphrase.
        environment: File with repository and storage key.
        new_passphrase: File with the passphrase of a key to add; none if empty.
    """

    def at(path: str) -> str:
        return f'"${{DESTDIR:-}}"{shlex.quote(path)}'

    more = f" --new-password-file {at(new_passphrase)}" if new_passphrase else ""
    # Read line by line: nothing in the file is taken for shell.
    command = (
        f'while IFS= read -r line; do export "$line"; done < {at(environment)}; '
        f"unset RESTIC_PASSWORD_FILE; "
        f"restic {shlex.join(words)} --password-file {at(passphrase)}{more}"
    )
    return await site.host.run(command, what=f"restic {words[0]}", timeout=300, check=False)


async def asked(site: Site, *words: str, **files: str) -> Any:
    """Return what restic says as JSON; None where there is no repository.

    Raises:
        CommandFailedError: it failed.
    """
    done = await restic(site, *words, "--json", **files)
    if no_repository(done):
        return None
    if not done.ok:
        raise CommandFailedError(f"restic {words[0]}", done)
    return json.loads(done.stdout)


async def snapshots(site: Site, **files: str) -> list[str] | None:
    """Return the ids of all snapshots, None where there is no repository."""
    found = await asked(site, "snapshots", **files)
    return None if found is None else sorted(str(item["id"]) for item in found)


async def backup_rests(site: Site) -> None:
    """See that no backup runs, which would lose its key under its hands.

    Raises:
        SiteError: one runs.
    """
    state = await site.host.run(f"systemctl is-active {BACKUP_UNIT}", check=False)
    if state.stdout.strip() in {"active", "activating"}:
        raise SiteError("a backup runs; try again when it has ended")
