"""Samples as promtool writes them: `first+stepxtimes` by series."""

import re
from collections.abc import Iterator, Mapping

from readers.promql import NAME, Series


def series_of(given: Mapping[str, str], interval: float) -> list[Series]:
    """Return the series of a test of promtool."""
    return [
        Series(dict(_labels(name)), [*_values(values)], interval) for name, values in given.items()
    ]


def _labels(text: str) -> Iterator[tuple[str, str]]:
    yield NAME, text.partition("{")[0]
    yield from re.findall(r'(\w+)="([^"]*)"', text)


def _values(text: str) -> Iterator[float | None]:
    for part in text.split():
        first, step, times = re.fullmatch(r"(_|-?[\d.]+?)([+-][\d.]+)?(?:x(\d+))?", part).groups()  # type: ignore[union-attr]
        if first == "_":
            yield from [None] * int(times or 1)
            continue
        for turn in range(int(times or 0) + 1):
            yield float(first) + turn * float(step or 0)
