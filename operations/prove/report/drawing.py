"""The way of a message as a picture (SVG): lying for a wide screen, standing for a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from declaration.model import Declaration
from operations.prove.model import Proof, Station, Status
from operations.prove.report import words

COLOURS = {
    Status.PASS: "#1a7f37",
    Status.WARN: "#8a5a00",
    Status.FAIL: "#c11f2b",
    Status.UNKNOWN: "#6f42a8",
    Status.SKIP: "#66707a",
}
"""Each has at least 4.5 to 1 against white (WCAG 2.2, 1.4.3)."""

_WIDTH, _ROW, _NODE, _HEIGHT = 960, 128, 152, 52
_NARROW, _STEP = 340, 104


@dataclass(frozen=True)
class Way:
    """One way of a message.

    Attributes:
        title: Who writes to whom.
        nodes: Who has the message in turn, each with a word more.
        edges: Between two of them: the station, and what happens there.
    """

    title: str
    nodes: Sequence[tuple[str, str]]
    edges: Sequence[tuple[Station, str]]


def ways(declaration: Declaration) -> tuple[Way, ...]:
    """Return the ways that messages of this declaration take."""
    host = ("Mail host", _short(declaration.names.mail_host))
    smarthost = declaration.smarthost.row.title
    return (
        Way(
            "Your people write",
            (("Your people", "mail program"), host, (smarthost, "smarthost"),
             ("Anyone", "their mail host")),
            ((Station.SUBMISSION, "hand in"), (Station.RELAY, "pass on"),
             (Station.VERDICT, "believed")),
        ),
        Way(
            "Others write to you",
            (("Anyone", "their mail host"), ("DNS", _short(declaration.domain)), host,
             ("Mailbox", "INBOX or junk"), ("Your people", "mail program")),
            ((Station.NAMES, "find"), (Station.DELIVERY, "deliver"), (Station.FILING, "file"),
             (Station.READING, "read")),
        ),
        Way(
            "Others pretend to be you",
            (("A forger", "your name"), ("Anyone", "their mail host")),
            ((Station.PROTECTION, "caught"),),
        ),
        Way(
            "Your people browse",
            (("Browser", "or set-up"), ("Webmail", "through Traefik")),
            ((Station.WEB, "open"),),
        ),
    )  # fmt: skip


def _short(name: str) -> str:
    return name if len(name) <= 23 else f"{name[:22]}…"


def draw_lying(proof: Proof, declaration: Declaration) -> str:
    """Return the picture for a wide screen and for paper."""
    out, into, forged, web = ways(declaration)
    parts = [
        *_lying(proof, out, 0, 0, _WIDTH),
        *_lying(proof, into, 0, _ROW, _WIDTH),
        *_lying(proof, forged, 0, 2 * _ROW, 440),
        *_lying(proof, web, 520, 2 * _ROW, 440),
    ]
    return _svg(parts, _WIDTH, 3 * _ROW, proof, "lying")


def draw_standing(proof: Proof, declaration: Declaration) -> str:
    """Return the picture for a phone."""
    parts: list[str] = []
    top = 0
    for way in ways(declaration):
        parts.append(_text(0, top + 20, way.title, "way"))
        for index, node in enumerate(way.nodes):
            y = top + 36 + index * _STEP
            parts += _node(12, y, 220, node)
            if index < len(way.edges):
                station, word = way.edges[index]
                parts += _edge(proof, station, (122, y + _HEIGHT), (122, y + _STEP))
                parts.append(_text(146, y + _HEIGHT + 31, word, "word"))
        top += 36 + (len(way.nodes) - 1) * _STEP + _HEIGHT + 28
    return _svg(parts, _NARROW, top, proof, "standing")


def _lying(proof: Proof, way: Way, left: int, top: int, width: int) -> list[str]:
    gap = (width - len(way.nodes) * _NODE) / (len(way.nodes) - 1)
    parts = [_text(left, top + 20, way.title, "way")]
    y = top + 40
    for index, node in enumerate(way.nodes):
        x = left + index * (_NODE + gap)
        parts += _node(x, y, _NODE, node)
        if index < len(way.edges):
            station, word = way.edges[index]
            start, end = x + _NODE, x + _NODE + gap
            middle = y + _HEIGHT / 2
            parts += _edge(proof, station, (start, middle), (end, middle))
            parts.append(_text((start + end) / 2, y + _HEIGHT + 14, word, "word middle"))
    return parts


def _node(x: float, y: float, width: int, node: tuple[str, str]) -> list[str]:
    middle = x + width / 2
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{width}" height="{_HEIGHT}" rx="8" class="node"/>',
        _text(middle, y + 22, node[0], "name middle"),
        _text(middle, y + 40, node[1], "more middle"),
    ]


def _edge(
    proof: Proof,
    station: Station,
    start: tuple[float, float],
    end: tuple[float, float],
) -> list[str]:
    state = proof.state(station)
    colour = COLOURS[state]
    dash = ' stroke-dasharray="5 5"' if state in (Status.UNKNOWN, Status.SKIP) else ""
    width = 5 if state is Status.FAIL else 3
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    label = escape(f"{words.STATIONS[station]}: {words.STATUSES[state]}")
    return [
        f'<a href="#{station.value}"><title>{label}</title>',
        (
            f'<line x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}" '
            f'stroke="{colour}" stroke-width="{width}"{dash}/>'
        ),
        f'<circle cx="{x:g}" cy="{y:g}" r="14" fill="{colour}"/>',
        f'<text x="{x:g}" y="{y + 5.5:g}" class="sign middle">{words.SIGNS[state]}</text></a>',
    ]


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{classes}">{escape(text)}</text>'


def _svg(parts: Sequence[str], width: int, height: int, proof: Proof, kind: str) -> str:
    told = "; ".join(
        f"{title}: {words.STATUSES[proof.state(station)]}"
        for station, title in words.STATIONS.items()
    )
    return (
        f'<svg class="{kind}" viewBox="-1 0 {width + 2} {height}" role="img" '
        f'aria-label="{escape(told)}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
