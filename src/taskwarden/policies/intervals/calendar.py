"""
The days and minutes that a cron expression names, on a calendar without zones.

cronsim reads the expression and says which days match. The search for a time is done here, with whole numbers and
tables, because cronsim's own skips and invents times where a zone's clock moves by half an hour or at midnight. A
year's matching days depend on the weekday of its 1 January and on whether it is a leap year alone: fourteen tables.

Walls are seconds since 0001-01-01 00:00 as a clock on a wall shows them.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import isleap
from datetime import MAXYEAR, date, datetime, timedelta
from functools import lru_cache
from typing import Final

import attrs
from cronsim import CronSim, CronSimError

from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals.zone import DAY

__all__ = ["Calendar", "ever_matches", "normalised"]

_FIELDS: Final = 5
_LONGEST: Final = 256
_REMEDY: Final = (
    "write minute 0-59, hour 0-23, day of the month 1-31, month 1-12 and weekday 0-7, e.g. '30 9 * * MON-FRI'"
)
_DAY_OF_MINUTES: Final = 24 * 60
_ANY: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a calendar has no zone


def normalised(expression: object) -> str:
    """
    Return *expression* in capitals, its fields apart by one blank.

    Raises:
        InvalidValue: It is no text of five fields, a field is out of its range, or no day ever matches.
    """
    if not isinstance(expression, str) or len(expression) > _LONGEST:
        raise InvalidValue("cron expression", expression, f"must be text of at most {_LONGEST} characters", _REMEDY)
    fields = expression.upper().split()
    if len(fields) != _FIELDS:
        remedy = f"{_REMEDY}; for seconds, use every(seconds=...)"
        raise InvalidValue("cron expression", expression, f"must have five fields, not {len(fields)}", remedy)
    text = " ".join(fields)
    try:
        CronSim(text, _ANY)
    except (CronSimError, ValueError, AssertionError) as error:
        raise InvalidValue("cron expression", expression, f"must be valid ({error})", _REMEDY) from error
    if not ever_matches(text):
        raise InvalidValue("cron expression", expression, "must match some day", "no year has such a day")
    return text


def ever_matches(expression: str) -> bool:
    """Tell whether any day of any year matches an expression that cronsim can read."""
    days = _days_of(expression)
    return any(_matching(days, leap, weekday) for leap in (False, True) for weekday in range(7))


@attrs.frozen
class Calendar:
    """
    The times that a normalised expression names.

    Args:
        days: Its last three fields.
        minutes: Its minutes of the day, ascending; at least one.
    """

    days: str
    minutes: tuple[int, ...]

    @classmethod
    def of(cls, expression: str) -> Calendar:
        """Return the calendar of a ``normalised`` expression."""
        parsed = CronSim(expression, _ANY)
        minutes = sorted(hour * 60 + minute for hour in parsed.hours for minute in parsed.minutes)
        return cls(_days_of(expression), tuple(minutes))

    @property
    def shortest(self) -> timedelta:
        """The smallest distance between two times of the same or of neighbouring days."""
        following = (*self.minutes[1:], self.minutes[0] + _DAY_OF_MINUTES)
        return timedelta(minutes=min(b - a for a, b in zip(self.minutes, following, strict=True)))

    def first(self, wall: int) -> int | None:
        """Return the first time not before *wall*; None: the calendar ends before."""
        year, day, within = _split(wall)
        days = self._days(year)
        index = bisect_left(days, day)
        if index < len(days) and days[index] == day:
            minute = bisect_left(self.minutes, -(-within // 60))
            if minute < len(self.minutes):
                return wall - within + self.minutes[minute] * 60
            index += 1
        while index == len(days):
            if year == MAXYEAR:
                return None
            year, index = year + 1, 0
            days = self._days(year)
        return _midnight(year, days[index]) + self.minutes[0] * 60

    def count(self, lo: int, hi: int) -> int:
        """Return how many times lie from *lo* to before *hi*; O(years between them)."""
        if hi <= lo:
            return 0
        (first, before), (last, until) = self._place(lo), self._place(hi)
        return sum(len(self._days(year)) for year in range(first, last)) * len(self.minutes) + until - before

    def _place(self, wall: int) -> tuple[int, int]:
        """Return the year of *wall*, and how many times of that year lie before it."""
        year, day, within = _split(wall)
        days = self._days(year)
        index = bisect_left(days, day)
        today = index < len(days) and days[index] == day
        return year, index * len(self.minutes) + (bisect_left(self.minutes, -(-within // 60)) if today else 0)

    def _days(self, year: int) -> tuple[int, ...]:
        return _matching(self.days, isleap(year), date(year, 1, 1).weekday())


def _days_of(expression: str) -> str:
    """Return the last three fields."""
    return expression.split(maxsplit=2)[2]


def _split(wall: int) -> tuple[int, int, int]:
    """Return year, day of the year from 0, and second of the day."""
    day, within = divmod(wall, DAY)
    found = date.fromordinal(day + 1)
    return found.year, day + 1 - date(found.year, 1, 1).toordinal(), within


def _midnight(year: int, day: int) -> int:
    return (date(year, 1, 1).toordinal() - 1 + day) * DAY


@lru_cache(maxsize=4_096)
def _matching(days: str, leap: bool, weekday: int) -> tuple[int, ...]:  # noqa: FBT001 - a key of the cache
    """Return the days, from 0, that match in a year of this kind whose 1 January is this weekday."""
    like = (year for year in range(2000, 2028) if isleap(year) == leap and date(year, 1, 1).weekday() == weekday)
    first = date(next(like), 1, 1)
    parsed = CronSim(f"0 0 {days}", _ANY)
    each = (first + timedelta(days=day) for day in range(366 if leap else 365))
    return tuple((day - first).days for day in each if day.month in parsed.months and parsed.match_day(day))
