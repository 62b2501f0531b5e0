"""Holding the drill on the site's host: what it is told, and what it found."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from declaration.commands import program
from declaration.names import DRILL_PROGRAM, DRILL_SETTINGS
from operations.site import CommandFailedError, Site, SiteError
from pulumi_mailcow.client import Client

DRILL_SECONDS = 8 * 3600.0
"""How long a drill may take, as its program has it."""
API_PATHS = {
    "domain": ("domain/all", "domain_name"),
    "mailbox": ("mailbox/all", "username"),
    "alias": ("alias/all", "address"),
    "relayhost": ("relayhost/all", "hostname"),
}
"""Where the API lists the objects that are compared, and by which field they are known."""


class DrillFailedError(SiteError):
    """A step of the drill failed, so that nothing can be said of the backup."""


@dataclass(frozen=True)
class Check:
    """One thing that was compared."""

    id: str
    ok: bool
    text: str
    number: int


@dataclass(frozen=True)
class Drill:
    """A drill that came to its end.

    Attributes:
        snapshot: Id of the snapshot that was restored.
        taken: When it was made.
        release: Mailcow's release at that time.
        seconds: How long the drill took.
        checks: What was compared.
    """

    snapshot: str
    taken: str
    release: str
    seconds: float
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was restored."""
        return bool(self.checks) and all(check.ok for check in self.checks)


def drill_of(answer: dict[str, Any]) -> Drill:
    """Return the drill that the program tells of.

    Raises:
        DrillFailedError: it did not come to its end.
    """
    if "checks" not in answer:
        raise DrillFailedError(f"the drill failed: {answer.get('error', 'it said nothing')}")
    return Drill(
        snapshot=str(answer["snapshot"]),
        taken=str(answer["taken"]),
        release=str(answer["release"]),
        seconds=float(answer["seconds"]),
        checks=tuple(Check(**check) for check in answer["checks"]),
    )


def objects_of(kind: str, answer: object) -> dict[str, str]:
    """Return the objects that the API lists, each with when it was made; empty where it is unsaid.

    Args:
        kind: A key of `API_PATHS`.
        answer: What the API said; `{}` for an empty list.
    """
    field = API_PATHS[kind][1]
    listed = answer if isinstance(answer, list) else []
    return {
        str(snapshot[field]): str(snapshot.get("created") or "")
        for snapshot in listed
        if snapshot.get(field)
    }


async def objects(client: Client) -> dict[str, dict[str, str]]:
    """Return every object that the API shows, by kind."""
    answers = await asyncio.gather(*(client.get(path) for path, _ in API_PATHS.values()))
    found = {kind: objects_of(kind, said) for kind, said in zip(API_PATHS, answers, strict=True)}
    domains = found["domain"]
    keys = await asyncio.gather(*(client.get(f"dkim/{quote(name, safe='')}") for name in domains))
    # Nobody tells when a key was made: as a rule with its domain. One without is an empty answer.
    named = zip(domains.items(), keys, strict=True)
    return found | {"dkim": {name: made for (name, made), said in named if said}}


async def hold(site: Site, snapshot: str, on_step: Callable[[str], None]) -> Drill:
    """Hold the drill and return what it found.

    Args:
        site: The site.
        snapshot: Id of the snapshot, the last verified one if empty.
        on_step: Told each step as it begins.

    Raises:
        DrillFailedError: it did not come to its end; everything was removed again.
    """
    told = await objects(await site.mailcow())
    options = ["--stdin", *(["--snapshot", snapshot] if snapshot else [])]
    return drill_of(await ask(site, *options, stdin=json.dumps(told), on_step=on_step))


async def ask(
    site: Site,
    *options: str,
    stdin: str | None = None,
    on_step: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Run the program with some of its options and return its answer.

    Raises:
        CommandFailedError: it is not there, or was killed.
    """

    def follow(line: str) -> None:
        step = _object(line).get("step")
        if step:
            on_step(str(step))

    words = " ".join((program(DRILL_PROGRAM), "--settings", DRILL_SETTINGS, "--json", *options))
    done = await site.host.run(
        words, what="the drill", stdin=stdin, timeout=DRILL_SECONDS, check=False, on_line=follow
    )
    answer = _object(done.stdout.splitlines()[-1] if done.stdout else "")
    if "ok" not in answer:
        raise CommandFailedError("the drill", done)
    return answer


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
