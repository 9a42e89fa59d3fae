"""
The story's clock: an hour passes in a second.

So everything runs on the figures of production: schedules of minutes and hours, and ``standard()`` as it ships, with
delays from five minutes to a day. Only the network is as fast as it is: an answer takes milliseconds of real time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from taskwarden.core.protocols import Signalled

__all__ = ["HOUR", "StoryClock", "hours", "real"]

HOUR: Final = timedelta(hours=1)
_RATE: Final = 3600.0
"""Seconds of the story in a real one."""


class StoryClock:
    """
    Time as the story tells it, from now on. Implements ``Clock``; any thread may read it.

    Args:
        reading: Real seconds that never go back.
    """

    def __init__(self, reading: Callable[[], float] = time.monotonic) -> None:
        self._reading = reading
        self._began_at = reading()
        self._origin = datetime.now(UTC)

    def now(self) -> datetime:
        """Return what the story's wall clocks show."""
        return self._origin + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the story's seconds since it began."""
        return (self._reading() - self._began_at) * _RATE

    async def wait(self, event: Signalled, until: float | None) -> bool:
        """Wait for *event*, or until ``monotonic()`` reaches *until*."""
        if until is None:
            await event.wait()
            return True
        while not event.is_set() and (left := until - self.monotonic()) > 0:
            with anyio.move_on_after(left / _RATE):
                await event.wait()
        return event.is_set()

    async def until(self, instant: datetime) -> None:
        """Wait until ``now()`` reaches *instant*."""
        await self.wait(anyio.Event(), self.monotonic() + (instant - self.now()).total_seconds())


def hours(span: timedelta) -> float:
    """Return *span* in hours of the story."""
    return span / HOUR


def real(span: timedelta) -> timedelta:
    """Return how long *span* of the story takes in real time."""
    return span / _RATE
