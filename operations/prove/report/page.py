"""The proof as one page that stands by itself: no other file, no script, nothing fetched."""

from collections.abc import Iterable
from html import escape
from math import pi
from pathlib import Path

from declaration.model import Declaration
from operations.page import render_page
from operations.prove.diagnosis import unexplained
from operations.prove.model import Cause, Proof, Result, Status
from operations.prove.report import words
from operations.prove.report.drawing import COLOURS, draw_lying, draw_standing

_CSS = Path(__file__).with_name("page.css")
_RADIUS = 54


def render(proof: Proof, declaration: Declaration) -> str:
    """Return the page as HTML."""
    title = f"Mail of {proof.domain}: {words.score(proof)} of 10"
    body = "".join(
        (
            _head(proof, declaration),
            _causes(proof),
            _picture(proof, declaration),
            _checks(proof),
            _foot(proof),
        )
    )
    return render_page(title, _CSS.read_text("utf-8"), body)


def _picture(proof: Proof, declaration: Declaration) -> str:
    return (
        '<section class="way-picture"><h2>The way of a message</h2>'
        f"{draw_lying(proof, declaration)}{draw_standing(proof, declaration)}</section>"
    )


def _head(proof: Proof, declaration: Declaration) -> str:
    tally = "".join(
        f'<li class="{status.value}">{_sign(status)}{proof.count(status)} {word}</li>'
        for status, word in words.STATUSES.items()
        if proof.count(status)
    )
    return (
        f"<header>{_dial(proof)}<div><h1>{escape(words.verdict(proof))}</h1>"
        f'<p class="quiet">{escape(declaration.company)}, <b>{escape(proof.domain)}</b>, '
        f"seen in {escape(proof.place)} on {proof.at:%d %B %Y at %H:%M} UTC</p>"
        f'<ul class="tally">{tally}</ul></div></header>'
    )


def _dial(proof: Proof) -> str:
    share = (proof.score or 0) / 10
    state = Status.FAIL if proof.count(Status.FAIL) else Status.PASS
    if proof.score is None or (state is Status.PASS and proof.count(Status.UNKNOWN)):
        state = Status.UNKNOWN
    around = 2 * pi * _RADIUS
    return (
        f'<svg class="dial" viewBox="0 0 132 132" role="img" '
        f'aria-label="{words.score(proof)} of 10">'
        f'<circle cx="66" cy="66" r="{_RADIUS}" fill="none" stroke="#d0d7de" stroke-width="11"/>'
        f'<circle cx="66" cy="66" r="{_RADIUS}" fill="none" stroke="{COLOURS[state]}" '
        f'stroke-width="11" stroke-linecap="round" transform="rotate(-90 66 66)" '
        f'stroke-dasharray="{around * share:.1f} {around:.1f}"/>'
        f'<text x="66" y="76" class="marks">{words.score(proof)}</text>'
        '<text x="66" y="96" class="of">of 10</text></svg>'
    )


def _sign(status: Status) -> str:
    said, sign = words.STATUSES[status], words.SIGNS[status]
    return f'<span class="sign {status.value}" role="img" aria-label="{said}">{sign}</span>'


def _causes(proof: Proof) -> str:
    alone = unexplained(proof.results, proof.causes)
    if not proof.causes and not alone:
        return ""
    titles = {result.check.id: result.check.title for result in proof.results}
    shown = "".join(_cause(cause, titles) for cause in proof.causes)
    shown += "".join(
        f'<div class="cause"><p><strong>{escape(result.check.title)}: this is not so</strong></p>'
        f'<p class="quiet">{escape(result.finding.seen)}</p>'
        f"{_mend(result.finding.declared_at, result.mend)}"
        "</div>"
        for result in alone
    )
    return f"<section><h2>What to mend</h2>{shown}</section>"


def _cause(cause: Cause, titles: dict[str, str]) -> str:
    others = "".join(f"<li>{escape(titles.get(check, check))}</li>" for check in cause.explains)
    number = words.counted(len(cause.explains), "thing does", "things do")
    because = f"Because of it, {number} not hold"
    return (
        f'<div class="cause"><p><strong>{escape(cause.title)}</strong></p>'
        f"<p><code>{escape(cause.evidence)}</code></p>{_mend(cause.declared_at, cause.mend)}"
        f"<details><summary>{because}</summary><ul>{others}</ul></details></div>"
    )


def _mend(key: str, mend: str) -> str:
    where = f" (<code>{escape(key)}</code>)" if key else ""
    return f"<p>{_marked(mend)}{where}</p>"


def _marked(text: str) -> str:
    """Return a text with what stands between back quotes set as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{one}</code>" if index % 2 else one for index, one in enumerate(parts))


def _checks(proof: Proof) -> str:
    shown = ""
    for station, title in words.STATIONS.items():
        results = proof.at_station(station)
        if results:
            shown += (
                f'<h3 id="{station.value}">{_sign(proof.state(station))}{escape(title)}</h3>'
                + "".join(_check(result, proof) for result in results)
            )
    return f"<section><h2>Every check</h2>{shown}</section>"


def _check(result: Result, proof: Proof) -> str:
    finding, check = result.finding, result.check
    causes = [cause for cause in proof.causes if check.id in cause.explains]
    wrong = finding.status in (Status.FAIL, Status.UNKNOWN, Status.WARN)
    rows = [
        ("Seen", escape(finding.seen)),
        ("Expected", escape(finding.expected)),
        ("Cause", escape("; ".join(cause.title for cause in causes))),
        ("Mend", _marked(causes[0].mend if causes else result.mend) if wrong else ""),
        ("Declared", f"<code>{escape(finding.declared_at)}</code>" if finding.declared_at else ""),
        ("Why", f"{escape(check.why)} <span class='quiet'>({escape(check.source)})</span>"),
        ("Severity", check.severity.value),
        ("Details", _list(finding.details)),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows if text)
    # What a cause explains is told above, once; what stands for itself is opened.
    is_open = " open" if finding.status is Status.FAIL and not causes else ""
    return (
        f'<details{is_open}><summary class="{finding.status.value}">{_sign(finding.status)}'
        f'<span class="title">{escape(check.title)}</span>'
        f'<span class="id">{check.id}</span></summary><dl>{listed}</dl></details>'
    )


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _foot(proof: Proof) -> str:
    return (
        "<footer><p>Marks are given by severity over what could be judged. What was left out or "
        "not seen earns none and costs none. A critical failure leaves at most 4, a high one 7."
        f"</p><p>Stack {escape(proof.stack)}. Made by <code>make prove</code>.</p></footer>"
    )
