"""At a fixed distance: ``every(minutes=15)``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.decision import IntervalState, Planned
from taskwarden.core.instant import EPOCH, FAR_FUTURE, MICROSECOND, at_micros, micros, span, utc
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals.grid import planned
from taskwarden.policies.intervals.missed import COALESCE, Coalesce, Missed, check_missed, grace_of
from taskwarden.policies.intervals.reason import spoken

if TYPE_CHECKING:
    from taskwarden.core.outcome import Outcome

__all__ = ["LONGEST", "SHORTEST", "Every", "every"]

SHORTEST: Final = timedelta(milliseconds=1)
LONGEST: Final = timedelta(days=3660)
"""A good ten years: what is longer is a mistake of units."""
_END: Final = micros(FAR_FUTURE)
_FAST_UNTIL: Final = FAR_FUTURE - 2 * LONGEST


def _period(value: object) -> timedelta:
    return span(value, "period", lo=SHORTEST, hi=LONGEST)


def _immediately(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue("immediately", value, "must be True or False")
    return value


def _anchor(value: object) -> datetime | None:
    return None if value is None else utc(value, "anchor")


@attrs.frozen
class Every:
    """
    Slots at *anchor* + k x *period*, for every whole k, also before the anchor.

    Without an anchor each task has a phase of its own, drawn from its seed: a thousand daily tasks are spread over the
    day. Exact and free of drift: neither lateness nor retries nor restarts move the grid.
    ``timedelta(days=1)`` is 24 hours of UTC; for a time of day that follows a zone's clock, use ``cron``.

    Args:
        period: From 1 ms to 3,660 days.
        anchor: Any slot of the grid; with it, all tasks share their slots.
        immediately: The first slot of a new task, or after a change of its schedule, is at once; then the grid holds.
        missed: What becomes of slots that nobody ran in time.

    Raises:
        InvalidValue: An argument breaks its rule.
    """

    period: timedelta = attrs.field(converter=_period)
    anchor: datetime | None = attrs.field(default=None, kw_only=True, converter=_anchor)
    immediately: bool = attrs.field(default=False, kw_only=True, converter=_immediately)
    missed: Missed = attrs.field(default=COALESCE, kw_only=True, validator=check_missed)
    # Derived once: `next` is called for every run of every task.
    _step: int = attrs.field(init=False, repr=False, eq=False)
    _origin: int | None = attrs.field(init=False, repr=False, eq=False)
    _coalesces: bool = attrs.field(init=False, repr=False, eq=False)
    reason: str = attrs.field(init=False, repr=False, eq=False)

    @_step.default
    def _default_step(self) -> int:
        return self.period // MICROSECOND

    @_origin.default
    def _default_origin(self) -> int | None:
        return None if self.anchor is None else micros(self.anchor)

    @_coalesces.default
    def _default_coalesces(self) -> bool:
        return isinstance(self.missed, Coalesce)

    @reason.default
    def _default_reason(self) -> str:
        return f"every {spoken(self.period)}"

    @property
    def grace(self) -> timedelta | None:
        return grace_of(self.missed)

    @property
    def shortest(self) -> timedelta:
        return self.period

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        # The paths of nearly every call, written out: the slot after this one lies ahead, or missed ones coalesce. All
        # else takes the general one, which comes to the same.
        if slot is not None and slot.tzinfo is UTC is now.tzinfo and slot < _FAST_UNTIL > now:
            origin = state.seed if self._origin is None else self._origin
            beyond = ((slot - EPOCH) // MICROSECOND - origin) % self._step  # not 0: an operator moved it off the grid
            coming = slot + (MICROSECOND * (self._step - beyond) if beyond else self.period)
            if coming > now:
                return Planned(coming, self.reason, "", 0, self.period)
            if self._coalesces:
                missed = (now - coming) // self.period + 1
                return Planned(coming + self.period * missed, self.reason, "", missed, self.period)
        if slot is None and self.immediately:
            return Planned(utc(now, "now"), f"at once, then {self.reason}", period=self.period)
        return planned(self, slot, state.seed, outcome, now)

    def after(self, instant: datetime, seed: int) -> datetime | None:
        at = micros(instant)
        at += self._step - (at - self._phase(seed)) % self._step
        return at_micros(at) if at <= _END else None

    def count(self, after: datetime, until: datetime, seed: int) -> int:
        phase = self._phase(seed)
        return (micros(until) - phase) // self._step - (micros(after) - phase) // self._step

    def _phase(self, seed: int) -> int:
        return seed if self._origin is None else self._origin


def every(
    *,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    seconds: float = 0,
    anchor: datetime | None = None,
    immediately: bool = False,
    missed: Missed = COALESCE,
) -> Every:
    """
    Return ``Every`` with the sum of the units as its period: ``every(minutes=15)``, ``every(hours=1, minutes=30)``.

    ``every(days=1)`` is 24 hours of UTC, not a time of day.

    Raises:
        InvalidValue: The period is not from 1 ms to 3,660 days, or another argument breaks its rule.
    """
    try:
        period = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (OverflowError, TypeError, ValueError) as error:
        given = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
        raise InvalidValue("period", given, f"must be made of finite numbers ({error})") from error
    return Every(period, anchor=anchor, immediately=immediately, missed=missed)
