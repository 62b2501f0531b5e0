"""`python -m operations new`: write the declaration of a new stack."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from declaration.mistakes import DeclarationError, Mistake, quoted, suggestion
from operations.new.draft import ASSUMED, Draft, taken
from operations.new.interview import Interview
from operations.new.looking import LOOKED_FOR, Sight, look
from operations.new.questions import QUOTA, named, questions
from operations.prove.net import LiveNet
from operations.site import PROJECT, SiteError
from operations.site.command import (
    EXIT_DECLARATION,
    EXIT_DONE,
    EXIT_TO_DO,
    DryRunOption,
    JsonOption,
    StackOption,
)
from rehearsal.report import Report
from rehearsal.stage import Stage, StageError

EXAMPLE = PROJECT / "Pulumi.example.yaml"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _answer(words: str) -> Any:
    return typer.Option(help=words, show_default=False)


Text = str | None


@app.command()
def main(
    stack: StackOption = "qual",
    company: Annotated[Text, _answer("Name of the company, as people read it.")] = None,
    domain: Annotated[Text, _answer("Mail domain.")] = None,
    address: Annotated[Text, _answer("Public IPv4 address of the host.")] = None,
    cpus: Annotated[Text, _answer("Virtual CPUs of the host.")] = None,
    memory: Annotated[Text, _answer("Memory of the host in MiB.")] = None,
    disk: Annotated[Text, _answer("Disk of the host for mail in GiB.")] = None,
    country: Annotated[Text, _answer("Country where the host stands, such as DE.")] = None,
    smarthost: Annotated[Text, _answer("Smarthost, such as resend.")] = None,
    region: Annotated[Text, _answer("Region of the smarthost's account.")] = None,
    smarthost_user: Annotated[Text, _answer("Login name, where each account has its own.")] = None,
    time_zone: Annotated[Text, _answer("Time zone, such as Europe/Berlin.")] = None,
    mailbox: Annotated[
        list[str] | None, _answer("A mailbox, as name=Full name; may be said again.")
    ] = None,
    published: Annotated[
        list[str] | None, _answer("A mailbox on the website; the first one if none is said.")
    ] = None,
    none_published: Annotated[
        bool, typer.Option("--none-published", help="No address stands on the website.")
    ] = False,
    quota: Annotated[int, typer.Option(min=1, help="Quota of each mailbox in MiB.")] = QUOTA,
    backup_server: Annotated[Text, _answer("Object storage for the backup, as name:port.")] = None,
    backup_region: Annotated[Text, _answer("Region of that storage.")] = None,
    look_up: Annotated[
        bool, typer.Option("--look", help="Ask the DNS for what it knows already.")
    ] = False,
    resolver: Annotated[
        str | None, typer.Option(help="Resolver to ask with --look: IP, or IP#port.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write Pulumi.<stack>.yaml for another company, from Pulumi.example.yaml and a few answers.

    What is not given as an option is asked on the terminal. No file is ever overwritten. What only
    your accounts can tell is listed in the end, with the command that sets it.

    Exit status: 0 written; 1 the file cannot be written; 2 an answer is wrong or missing, or the
    file is there already; 3 with --dry-run, it would be written.
    """
    report = Report(as_json=as_json)
    given = {
        "company": company, "domain": domain, "address": address, "cpus": cpus, "memory": memory,
        "disk": disk, "country": country, "smarthost": smarthost, "region": region,
        "smarthost-user": smarthost_user, "time-zone": time_zone,
        "backup-server": backup_server, "backup-region": backup_region,
    }  # fmt: skip
    answers = {option: [text] for option, text in given.items() if text is not None}
    code = EXIT_DECLARATION
    try:
        file = _free(stack)
        if mailbox:
            _all_are_mailboxes(named(mailbox), published or [], file)
        draft = Draft(EXAMPLE)
        interview = Interview(
            draft,
            answers | {"mailbox": mailbox or []},
            ask=_ask if sys.stdin.isatty() and not as_json else None,
            say=lambda words: report.line("no", words),
            look=(lambda name: asyncio.run(look(LiveNet(resolver), name))) if look_up else None,
            source=file.name,
        )
        if none_published:
            draft.put({"publishesAddresses": False})
        interview.hold(questions(quota, None if none_published else published or []))
        names = [mailbox["name"] for mailbox in draft.value("mailboxes")]
        _all_are_mailboxes(names, published or [], file)
        code = _end(draft, interview.sight, stack, report, dry_run=dry_run)
    except (DeclarationError, SiteError, StageError) as error:
        report.fail(str(error))
    except OSError as error:
        report.fail(f"{error.filename}: {error.strerror}")
        code = 1
    report.finish()
    raise typer.Exit(code)


def _free(stack: str) -> Path:
    """Return the file of a stack that has none yet.

    Raises:
        SiteError: there is one.
    """
    file = Stage(PROJECT, stack).file
    if file.exists():
        raise SiteError(taken(file))
    return file


def _all_are_mailboxes(names: Sequence[str], published: Sequence[str], file: Path) -> None:
    unknown = [
        Mistake("--published", f"{quoted(name)} is no mailbox{suggestion(name, names)}")
        for name in published
        if name not in names
    ]
    if unknown:
        raise DeclarationError(file.name, unknown)


def _ask(words: str, proposal: str | None) -> str:
    return str(typer.prompt(words, default=proposal, show_default=bool(proposal)))


def _end(draft: Draft, sight: Sight, stack: str, report: Report, *, dry_run: bool) -> int:
    file = Stage(PROJECT, stack).file
    mistakes = draft.mistakes()
    wrong = [mistake for mistake in mistakes if not mistake.command]
    if wrong:
        raise DeclarationError(file.name, wrong)
    if dry_run:
        report.put("text", draft.text(stack))
        report.console.print(draft.text(stack), markup=False)
    else:
        draft.write(file, stack)
    report.line("file", f"{file.name}: {draft.value('domain')}", "" if dry_run else "ok")
    for note in sight.notes:
        report.line("DNS", note)
    for words in sight.unseen:
        report.line(
            "left open", f"{words} (with --look the DNS is asked)" if words in LOOKED_FOR else words
        )
    report.line("as example", f"{', '.join(ASSUMED)}: compare them with your host")
    on_website = [
        mailbox["name"] for mailbox in draft.value("mailboxes") if mailbox.get("published")
    ]
    shown = f"{', '.join(on_website) or 'no address'}; --published names others"
    report.line("on the website", f" {shown}")
    commands = [f"pulumi stack init {stack}"]
    report.line("next", commands[0])
    for mistake in mistakes:
        command, rest, source = mistake.command.partition(" < ")
        commands.append(f"{command} --stack {stack}{rest}{source}")
        report.line("to set", f"{commands[-1]}   # {mistake.message}")
    report.put("file", str(file))
    report.put("written", not dry_run)
    report.put("from_dns", sight.values)
    report.put("notes", sight.notes)
    report.put("left_open", sight.unseen)
    report.put("published", on_website)
    report.put("assumed", [f"mail:{path}" for path in ASSUMED])
    report.put("missing", [
        {"key": mistake.path, "where": mistake.message, "command": command}
        for mistake, command in zip(mistakes, commands[1:], strict=True)
    ])  # fmt: skip
    return EXIT_TO_DO if dry_run else EXIT_DONE
