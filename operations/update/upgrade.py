"""An upgrade from step to step, and the way back; the journal on the host is always true.

A step is noted before it is begun and again when it is done, so whatever ends a run (a failure, a
signal, the line to the host) leaves a journal from which `resume` goes on or `return` goes back.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import asyncssh
import httpx

from declaration.mistakes import DeclarationError
from operations.site import CommandFailedError, Site, SiteError
from operations.update import journal as journals
from operations.update import standing, steps
from operations.update.compare import Differences
from operations.update.journal import Journal, Pin, State, Step, WayBack
from operations.update.releases import UpdateError
from pulumi_host.errors import HostError
from pulumi_mailcow.errors import MailcowError
from rehearsal.stage import refusals

FAILURES: tuple[type[Exception], ...] = (
    SiteError, CommandFailedError, DeclarationError, HostError, MailcowError, asyncssh.Error,
    httpx.HTTPError, TimeoutError, OSError, *refusals(),
)  # fmt: skip
"""What can end a step; anything else is a mistake of this program."""


class Teller(Protocol):
    """Who is told how it goes."""

    def begins(self, step: str, *, back: bool) -> None:
        """Be told that a step begins."""

    def ended(self, step: str, text: str, *, back: bool) -> None:
        """Be told that a step is done, and what came of it."""

    def failed(self, step: str, text: str, *, back: bool) -> None:
        """Be told that a step failed, and why."""

    def changed(self, name: str) -> None:
        """Be told of a resource that was changed."""


class StepFailedError(UpdateError):
    """A step failed; the journal says where things stand."""

    def __init__(self, journal: Journal, text: str) -> None:
        """Say why.

        Args:
            journal: As it lies on the host.
            text: What went wrong.
        """
        super().__init__(text)
        self.journal = journal


def begin(site: Site, plan: Differences, tiers: dict[str, str]) -> Journal:
    """Return the journal of an upgrade that is about to begin.

    Args:
        site: Where it happens.
        plan: What changes.
        tiers: Tiers of services that the next release brings.
    """
    release, declared = site.declaration.mailcow.release, site.declaration.mailcow.services
    gone = {name: declared[name].value for name in plan.dropped}
    return Journal(
        stack=site.stack,
        started=journals.now(),
        before=Pin(tag=release.tag, commit=release.commit),
        after=Pin(tag=plan.target, commit=plan.commit),
        tiers_after={**tiers, **dict.fromkeys(gone)},
        tiers_before={**dict.fromkeys(tiers), **gone},
        schema_after=plan.schema[1] if plan.schema else "",
    )


def where_it_stands(journal: Journal) -> str:
    """Return one sentence on how an upgrade stands."""
    done = ", ".join(journal.done) or "nothing"
    text = f"the upgrade {journal.before.tag} -> {journal.after.tag} of {journal.started}"
    match journal.state:
        case State.DONE:
            return f"{text} is done"
        case State.RETURNED:
            return f"{text} was taken back: {journal.before.tag} runs"
        case State.GIVEN_UP:
            return f"{text} was given up before anything was changed"
        case State.RETURNING:
            back = ", ".join(journal.back) or "nothing"
            return f"{text} is being taken back; done of the way back: {back}"
        case State.UNDER_WAY | State.FAILED:
            how = "failed" if journal.state is State.FAILED else "was stopped"
            return f"{text} {how} at the step {journal.begun or 'before the first'}; done: {done}"


def way_back(journal: Journal, *, live: bool) -> list[str]:
    """Return how to return, with the command, and by hand where even that fails.

    Args:
        journal: Of the upgrade.
        live: Whether it is the real stack.
    """
    where = " --live" if live else ""
    command = f"python -m operations update return --stack {journal.stack}{where}"
    if not journal.changed_something:
        return ["nothing was changed; there is nothing to return from"]
    pin = f"mailcow.release.tag: {journal.before.tag}, mailcow.release.commit: "
    lines = [command, f"by hand: 1. declare {pin}{journal.before.commit}"]
    lines += [
        f"            and mailcow.services.{name}: {tier or 'removed'}"
        for name, tier in sorted(journal.tiers_before.items())
    ]
    number = 2
    if journal.schema_after:
        lines.append(
            f"         2. stop all containers but mysql-mailcow; load database.sql of snapshot "
            f"{journal.snapshot} into it"
        )
        number = 3
    lines.append(f"         {number}. make up, then make prove")
    return lines


class Upgrade:
    """One upgrade of one site."""

    def __init__(self, site: Site, teller: Teller, journal: Journal) -> None:
        """Take what is needed.

        Args:
            site: Where it happens.
            teller: Who is told how it goes.
            journal: Its journal, as begun or as found on the host.
        """
        self.site = site
        self.journal = journal
        self._teller = teller
        self._forward: dict[str, Callable[[], Awaitable[str]]] = {
            Step.BACKUP: self._back_up,
            Step.DECLARE: self._declare,
            Step.DEPLOY: self._deploy,
            Step.HEALTH: self._wait,
            Step.PROVE: self._prove,
        }
        self._backward: dict[str, Callable[[], Awaitable[str]]] = {
            WayBack.DECLARE: self._declare_before,
            WayBack.DATABASE: self._restore,
            WayBack.DEPLOY: self._deploy_before,
            WayBack.HEALTH: self._wait,
            WayBack.PROVE: self._prove,
        }

    async def prepare(self) -> None:
        """Note what there is before, so that there is something to go back to.

        Raises:
            UpdateError: it cannot be told; nothing was changed.
        """
        schema = await standing.schema(self.site)
        if not schema:
            raise UpdateError("the database does not tell the version of its schema")
        await self._keep(schema_before=schema, images_before=await standing.images(self.site))

    async def forward(self) -> None:
        """Go on to the end of the upgrade, from wherever the journal stands.

        Raises:
            StepFailedError: a step failed; the journal says which.
        """
        await self._keep(state=State.UNDER_WAY, failure="")
        try:
            await self._go(self._forward, "done")
        except StepFailedError as error:
            at_all = self.journal.changed_something
            # A declaration that was refused is as it was.
            untouched = not at_all or error.journal.begun == Step.DECLARE
            state = State.GIVEN_UP if untouched else State.FAILED
            await self._keep_if_possible(state, str(error))
            if untouched:
                await self._let_go()
            raise StepFailedError(self.journal, str(error)) from error
        # Its snapshot is kept: until the next upgrade begins, this one can be taken back.
        self.journal = await journals.keep(self.site.host, self.journal.end(State.DONE))

    async def back(self) -> None:
        """Return to the release before, from wherever the journal stands.

        Raises:
            StepFailedError: a step failed; it can be tried again.
        """
        await self._keep(state=State.RETURNING)
        try:
            await self._go(self._backward, "back", is_back=True)
        except StepFailedError as error:
            await self._keep_if_possible(State.RETURNING, str(error))
            raise StepFailedError(self.journal, str(error)) from error
        self.journal = await journals.keep(self.site.host, self.journal.end(State.RETURNED))
        await self._let_go()

    async def _let_go(self) -> None:
        # The host may be what does not answer; the next upgrade lets it go before it begins.
        with suppress(*FAILURES):
            await steps.let_go(self.site)

    async def _go(
        self, known: dict[str, Callable[[], Awaitable[str]]], key: str, *, is_back: bool = False
    ) -> None:
        for step, act in known.items():
            done: tuple[str, ...] = getattr(self.journal, key)
            # The declaration is a file on the operator's machine, which may be another one now.
            if step in done and step != Step.DECLARE:
                continue
            self._teller.begins(step, back=is_back)
            try:
                await self._keep(begun=str(step))
                text = await act()
                await self._keep(**{key: (*dict.fromkeys((*done, str(step))),)})
            except FAILURES as error:
                words = str(error) or type(error).__name__
                self._teller.failed(step, words, back=is_back)
                raise StepFailedError(self.journal, words) from error
            self._teller.ended(step, text, back=is_back)

    async def _keep(self, **facts: object) -> None:
        self.journal = await journals.keep(self.site.host, self.journal.note(**facts))

    async def _keep_if_possible(self, state: State, failure: str) -> None:
        self.journal = (
            self.journal.end(state, failure)
            if state is State.GIVEN_UP
            else self.journal.note(state=state, failure=failure)
        )
        # The host may be what does not answer; then it still says at which step it was.
        with suppress(*FAILURES):
            await journals.keep(self.site.host, self.journal)

    # The steps

    async def _back_up(self) -> str:
        snapshot = await steps.back_up(self.site)
        await self._keep(snapshot=snapshot)
        return f"snapshot {snapshot[:12]}, verified; its dump was read back"

    async def _declare(self) -> str:
        self.site.declare(self.journal.changes())
        return f"{self.journal.after.tag}, {self.journal.after.commit[:12]}"

    async def _declare_before(self) -> str:
        self.site.declare(self.journal.changes(back=True))
        return f"{self.journal.before.tag}, {self.journal.before.commit[:12]}"

    async def _deploy(self) -> str:
        count = await steps.deploy(self.site, self._teller.changed)
        return f"{count} resources changed"

    async def _deploy_before(self) -> str:
        text = await self._deploy()
        await steps.put_in_place(self.site)
        return text

    async def _wait(self) -> str:
        images = await steps.wait(self.site)
        before = self.journal.images_before
        await self._keep(images_after=images)
        others = sum(before.get(name) != image for name, image in images.items())
        return f"{len(images)} containers well, {others} with another image than before"

    async def _prove(self) -> str:
        count = await steps.prove(self.site, self.journal.failing_before)
        return f"{count} checks, none fails that did not fail before"

    async def _restore(self) -> str:
        now = await standing.schema(self.site)
        # Where the database does not answer, it is taken for changed if the release changes it.
        migrated = now != self.journal.schema_before if now else bool(self.journal.schema_after)
        if not migrated:
            return f"schema {now or self.journal.schema_before} is the one from before: left alone"
        await steps.restore_database(self.site, self.journal.snapshot)
        found = await standing.schema(self.site)
        if found != self.journal.schema_before:
            raise UpdateError(
                f"the database has the schema {found or 'nobody knows which'} after its restore, "
                f"not {self.journal.schema_before}"
            )
        return f"schema {found} restored from snapshot {self.journal.snapshot[:12]}"
