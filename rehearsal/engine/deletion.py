"""Deletes what is no longer wanted: dependents before what they depend on, in parallel."""

import asyncio
from collections.abc import Sequence

from rehearsal.engine.model import Op, ResourceState
from rehearsal.engine.order import dependents_within
from rehearsal.engine.providers import ProviderFailedError
from rehearsal.engine.run import Run


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
    before = dependents_within(states)
    tasks: dict[int, asyncio.Task[bool]] = {}

    async def in_turn(state: ResourceState) -> bool:
        above = [tasks[dependent.serial] for dependent in before[state.serial]]
        if above and not all(await asyncio.gather(*above)):
            run.report.skip(state.urn, "something that stands on it could not be deleted")
            return False
        return await _delete(run, state)

    for state in states:
        tasks[state.serial] = asyncio.create_task(in_turn(state))
    await asyncio.gather(*tasks.values())


async def _delete(run: Run, state: ResourceState) -> bool:
    op = Op.DELETE_REPLACED if state.delete else Op.DELETE
    if state.pending_replacement:
        run.report.step(Op.DISCARD, state.urn)
    else:
        try:
            await remove(run, state, op)
        except ProviderFailedError as error:
            run.report.fail(state.urn, op, str(error))
            return False
    run.table.drop(state)
    return True


async def remove(run: Run, state: ResourceState, op: Op) -> None:
    """Let the provider delete a resource; in a preview, only say so.

    Raises:
        ProviderFailedError: it stands still.
    """
    if run.preview or not state.managed:
        run.report.step(op, state.urn)
        return
    async with run.change(op, state.urn):
        provider = await run.pool.get(state.provider)
        await provider.delete(state)
