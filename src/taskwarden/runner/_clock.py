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

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

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
    The store's clock as one runner reads it: the store's last word plus the monotonic time since.

    The runner's own wall clock is never looked at, so that hosts whose clocks differ by years agree.
    """

    _clock: Clock
    _instant: datetime
    _mark: float

    def set(self, instant: datetime) -> None:
        """Take the store's word for what time it is."""
        self._instant = instant
        self._mark = self._clock.monotonic()

    def now(self) -> datetime:
        """Return the store's time."""
        # Whole microseconds: timedelta takes floats slowly.
        return self._instant + timedelta(0, 0, int((self._clock.monotonic() - self._mark) * 1e6 + 0.5))

    def monotonic(self, instant: datetime) -> float:
        """Return when, on the monotonic clock, the store's time will be *instant*."""
        return self._mark + (instant - self._instant).total_seconds()

    def at(self, reading: float) -> datetime:
        """Return the store's time when the monotonic clock reads *reading*."""
        return later(self._instant, timedelta(0, 0, int((reading - self._mark) * 1e6 + 0.5)))
