"""The proof in a terminal."""

from rich.console import Console
from rich.text import Text

from operations.prove.diagnosis import unexplained
from operations.prove.model import Proof, Result, Status
from operations.prove.report import words

_STYLES = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.UNKNOWN: "magenta",
    Status.SKIP: "dim",
}


def show(proof: Proof, console: Console) -> None:
    """Show the whole proof: the way of a message, then causes, then every check not passed."""
    for station, title in words.STATIONS.items():
        state = proof.state(station)
        results = proof.at_station(station)
        if not results:
            continue
        line = Text(f"  {words.SIGNS[state]} ", style=_STYLES[state])
        line.append(f"{title:<44}", style="bold")
        line.append(_tally(results), style="dim")
        console.print(line)
        for result in results:
            if result.finding.status not in (Status.PASS, Status.SKIP):
                _show_result(result, console)
    _show_causes(proof, console)
    score = words.score(proof)
    style = _STYLES[Status.FAIL if proof.count(Status.FAIL) else Status.PASS]
    console.print(Text(f"  {score} of 10   {words.verdict(proof)}", style=f"bold {style}"))
    console.print(Text(f"  {proof.domain}, {proof.place}, {_tally(proof.results)}", style="dim"))


def _tally(results: tuple[Result, ...]) -> str:
    counts = {
        status: sum(result.finding.status is status for result in results)
        for status in words.STATUSES
    }
    return ", ".join(
        f"{count} {words.STATUSES[status]}" for status, count in counts.items() if count
    )


def _show_result(result: Result, console: Console) -> None:
    finding = result.finding
    style = _STYLES[finding.status]
    console.print(Text(f"      {result.check.id:<22}", style=style).append(finding.seen, "default"))
    if finding.expected:
        console.print(Text(f"{'':<28}expected: {finding.expected}", style="dim"))
    if finding.declared_at:
        console.print(Text(f"{'':<28}declared: {finding.declared_at}", style="dim"))


def _show_causes(proof: Proof, console: Console) -> None:
    alone = unexplained(proof.results, proof.causes)
    if proof.causes or alone:
        console.print(Text("\n  What to mend", style="bold"))
    for cause in proof.causes:
        console.print(Text(f"  ✕ {cause.title}", style="bold red"))
        console.print(Text(f"      {cause.evidence}", style="dim"))
        if cause.declared_at:
            console.print(Text(f"      {cause.declared_at}", style="cyan"))
        console.print(Text(f"      {cause.mend}"))
        shown = ", ".join(cause.explains)
        console.print(Text(f"      explains: {shown}\n", style="dim"))
    for result in alone:
        console.print(Text(f"  ✕ {result.check.title}: {result.finding.seen}", style="red"))
        console.print(Text(f"      {result.mend}\n"))
