"""What is asked for: to look, to upgrade, to go on, to return; and how each of them ends."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import typer

from declaration.mailcow import ResourceTier
from operations.site import Site
from operations.site.command import EXIT_DONE, EXIT_FAILED, EXIT_TO_DO
from operations.update import conditions, journal, releases, source, steps
from operations.update.compare import Differences
from operations.update.conditions import Condition
from operations.update.journal import Journal, State
from operations.update.releases import UpdateError
from operations.update.upgrade import StepFailedError, Upgrade, begin, way_back, where_it_stands
from operations.update.words import Spoken, show_condition, show_plan, show_way_back
from rehearsal.report import Report


class Action(StrEnum):
    """What is to be done."""

    CHECK = "check"
    """Look what is newer, and what it changes."""
    APPLY = "apply"
    """Upgrade."""
    RESUME = "resume"
    """Go on with an upgrade that was stopped or failed."""
    RETURN = "return"
    """Go back to the release before."""
    STATUS = "status"
    """Say how the last upgrade stands."""


@dataclass(frozen=True)
class Order:
    """What the command line asks for.

    Attributes:
        action: What is to be done.
        to: Tag; the next one if empty; `newest`.
        tiers: Tiers of services that the next release brings.
        dry_run: Say what would be done, and change nothing.
        yes: Do not ask.
        return_on_failure: Whether to return by itself; None to ask where somebody can answer.
        accept_one_way: Whether an upgrade without an ordinary way back is wanted.
    """

    action: Action = Action.APPLY
    to: str = ""
    tiers: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    yes: bool = False
    return_on_failure: bool | None = None
    accept_one_way: bool = False


def read_tiers(words: Sequence[str]) -> dict[str, str]:
    """Return tiers by service, from `SERVICE=TIER` words.

    Raises:
        UpdateError: a word has another shape, or names no tier.
    """
    known = [tier.value for tier in ResourceTier]
    found = {}
    for word in words:
        service, _, tier = word.partition("=")
        if not service or tier not in known:
            raise UpdateError(f"--tier {word}: SERVICE=TIER, and a tier is {', '.join(known)}")
        found[service] = tier
    return found


async def carry_out(site: Site, report: Report, order: Order) -> int:
    """Do what is asked for, and return the exit code."""
    match order.action:
        case Action.CHECK:
            return await _check(site, report, order)
        case Action.APPLY:
            return await _apply(site, report, order)
        case Action.STATUS:
            return await _status(site, report)
        case Action.RESUME | Action.RETURN:
            return await _take_up(site, report, order)


async def _target(site: Site, report: Report, order: Order) -> str | None:
    """Say which releases there are, and return the one to look at."""
    pinned = site.declaration.mailcow.release.tag
    tags = await source.tags(site)
    later = releases.beyond(pinned, tags)
    report.put("pinned", pinned)
    report.put("beyond", later)
    report.line("releases", f"{pinned} is pinned; beyond it: {', '.join(later) or 'none'}")
    return releases.choose(order.to, pinned, tags)


async def _check(site: Site, report: Report, order: Order) -> int:
    found = await journal.load(site.host)
    if found is not None and found.state.is_open:
        report.line("upgrade", where_it_stands(found), "wait")
    target = await _target(site, report, order)
    if target is None:
        report.line("upgrade", "nothing to do", "ok")
        return EXIT_DONE
    plan = await source.differences(site, target)
    show_plan(report, plan, dict(order.tiers))
    for refusal in refused(plan, order):
        report.line("in the way", refusal, "wait")
    return EXIT_TO_DO


def refused(plan: Differences, order: Order) -> list[str]:
    """Return what makes an upgrade impossible or unwise as things stand, with what to do."""
    found = list(plan.blockers)
    found += [
        f"{name} is new and has no tier: --tier {name}=helper, or another one"
        for name in plan.tierless
        if name not in order.tiers
    ]
    found += [
        f"--tier {name}: {plan.target} brings no such service"
        for name in order.tiers
        if name not in plan.tierless
    ]
    if not order.accept_one_way:
        found += [f"{text}; --accept-one-way if that is wanted" for text in plan.one_way.values()]
    return found


async def _apply(site: Site, report: Report, order: Order) -> int:
    found = await journal.load(site.host)
    if found is not None and found.state.is_open:
        raise UpdateError(f"{where_it_stands(found)}. Say `resume` or `return` first.")
    target = await _target(site, report, order)
    if target is None:
        report.line("upgrade", "nothing to do", "ok")
        return EXIT_DONE
    plan = await source.differences(site, target)
    show_plan(report, plan, dict(order.tiers))
    refusals = refused(plan, order)
    if refusals:
        for refusal in refusals:
            report.line("in the way", refusal, "failed")
        return _nothing(report)
    made, holds = await _conditions(site, report, begin(site, plan, dict(order.tiers)), plan)
    if not holds:
        return _nothing(report)
    if order.dry_run:
        report.line("upgrade", "dry run: nothing was changed", "ok")
        return EXIT_TO_DO
    if not _agreed(site, order, f"Upgrade {plan.pinned} -> {plan.target}?"):
        return _nothing(report)
    await journal.shelve(site.host)
    await steps.let_go(site)
    upgrade = Upgrade(site, Spoken(report), made)
    await upgrade.prepare()
    return await _forward(report, order, upgrade)


def _nothing(report: Report) -> int:
    report.line("upgrade", "refused; nothing was changed", "failed")
    return EXIT_FAILED


async def _conditions(
    site: Site, report: Report, made: Journal, plan: Differences
) -> tuple[Journal, bool]:
    """Say what must hold; return the journal with what fails already, and whether all holds."""
    seen: list[Condition] = []
    report.put("conditions", [])

    def judge(condition: Condition) -> None:
        seen.append(condition)
        report.put("conditions", [condition.as_dict() for condition in seen])
        show_condition(report, condition)

    async for condition in conditions.on_host(site, plan):
        judge(condition)
    if all(condition.holds for condition in seen):
        judge(await conditions.of_deployment(site))
        proof = await site.prove()
        judge(conditions.judge_proof(proof))
        made = made.note(failing_before=tuple(conditions.failing(proof)))
    return made, all(condition.holds for condition in seen)


def _agreed(site: Site, order: Order, question: str) -> bool:
    """Ask before the real stack is changed. A rehearsal changes nothing that anybody misses."""
    if order.yes or not site.live:
        return True
    if not sys.stdin.isatty():
        raise UpdateError("nobody can be asked here: say --yes")
    return typer.confirm(question, err=True)


async def _take_up(site: Site, report: Report, order: Order) -> int:
    """Go on with an upgrade that stands half-way, or go back from it."""
    found = await journal.load(site.host)
    if found is None or (found.state in {State.RETURNED, State.GIVEN_UP}):
        text = where_it_stands(found) if found else "no upgrade was begun"
        report.line("upgrade", f"{text}; nothing to {order.action}", "ok")
        return EXIT_DONE
    report.line("upgrade", where_it_stands(found))
    if found.stack != site.stack:
        raise UpdateError(f"the journal on the host is of the stack {found.stack}")
    upgrade = Upgrade(site, Spoken(report), found)
    back = order.action is Action.RETURN
    if not back and found.state is State.DONE:
        report.line("upgrade", "nothing to resume", "ok")
        return EXIT_DONE
    if not back and found.state is State.RETURNING:
        raise UpdateError(f"{where_it_stands(found)}; it can only be taken back wholly: `return`")
    if order.dry_run:
        show_way_back(report, found, way_back(found, live=site.live))
        return EXIT_TO_DO
    if back and not found.changed_something:
        await journal.keep(site.host, found.end(State.GIVEN_UP))
        report.line("upgrade", "nothing was changed; the journal is closed", "ok")
        return EXIT_DONE
    if back and not order.yes and is_old(found, datetime.now(UTC)):
        raise UpdateError(
            f"{where_it_stands(found)} for more than a day: returning restores the database of "
            f"{found.started}, and what people changed since is lost. --yes if that is wanted."
        )
    if not _agreed(site, order, f"{order.action.capitalize()} on {site.place}?"):
        return _nothing(report)
    return await _back(report, upgrade) if back else await _forward(report, order, upgrade)


def is_old(found: Journal, now: datetime) -> bool:
    """Whether an upgrade has been in use for so long that returning needs a word of its own."""
    done = found.state is State.DONE and bool(found.ended)
    return done and now - datetime.fromisoformat(found.ended) > timedelta(days=1)


async def _forward(report: Report, order: Order, upgrade: Upgrade) -> int:
    live = upgrade.site.live
    try:
        await upgrade.forward()
    except StepFailedError as error:
        report.put("journal", error.journal.as_dict())
        report.line("upgrade", where_it_stands(error.journal), "failed")
        if not error.journal.state.is_open:
            return EXIT_FAILED
        show_way_back(report, error.journal, way_back(error.journal, live=live))
        if _returns(order):
            await _back(report, upgrade)
        return EXIT_FAILED
    except asyncio.CancelledError:
        report.line("upgrade", where_it_stands(upgrade.journal), "failed")
        report.detail("say `resume` to go on, or `return` to go back")
        raise
    report.put("journal", upgrade.journal.as_dict())
    _show_images(report, upgrade.journal)
    report.line("upgrade", where_it_stands(upgrade.journal), "ok")
    if live:
        report.detail(f"commit {upgrade.site.file.name}: the pin in it is what runs now")
    show_way_back(report, upgrade.journal, way_back(upgrade.journal, live=live))
    return EXIT_DONE


def _returns(order: Order) -> bool:
    """Whether to return after a failure: as told; as answered, on a terminal; otherwise yes."""
    if order.return_on_failure is not None:
        return order.return_on_failure
    if order.yes or not sys.stdin.isatty():
        return True
    return typer.confirm("Return to the release before?", default=True, err=True)


async def _back(report: Report, upgrade: Upgrade) -> int:
    try:
        await upgrade.back()
    except StepFailedError as error:
        report.put("journal", error.journal.as_dict())
        report.line("way back", where_it_stands(error.journal), "failed")
        show_way_back(report, error.journal, way_back(error.journal, live=upgrade.site.live))
        return EXIT_FAILED
    report.put("journal", upgrade.journal.as_dict())
    report.line("way back", where_it_stands(upgrade.journal), "ok")
    return EXIT_DONE


def _show_images(report: Report, made: Journal) -> None:
    changed = [
        (name, made.images_before.get(name, ""), image)
        for name, image in sorted(made.images_after.items())
        if made.images_before.get(name) != image
    ]
    report.line("images", f"{len(changed)} others than before")
    for name, before, after in changed:
        report.detail(f"{name}: {_short(before) or 'none'} -> {_short(after)}")


def _short(image: str) -> str:
    name, _, digest = image.partition(" ")
    return f"{name.rpartition('/')[2]} {digest[:19]}".strip()


async def _status(site: Site, report: Report) -> int:
    found = await journal.load(site.host)
    report.put("journal", found.as_dict() if found else None)
    if found is None:
        report.line("upgrade", "none was begun yet", "ok")
        return EXIT_DONE
    open_ = found.state.is_open
    report.line("upgrade", where_it_stands(found), "wait" if open_ else "ok")
    if found.failure:
        report.detail(found.failure)
    if open_:
        show_way_back(report, found, way_back(found, live=site.live))
    return EXIT_TO_DO if open_ else EXIT_DONE
