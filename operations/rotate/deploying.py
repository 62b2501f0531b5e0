"""Deploying in the course of a rotation: what it is about changes, and nothing besides."""

import asyncio
from collections.abc import Sequence

from operations.rotate.model import Step, Work
from operations.site import Plan, SiteError

_SHOWN = 6


def strangers(plan: Plan, touches: Sequence[str]) -> list[str]:
    """Return the names of resources that a rotation has no business with.

    Args:
        plan: What a deployment would do.
        touches: Names that it may change; one that ends in `*` is a beginning.
    """
    whole = {name for name in touches if not name.endswith("*")}
    beginnings = tuple(name[:-1] for name in touches if name.endswith("*"))
    return sorted(
        {
            step.name
            for step in plan.steps
            if step.name not in whole and not (beginnings and step.name.startswith(beginnings))
        }
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


async def _previewed(work: Work) -> Plan:
    plan = await asyncio.to_thread(work.site.deployer.preview)
    if not plan.ok:
        raise SiteError(f"the preview failed: {'; '.join(plan.errors)}")
    return plan


async def deploy(work: Work, touches: Sequence[str]) -> str:
    """Deploy, after a preview has shown that only what may change does.

    Args:
        work: The rotation.
        touches: Names of the resources that may change.

    Raises:
        SiteError: something else would change, or the deployment failed.
    """
    plan = await _previewed(work)
    foreign = strangers(plan, touches)
    if foreign:
        raise SiteError(f"the deployment would change {_named(foreign)} as well")
    if not plan.steps:
        return "nothing had to change"
    done = await asyncio.to_thread(work.site.deployer.up, work.on_resource)
    if not done.ok:
        raise SiteError(f"the deployment failed: {'; '.join(done.errors)}")
    changed = list(dict.fromkeys(step.name for step in done.steps))
    foreign = strangers(done, touches)
    if foreign:
        raise SiteError(f"the deployment changed {_named(foreign)} as well")
    return f"{len(changed)} changed: {_named(changed)}"


async def _nothing_else_waits(work: Work) -> str:
    plan = await _previewed(work)
    if plan.steps:
        names = _named([step.name for step in plan.steps])
        raise SiteError(f"other changes wait to be deployed: {names}; deploy them first")
    return f"{plan.unchanged} resources are as declared"


CLEAN = Step("clean", "see that nothing else waits to be deployed", _nothing_else_waits)
"""The first step of every rotation: what fails later is then the rotation's own."""


def deploying(touches: Sequence[str], title: str) -> Step:
    """Return the step that deploys, and lets these resources change."""

    async def do(work: Work) -> str:
        return await deploy(work, touches)

    return Step("deploy", title, do)
