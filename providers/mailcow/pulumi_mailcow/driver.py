"""Create, read, change and remove any object, believing nothing until it was read back."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from pulumi_mailcow.catalogue import Row
from pulumi_mailcow.describe import Property, Values
from pulumi_mailcow.errors import (
    AlreadyExistsError,
    InUseError,
    MailcowError,
    MissingError,
    PartlyDoneError,
    RefusedError,
    RemnantError,
    UncertainError,
    UnconfirmedError,
)
from pulumi_mailcow.objects.base import MailcowObject
from pulumi_mailcow.session import Session, counting
from pulumi_mailcow.version import PACKAGE

UNRESOLVED = "unresolved:"
"""An id that begins so stands for an object whose number could not be learnt. What follows is its
group, and the ids that were there before it."""
ATTEMPTS = 3
"""How often a write is tried whose answer does not tell what it did, where repeating it is safe."""
_log = logging.getLogger(__name__)
LOOKS = (0.0, 0.3, 1.0, 2.0)
"""Seconds to wait before each look for a write whose answer was lost."""


@dataclass(frozen=True)
class Found:
    """An object as it is.

    Attributes:
        identity: Its id.
        values: Its properties, in the declaration's spelling where that means the same.
    """

    identity: str
    values: Values


class Driver:
    """Drives objects against one Mailcow."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(self, item: MailcowObject, values: Values, name: str) -> Found:
        """Create an object; `name` is what the program calls it.

        Raises:
            AlreadyExistsError: it is there already.
            PartlyDoneError: it is there, or may be, but not as declared.
            MailcowError: it is not there.
        """
        if item.numbered:
            return await self._create_numbered(item, values)
        identity = item.identity(values)
        found = await self._first_look(item, identity)
        if found is not None and await item.stands(self._session, found):
            raise _already(item, identity, name)
        trouble = await self._add(item, identity, values, alone=found is None)
        if isinstance(trouble, RefusedError) and item.taken.intersection(trouble.codes):
            if await self._find_anew(item, identity):
                raise _already(item, identity, name)
            msg = f"{identity} is taken by something that is not a {item.noun}: {trouble}"
            raise AlreadyExistsError(msg)
        return await self._settle(item, identity, values, trouble)

    async def read(self, item: MailcowObject, identity: str, remembered: Values) -> Found | None:
        """Return an object as it is, or None if it is gone.

        Raises:
            PartlyDoneError: half of it is there, and an update puts it right.
            MailcowError: it cannot be told.
        """
        if identity.startswith(UNRESOLVED):
            row = await self._resolve(item, identity, remembered)
        else:
            try:
                row = await item.find(self._session, identity)
            except RemnantError as half:
                if not remembered:
                    raise
                raise PartlyDoneError(identity, remembered, [str(half)]) from None
        if row is None or (not remembered and not await item.stands(self._session, row)):
            return None
        return Found(item.identity_of(row), item.truth(remembered, item.parse(row)))

    async def update(
        self, item: MailcowObject, identity: str, remembered: Values, values: Values
    ) -> Values:
        """Bring an object to what is declared. One that is gone is made again.

        Raises:
            PartlyDoneError: it is there, but not as declared.
            MailcowError: nothing is known to have changed.
        """
        try:
            row = await item.find(self._session, identity)
        except RemnantError:
            if not item.may_be_added(values):
                raise
            row = None
            await self._clear(item, identity)
        if row is None:
            return await self._create_again(item, identity, values)
        actual = item.parse(row)
        changed = item.hidden(values, remembered, actual)
        changed |= {match.name for match in item.differing(values, actual)}
        if not changed:
            return item.truth(values, actual)
        await item.complete(self._session, row, values, remembered)
        trouble = await self._change(item, row, values, changed)
        return await self._settle_change(item, row, remembered, values, changed, trouble)

    async def _change(
        self, item: MailcowObject, row: Row, values: Values, changed: set[str]
    ) -> MailcowError | None:
        """Change an object, again while the answer does not tell what was done."""
        for attempt in range(ATTEMPTS):
            trouble = await self._attempt(partial(item.change, self._session, row, values, changed))
            if attempt + 1 == ATTEMPTS or not _once_more(trouble):
                break
            try:
                row = await self._find_anew(item, item.identity_of(row)) or row
            except MailcowError:
                break  # whoever looks next says so
        return trouble

    async def delete(self, item: MailcowObject, identity: str, remembered: Values) -> None:
        """Remove an object, or find that it is gone.

        Raises:
            InUseError: others still point at it.
            MailcowError: it is still there, or may be.
        """
        if identity.startswith(UNRESOLVED):
            row = await self._resolve(item, identity, remembered)
        else:
            row = item.stub(identity) or await item.find(self._session, identity)
        if row is None:
            return
        obstacles = list(await item.obstacles(self._session, row))
        if obstacles:
            msg = f"{item.noun} {item.identity_of(row)} is not deleted: {'; '.join(obstacles)}"
            raise InUseError(msg)
        trouble, left = await self._remove(item, row)
        if left is None:
            return
        if not await item.stands(self._session, left) and not isinstance(trouble, UncertainError):
            return
        raise trouble or _unconfirmed(item, item.identity_of(row), "it is still there")

    async def _remove(
        self, item: MailcowObject, row: Row
    ) -> tuple[MailcowError | None, Row | None]:
        """Remove an object, again where half of it is left; return what went wrong and is left.

        Raises:
            RemnantError: half of it is left whatever was tried.
        """
        identity, doubtful = item.identity_of(row), False
        for attempt in range(ATTEMPTS):
            last = attempt + 1 == ATTEMPTS
            trouble = await self._attempt(partial(item.remove, self._session, row))
            doubtful |= isinstance(trouble, UncertainError)
            try:
                left = await self._look(item, identity, lambda left: left is None, trouble)
            except RemnantError as half:
                _log.warning("%s %s was deleted by halves", item.noun, identity)
                if last:
                    after = "; ".join(_reasons(trouble, f"{ATTEMPTS} deletions changed nothing"))
                    raise RemnantError(f"{half}; {after}") from None
                continue
            # Of what is gone something may be left that nobody sees: the later statements.
            if last or not _once_more(trouble):
                break
            row = left or row
        if left is None and doubtful:
            await item.sweep(self._session, identity)
        return trouble, left

    async def _clear(self, item: MailcowObject, identity: str) -> None:
        """Remove what is there by halves, so that it can be made whole.

        Raises:
            MailcowError: it is still there.
        """
        _log.warning("%s %s is there by halves; it is removed and made anew", item.noun, identity)
        stub = item.stub(identity)
        if stub is not None:
            trouble, left = await self._remove(item, stub)
            if left is not None:
                raise trouble or _unconfirmed(item, identity, "it is still there")

    async def _find_anew(self, item: MailcowObject, identity: str) -> Row | None:
        self._session.catalogue.touch(item.listing, identity)
        return await item.find(self._session, identity)

    # --- creating ----------------------------------------------------------------------------

    async def _first_look(self, item: MailcowObject, identity: str) -> Row | None:
        """Return what is there before anything is added; half an object is cleared away."""
        try:
            return await item.find(self._session, identity, listed=True)
        except RemnantError:
            await self._clear(item, identity)
            return None

    async def _add(
        self, item: MailcowObject, identity: str, values: Values, *, alone: bool
    ) -> MailcowError | None:
        """Add an object, anew where it was added by halves.

        An answer that does not say success says nothing of the later statements: a mailbox may
        lack what lets it send. What was not there before this addition (`alone`), and holds
        nothing, is removed and added once more.
        """
        for attempt in range(ATTEMPTS):
            trouble = await self._attempt(lambda: item.add(self._session, values))
            taken = isinstance(trouble, RefusedError) and item.taken.intersection(trouble.codes)
            if attempt + 1 == ATTEMPTS or not (alone and (taken or _once_more(trouble))):
                break
            try:
                row = await self._find_anew(item, identity)
                if row is not None and (taken or not item.expendable(row)):
                    break
                left = (await self._remove(item, row))[1] if row is not None else None
                if taken and not await item.sweep(self._session, identity):
                    break
            except RemnantError:
                await self._clear(item, identity)
                left = None
            except MailcowError:
                break  # whoever looks next says so
            if left is not None:
                break
        return trouble

    async def _create_again(self, item: MailcowObject, identity: str, values: Values) -> Values:
        if item.numbered or item.identity(values) != identity:
            msg = (
                f"{item.noun} {identity} is gone. Run `pulumi refresh`; the next `pulumi up` "
                "makes it again"
            )
            raise MissingError(msg)
        trouble = await self._add(item, identity, values, alone=True)
        return (await self._settle(item, identity, values, trouble)).values

    async def _create_numbered(self, item: MailcowObject, values: Values) -> Found:
        """Create what only a number tells apart, one after the other: the new number is it."""
        session, kind = self._session, item.listing.name
        async with session.lock(f"new {kind}"):
            if kind in session.unresolved:
                msg = (
                    f"the number of a {item.noun} created before in this run could not be learnt; "
                    "no further one is created, so that it can be found again. Run it once more"
                )
                raise MailcowError(msg)
            group = item.group(values)
            before = {item.identity_of(row) for row in await self._all(item, group)}
            unresolved = f"{UNRESOLVED}{group}:{','.join(sorted(before))}"
            for _ in range(ATTEMPTS):
                trouble = await self._attempt(lambda: item.add(session, values))
                try:
                    fresh = await self._newcomers(item, group, before, values, trouble)
                except MailcowError as blind:
                    session.unresolved.add(kind)
                    reasons = _reasons(trouble, f"its number could not be learnt: {blind}")
                    raise PartlyDoneError(unresolved, item.truth(values, {}), reasons) from None
                if fresh or not _once_more(trouble):
                    break
            if len(fresh) == 1:
                identity = item.identity_of(fresh[0])
            elif fresh or (isinstance(trouble, UncertainError) and trouble.pending):
                session.unresolved.add(kind)
                numbers = ", ".join(item.identity_of(row) for row in fresh) or "none yet"
                reasons = _reasons(trouble, f"its number is not certain: {numbers}")
                raise PartlyDoneError(unresolved, item.truth(values, {}), reasons)
            else:
                raise trouble or _unconfirmed(item, "", "no new one is there")
        return await self._settle(item, identity, values, trouble)

    async def _all(self, item: MailcowObject, group: str) -> list[Row]:
        return await self._session.catalogue.all(item.listing, group)

    async def _newcomers(
        self,
        item: MailcowObject,
        group: str,
        before: set[str],
        values: Values,
        trouble: MailcowError | None,
    ) -> list[Row]:
        fresh: list[Row] = []
        for pause in LOOKS if isinstance(trouble, UncertainError) else LOOKS[:1]:
            await asyncio.sleep(pause)
            fresh = [
                row
                for row in await self._all(item, group)
                if item.identity_of(row) not in before and item.alike(row, values)
            ]
            if fresh:
                break
        return fresh

    async def _resolve(self, item: MailcowObject, identity: str, remembered: Values) -> Row | None:
        """Find the object whose number could not be learnt: alike, and not there before it."""
        group, _, known = identity.removeprefix(UNRESOLVED).rpartition(":")
        before = set(known.split(","))
        fresh = await self._newcomers(item, group, before, remembered, None)
        if len(fresh) > 1:
            numbers = ", ".join(item.identity_of(row) for row in fresh)
            msg = (
                f"a {item.noun} was created whose number could not be learnt, and {numbers} are "
                "all like it. Remove those that nobody uses in Mailcow, and run it again"
            )
            raise UnconfirmedError(msg)
        return fresh[0] if fresh else None

    async def _settle(
        self, item: MailcowObject, identity: str, values: Values, trouble: MailcowError | None
    ) -> Found:
        """Read back what was added, finish what adding cannot do, and say what is so."""
        row = await self._see(item, identity, values, trouble)
        if row is None:
            raise _absent(item, identity, values, trouble)
        if item.assembled and isinstance(trouble, UncertainError):
            reasons = _reasons(trouble, "whether all of it was made is seen to by the next run")
            raise PartlyDoneError(identity, _unwritten(item, values), reasons)
        unfinished = {match.name for match in item.differing(values, item.parse(row))}
        if unfinished and not isinstance(trouble, RefusedError):
            added = row
            try:
                trouble = await self._attempt(
                    lambda: item.change(self._session, added, values, unfinished)
                )
            except MailcowError as error:
                trouble = error
            row = await self._see(item, identity, values, trouble)
            if row is None:
                raise _unconfirmed(item, identity, "it is not there any more")
        actual = item.parse(row)
        wrong = item.differing(values, actual)
        said = item.truth(values, actual)
        if wrong:
            reasons = _reasons(trouble, *_differences(wrong, values, actual))
            raise PartlyDoneError(item.identity_of(row), said, reasons)
        return Found(item.identity_of(row), said)

    async def _see(
        self, item: MailcowObject, identity: str, values: Values, trouble: MailcowError | None
    ) -> Row | None:
        """Return what was added, or None if it is not there.

        Raises:
            PartlyDoneError: it cannot be told.
        """
        try:
            row = await self._look(item, identity, lambda found: found is not None, trouble)
            if row is not None and trouble and not await item.stands(self._session, row):
                return None
        except MailcowError as blind:
            reasons = _reasons(trouble, f"it could not be read back: {blind}")
            raise PartlyDoneError(identity, _unwritten(item, values), reasons) from None
        return row

    # --- changing ----------------------------------------------------------------------------

    async def _settle_change(
        self,
        item: MailcowObject,
        before: Row,
        remembered: Values,
        values: Values,
        changed: set[str],
        trouble: MailcowError | None,
    ) -> Values:
        """Read back what was changed, and say what is so."""
        identity = item.identity_of(before)

        def arrived(found: Row | None) -> bool:
            return found is not None and not item.differing(values, item.parse(found))

        try:
            after = await self._look(item, identity, arrived, trouble)
        except MailcowError as blind:
            reasons = _reasons(trouble, f"it could not be read back: {blind}")
            raise PartlyDoneError(identity, remembered, reasons) from None
        if after is None:
            reasons = _reasons(trouble, f"{item.noun} {identity} is not there any more")
            raise PartlyDoneError(identity, remembered, reasons)
        actual = item.parse(after)
        reasons = _differences(item.differing(values, actual), values, actual)
        unseen = item.hidden(values, remembered, actual)
        if unseen and trouble is None:
            doubts = await item.doubts(self._session, before, after, values, changed)
            reasons += list(doubts)
        if unseen and (trouble or reasons):
            names = ", ".join(sorted(unseen))
            reasons.append(f"whether {names} arrived is not known; it will be written again")
            values = {**values, **{name: remembered.get(name) for name in unseen}}
        if reasons:
            said = item.truth(values, actual)
            raise PartlyDoneError(identity, said, _reasons(trouble, *reasons))
        return item.truth(values, actual)

    # --- writing and looking -----------------------------------------------------------------

    async def _attempt(self, write: Callable[[], Awaitable[None]]) -> MailcowError | None:
        """Write, and return what went wrong, unless nothing can have been changed by it."""
        with counting() as done:
            try:
                await write()
            except MailcowError as error:
                if not done:
                    raise
                return error
        return None

    async def _look(
        self,
        item: MailcowObject,
        identity: str,
        settled: Callable[[Row | None], bool],
        trouble: MailcowError | None,
    ) -> Row | None:
        """Read anew; more than once where the answer to a write was lost."""
        row = None
        for pause in LOOKS if isinstance(trouble, UncertainError) else LOOKS[:1]:
            await asyncio.sleep(pause)
            self._session.catalogue.touch(item.listing, identity)
            row = await item.find(self._session, identity)
            if settled(row):
                break
        return row


def _once_more(trouble: MailcowError | None) -> bool:
    """Return whether a write may be tried again: nobody knows what it did, and it is over."""
    return isinstance(trouble, UncertainError) and not trouble.pending


def _absent(
    item: MailcowObject, identity: str, values: Values, trouble: MailcowError | None
) -> MailcowError:
    """Return how to say that what was added is not there."""
    if isinstance(trouble, UncertainError) and trouble.pending:
        reasons = _reasons(trouble, f"{item.noun} {identity} is not there yet")
        return PartlyDoneError(identity, _unwritten(item, values), reasons)
    return trouble or _unconfirmed(item, identity, "it is not there")


def _already(item: MailcowObject, identity: str, name: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"{item.noun} {identity} exists already. To take it over, type: "
        f"pulumi import {PACKAGE}:index:{item.token} {name} '{identity}'"
    )


def _unconfirmed(item: MailcowObject, identity: str, what: str) -> UnconfirmedError:
    return UnconfirmedError(f"{item.noun} {identity}: Mailcow says success, but {what}")


def _unwritten(item: MailcowObject, values: Values) -> Values:
    """Return the declaration without what a later run must write again to be sure."""
    hidden = {
        property_.name
        for property_ in item.properties
        if not property_.readable and not property_.only_at_creation
    }
    return {**item.truth(values, {}), **dict.fromkeys(hidden)}


def _reasons(trouble: MailcowError | None, *more: str) -> list[str]:
    return [*([str(trouble)] if trouble else []), *more]


def _differences(wrong: Iterable[Property], declared: Values, actual: Values) -> list[str]:
    return [
        f"{key.name}: it is not as declared"
        if key.secret
        else f"{key.name}: {declared[key.name]!r} is declared, {actual[key.name]!r} is there"
        for key in wrong
    ]
