"""Deletes what is no longer wanted: dependents before what they depend on, in parallel."""

import asyncio
from collections.abc import Sequence

from rehearsal.engine.hooks import HookFailedError, Moment
from rehearsal.engine.model import Op, ResourceState
from rehearsal.engine.order import dependents_within
from rehearsal.engine.providers import ProviderFailedError
from rehearsal.engine.run import Run


def how(state: ResourceState) -> Op:
    """Return what happens to a resource that is to go."""
    if state.external or state.pending_replacement:
        return Op.DISCARD
    if state.retain_on_delete:
        return Op.RETAIN
    return Op.DELETE_REPLACED if state.delete else Op.DELETE


async def delete(run: Run, states: Sequence[ResourceState]) -> None:
    """Delete the states, each once everything that stands on it is gone.

    A protected resource stops all of it before anything is touched. What cannot be deleted keeps
    what it stands on.
    """
    protected = [state for state in states if state.protect and not state.delete]
    for state in protected:
        run.report.fail(
            state.urn,
            Op.DELETE,
            f"{state.urn} is protected and is not deleted; take `protect` off first, "
            f"or `pulumi state unprotect` it",
        )
    if protected:
        return
    going = {state.urn for state in states if not state.delete}
    before = dependents_within(states)
    tasks: dict[int, asyncio.Task[bool]] = {}

    async def one(state: ResourceState) -> bool:
        above = [tasks[dependent.serial] for dependent in before[state.serial]]
        if above and not all(await asyncio.gather(*above)):
            run.report.skip(state.urn, "something that stands on it could not be deleted")
            return False
        return await _delete_one(run, state, going)

    for state in states:
        tasks[state.serial] = asyncio.create_task(one(state))
    await asyncio.gather(*tasks.values())


async def _delete_one(run: Run, state: ResourceState, going: set[str]) -> bool:
    op = how(state)
    called = state.managed and op in {Op.DELETE, Op.DELETE_REPLACED}
    if state.deleted_with and state.deleted_with in going:
        called = False
    try:
        await run.hooks.call(Moment.BEFORE_DELETE, old=state)
        if run.preview or not called:
            run.report.step(op, state.urn)
            await run.ledger.drop([state])
        else:
            async with run.slots, run.report.timed(op, state.urn):
                await remove(run, state, dropped=True)
    except (ProviderFailedError, HookFailedError) as error:
        run.report.fail(state.urn, op, str(error))
        return False
    return await told(run, state, op)


async def told(run: Run, state: ResourceState, op: Op) -> bool:
    """Tell the program that a resource is gone; returns whether it took that well."""
    try:
        await run.hooks.call(Moment.AFTER_DELETE, old=state)
    except HookFailedError as error:
        run.report.fail(state.urn, op, str(error))
        return False
    return True


async def remove(run: Run, state: ResourceState, *, dropped: bool) -> None:
    """Let the provider delete a resource, and record it.

    Args:
        run: The run.
        state: The resource.
        dropped: Whether it leaves the state; otherwise it waits there for its replacement.

    Raises:
        ProviderFailedError: it stands still, and so does its record.
    """
    provider = await run.pool.get(state.provider)
    token = await run.ledger.begin("deleting", state)
    try:
        await provider.delete(state)
    except BaseException as error:
        if isinstance(error, ProviderFailedError):
            await run.ledger.end(token)
        raise
    if dropped:
        await run.ledger.drop([state], token)
    else:
        await run.ledger.put(state.copy(pending_replacement=True), token=token)
