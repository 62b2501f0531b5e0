"""When: calendar expressions and spans of time (systemd.time(7))."""

import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache

from readers.mistake import MistakeError

_SHORTHANDS = {
    "minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00", "monthly": "*-*-01 00:00:00", "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00", "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00", "semi-annually": "*-01,07-01 00:00:00",
    "biannually": "*-01,07-01 00:00:00", "bi-annually": "*-01,07-01 00:00:00",
}  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY_DAY = frozenset(range(7))
_FORM = re.compile(
    r"(?:(?P<days>[A-Za-z][A-Za-z.,-]*)(?:\s+|$))?"
    r"(?:(?:(?P<year>[^\s:~-]+)-)?(?P<month>[^\s:~-]+)(?P<end>[-~])(?P<day>[^\s:~-]+)(?:\s+|$))?"
    r"(?:(?P<hour>[^\s:]+):(?P<minute>[^\s:]+)(?::(?P<second>[^\s:]+))?)?"
)
_PART = re.compile(r"(?P<first>\d+)(?:\.\.(?P<last>\d+))?(?:/(?P<step>\d+))?")
_UNITS = {
    "us": 1e-6, "usec": 1e-6, "µs": 1e-6, "ms": 1e-3, "msec": 1e-3, "": 1, "s": 1, "sec": 1,
    "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600,
    "hr": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400,
    "w": 604800, "week": 604800, "weeks": 604800, "M": 2629800, "month": 2629800,
    "months": 2629800, "y": 31557600, "year": 31557600, "years": 31557600,
}  # fmt: skip
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-zµ]*)")


def span(text: str) -> float | None:
    """Return a span of time in seconds, such as of `1h 30min`; None if it is none."""
    if text.strip() == "infinity":
        return float("inf")
    total, place = 0.0, 0
    text = text.rstrip()
    while place < len(text) or not place:
        match = _SPAN.match(text, place)
        if match is None or match[2] not in _UNITS:
            return None
        total += float(match[1]) * _UNITS[match[2]]
        place = match.end()
    return total


@dataclass(frozen=True)
class Calendar:
    """Moments of the calendar.

    Attributes:
        weekdays: Days of the week, Monday being 0.
        years: Years; None for every one.
        months: Months.
        days: Days of the month.
        from_end: Whether days are counted from the end of the month.
        hours: Hours.
        minutes: Minutes.
        seconds: Seconds.
        zone: Time zone; empty for the host's own.
    """

    weekdays: frozenset[int]
    years: frozenset[int] | None
    months: frozenset[int]
    days: frozenset[int]
    from_end: bool
    hours: frozenset[int]
    minutes: frozenset[int]
    seconds: frozenset[int]
    zone: str = ""

    @property
    def every_day(self) -> bool:
        """Whether there is a moment on every day."""
        whole_month = len(self.days) == 31 and not self.from_end
        whole_week = self.weekdays == _EVERY_DAY
        return self.years is None and len(self.months) == 12 and whole_month and whole_week

    def next_after(self, moment: datetime, local: tzinfo = UTC) -> datetime | None:
        """Return the next moment after another; None if there is none within fifty years.

        Args:
            moment: The other moment.
            local: The host's own time zone.
        """
        zone = zoneinfo.ZoneInfo(self.zone) if self.zone not in ("", "UTC") else None
        zone_or_local = zone or (UTC if self.zone else local)
        start = moment.astimezone(zone_or_local)
        for day in self._days(start.date() - timedelta(1)):
            for at in self._times():
                there = datetime.combine(day, at, zone_or_local).astimezone(UTC)
                real = there.astimezone(zone_or_local).time() == at
                if there > moment and real:
                    return there
        return None

    def _days(self, start: date) -> Iterator[date]:
        for year in range(start.year, min(start.year + 50, 2200)):
            for month in sorted(self.months) if self.years is None or year in self.years else ():
                last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(1)).day
                wanted = {last - day + 1 for day in self.days} if self.from_end else self.days
                for day in sorted(number for number in wanted if 0 < number <= last):
                    found = date(year, month, day)
                    if found >= start and found.weekday() in self.weekdays:
                        yield found

    def _times(self) -> Iterator[time]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    yield time(hour, minute, second)


@cache
def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True


def calendar(expression: str) -> Calendar:
    """Read a calendar expression, such as `Mon..Fri *-*-* 03:00:00 UTC`.

    Raises:
        MistakeError: it is none, or counts parts of a second.
    """
    return _Reading(expression).read()


class _Reading:
    def __init__(self, expression: str) -> None:
        self.expression = expression

    def wrong(self) -> MistakeError:
        reason = f"Failed to parse calendar specification '{self.expression}': Invalid argument"
        return MistakeError("OnCalendar", reason)

    def read(self) -> Calendar:
        body, zone = self._zone(self.expression.strip())
        body = _SHORTHANDS.get(body.lower(), body)
        match = _FORM.fullmatch(body)
        if not body or match is None:
            raise self.wrong()
        if "." in (match["second"] or "").replace("..", ""):
            reason = "parts of a second are not read here"
            raise MistakeError(self.expression, reason, understood=False)
        from_end = match["end"] == "~"
        years = self._part(match["year"] or "*", 1970, 2199)
        return Calendar(
            self._weekdays(match["days"]),
            None if len(years) == 230 else years,
            self._part(match["month"] or "*", 1, 12),
            self._part(match["day"] or "*", 1, 28 if from_end else 31, from_end=from_end),
            from_end,
            self._part(match["hour"] or "0", 0, 23),
            self._part(match["minute"] or "0", 0, 59),
            self._seconds(match["second"] or "0"),
            zone,
        )  # fmt: skip

    def _seconds(self, text: str) -> frozenset[int]:
        if re.search(r"\b0*(\d+)\.\.0*\1\b", text):
            raise self.wrong()
        return self._part(text, 0, 59)

    def _zone(self, text: str) -> tuple[str, str]:
        body, blank, last = text.rpartition(" ")
        if blank and last.upper() == "UTC":
            return body, "UTC"
        if blank and re.match(r"[A-Z]", last) and _is_zone(last):
            return body, last
        return text, ""

    def _weekdays(self, text: str | None) -> frozenset[int]:
        days: set[int] = set()
        for member in text.rstrip(",").split(",") if text else ():
            ends = [self._weekday(name) for name in re.split(r"\.\.|-", member)]
            if len(ends) > 2 or ends[0] > ends[-1]:
                raise self.wrong()
            days |= set(range(ends[0], ends[-1] + 1))
        return frozenset(days) if text else _EVERY_DAY

    def _weekday(self, name: str) -> int:
        for number, day in enumerate(_DAYS):
            if name.lower() in (day, day[:3]):
                return number
        raise self.wrong()

    def _part(
        self, text: str, lowest: int, highest: int, *, from_end: bool = False
    ) -> frozenset[int]:
        if text == "*":
            return frozenset(range(lowest, 32 if from_end else highest + 1))
        numbers: set[int] = set()
        matches = [_PART.fullmatch(member) for member in text.split(",")]
        if None in matches:
            raise self.wrong()
        for match in sorted(filter(None, matches), key=lambda match: int(match["first"])):
            first = int(match["first"])
            if lowest == 1970 and first < 100:
                first += 2000 if first < 70 else 1900
            last = int(match["last"]) if match["last"] else None
            step = int(match["step"] or 0)
            inside = lowest <= first <= highest and (last is None or first <= last <= highest)
            forward = first + step <= highest and step <= highest - lowest
            reaches = first - step >= lowest if from_end else forward
            if not inside or (last is None and not reaches) or match["step"] == "0":
                raise self.wrong()
            # Counting from a month's end, systemd takes three days off for each member.
            highest -= 3 * from_end
            if last is None and not step:
                numbers.add(first)
            elif from_end and last is None:
                numbers |= set(range(first, 0, -step))
            else:
                numbers |= set(range(first, (last or highest) + 1, step or 1))
        return frozenset(numbers)
