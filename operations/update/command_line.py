"""`python -m operations update`: upgrade Mailcow from one pinned release to the next, or back."""

from typing import Annotated

import typer

from operations.site import Site, SiteError
from operations.site.command import (
    EXIT_DECLARATION,
    DryRunOption,
    JsonOption,
    LiveOption,
    RunsOption,
    StackOption,
    on_site,
)
from operations.update.action import Action, Order, carry_out, read_tiers
from rehearsal.report import Report

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    action: Annotated[
        Action,
        typer.Argument(
            help="check: what there is. apply: upgrade. resume, return: go on "
            "or back from an upgrade that stands half-way. status: say so."
        ),
    ] = Action.APPLY,
    stack: StackOption = "qual",
    to: Annotated[
        str, typer.Option("--to", metavar="TAG", help="Release; the next one if empty; `newest`.")
    ] = "",
    tier: Annotated[
        list[str] | None, typer.Option(metavar="SERVICE=TIER", help="Tier of a new service.")
    ] = None,
    live: LiveOption = False,
    dry_run: DryRunOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    return_on_failure: Annotated[
        bool | None,
        typer.Option(
            "--return-on-failure/--stay-on-failure",
            help="Whether to return by itself; asked on a terminal.",
        ),
    ] = None,
    accept_one_way: Annotated[
        bool,
        typer.Option(
            "--accept-one-way",
            help="Upgrade although a database server changes "
            "its files, so that there is no ordinary way back.",
        ),
    ] = False,
    as_json: JsonOption = False,
    runs: RunsOption = None,
) -> None:
    """Upgrade Mailcow: what changes, a backup, the upgrade, the proof; and the way back.

    Exit status: 0 done, or nothing newer; 1 refused or failed, the way back is told; 2 the
    declaration has mistakes, or the command line; 3 there is something to do (check, --dry-run,
    status).
    """  # fmt: skip
    report = Report(as_json=as_json)
    try:
        tiers = read_tiers(tier or [])
    except SiteError as error:
        report.fail(str(error))
        report.finish()
        raise typer.Exit(EXIT_DECLARATION) from None
    order = Order(
        action=action,
        to=to,
        tiers=tiers,
        dry_run=dry_run,
        yes=yes,
        return_on_failure=return_on_failure,
        accept_one_way=accept_one_way,
    )

    async def act(site: Site) -> int:
        report.put("place", site.place)
        return await carry_out(site, report, order)

    raise typer.Exit(on_site(report, act, stack=stack, live=live, runs=runs, label="world"))
