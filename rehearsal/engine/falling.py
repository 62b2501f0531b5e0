"""What falls before its replacement stands: a resource, and what cannot stand without it."""

import asyncio

from rehearsal.engine import deletion, plan
from rehearsal.engine.hooks import Moment
from rehearsal.engine.model import Op, ResourceState
from rehearsal.engine.order import transitive_dependents
from rehearsal.engine.standing import Standing, refuse_protected


class Falling:
    """Deletes before it is replaced."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._run = standing.run
        self._one_at_a_time = asyncio.Lock()

    async def delete_with_dependents(self, root: ResourceState) -> None:
        """Delete a resource that is to be replaced, and before it what falls with it.

        Raises:
            RefusedError: something of it is protected; nothing was deleted.
        """
        async with self._one_at_a_time:
            dependents = await self._fallen_dependents(root)
            for state in dependents:
                refuse_protected(state)
            for state in [*reversed(dependents), root]:
                await self._delete_for_replacement(state)

    async def _delete_for_replacement(self, state: ResourceState) -> None:
        waiting = state.copy(pending_replacement=True)
        await self._run.hooks.call(Moment.BEFORE_DELETE, old=state)
        if self._run.preview or state.retain_on_delete or not state.managed:
            self._run.report.step(Op.DELETE_REPLACED, state.urn)
            await self._run.ledger.put(waiting)
        else:
            async with (
                self._run.slots,
                self._run.report.timed(Op.DELETE_REPLACED, state.urn),
            ):
                await deletion.remove(self._run, state, dropped=False)
        await deletion.told(self._run, state, Op.DELETE_REPLACED)
        self._standing.old[state.urn] = waiting

    async def _fallen_dependents(self, root: ResourceState) -> list[ResourceState]:
        """Return what has to be replaced along with `root`, what is needed first.

        What the program has registered already does not stand on `root` any more: it could not
        have been registered before it.
        """
        replaced = {root.urn}
        fallen: list[ResourceState] = []
        standing = [
            state
            for state in self._run.ledger.states()
            if state is root or not (state.delete or state.serial in self._standing.claimed)
        ]
        for state in transitive_dependents(root, standing):
            if not state.custom or state.external or state.pending_replacement:
                continue
            if plan.must_go_along(state, replaced) or await self._would_be_replaced(
                state, replaced
            ):
                replaced.add(state.urn)
                fallen.append(state)
        return fallen

    async def _would_be_replaced(self, state: ResourceState, replaced: set[str]) -> bool:
        inputs = plan.unknown_where_replaced(state, replaced)
        if inputs is None or state.is_provider:
            return False
        provider = await self._run.pool.get(state.provider)
        difference = await provider.diff(state, inputs, state.ignore_changes)
        return plan.with_replace_on_changes(difference, state.replace_on_changes).replaces
