"""Between two bounds, by how much is going on: ``between(timedelta(minutes=15), timedelta(minutes=60))``."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isqrt
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.decision import Activity, IntervalState, Planned
from taskwarden.core.instant import FAR_FUTURE, MICROSECOND, at_micros, micros, span, utc
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals.every import LONGEST, SHORTEST
from taskwarden.policies.intervals.grid import AFTER_THE_CALENDAR
from taskwarden.policies.intervals.reason import spoken

if TYPE_CHECKING:
    from taskwarden.core.outcome import Outcome

__all__ = ["FULL_WEIGHT", "Between", "between"]

FULL_WEIGHT: Final = 4
"""From this weight of activity on, the interval is the lower bound."""
_END: Final = micros(FAR_FUTURE)


def _lo(value: object) -> timedelta:
    return span(value, "lo", lo=SHORTEST, hi=LONGEST)


def _hi(value: object) -> timedelta:
    return span(value, "hi", lo=SHORTEST, hi=LONGEST)


@attrs.frozen
class Between:
    """
    Slots from *lo* to *hi* apart: *hi* while nothing is reported, nearer to *lo* the more is going on.

    With weight w the interval T obeys 1/T² = 1/hi² + (1/lo² - 1/hi²) x w / 4, rounded down to the microsecond; from
    weight 4 on it is *lo*. Of the schedules that make the same number of calls, delay x weight is least where T falls
    with the square root of the weight (Cho and Garcia-Molina 2003; a Lagrange multiplier shows it): hence the squares.
    With the defaults, weights 0 to 4 give 60, 27.5, 20.6, 17.1 and 15 minutes.

    The anchor is the last slot, not the last run: neither lateness nor the length of runs adds up. The first slot lies
    within one interval, at the task's own phase. Of missed slots only the next is run: the one after *slot* lies
    n x T after it, with the least n that lies ahead, and the others are counted as coalesced.

    Args:
        lo: From 1 ms, at most *hi*.
        hi: At most 3,660 days.

    Raises:
        InvalidValue: A bound breaks its rule.
    """

    lo: timedelta = attrs.field(default=timedelta(minutes=15), converter=_lo)
    hi: timedelta = attrs.field(default=timedelta(minutes=60), converter=_hi)

    def __attrs_post_init__(self) -> None:
        if self.lo > self.hi:
            raise InvalidValue("lo", self.lo, f"must be at most hi, {self.hi}", "exchange them")

    @property
    def grace(self) -> timedelta | None:
        return None

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        now = utc(now, "now")
        weight = _believed(state.activity, now)
        interval = self.interval(weight)
        step = interval // MICROSECOND
        if slot is None:
            start, missed = micros(now) - (micros(now) - state.seed) % step, 0
        else:
            start = micros(utc(slot, "slot"))
            missed = max(0, (micros(now) - start) // step)
        at = start + (missed + 1) * step
        if at > _END:
            return Planned(None, AFTER_THE_CALENDAR, coalesced=missed)
        why = f"activity of weight {weight}" if weight else "no activity"
        return Planned(at_micros(at), f"{why}: every {spoken(interval)}", coalesced=missed, period=interval)

    def interval(self, weight: int) -> timedelta:
        """Return the interval at *weight*: never outside the bounds, and never longer for a greater weight."""
        lo, hi = self.lo // MICROSECOND, self.hi // MICROSECOND
        weight = min(max(weight, 0), FULL_WEIGHT)
        rates = (FULL_WEIGHT - weight) * lo**2 + weight * hi**2  # 1/T², times 4 lo² hi²
        return isqrt(FULL_WEIGHT * lo**2 * hi**2 // rates) * MICROSECOND


def _believed(activity: Activity | None, now: datetime) -> int:
    return 0 if activity is None or activity.until <= now else max(activity.weight, 0)


def between(lo: timedelta = timedelta(minutes=15), hi: timedelta = timedelta(minutes=60)) -> Between:
    """
    Return ``Between``: every *hi* while a tenant is quiet, up to every *lo* while it is active.

    Activity is what the host reports: ``await alice.activity.report(kind, weight, until)``.

    Raises:
        InvalidValue: A bound is not from 1 ms to 3,660 days, or *lo* exceeds *hi*.
    """
    return Between(lo, hi)
