"""Looks at every resource and lets the state follow what is found."""

import asyncio
from dataclasses import replace

from rehearsal.engine import plan
from rehearsal.engine.checkpoint import now
from rehearsal.engine.model import Op, ResourceState, Severity
from rehearsal.engine.providers import Found, ProviderFailedError
from rehearsal.engine.run import Run
from rehearsal.engine.values import meant


async def refresh(run: Run) -> None:
    """Read every managed resource; report what differs, drop what is gone."""
    await asyncio.gather(
        *(
            _refresh(run, state)
            for state in run.table.states()
            if state.managed and not state.delete and not state.pending_replacement
        )
    )
    there = {state.urn for state in run.table.states()}
    for state in run.table.states():
        gone = dict.fromkeys(urn for urn in state.needs() if urn not in there)
        if gone:
            run.table.put(state.with_references(gone))


async def _refresh(run: Run, state: ResourceState) -> None:
    try:
        async with run.slots:
            provider = await run.pool.get(state.provider)
            found = await provider.read(state)
    except ProviderFailedError as error:
        run.report.fail(state.urn, Op.REFRESH, str(error))
        return
    if found is None:
        return
    if not found.id:
        run.report.step(Op.DELETE, state.urn)
        run.table.drop(state)
        return
    changes = plan.compare(meant(state.outputs), meant(found.outputs))
    seen = {change.path for change in changes}
    of_inputs = plan.compare(meant(state.inputs), meant(found.inputs))
    changes += tuple(change for change in of_inputs if change.path not in seen)
    reasons = _unhealthy(run, state, found)
    run.report.step(Op.REFRESH if changes else Op.SAME, state.urn, changes)
    if changes or reasons != state.init_errors or found.id != state.id:
        fresh = replace(
            state,
            id=found.id,
            inputs=found.inputs,
            outputs=found.outputs,
            init_errors=reasons,
            modified=now(),
        )
        run.learn(fresh)
        run.table.put(fresh)


def _unhealthy(run: Run, state: ResourceState, found: Found) -> list[str]:
    """Return what the provider finds wrong now; what an earlier run noted is settled by that."""
    if not found.reasons:
        return []
    run.learn(replace(state, outputs=found.outputs))
    reasons = [run.report.scrubber.scrub(reason) for reason in found.reasons]
    run.report.say(Severity.WARNING, "it is not as it should be: " + "; ".join(reasons), state.urn)
    return reasons
