"""Looks at every resource and lets the state follow what is found."""

import asyncio

from rehearsal.engine import plan
from rehearsal.engine.checkpoint import now
from rehearsal.engine.model import Op, ResourceState, Severity
from rehearsal.engine.providers import Found, ProviderFailedError
from rehearsal.engine.run import Run


async def refresh(run: Run) -> None:
    """Read every managed resource; report what differs, drop what is gone."""
    states = [
        state
        for state in run.ledger.states()
        if state.custom
        and not state.is_provider
        and not state.delete
        and not state.pending_replacement
    ]
    await asyncio.gather(*(_refresh_one(run, state) for state in states))
    await _forget_gone(run)
    for operation in run.ledger.left_over():
        run.report.say(
            Severity.INFO, f"no longer waited for: {operation.kind}", operation.resource.urn
        )
    run.ledger.forget_left_over(creations=True)


async def _refresh_one(run: Run, state: ResourceState) -> None:
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
        await run.ledger.drop([state])
        return
    changes = plan.compare(state.outputs, found.outputs)
    if not state.external:
        seen = {change.path for change in changes}
        changes += tuple(
            change for change in plan.compare(state.inputs, found.inputs) if change.path not in seen
        )
    fresh = state.copy(
        id=found.id,
        inputs={} if state.external else found.inputs,
        outputs=found.outputs,
        init_errors=_unhealthy(run, state, found),
    )
    if fresh == state:
        run.report.step(Op.SAME, state.urn)
        return
    fresh.modified = now()
    run.learn(fresh)
    run.report.step(Op.REFRESH if changes else Op.SAME, state.urn, changes)
    await run.ledger.put(fresh)


def _unhealthy(run: Run, state: ResourceState, found: Found) -> list[str]:
    """Return what the provider finds wrong now; what an earlier run noted is settled by that."""
    if not found.reasons:
        return []
    run.learn(state.copy(outputs=found.outputs))
    reasons = [run.report.scrubber.scrub(one) for one in found.reasons]
    run.report.say(Severity.WARNING, "it is not as it should be: " + "; ".join(reasons), state.urn)
    return reasons


async def _forget_gone(run: Run) -> None:
    """Take references to what is gone out of what is still there."""
    there = {state.urn for state in run.ledger.states()}
    for state in run.ledger.states():
        if all(urn in there for urn in state.needs()):
            continue
        fresh = state.copy(
            dependencies=[urn for urn in state.dependencies if urn in there],
            property_dependencies={
                key: [urn for urn in urns if urn in there]
                for key, urns in state.property_dependencies.items()
            },
            deleted_with=state.deleted_with if state.deleted_with in there else "",
            replace_with=[urn for urn in state.replace_with if urn in there],
        )
        if fresh != state:
            await run.ledger.put(fresh)
