"""The advice and its evidence as one page that stands by itself, in the look of the proof's."""

from datetime import date, timedelta
from html import escape
from pathlib import Path

from declaration.model import Declaration
from dmarc.advice import Advice, Condition, Tally, Verdict, by_day, earliest, rows_of, tally_up
from dmarc.domain import STAGES, MailDomain
from dmarc.evidence import WINDOW_DAYS, Evidence
from dmarc.sources import Senders
from operations.dmarc import chart
from operations.dmarc.chart import Scene
from operations.dmarc.wording import headline, kind_of, percent
from operations.page import render_page
from operations.prove.report import page as proof_page

_CSS = (Path(proof_page.__file__).with_name("page.css"), Path(__file__).with_name("page.css"))
_MOST_SOURCES = 30
_LOOKS = {
    Verdict.ADVANCE: ("advance", "↑"),
    Verdict.KEEP: ("keep", "="),
    Verdict.STEP_BACK: ("back", "↓"),
    Verdict.UNJUDGED: ("unjudged", "?"),
}


def render(
    declaration: Declaration, domain: MailDomain, evidence: Evidence, advice: Advice, today: date
) -> str:
    """Return the page as HTML.

    Args:
        declaration: The declaration.
        domain: Its mail domain.
        evidence: What the reports said.
        advice: What they advise.
        today: The day.
    """
    senders = Senders(domain, rows_of(evidence))
    messages = by_day(evidence, senders)
    first = declaration.dmarc.first_published or domain.since
    scene = scene_of(domain, first, evidence, messages, today)
    title = f"DMARC of {declaration.domain}: {headline(advice)}"
    body = "".join(
        (
            _head(declaration, advice, today),
            _chart(scene),
            _conditions(advice),
            _sources(tally_up(evidence, senders, scene.start, today), scene, advice),
            _weeks(scene),
            _foot(declaration, evidence),
        )
    )
    style = "".join(item.read_text("utf-8") for item in _CSS)
    return render_page(title, style, body)


def scene_of(
    domain: MailDomain, first: date, evidence: Evidence, messages: chart.Messages, today: date
) -> Scene:
    """Return what the chart shows: the window, and the minima that lie ahead if they are near.

    Args:
        domain: The mail domain.
        first: Day on which its first record was published.
        evidence: What the reports said.
        messages: The same by day.
        today: The day.
    """
    begun = domain.reported_since
    minima = [
        (day, f"{stage} at the earliest (T+{(day - begun).days})")
        for stage in STAGES[1:]
        if begun and (day := earliest(domain, stage))
    ]
    oldest = today - timedelta(days=WINDOW_DAYS - 1)
    start = max(oldest, min([*messages, first, today]))
    ahead = [day for day, _ in minima if day <= today + timedelta(days=45)]
    # A month at least, so that bars of the first days do not fill the picture.
    end = max([today, start + timedelta(days=34), *(day + timedelta(days=4) for day in ahead)])
    stages = [(first, STAGES[0])]
    stages += [(step.on, step.stage) for step in evidence.steps if step.on > stages[-1][0]]
    if stages[-1][1] != domain.stage and domain.since >= stages[-1][0]:
        stages.append((domain.since, domain.stage))
    return Scene(messages, start, end, stages, minima, today)


def _head(declaration: Declaration, advice: Advice, today: date) -> str:
    look, sign = _LOOKS[advice.verdict]
    figures = advice.figures
    seen = (
        f"{figures.messages} messages of declared senders, {figures.aligned} aligned, "
        f"{figures.start:%d %B} to {figures.end:%d %B %Y}, told by {figures.reporters} receivers"
        if figures
        else "no report yet"
    )
    missing = sum(1 for condition in advice.conditions if not condition.met)
    told = (f"{missing} of {len(advice.conditions)} conditions not met",) if missing else ()
    reasons = "".join(f"<p>{escape(reason)}</p>" for reason in told or advice.reasons[:4])
    return (
        f'<header><div class="verdict {look}" role="img" aria-label="{advice.verdict}">{sign}</div>'
        f"<div><h1>{escape(headline(advice))}</h1>"
        f'<p class="quiet">{escape(declaration.company)}, <b>{escape(declaration.domain)}</b>, on '
        f"{today:%d %B %Y}. {escape(seen)}.</p>{reasons}</div></header>"
    )


def _chart(scene: Scene) -> str:
    legend = "".join(
        f"<li>{chart.key(series)}{chart.TITLES[series]}</li>" for series in chart.SERIES
    )
    return (
        f'<section class="chart"><h2>Messages that receivers reported</h2>{chart.draw(scene)}'
        f'<ul class="legend">{legend}</ul></section>'
    )


def _conditions(advice: Advice) -> str:
    if not advice.conditions:
        return ""
    items = "".join(_condition(condition) for condition in advice.conditions)
    return (
        f"<section><h2>What {advice.target} asks for</h2>"
        f'<ul class="conditions">{items}</ul></section>'
    )


def _condition(one: Condition) -> str:
    kind, sign, said = ("pass", "✓", "met") if one.met else ("warn", "!", "not met")
    return (
        f'<li><span class="sign {kind}" role="img" aria-label="{said}">{sign}</span>'
        f"<span>{escape(one.text)}</span></li>"
    )


def _sources(tallies: tuple[Tally, ...], scene: Scene, advice: Advice) -> str:
    asked = {stranger.source for stranger in advice.strangers}
    rows = "".join(
        f"<tr><td>{escape(tally.source.name)}<small>{kind_of(tally)}"
        f"{', to be declared or acknowledged' if tally.source in asked else ''}</small></td>"
        f'<td class="number">{tally.messages}</td><td class="number">{percent(tally)}</td>'
        f'<td class="trend">{chart.trend(scene.messages, tally.source, scene)}</td></tr>'
        for tally in tallies[:_MOST_SOURCES]
    )
    more = len(tallies) - _MOST_SOURCES
    rest = f'<p class="quiet">And {more} smaller ones.</p>' if more > 0 else ""
    return (
        '<section class="sources"><h2>Who sent it</h2><table><thead><tr><th>Source</th>'
        '<th class="number">Messages</th><th class="number">Aligned</th>'
        "<th>By week, not aligned below</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{rest}</section>"
    )


def _weeks(scene: Scene) -> str:
    """Return the chart's numbers, for who cannot see it."""
    rows = "".join(
        f"<tr><td>{first}</td>"
        + "".join(f'<td class="number">{stack[series]}</td>' for series in chart.SERIES)
        + "</tr>"
        for first, stack in sorted(chart.stacks(scene, 7).items())
    )
    heads = "".join(f'<th class="number">{chart.TITLES[series]}</th>' for series in chart.SERIES)
    return (
        '<section class="days"><h2>The same in numbers</h2><details><summary>Week by week</summary>'
        f"<div><table><thead><tr><th>From</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        "</details></section>"
    )


def _foot(declaration: Declaration, evidence: Evidence) -> str:
    kept = declaration.dmarc.acknowledged_sources
    agreed = ", ".join(escape(source.name) for source in kept)
    told = f"<p>Acknowledged: {agreed}.</p>" if kept else ""
    known = sum(1 for day in evidence.days.values() if day.reports)
    return (
        f"<footer>{told}<p>Reports of {known} days are kept, {WINDOW_DAYS} at most. They come from "
        "those receivers that send any, and tell of no single message. Made by "
        "<code>make dmarc</code>.</p></footer>"
    )
