"""PromQL (Prometheus 2): what an expression yields for some samples, as far as alerts go.

Selectors, ranges, arithmetic, comparisons, sets, aggregations and a few functions are known; what
else there is, is a mistake that says so.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from readers.mistake import MistakeError

LOOKBACK = 300.0
"""Seconds for which a sample stands for the present."""
NAME = "__name__"

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_SPAN = re.compile(r"(\d+)(ms|[smhdwy])")
_TOKEN = re.compile(
    r"\s+|#[^\n]*|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<span>(?:\d+(?:ms|[smhdwy]))+\b)|(?P<word>[A-Za-z_:][\w:]*)"
    r"|(?P<text>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)"
    r"|(?P<sign>==|!=|=~|!~|<=|>=|[-+*/%<>=(){}\[\],@])"
)
_LEVELS = (("or",), ("and", "unless"), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"),
           ("*", "/", "%"))  # fmt: skip
_SETS = ("and", "or", "unless")


def _divided(left: float, right: float) -> float:
    return left / right if right else math.nan if not left else math.copysign(math.inf, left)


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": _divided,
    "%": lambda left, right: math.fmod(left, right) if right and math.isfinite(left) else math.nan,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt,
    ">": operator.gt,
}  # fmt: skip
_TOGETHER: dict[str, Callable[[list[float]], float]] = {
    "sum": math.fsum, "min": min, "max": max, "count": len,
    "avg": lambda values: math.fsum(values) / len(values),
}  # fmt: skip


@dataclass(frozen=True)
class Series:
    """Samples of one series.

    Attributes:
        labels: Its labels, the name under `__name__`.
        values: One for each interval; None where nothing was measured.
        interval: Seconds between two of them.
        start: When the first was taken, in seconds since 1970.
    """

    labels: Mapping[str, str]
    values: Sequence[float | None]
    interval: float = 60
    start: float = 0

    def within(self, first: float, last: float) -> list[tuple[float, float]]:
        """Return the samples from a moment to another, both counted in, with their moments."""
        low = max(math.ceil((first - self.start) / self.interval), 0)
        high = min(math.floor((last - self.start) / self.interval), len(self.values) - 1)
        return [
            (self.start + index * self.interval, value)
            for index in range(low, high + 1)
            if (value := self.values[index]) is not None
        ]


Answer = Callable[[Sequence[Series], float], Vector]


@dataclass(frozen=True)
class Query:
    """An expression that was understood.

    Attributes:
        kind: `vector`, `scalar` or `range`.
        answer: What it yields for samples at a moment; a scalar stands at no labels.
        metrics: Names that it asks for.
        absent: Labels that `absent` gives, where this is a bare selector.
        seconds: Length of a range.
    """

    kind: str
    answer: Answer
    metrics: frozenset[str] = frozenset()
    absent: Labels = frozenset()
    seconds: float = 0


@dataclass
class _Reader:
    text: str
    tokens: list[tuple[str, str, int]] = field(default_factory=list)
    at: int = 0

    def wrong(self, reason: str, *, understood: bool = True) -> MistakeError:
        place = self.tokens[self.at][2] if self.at < len(self.tokens) else len(self.text)
        return MistakeError(f"character {place + 1}", reason, understood=understood)

    @property
    def next(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str, kind: str = "") -> str:
        token = self.tokens[self.at] if self.at < len(self.tokens) else ("", "", 0)
        if (wanted and token[1] not in wanted) or (kind and token[0] != kind) or not token[0]:
            what = " or ".join(wanted) or kind
            raise self.wrong(f"{token[1] or 'the end'} stands where {what} should")
        self.at += 1
        return token[1]

    def taken(self, *wanted: str) -> str:
        return self.take() if self.next in wanted and self.next else ""


def span(text: str) -> float:
    """Return the seconds of a duration, such as `1h30m`.

    Raises:
        MistakeError: it is none.
    """
    parts = _SPAN.findall(text)
    ranks = [list(_UNITS)[::-1].index(unit) for _, unit in parts]
    if text == "0":
        return 0
    if "".join(number + unit for number, unit in parts) != text or ranks != sorted({*ranks}):
        raise MistakeError(text or "nothing", "is no duration")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def parse(text: str) -> Query:
    """Read an expression.

    Raises:
        MistakeError: Prometheus refuses it, or this reader does not know a part of it.
    """
    reader = _Reader(text)
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise MistakeError(f"character {place + 1}", f"{text[place]} means nothing here")
        if token.lastgroup:
            reader.tokens.append((token.lastgroup, token[0], place))
        place = token.end()
    query = _binary(reader, 0)
    if reader.next:
        raise reader.wrong(f"{reader.next} stands behind the end")
    return query


def _binary(reader: _Reader, level: int) -> Query:
    if level == len(_LEVELS):
        return _signed(reader)
    left = _binary(reader, level + 1)
    while reader.next in _LEVELS[level]:
        sign = reader.take()
        flag = bool(reader.taken("bool"))
        if flag and sign not in _COMPARISONS:
            raise reader.wrong("bool goes with comparisons alone")
        names = _matching(reader)
        left = _joined(reader, sign, left, _binary(reader, level + 1), names, flag)
    return left


def _signed(reader: _Reader) -> Query:
    if reader.next in ("+", "-"):
        factor = -1.0 if reader.take() == "-" else 1.0
        scalar = _constant(factor)
        return _joined(reader, "*", scalar, _signed(reader), None, False)  # noqa: FBT003 - private
    return _ranged(reader)


def _matching(reader: _Reader) -> tuple[bool, frozenset[str]] | None:
    word = reader.taken("on", "ignoring")
    names = (word == "on", _names(reader)) if word else None
    if reader.next in ("group_left", "group_right"):
        raise reader.wrong(f"{reader.next} is not understood", understood=False)
    return names


def _names(reader: _Reader) -> frozenset[str]:
    reader.take("(")
    names = []
    while reader.next != ")":
        names.append(reader.take(kind="word"))
        if not reader.taken(","):
            break
    reader.take(")")
    return frozenset(names)


def _ranged(reader: _Reader) -> Query:
    query = _atom(reader)
    if reader.taken("["):
        if not isinstance(query.answer, _Selector):
            raise reader.wrong("a range goes with a selector alone")
        length = span(reader.take(kind="span"))
        reader.take("]")
        query = Query("range", query.answer, query.metrics, query.absent, length)
    if reader.next in ("offset", "@"):
        raise reader.wrong(f"{reader.next} is not understood", understood=False)
    return query


def _constant(value: float) -> Query:
    return Query("scalar", lambda _series, _at: {frozenset(): value})


def _atom(reader: _Reader) -> Query:
    kind = reader.tokens[reader.at][0] if reader.next else ""
    if reader.taken("("):
        inner = _binary(reader, 0)
        reader.take(")")
        # A selector between brackets is none any more: no range, no labels for `absent`.
        hidden = lambda series, at: inner.answer(series, at)  # noqa: E731, PLW0108 - see above
        return Query(inner.kind, hidden, inner.metrics)
    if kind == "number":
        return _constant(float(reader.take()))
    if reader.next in _TOGETHER:
        return _aggregated(reader)
    if (
        kind == "word"
        and reader.at + 1 < len(reader.tokens)
        and reader.tokens[reader.at + 1][1] == "("
    ):
        return _called(reader)
    if kind == "word" and reader.next.lower() in ("inf", "nan"):
        return _constant(float(reader.take()))
    if kind == "word" or reader.next == "{":
        return _selected(reader)
    raise reader.wrong(f"{reader.next or 'the end'} stands where a value should")


def _selected(reader: _Reader) -> Query:
    name = reader.take() if reader.next != "{" else ""
    matchers = [(NAME, "=", name)] if name else []
    if reader.taken("{"):
        while reader.next != "}":
            label = reader.take(kind="word")
            sign = reader.take("=", "!=", "=~", "!~")
            matchers.append((label, sign, _plain(reader.take(kind="text"))))
            if not reader.taken(","):
                break
        reader.take("}")
    tests = []
    for label, sign, value in matchers:
        try:
            pattern = re.compile(value if "~" in sign else re.escape(value), re.DOTALL)
        except re.error as error:
            raise reader.wrong(f"{value}: {error}") from None
        tests.append((label, pattern, sign in ("=", "=~")))
    if all((pattern.fullmatch("") is not None) is wanted for _, pattern, wanted in tests):
        raise reader.wrong("a selector must name something")
    chosen = [label for label, _, _ in matchers]
    absent = frozenset(
        (label, value)
        for label, sign, value in matchers
        if sign == "=" and label != NAME and chosen.count(label) == 1
    )
    return Query("vector", _Selector(tests), frozenset(filter(None, [name])), absent)


@dataclass
class _Selector:
    tests: list[tuple[str, re.Pattern[str], bool]]

    def series(self, samples: Sequence[Series]) -> Iterable[Series]:
        for series in samples:
            if all(
                (pattern.fullmatch(series.labels.get(label, "")) is not None) is wanted
                for label, pattern, wanted in self.tests
            ):
                yield series

    def __call__(self, samples: Sequence[Series], at: float) -> Vector:
        found = {}
        for series in self.series(samples):
            points = series.within(at - LOOKBACK, at)
            if points:
                found[frozenset(series.labels.items())] = points[-1][1]
        return found


def _plain(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    return re.sub(
        r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text[1:-1]
    )


def _aggregated(reader: _Reader) -> Query:
    together = _TOGETHER[reader.take()]
    names: frozenset[str] = frozenset()
    by = True
    word = reader.taken("by", "without")
    if word:
        by, names = word == "by", _names(reader)
    reader.take("(")
    inner = _binary(reader, 0)
    reader.take(")")
    if not word and (behind := reader.taken("by", "without")):
        by, names = behind == "by", _names(reader)
    if inner.kind != "vector":
        raise reader.wrong("only series are taken together")

    def answer(samples: Sequence[Series], at: float) -> Vector:
        groups: dict[Labels, list[float]] = {}
        for labels, value in inner.answer(samples, at).items():
            groups.setdefault(_kept(labels, names, on=by), []).append(value)
        return {labels: float(together(values)) for labels, values in groups.items()}

    return Query("vector", answer, inner.metrics)


def _kept(labels: Labels, names: Iterable[str], *, on: bool) -> Labels:
    return frozenset(pair for pair in labels if pair[0] != NAME and (pair[0] in names) is on)


def _called(reader: _Reader) -> Query:
    name = reader.take()
    kinds = {"time": "", "absent": "vector", "increase": "range", "rate": "range"}
    if name not in kinds:
        raise reader.wrong(f"the function {name} is not understood", understood=False)
    reader.take("(")
    inner = _binary(reader, 0) if kinds[name] else _constant(0)
    reader.take(")")
    if kinds[name] and inner.kind != kinds[name]:
        raise reader.wrong(f"{name} takes a {kinds[name]}, not a {inner.kind}")
    if name == "time":
        return Query("scalar", lambda _series, at: {frozenset(): at})
    if name == "absent":
        return Query(
            "vector",
            lambda samples, at: {} if inner.answer(samples, at) else {inner.absent: 1.0},
            inner.metrics,
        )
    selector = inner.answer
    assert isinstance(selector, _Selector)  # noqa: S101 - a range is one of a selector

    def answer(samples: Sequence[Series], at: float) -> Vector:
        found = {}
        for series in selector.series(samples):
            points = series.within(at - inner.seconds, at)
            if len(points) > 1:
                labels = _kept(frozenset(series.labels.items()), (), on=False)
                share = inner.seconds if name == "rate" else 1
                found[labels] = _increase(points, at, inner.seconds, share)
        return found

    return Query("vector", answer, inner.metrics)


def _increase(points: list[tuple[float, float]], at: float, length: float, share: float) -> float:
    """Return by how much a counter has grown, stretched over the range as Prometheus does."""
    values = [value for _, value in points]
    resets = (before for before, value in pairwise(values) if value < before)
    grown = values[-1] - values[0] + math.fsum(resets)
    sampled = points[-1][0] - points[0][0]
    usual = sampled / (len(points) - 1)
    ahead, behind = points[0][0] - (at - length), at - points[-1][0]
    if grown > 0 and values[0] >= 0:
        ahead = min(ahead, sampled * values[0] / grown)
    edges = (gap if gap < usual * 1.1 else usual / 2 for gap in (ahead, behind))
    return grown * ((sampled + math.fsum(edges)) / sampled / share)


def _joined(
    reader: _Reader, sign: str, left: Query, right: Query,
    names: tuple[bool, frozenset[str]] | None, flag: bool,  # noqa: FBT001 - private
) -> Query:  # fmt: skip
    kinds = (left.kind, right.kind)
    if "range" in kinds:
        raise reader.wrong("a range must go into a function")
    if kinds == ("scalar", "scalar") and sign in _COMPARISONS and not flag:
        raise reader.wrong("numbers are compared with bool alone")
    if "scalar" in kinds and (sign in _SETS or names):
        raise reader.wrong(f"{sign} goes between series alone here")
    pairing = _Pairing(sign, flag, *(names or (False, frozenset())), named=bool(names))

    def answer(samples: Sequence[Series], at: float) -> Vector:
        ours, theirs = left.answer(samples, at), right.answer(samples, at)
        if "scalar" in kinds:
            return pairing.with_number(ours, theirs, kinds[0] == "scalar")
        return pairing.sets(ours, theirs) if sign in _SETS else pairing.matched(ours, theirs)

    kind = "scalar" if kinds == ("scalar", "scalar") else "vector"
    return Query(kind, answer, left.metrics | right.metrics)


@dataclass(frozen=True)
class _Pairing:
    """How the two sides of an operator come together."""

    sign: str
    flag: bool
    on: bool
    names: frozenset[str]
    named: bool

    @property
    def bare(self) -> bool:
        """Whether the name of the series is lost."""
        return self.sign in _ARITHMETIC or self.flag

    def place(self, labels: Labels) -> Labels:
        return _kept(labels, self.names, on=self.on)

    def value(self, one: float, other: float, kept: float) -> float | None:
        if self.sign in _ARITHMETIC:
            return _ARITHMETIC[self.sign](one, other)
        holds = _COMPARISONS[self.sign](one, other)
        return float(holds) if self.flag else kept if holds else None

    def with_number(self, ours: Vector, theirs: Vector, first: bool) -> Vector:  # noqa: FBT001 - private
        number = (ours if first else theirs)[frozenset()]
        found = {}
        for labels, value in (theirs if first else ours).items():
            one, other = (number, value) if first else (value, number)
            result = self.value(one, other, value)
            if result is not None:
                found[_kept(labels, (), on=False) if self.bare else labels] = result
        return found

    def sets(self, ours: Vector, theirs: Vector) -> Vector:
        mine, other = ({self.place(labels) for labels in side} for side in (ours, theirs))
        if self.sign == "or":
            new = {key: value for key, value in theirs.items() if self.place(key) not in mine}
            return {**ours, **new}
        wanted = self.sign == "and"
        return {key: value for key, value in ours.items() if (self.place(key) in other) is wanted}

    def matched(self, ours: Vector, theirs: Vector) -> Vector:
        others = {self.place(labels): value for labels, value in theirs.items()}
        if len(others) < len(theirs) or len({*map(self.place, ours)}) < len(ours):
            raise MistakeError("the expression", "many series match many")
        found = {}
        for labels, value in ours.items():
            place = self.place(labels)
            result = self.value(value, others[place], value) if place in others else None
            if result is not None:
                found[place if self.bare or self.named else labels] = result
        return found
