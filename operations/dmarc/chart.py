"""Messages over time as a picture (SVG): days for a wide screen, weeks for a phone.

Colour never stands alone: what was not aligned is hatched, dotted or crossed as well.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from math import ceil

from dmarc.sources import Kind, Source

Messages = Mapping[date, Counter[tuple[Source, bool]]]
"""Messages of each day by source and alignment."""

SERIES = ("aligned", "failing", "forwarded", "unknown")
"""What is stacked, from the bottom."""
TITLES = {
    "aligned": "aligned",
    "failing": "ours, not aligned",
    "forwarded": "forwarded or list, not aligned",
    "unknown": "unknown, not aligned",
}
_DAY = timedelta(days=1)
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Scene:
    """What is drawn.

    Attributes:
        messages: Messages of each day.
        start: First day.
        end: Last day.
        stages: First day and name of each stage, in order.
        minima: Days before which a stage may not begin, each with a name.
        today: The day; nothing is known after it.
    """

    messages: Messages
    start: date
    end: date
    stages: Sequence[tuple[date, str]]
    minima: Sequence[tuple[date, str]]
    today: date


@dataclass(frozen=True)
class _Frame:
    """Where things stand in a picture."""

    kind: str
    width: int
    height: int
    left: int
    top: int
    bottom: int
    days: int
    """Days that one bar adds up."""

    @property
    def base(self) -> int:
        return self.height - self.bottom

    def x(self, scene: Scene, day: date) -> float:
        length = (scene.end - scene.start).days + 1
        return self.left + (self.width - self.left) * (day - scene.start).days / length


_LYING = _Frame("lying", 960, 350, 44, 66, 30, 1)
_STANDING = _Frame("standing", 340, 300, 32, 82, 28, 7)


def series_of(source: Source, aligned: bool) -> str:  # noqa: FBT001  # half of a pair
    """Return to which of the stacked series messages belong."""
    if aligned:
        return "aligned"
    if source.kind is Kind.FORWARDED:
        return "forwarded"
    return "unknown" if source.unknown else "failing"


def draw(scene: Scene) -> str:
    """Return both pictures; the page's style shows the one that fits."""
    return _picture(scene, _LYING) + _picture(scene, _STANDING)


def key(series: str) -> str:
    """Return the picture of a series for the legend."""
    marks = _defs("key-" + series)
    body = _bar(0.5, 0.5, 17, 17, series, "key-" + series)
    return f'<svg viewBox="0 0 18 18" aria-hidden="true">{marks}{body}</svg>'


def trend(messages: Messages, source: Source, scene: Scene) -> str:
    """Return the small picture of one source: aligned above the line, not aligned below."""
    width, height, middle = 190, 34, 17
    weeks = _weekly(messages, source, scene)
    most = max((max(pair) for pair in weeks), default=0) or 1
    step = width / max(len(weeks), 1)
    parts = [f'<line x1="0" x2="{width}" y1="{middle}" y2="{middle}" class="base"/>']
    for index, (good, bad) in enumerate(weeks):
        if good:
            tall = max(1.5, good / most * (middle - 2))
            parts.append(_rect(index * step, middle - tall, step - 1.5, tall, "aligned"))
        if bad:
            tall = max(1.5, bad / most * (middle - 2))
            series = series_of(source, aligned=False)
            parts.append(_rect(index * step, middle, step - 1.5, tall, series))
    told = f"{source.name} week by week: aligned above the line, not aligned below"
    return (
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(told)}">{"".join(parts)}</svg>'
    )


def _weekly(messages: Messages, source: Source, scene: Scene) -> list[tuple[int, int]]:
    weeks = [[0, 0] for _ in range(ceil(((scene.end - scene.start).days + 1) / 7))]
    for day, found in messages.items():
        if scene.start <= day <= scene.end:
            week = weeks[(day - scene.start).days // 7]
            week[0] += found[source, True]
            week[1] += found[source, False]
    return [(good, bad) for good, bad in weeks]


def stacks(scene: Scene, days: int) -> dict[date, Counter[str]]:
    """Return the height of each series in each bar, by the bar's first day."""
    found: dict[date, Counter[str]] = {}
    for day, messages in scene.messages.items():
        if scene.start <= day <= scene.end:
            first = scene.start + _DAY * ((day - scene.start).days // days * days)
            stack = found.setdefault(first, Counter())
            for (source, aligned), count in messages.items():
                stack[series_of(source, aligned)] += count
    return found


def _picture(scene: Scene, frame: _Frame) -> str:
    found = stacks(scene, frame.days)
    highest, step = _scale(max((text.total() for text in found.values()), default=0))
    parts = [
        _defs(frame.kind),
        *_grid(frame, highest, step),
        *_stages(scene, frame),
        *_bars(scene, frame, found, highest),
        *_months(scene, frame),
        *_minima(scene, frame),
    ]
    each = "day" if frame.days == 1 else "week"
    told = f"Messages a {each} by alignment, {scene.start} to {scene.end}; see the table"
    return (
        f'<svg class="{frame.kind}" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(told)}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _scale(most: int) -> tuple[int, int]:
    """Return a round top of the axis and the distance of its lines."""
    step = next(
        size * power
        for power in (10**exponent for exponent in range(10))
        for size in (1, 2, 5)
        if most <= 4 * size * power
    )
    return max(1, ceil(most / step)) * step, step


def _grid(frame: _Frame, highest: int, step: int) -> list[str]:
    parts = []
    for value in range(0, highest + 1, step):
        y = frame.base - value / highest * (frame.base - frame.top)
        kind = "grid" if value else "base"
        parts.append(
            f'<line x1="{frame.left}" x2="{frame.width}" y1="{y:.1f}" y2="{y:.1f}" class="{kind}"/>'
        )
        parts.append(_text(frame.left - 7, y + 4, str(value), "tick end"))
    each = "messages a day" if frame.days == 1 else "messages a week"
    return [*parts, _text(0, frame.top - 12, each, "tick")]


def _bars(
    scene: Scene, frame: _Frame, found: Mapping[date, Counter[str]], highest: int
) -> list[str]:
    wide = frame.x(scene, scene.start + _DAY * frame.days) - frame.left
    room, parts = frame.base - frame.top, []
    for first, stack in sorted(found.items()):
        x, y = frame.x(scene, first), float(frame.base)
        shown = []
        for series in SERIES:
            if stack[series]:
                tall = max(2.0, stack[series] / highest * room)
                y -= tall
                shown.append(_bar(x + wide * 0.08, y, wide * 0.84, tall, series, frame.kind))
        told = ", ".join(f"{stack[series]} {TITLES[series]}" for series in SERIES if stack[series])
        since = f"{first}" if frame.days == 1 else f"week from {first}"
        parts.append(f"<g><title>{since}: {told}</title>{''.join(shown)}</g>")
    return parts


def _months(scene: Scene, frame: _Frame) -> list[str]:
    parts, day, last = [], scene.start, -100.0
    while day <= scene.end:
        x = frame.x(scene, day)
        wanted = day.day == 1 or (frame.days == 1 and day.day == 15)
        if wanted and x - last >= 46 and x <= frame.width - 30:
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.base}" y2="{frame.base + 5}" '
                'class="base"/>'
            )
            name = _NAMES[day.month - 1] if day.day == 1 else f"{day.day} {_NAMES[day.month - 1]}"
            name += f" {day.year}" if last < 0 else ""
            parts.append(_text(x, frame.base + 19, name, "tick"))
            last = x
        day += _DAY
    return parts


def _stages(scene: Scene, frame: _Frame) -> list[str]:
    """Draw a band for each stage, from its first day to that of the next."""
    parts = []
    ends = [day for day, _ in scene.stages[1:]] + [min(scene.today, scene.end)]
    for (begin, name), end in zip(scene.stages, ends, strict=True):
        left = frame.x(scene, max(begin, scene.start))
        wide = frame.x(scene, end) - left
        if wide <= 0:
            continue
        parts.append(
            f'<rect x="{left:.1f}" y="1" width="{wide:.1f}" height="22" rx="5" class="band">'
            f"<title>{escape(name)} from {begin}</title></rect>"
        )
        if wide >= 7.2 * len(name) + 10:
            parts.append(_text(left + 8, 16.5, name, "band-name"))
    return parts


def _minima(scene: Scene, frame: _Frame) -> list[str]:
    parts = []
    for index, (day, whole) in enumerate(scene.minima):
        # Side by side there is no room on a phone.
        name = whole if frame.days == 1 else whole.replace(" at the earliest", "")
        if scene.start <= day <= scene.end:
            x = frame.x(scene, day)
            y = 40 if frame.days == 1 else 40 + 17 * (index % 2)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 12}" y2="{frame.base}" class="minimum"/>'
            )
            turned = x > frame.width - 6.6 * len(name) - 8
            place = x - 5 if turned else x + 5
            kind = "minimum-name end" if turned else "minimum-name"
            parts.append(_text(place, y, name, kind))
    return parts


def _defs(owner: str) -> str:
    """Return the marks that are laid over what is not aligned."""
    return (
        f'<defs><pattern id="{owner}-failing" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="6" class="cut"/></pattern>'
        f'<pattern id="{owner}-forwarded" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<circle cx="3" cy="3" r="1.3" class="dot"/></pattern>'
        f'<pattern id="{owner}-unknown" width="6" height="6" patternUnits="userSpaceOnUse">'
        '<path d="M0 3h6" class="cut"/></pattern></defs>'
    )


def _bar(x: float, y: float, wide: float, tall: float, series: str, owner: str) -> str:
    plain = _rect(x, y, wide, tall, series)
    if series == "aligned":
        return plain
    return plain + (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
        f'fill="url(#{owner}-{series})"/>'
    )


def _rect(x: float, y: float, wide: float, tall: float, kind: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" class="{kind}"/>'


def _text(x: float, y: float, text: str, classes: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{escape(text)}</text>'
