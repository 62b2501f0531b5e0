"""Opening a site: the running world, a world of its own, or the real stack."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from operations.site.live import LiveSite
from operations.site.model import PROJECT, Site
from operations.site.rehearsed import RehearsedSite, deploy_afresh
from rehearsal.stage import Stage
from rehearsal.world.client import WorldClient, WorldUnreachableError


@asynccontextmanager
async def open_site(
    stack: str,
    *,
    live: bool,
    project: Path = PROJECT,
    runs: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Site]:
    """Open the site of a stack and close it afterwards.

    A rehearsal uses the world that runs; without one it starts one, deploys to it, and stops it
    in the end.

    Args:
        stack: Name of the stack.
        live: The real stack instead of the rehearsed world.
        project: Folder of `Pulumi.yaml`.
        runs: Folder for what rehearsals leave behind; `.rehearsal` of the project if None.
        say: Told what takes long.

    Raises:
        DeclarationError: the declaration has mistakes.
        SiteError: the site cannot be opened.
    """
    if live:
        real = await asyncio.to_thread(LiveSite, stack, project)
        try:
            yield real
        finally:
            await real.close()
        return
    stage = Stage(project, stack, runs)
    stage.check()
    with stage.lock:
        if words := stage.cut_short():
            say(f"{words}: its world and state are made anew")
            await asyncio.to_thread(stage.clear)
        found = _running(stage)
        if found is None:
            say("no world runs: starting one and deploying to it")
        try:
            world = await asyncio.to_thread(deploy_afresh, stage) if found is None else found
            site = RehearsedSite(stage, world)
            try:
                yield site
            finally:
                await site.close()
        finally:
            if found is None:
                await asyncio.to_thread(stage.stop_world)


def _running(stage: Stage) -> WorldClient | None:
    try:
        return stage.world()
    except WorldUnreachableError:
        return None
