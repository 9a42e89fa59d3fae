"""The real clock, and the store's time as one runner reads it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from taskwarden.core.instant import later

if TYPE_CHECKING:
    from taskwarden.core.protocols import Clock, Signalled

__all__ = ["StoreTime", "SystemClock"]

_LONGEST_WAIT: Final = 24 * 3600.0
"""Event loops refuse timers of years; waiting again costs nothing."""


class SystemClock:
    """Time as the machine tells it. Implements ``Clock``."""

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)  # asked several times a run, so without a call in between

    async def wait(self, event: Signalled, until: float | None) -> bool:
        """Wait for *event*, or until ``monotonic()`` reaches *until*."""
        if until is None:
            await event.wait()
            return True
        while not event.is_set() and (left := until - time.monotonic()) > 0:
            with anyio.move_on_after(min(left, _LONGEST_WAIT)):
                await event.wait()
        return event.is_set()


@attrs.define(eq=False)
class StoreTime:
    """
    The store's clock as one runner reads it: what the store once said plus the monotonic time since.

    The runner's own wall clock is never looked at, so that hosts whose clocks differ by years agree.

    An answer was true at some moment between question and answer. So what the store says next changes nothing as long
    as it fits into that span: else a slow answer would put the time back, and runs would end before they began.
    """

    _clock: Clock
    _instant: datetime
    _mark: float

    def told(self, instant: datetime, asked: float) -> None:
        """Take the store's word for what time it was at some moment since *asked* (monotonic)."""
        answered = self._clock.monotonic()
        if self.at(answered) < instant:
            self._instant, self._mark = instant, answered
        elif self.at(asked) > instant:
            self._instant, self._mark = instant, asked

    def now(self) -> datetime:
        """Return the store's time."""
        return self.at(self._clock.monotonic())

    def monotonic(self, instant: datetime) -> float:
        """Return when, on the monotonic clock, the store's time will be *instant*."""
        return self._mark + (instant - self._instant).total_seconds()

    def at(self, reading: float) -> datetime:
        """Return the store's time when the monotonic clock reads *reading*."""
        # Whole microseconds: timedelta takes floats slowly.
        since = timedelta(0, 0, int((reading - self._mark) * 1e6 + 0.5))
        try:
            return self._instant + since
        except OverflowError:
            return later(self._instant, since)
