"""The order of things: what must stand before what, and what must go before what."""

from collections.abc import Iterable, Mapping, Sequence

from rehearsal.engine.model import ResourceState


def _standing(states: Iterable[ResourceState]) -> dict[str, list[ResourceState]]:
    """Return the states by URN: the live one where there is one, otherwise those to be deleted."""
    found: dict[str, list[ResourceState]] = {}
    for state in states:
        known = found.setdefault(state.urn, [])
        if known and known[0].delete and not state.delete:
            known.clear()
        if not known or known[0].delete == state.delete:
            known.append(state)
    return found


def dependencies_first(states: Sequence[ResourceState]) -> list[ResourceState]:
    """Return the states so that everything comes after what it needs, else in the given order.

    The genuine engine refuses a checkpoint that is not in such an order.
    """
    standing = _standing(states)
    ordered: list[ResourceState] = []
    entered: set[int] = set()
    for root in states:
        # Depth first without recursion: chains of dependencies may be long.
        pending = [(root, False)]
        while pending:
            state, leaving = pending.pop()
            if leaving:
                ordered.append(state)
            elif id(state) not in entered:
                entered.add(id(state))
                pending.append((state, True))
                pending += [
                    (below, False)
                    for urn in reversed(state.needs())
                    for below in standing.get(urn, ())
                    if id(below) not in entered
                ]
    return ordered


def dependents_within(states: Sequence[ResourceState]) -> Mapping[int, list[ResourceState]]:
    """Return for each state, by its serial, those of `states` that must be deleted before it.

    Two states of one URN wait for each other's dependents alike; a state never waits for itself.
    """
    by_urn: dict[str, list[ResourceState]] = {}
    for state in states:
        by_urn.setdefault(state.urn, []).append(state)
    position = {id(state): place for place, state in enumerate(dependencies_first(states))}
    found: dict[int, list[ResourceState]] = {state.serial: [] for state in states}
    for state in states:
        for urn in state.needs():
            for below in by_urn.get(urn, ()):
                # Against a circle (two generations that name each other) the state's order wins.
                if position[id(below)] < position[id(state)]:
                    found[below.serial].append(state)
    return found
