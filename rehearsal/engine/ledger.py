"""The state while a run is at work: every change goes to the journal before the run goes on."""

from collections.abc import Iterable, Sequence

from rehearsal.engine import checkpoint
from rehearsal.engine.checkpoint import Checkpoint, PendingOperation
from rehearsal.engine.journal import Journal, Record
from rehearsal.engine.model import ResourceState
from rehearsal.engine.sealing import Sealer


class Ledger:
    """The table of resources; in a preview it is changed in memory alone."""

    def __init__(self, content: Checkpoint, sealer: Sealer, journal: Journal | None) -> None:
        """Take over a state.

        Args:
            content: The state; its resources have their serials.
            sealer: Seals secrets on their way to the journal.
            journal: Where changes go; None in a preview.
        """
        self._table = {state.serial: state for state in content.resources}
        self._next = max(self._table, default=-1) + 1
        self._pending: dict[int, PendingOperation] = {}
        self._left_over = list(content.pending)
        self._sealer = sealer
        self._journal = journal
        self.changed = False

    def states(self) -> list[ResourceState]:
        """Return every state, live ones and those to be deleted, in the order they came."""
        return [self._table[serial] for serial in sorted(self._table)]

    def content(self) -> Checkpoint:
        """Return the state as it is to be saved."""
        return Checkpoint(self.states(), self._left_over + list(self._pending.values()))

    def new_serial(self) -> int:
        """Return a serial that no state has."""
        self._next += 1
        return self._next - 1

    async def begin(self, kind: str, state: ResourceState) -> int:
        """Record that an operation is about to begin, and return its token.

        Args:
            kind: `creating`, `updating`, `deleting` or `importing`.
            state: The resource as it is to be, or for a deletion as it is.
        """
        token = self.new_serial()
        self._pending[token] = PendingOperation(kind, state)
        await self._commit(
            [{"kind": "begin", "token": token, "op": kind, "resource": self._written(state)}]
        )
        return token

    async def end(self, token: int) -> None:
        """Record that an operation ended without a change of the state: it failed."""
        self._pending.pop(token, None)
        await self._commit([{"kind": "end", "token": token}])

    async def put(self, *states: ResourceState, token: int | None = None) -> None:
        """Record states, new ones or ones in another's place, as one change."""
        records: list[Record] = []
        for state in states:
            if state.serial < 0:
                state.serial = self.new_serial()
            self._table[state.serial] = state
            self._resolve(state.urn)
            records.append(
                {"kind": "put", "serial": state.serial, "resource": self._written(state)}
            )
        await self._commit([*records, *self._ended(token)])

    async def drop(self, states: Iterable[ResourceState], token: int | None = None) -> None:
        """Record that resources are gone."""
        records: list[Record] = []
        for state in states:
            self._table.pop(state.serial, None)
            records.append({"kind": "drop", "serial": state.serial})
        await self._commit([*records, *self._ended(token)])

    def left_over(self) -> list[PendingOperation]:
        """Return the operations that an earlier run began and was not seen to end."""
        return list(self._left_over)

    def forget_left_over(self, *, creations: bool) -> None:
        """Drop what an earlier run left open; creations only when they have been looked into."""
        kept = [] if creations else [one for one in self._left_over if one.kind == "creating"]
        self.changed = self.changed or len(kept) < len(self._left_over)
        self._left_over = kept

    def _resolve(self, urn: str) -> None:
        # What an earlier run left open is settled once the resource stands.
        self._left_over = [one for one in self._left_over if one.resource.urn != urn]

    def _ended(self, token: int | None) -> list[Record]:
        if token is None:
            return []
        self._pending.pop(token, None)
        return [{"kind": "end", "token": token}]

    def _written(self, state: ResourceState) -> Record:
        if self._journal is None:
            return {}
        return checkpoint.write_resource(state, self._sealer.seal)

    async def _commit(self, records: Sequence[Record]) -> None:
        self.changed = True
        if self._journal is not None:
            await self._journal.commit(records)
