"""
A clock that a test moves: a simulated year passes in the time that the work itself takes.

*Theory.* Time may move only while nothing can happen without it. On trio the loop itself says when that is. On
asyncio the loop's queue of ready callbacks says it: a child task that yields once and finds the queue empty knows that
all others wait for a timer or for the outside. That costs one turn of the loop, where ``anyio.wait_all_tasks_blocked``
sleeps for 0.1 s of real time whenever it finds somebody busy. Not seen are the outside's events that have not arrived
yet: a socket's answer, or a worker thread started with a limiter of one's own.

The monotonic time is kept as whole microseconds beside the float that callers see. So ``now()`` at a wake-up is the
instant asked for, not one microsecond beside it, and the float has reached *until*, whatever rounding did to the sum
that *until* came from.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sized
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import attrs
from anyio.lowlevel import checkpoint, current_token
from anyio.to_thread import current_default_thread_limiter

from taskwarden.core.instant import MICROSECOND, later, span, utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from taskwarden.core.protocols import Signalled

__all__ = ["VirtualClock"]

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ZERO: Final = timedelta(0)
_THREAD_POLL: Final = 0.001
"""Real seconds between two looks at worker threads, which only real time can move."""


@attrs.define(eq=False)
class _Timer:
    """One wait that ends at *until*. Without a way to end it, it is over."""

    until: float
    number: int
    end: Callable[[], object] | None

    def __lt__(self, other: _Timer) -> bool:
        return (self.until, self.number) < (other.until, other.number)


@attrs.define(eq=False, init=False)
class VirtualClock:
    """
    A ``Clock`` whose time stands still until a test moves it, on asyncio and on trio.

    Either step by step, with ``await clock.advance(timedelta(hours=1))``, or by itself, within
    ``async with clock.autojump():``, whenever all child tasks wait. Timers that are due at one instant end in the order
    in which their waits began. One clock serves one event loop.

    Args:
        start: The wall clock's first reading, aware.

    Attributes:
        wakeups: How many waits on this clock have ended, by event or by time. Idle means that it stays as it is.
    """

    wakeups: int
    _origin: datetime
    _now: datetime
    _micros: int
    _monotonic: float
    _timers: list[_Timer]
    _numbers: Iterator[int]
    _dead: int
    _watchers: int
    _jumping: bool
    _moved_on: anyio.Event | None

    def __init__(self, start: datetime = _START) -> None:
        self._origin = self._now = utc(start, "start")
        self._micros, self._monotonic = 0, 0.0
        self._timers, self._numbers, self._dead = [], count(), 0
        self._watchers, self._jumping, self._moved_on = 0, False, None
        self.wakeups = 0

    def __repr__(self) -> str:
        return f"VirtualClock({self._now.isoformat()}, monotonic={self._monotonic})"

    def now(self) -> datetime:
        """Return the wall clock: the start, plus the time passed, plus all jumps."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds passed since the clock was made; jumps do not move it."""
        return self._monotonic

    def jump(self, by: timedelta) -> None:
        """Move the wall clock alone, either way, by years if need be; it stops at the ends of the calendar."""
        self._origin = later(self._origin, by)
        self._now = later(self._origin, MICROSECOND * self._micros)

    async def wait(self, event: Signalled, until: float | None) -> bool:
        """
        Wait for *event*, or until ``monotonic()`` reaches *until* (None: for ever).

        Returns:
            Whether the event is set. Passes cancellation on.
        """
        if event.is_set() or (until is not None and until <= self._monotonic):
            await checkpoint()
        elif until is None:
            await event.wait()
        else:
            await self._wait_until(event, until)
        self.wakeups += 1
        return event.is_set()

    async def _wait_until(self, event: Signalled, until: float) -> None:
        waiters = getattr(getattr(event, "_event", None), "_waiters", None)
        if waiters is None:
            with anyio.CancelScope() as scope:
                timer = self._start(until, scope.cancel)
                try:
                    await event.wait()
                finally:
                    self._end(timer)
            return
        # asyncio: stand among those who wait for the event, so that whichever comes first, event or time, ends the
        # wait. A cancel scope for each wait would take a fifth of the time of a whole simulated run.
        waiter = _loop().create_future()
        timer = self._start(until, partial(_finish, waiter))
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)
            self._end(timer)

    async def sleep(self, by: timedelta) -> None:
        """Wait for *by* of this clock's time: for scripted slowness in tests."""
        seconds = span(by, "by", lo=_ZERO).total_seconds()
        await self.wait(anyio.Event(), self._monotonic + seconds)

    async def settle(self) -> None:
        """Return once every other child task waits, and no worker thread of the default limiter is busy."""
        # What no other loop than asyncio's own has: read only, and the sole way to see whether it is idle.
        ready = cast("Sized | None", getattr(_loop(), "_ready", None))
        threads = current_default_thread_limiter()
        while True:
            if ready is None:
                await anyio.wait_all_tasks_blocked()
            else:
                await self._run_dry(ready)
            if threads.borrowed_tokens == 0:
                return
            await anyio.sleep(_THREAD_POLL)

    async def advance(self, by: timedelta) -> None:
        """
        Let *by* pass, stopping at every timer on the way until all that it woke waits again.

        Within ``autojump`` it waits until the time has passed by itself.
        """
        target = self._monotonic + span(by, "by", lo=_ZERO).total_seconds()
        if self._jumping:
            await self.wait(anyio.Event(), target)
            return
        await self.settle()
        while (due := self._next_due()) is not None and due < target:
            self._reach(due)
            await self.settle()
        self._reach(target)
        await self.settle()

    @asynccontextmanager
    async def autojump(self) -> AsyncGenerator[None]:
        """Let time jump to the next timer, within the block, whenever every child task waits."""
        raised: Exception | None = None
        async with anyio.create_task_group() as tg:
            self._jumping = True
            tg.start_soon(self._drive, name="VirtualClock.autojump")
            try:
                yield
            except Exception as error:
                raised = error
            finally:
                self._jumping = False
                tg.cancel_scope.cancel()
        if raised is not None:
            raise raised

    async def _drive(self) -> None:
        while True:
            await self.settle()
            if (due := self._next_due()) is None:
                self._moved_on = anyio.Event()
                await self._moved_on.wait()
            else:
                self._reach(due)

    async def _run_dry(self, ready: Sized) -> None:
        # Those who watch each find the others in the queue, and nobody else once it is dry.
        self._watchers += 1
        try:
            await checkpoint()
            while len(ready) >= self._watchers:
                await checkpoint()
        finally:
            self._watchers -= 1

    def _start(self, until: float, end: Callable[[], object]) -> _Timer:
        timer = _Timer(until, next(self._numbers), end)
        heappush(self._timers, timer)
        if self._moved_on is not None:
            self._moved_on.set()
            self._moved_on = None
        return timer

    def _end(self, timer: _Timer) -> None:
        if timer.end is None:
            return  # it was reached, and left the heap
        timer.end = None
        self._dead += 1
        if self._dead > len(self._timers) // 2:
            self._timers = [each for each in self._timers if each.end is not None]
            heapify(self._timers)
            self._dead = 0

    def _next_due(self) -> float | None:
        while self._timers and self._timers[0].end is None:
            heappop(self._timers)
            self._dead -= 1
        return self._timers[0].until if self._timers else None

    def _reach(self, until: float) -> None:
        """Move to *until*, and end the waits that it ends."""
        self._micros = max(self._micros, round(until * 1_000_000))
        self._monotonic = max(self._micros / 1_000_000, until)
        self._now = later(self._origin, MICROSECOND * self._micros)
        while (due := self._next_due()) is not None and due <= self._monotonic:
            timer = heappop(self._timers)
            end, timer.end = timer.end, None
            if end is not None:
                end()


def _loop() -> Any:
    """Return the event loop, as its backend knows it."""
    token = current_token()
    return getattr(token, "native_token", token)


def _finish(waiter: Any) -> None:
    if not waiter.done():
        waiter.set_result(None)
