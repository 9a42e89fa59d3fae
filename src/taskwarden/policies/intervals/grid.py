"""
Slots on a grid: what ``every``, ``cron`` and ``jittered`` share.

Theory: a grid is a fixed set of instants for each task, known in advance and without a memory. The next slot is the
first of the set after the last one. So nothing can drift: lateness, retries, restarts and outcomes do not enter, a
slot that an operator moved returns to the grid, and the number of missed slots follows from two instants alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, assert_never, runtime_checkable

from taskwarden.core.decision import Planned
from taskwarden.core.instant import MICROSECOND, at_micros, later, micros, utc
from taskwarden.core.outcome import Skipped
from taskwarden.policies.intervals.missed import Coalesce, Each, Missed, Skip

if TYPE_CHECKING:
    from taskwarden.core.outcome import Outcome

__all__ = ["AFTER_THE_CALENDAR", "Grid", "planned"]

AFTER_THE_CALENDAR: Final = "no further slot before the year 10000"
_SECOND: Final = timedelta(seconds=1)


@runtime_checkable
class Grid(Protocol):
    """A fixed set of instants for each task, which its *seed* names. Instants are aware UTC; pure and total."""

    @property
    def missed(self) -> Missed:
        """What becomes of slots that nobody ran in time."""

    @property
    def shortest(self) -> timedelta:
        """The smallest nominal distance between slots."""

    @property
    def reason(self) -> str:
        """For people, e.g. ``"every 15 min"``."""

    def after(self, instant: datetime, seed: int) -> datetime | None:
        """Return the first slot after *instant*; None: the calendar ends before."""

    def count(self, after: datetime, until: datetime, seed: int) -> int:
        """Return how many slots lie after *after* and not after *until*."""


def planned(grid: Grid, slot: datetime | None, seed: int, outcome: Outcome | None, now: datetime) -> Planned:
    """
    Return what an interval policy on *grid* answers: see ``IntervalPolicy.next``.

    The answer lies after *slot*, always, and after *now* but where the choice for missed slots runs some of them late.
    Its period is the distance to the slot that follows it.
    """
    now = utc(now, "now")
    if slot is None:
        at, coalesced = grid.after(now, seed), 0
    else:
        at, coalesced = _following(grid, utc(slot, "slot"), seed, outcome, now)
    if at is None:
        return Planned(None, AFTER_THE_CALENDAR, coalesced=coalesced)
    beyond = grid.after(at, seed)
    return Planned(at, grid.reason, coalesced=coalesced, period=None if beyond is None else beyond - at)


def _following(
    grid: Grid, slot: datetime, seed: int, outcome: Outcome | None, now: datetime
) -> tuple[datetime | None, int]:
    """Return the slot after *slot*, and how many missed ones were left out before it."""
    coming = grid.after(slot, seed)
    if coming is None or coming > now:
        return coming, 0
    caught_up = _caught_up(grid, slot, seed, outcome, now)
    if caught_up is None:
        return grid.after(now, seed), grid.count(slot, now, seed)
    return caught_up, grid.count(slot, caught_up, seed) - 1


def _caught_up(grid: Grid, slot: datetime, seed: int, outcome: Outcome | None, now: datetime) -> datetime | None:
    """Return the missed slot to run next, although it is late; None: go on after *now*."""
    match grid.missed:
        case Coalesce():
            return None
        case Skip(grace=grace):
            if not isinstance(outcome, Skipped):
                return None
            return _latest(grid, 1, max(slot, later(now, -grace - MICROSECOND)), now, seed)
        case Each(limit=limit):
            return _latest(grid, limit, slot, now, seed)
        case _ as never:
            assert_never(never)


def _latest(grid: Grid, limit: int, after: datetime, until: datetime, seed: int) -> datetime | None:
    """Return the first of the last *limit* slots after *after* and not after *until*; None: there is none."""
    back = _SECOND
    while (start := max(after, later(until, -back))) > after and grid.count(start, until, seed) <= limit:
        back *= 2
    if grid.count(start, until, seed) <= limit:
        first = grid.after(start, seed)
        return first if first is not None and first <= until else None
    lo, hi = micros(start), micros(until)
    while hi - lo > 1:  # more than `limit` slots lie after lo, at most `limit` after hi
        middle = (lo + hi) // 2
        lo, hi = (middle, hi) if grid.count(at_micros(middle), until, seed) > limit else (lo, middle)
    return grid.after(at_micros(hi), seed)
