"""
By the wall clock of a zone: ``cron("30 9 * * MON-FRI", timezone="Europe/Berlin")``.

Theory: an expression names times on a calendar without zones. Where the zone's clock runs evenly, each of them is one
instant. Where it jumps, one of two rules holds, as in Debian's cron:

* *Wall clock* (neither minute nor hour begins with ``*``): every nominal day has its runs. A time that the clock skips
  is run at the first instant after the jump, several such times as one; a time that comes twice is run the first time.
* *Elapsed* (minute or hour begins with ``*``): the clock is read as it runs, so there are as many runs as there are
  such readings. ``*/30 2 * * *`` has none on the day on which the clock skips from two to three, and four when it
  comes back.

Both are read off the stretches of even time between two jumps; see ``zone``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from taskwarden.core.instant import FAR_FUTURE, FAR_PAST
from taskwarden.policies.intervals.calendar import Calendar, normalised
from taskwarden.policies.intervals.grid import planned
from taskwarden.policies.intervals.missed import COALESCE, Missed, check_missed, grace_of
from taskwarden.policies.intervals.zone import DAY, Segment, check_zone, segments_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from taskwarden.core.decision import IntervalState, Planned
    from taskwarden.core.outcome import Outcome

__all__ = ["Cron", "cron"]

_SECOND: Final = timedelta(seconds=1)
# Two days from either end of the calendar, so that no zone's wall clock falls off it.
_FIRST: Final = 2 * DAY
_LAST: Final = (FAR_FUTURE - FAR_PAST) // _SECOND - 2 * DAY
_COUNTED_EXACTLY: Final = 50 * 366 * DAY


class _Stretch(NamedTuple):
    """Times from *lo* to before *hi* by the wall clock. They are run as they come, or all at *pinned*."""

    lo: int
    hi: int
    pinned: bool


@attrs.frozen
class Cron:
    """
    Slots where *expression* matches the wall clock of *timezone*.

    Where the clock jumps, the rules at the head of this module hold. Slots end on 9999-12-29, before the calendar does.
    Missed slots are counted exactly over 50 years; over more, the hours that jumps add or drop are left out.

    Args:
        expression: Minute, hour, day of the month, month, weekday. If neither day field begins with ``*``, one of the
            two suffices. ``L``, ``LW``, ``MON#2`` and ``5L`` are known, names are English. Kept in capitals.
        timezone: A name of the tz database.
        missed: What becomes of slots that nobody ran in time.

    Raises:
        InvalidValue: The expression is malformed or never matches, there is no such zone, or *missed* is no choice.
    """

    expression: str = attrs.field(converter=normalised)
    timezone: str = attrs.field(default="UTC", kw_only=True, converter=check_zone)
    missed: Missed = attrs.field(default=COALESCE, kw_only=True, validator=check_missed)
    _calendar: Calendar = attrs.field(init=False, repr=False, eq=False)
    _elapsed: bool = attrs.field(init=False, repr=False, eq=False)

    @_calendar.default
    def _default_calendar(self) -> Calendar:
        return Calendar.of(self.expression)

    @_elapsed.default
    def _default_elapsed(self) -> bool:
        minute, hour, *_ = self.expression.split()
        return minute.startswith("*") or hour.startswith("*")

    @property
    def grace(self) -> timedelta | None:
        return grace_of(self.missed)

    @property
    def shortest(self) -> timedelta:
        return self._calendar.shortest

    @property
    def reason(self) -> str:
        """The expression and its zone."""
        return f"cron {self.expression} ({self.timezone})"

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        return planned(self, slot, state.seed, outcome, now)

    def after(self, instant: datetime, seed: int) -> datetime | None:
        earliest = _next_second(instant)
        if earliest > _LAST:
            return None
        for segment in segments_from(self.timezone, earliest):
            for stretch in self._stretches(segment):
                if stretch.pinned:
                    wall = self._calendar.first(stretch.lo) if segment.start >= earliest else None
                else:
                    wall = self._calendar.first(max(stretch.lo, earliest + segment.offset))
                if wall is not None and wall < stretch.hi:
                    second = segment.start if stretch.pinned else wall - segment.offset
                    return FAR_PAST + second * _SECOND if second <= _LAST else None
        return None

    def count(self, after: datetime, until: datetime, seed: int) -> int:
        first, last = _next_second(after), min(_next_second(until), _LAST + 1)
        if last - first > _COUNTED_EXACTLY:
            return self._calendar.count(first, last)
        return sum(self._counted(segment, first, last) for segment in self._between(first, last))

    def _between(self, first: int, last: int) -> Iterator[Segment]:
        for segment in segments_from(self.timezone, min(first, _LAST)):
            if segment.start >= last:
                return
            yield segment

    def _counted(self, segment: Segment, first: int, last: int) -> int:
        """Return how many slots *segment* has from *first* to before *last* (UTC)."""
        found = 0
        for lo, hi, pinned in self._stretches(segment):
            if not pinned:
                found += self._calendar.count(max(lo, first + segment.offset), min(hi, last + segment.offset))
            elif segment.start >= first:
                found += min(1, self._calendar.count(lo, hi))
        return found

    def _stretches(self, segment: Segment) -> tuple[_Stretch, ...]:
        lo, hi = segment.start + segment.offset, segment.end + segment.offset
        reached = segment.start + segment.before
        if self._elapsed or reached == lo:
            return (_Stretch(lo, hi, pinned=False),)
        if reached > lo:  # the clock was put back: what it shows again was run already
            return (_Stretch(reached, hi, pinned=False),)
        # It was put forward: what it skipped, and what it shows right after, is one run at that instant.
        return (_Stretch(reached, lo + 1, pinned=True), _Stretch(lo + 1, hi, pinned=False))


def _next_second(instant: datetime) -> int:
    """Return the first whole second after *instant*, not before the range of ``Cron``."""
    return max((instant - FAR_PAST) // _SECOND + 1, _FIRST)


def cron(expression: str, timezone: str = "UTC", *, missed: Missed = COALESCE) -> Cron:
    """
    Return ``Cron``: ``cron("30 9 * * MON-FRI", "Europe/Berlin")``.

    Raises:
        InvalidValue: The expression is malformed or never matches, or there is no such zone.
    """
    return Cron(expression, timezone=timezone, missed=missed)
