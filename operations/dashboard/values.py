"""How numbers are written beside a unit of Grafana's."""

from collections.abc import Sequence

Scale = Sequence[tuple[float, str]]

_SECONDS: Scale = ((86400, " days"), (3600, " hours"), (60, " min"), (1, " s"), (0.001, " ms"))
_BYTES: Scale = ((2**40, " TiB"), (2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))
_COUNT: Scale = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1, ""))
_SCALES = {"s": _SECONDS, "bytes": _BYTES, "short": _COUNT}


def written(value: float, unit: str, decimals: int | None = None) -> str:
    """Return a value as a person reads it.

    Args:
        value: The value.
        unit: Grafana's unit: `s`, `bytes`, `short`, `percent`.
        decimals: Decimals; without it three digits are shown.
    """
    if unit == "percent":
        return f"{_number(value, decimals)}%"
    scale = _SCALES.get(unit, _COUNT)
    size, word = next((step for step in scale if abs(value) >= step[0]), scale[-1])
    if not value:
        size, word = 1, "" if unit == "short" else " s" if unit == "s" else " B"
    return f"{_number(value / size, decimals)}{word}"


def _number(value: float, decimals: int | None) -> str:
    if decimals is None:
        decimals = 0 if abs(value) >= 100 or float(value).is_integer() else 1
    return f"{value:.{decimals}f}"


def marks(least: float, greatest: float, unit: str) -> list[float]:
    """Return round values between two bounds, for an axis: about four of them."""
    span = greatest - least
    steps = _steps(unit, span)
    step = min(steps, key=lambda one: abs(span / one - 4))
    first = -(-least // step) * step
    return [first + place * step for place in range(int((greatest - first) / step + 1e-9) + 1)]


def _steps(unit: str, span: float) -> list[float]:
    if unit == "s" and span > 60:
        return [15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 4 * 3600, 8 * 3600, 86400,
                2 * 86400, 7 * 86400, 30 * 86400]  # fmt: skip
    base = 1024.0 ** (len(written(span, unit)) and _power(span, 1024)) if unit == "bytes" else 1.0
    scaled = span / base
    power = 10.0 ** _power(max(scaled, 1e-9), 10)
    return [base * power * number for number in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5)]


def _power(value: float, base: int) -> int:
    power = 0
    while value >= base ** (power + 1):
        power += 1
    while value < base**power:
        power -= 1
    return power
