"""The single steps of an upgrade and of the way back; each can be repeated without harm."""

import asyncio
import json
import shlex
from collections.abc import Callable

from components.mailcow import release_options, stack_options
from components.mailcow_conf import Installation
from declaration.commands import at, program
from declaration.names import BACKUP_ENVIRONMENT, BACKUP_UNIT, STATE
from operations.backup import nightly
from operations.site import Site
from operations.update import standing
from operations.update.conditions import failing
from operations.update.releases import UpdateError

BACKUP_SECONDS = 12 * 3600.0
"""As long as the nightly unit may take."""
DUMP = f"{STATE}/backup-staging/database.sql"
"""Where the dump lies in a snapshot."""
OPERATION = "update"
"""What the backup keeps the snapshot for that an upgrade can return to."""
_RESTORE_SECONDS = 2 * 3600.0

_RESTIC = f"""\
set -eu
while IFS= read -r line; do
  case "$line" in \\#*) ;; *=*) export "$line" ;; esac
done < {at(BACKUP_ENVIRONMENT)}
export RESTIC_PASSWORD_FILE="${{DESTDIR:-}}$RESTIC_PASSWORD_FILE"
export RESTIC_CACHE_DIR={at(f"{STATE}/restic-cache")}
"""
"""Restic's environment; the secrets stay in the shell, off every command line."""


async def back_up(site: Site) -> str:
    """Run the nightly backup now, see that it verified itself; keep and return its snapshot.

    Raises:
        UpdateError: it failed, or left no snapshot to go back to.
    """
    begun = int((await site.host.run("date +%s", timeout=60)).stdout)
    done = await site.host.run(
        f"systemctl start {BACKUP_UNIT}.service", timeout=BACKUP_SECONDS, check=False
    )
    if not done.ok:
        said = await site.host.run(
            f"journalctl -u {BACKUP_UNIT}.service -n 3 -o cat --no-pager", check=False, timeout=60
        )
        reason = (said.stdout if said.ok else "").strip() or done.stderr.strip()
        raise UpdateError(f"the backup failed: {reason}")
    try:
        memory = json.loads(await site.host.read(f"{STATE}/backup.json"))
        finished = int(memory["last_success"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        raise UpdateError("the backup left no note of its snapshot") from None
    if finished < begun:
        raise UpdateError("the backup ended without a new snapshot")
    # Otherwise a later backup of the same day would take its place.
    snapshot = str((await nightly.ask(site, "--keep-for", OPERATION))["snapshot"])
    await site.host.run(
        f"{_RESTIC}restic dump {shlex.quote(snapshot)} {at(DUMP)} | tail -c 4096"
        " | grep -q -e '-- Dump completed'",
        what=f"reading the database's dump in snapshot {snapshot} back",
        timeout=_RESTORE_SECONDS,
    )
    return snapshot


async def let_go(site: Site) -> None:
    """Let the snapshot go that an upgrade could have returned to.

    Raises:
        SiteError: it cannot be let go.
    """
    await nightly.ask(site, "--done-with", OPERATION)


async def deploy(site: Site, on_step: Callable[[str], None]) -> int:
    """Deploy what is declared; return how many resources were changed.

    Raises:
        UpdateError: it failed; the message has the engine's words.
    """
    plan = await asyncio.to_thread(site.deployer.up, on_step)
    if not plan.ok:
        raise UpdateError(f"the deployment failed: {'; '.join(plan.errors)}")
    return len(plan.steps)


async def put_in_place(site: Site) -> None:
    """Bring the declared release into its directory and start it, past the engine.

    An engine whose update failed remembers the inputs from before, so to it a way back is no
    change, and it would leave the host as it is. Both programs do nothing where nothing is to do.

    Raises:
        CommandFailedError: it failed.
    """
    for name, words in (
        (
            "release.py",
            release_options(Installation(site.declaration.mailcow, site.declaration.names)),
        ),
        (
            "stack.py",
            ["up", *stack_options(Installation(site.declaration.mailcow, site.declaration.names))],
        ),
    ):
        await site.host.run(
            f"{program(name)} {shlex.join(words)}", what=name, timeout=_RESTORE_SECONDS
        )


async def wait(site: Site) -> dict[str, str]:
    """Wait until every container is well; return the images that run.

    Raises:
        UpdateError: they are not well in time.
    """
    await standing.wait_until_well(site, standing.patience(site))
    return await standing.images(site)


async def prove(site: Site, failing_before: tuple[str, ...]) -> int:
    """Prove the mail; return how many checks there were.

    Raises:
        UpdateError: a check fails that did not fail before.
    """
    proof = await site.prove()
    fresh = [text for text in failing(proof) if text not in failing_before]
    if fresh:
        causes = "; ".join(cause.title for cause in proof.causes)
        raise UpdateError(
            f"the proof fails: {', '.join(fresh)}" + (f" ({causes})" if causes else "")
        )
    return len(proof.results)


async def restore_database(site: Site, snapshot: str) -> None:
    """Bring the database of a snapshot back, with nothing running that could write to it.

    The dump is fetched and looked at before anything stops. Mail is not touched: what came in
    meanwhile stays in its mailbox.

    Raises:
        CommandFailedError: it failed; the containers are started by the deployment that follows.
    """
    compose = standing.compose(site)
    ping = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mariadb-admin --user=root ping'
    load = 'MYSQL_PWD="$MYSQL_ROOT_PASSWORD" exec mariadb --user=root'
    script = f"""{_RESTIC}umask 077
d=$(mktemp -d {at(STATE)}/restore-XXXXXXXX)
trap 'rm -rf "$d"' EXIT
restic dump {shlex.quote(snapshot)} {at(DUMP)} > "$d/database.sql"
tail -c 4096 "$d/database.sql" | grep -q -e '-- Dump completed' || {{
  echo 'the dump in the snapshot is cut off; nothing was touched' >&2; exit 1; }}
others=$({compose} ps --services | grep -v -x mysql-mailcow || true)
[ -z "$others" ] || {compose} stop $others >&2
{compose} up -d --no-deps mysql-mailcow >&2
tries=0
until {compose} exec -T mysql-mailcow sh -c {shlex.quote(ping)} >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || {{ echo 'the database does not answer' >&2; exit 1; }}
  sleep 2
done
{compose} exec -T mysql-mailcow sh -c {shlex.quote(load)} < "$d/database.sql"
"""
    await site.host.run(
        script, what=f"restoring the database of snapshot {snapshot}", timeout=_RESTORE_SECONDS
    )
