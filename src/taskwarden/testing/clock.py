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

import types
from collections.abc import AsyncGenerator, Callable, Generator, Sized
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

    from anyio import CapacityLimiter

    from taskwarden.core.protocols import Signalled

__all__ = ["VirtualClock"]

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_ZERO: Final = timedelta(0)
_THREAD_POLL: Final = 0.001
"""Real seconds between two looks at worker threads, which only real time can move."""


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
    _timers: list[tuple[float, int]]
    """A heap: until when, and the number of the wait, which counts while it is among ``_ends``."""
    _ends: dict[int, Callable[[], object]]
    """How to end each wait."""
    _numbers: Iterator[int]
    _watchers: int
    _jumping: bool
    _moved_on: anyio.Event | None
    _loop: Any
    """The event loop that was last waited in, on asyncio: asking for it costs as much as the rest of a wait."""

    def __init__(self, start: datetime = _START) -> None:
        self._origin = self._now = utc(start, "start")
        self._micros, self._monotonic = 0, 0.0
        self._timers, self._ends, self._numbers = [], {}, count()
        self._watchers, self._jumping, self._moved_on = 0, False, None
        self._loop = None
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
        elif (waiters := getattr(getattr(event, "_event", None), "_waiters", None)) is not None:
            await self._wait_among(waiters, until)
        elif until is None:
            await event.wait()
        else:
            with anyio.CancelScope() as scope:
                number = self._start(until, scope.cancel)
                try:
                    await event.wait()
                finally:
                    self._forget(number)
        self.wakeups += 1
        return event.is_set()

    async def _wait_among(self, waiters: Any, until: float | None) -> None:
        """
        On asyncio, stand among those who wait for the event: whichever comes first, event or time, ends the wait.

        A cancel scope for each wait would take a fifth of the time of a whole simulated run.
        """
        loop = self._loop
        if loop is None or not loop.is_running():
            loop = self._loop = _loop()
        waiter = loop.create_future()
        number = None if until is None else self._start(until, partial(_finish, waiter))
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)
            if number is not None:
                self._forget(number)

    async def sleep(self, by: timedelta) -> None:
        """Wait for *by* of this clock's time: for scripted slowness in tests."""
        seconds = span(by, "by", lo=_ZERO).total_seconds()
        await self.wait(anyio.Event(), self._monotonic + seconds)

    async def settle(self) -> None:
        """Return once every other child task waits, and no worker thread of the default limiter is busy."""
        await self._run_dry(_ready(), current_default_thread_limiter())

    async def advance(self, by: timedelta) -> None:
        """
        Let *by* pass, stopping at every timer on the way until all that it woke waits again.

        Within ``autojump`` it waits until the time has passed by itself.
        """
        target = self._monotonic + span(by, "by", lo=_ZERO).total_seconds()
        if self._jumping:
            await self.wait(anyio.Event(), target)
            return
        ready, threads = _ready(), current_default_thread_limiter()
        await self._run_dry(ready, threads)
        while (due := self._next_due()) is not None and due < target:
            self._reach(due)
            await self._run_dry(ready, threads)
        self._reach(target)
        await self._run_dry(ready, threads)

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
        ready, threads = _ready(), current_default_thread_limiter()
        while True:
            await self._run_dry(ready, threads)
            if (due := self._next_due()) is None:
                self._moved_on = anyio.Event()
                await self._moved_on.wait()
            else:
                self._reach(due)

    async def _run_dry(self, ready: Sized | None, threads: CapacityLimiter) -> None:
        """Do what ``settle`` says, with the loop's queue and limiter in hand: asking for them costs as much again."""
        while True:
            if ready is None:
                await anyio.wait_all_tasks_blocked()
            else:
                # Those who watch each find the others in the queue, and nobody else once it is dry.
                self._watchers += 1
                try:
                    await _turn()
                    while len(ready) >= self._watchers:
                        await _turn()
                finally:
                    self._watchers -= 1
            if threads.borrowed_tokens == 0:
                return
            await anyio.sleep(_THREAD_POLL)

    def _start(self, until: float, end: Callable[[], object]) -> int:
        """Let *end* be called when *until* is reached, and return the number by which to forget it."""
        number = next(self._numbers)
        self._ends[number] = end
        heappush(self._timers, (until, number))
        if self._moved_on is not None:
            self._moved_on.set()
            self._moved_on = None
        return number

    def _forget(self, number: int) -> None:
        """The wait is over, by its time or without it; what is left in the heap is shed when it is more than half."""
        ends = self._ends
        if ends.pop(number, None) is not None and len(self._timers) > 2 * len(ends):
            self._timers[:] = [timer for timer in self._timers if timer[1] in ends]
            heapify(self._timers)

    def _next_due(self) -> float | None:
        timers, ends = self._timers, self._ends
        while timers:
            until, number = timers[0]
            if number in ends:
                return until
            heappop(timers)
        return None

    def _reach(self, until: float) -> None:
        """Move to *until*, and end the waits that it ends."""
        micros = round(until * 1_000_000)
        if micros > self._micros:
            self._micros = micros
        self._monotonic = reached = max(self._micros / 1_000_000, until)
        self._now = later(self._origin, MICROSECOND * self._micros)
        timers, ends = self._timers, self._ends
        while timers and timers[0][0] <= reached:
            _, number = heappop(timers)
            if (end := ends.pop(number, None)) is not None:
                end()


def _ready() -> Sized | None:
    """
    Return the callbacks that the event loop will call next; None: it does not show them.

    What no other loop than asyncio's own has: read only, and the sole way to see whether it is idle.
    """
    return cast("Sized | None", getattr(_loop(), "_ready", None))


def _loop() -> Any:
    """Return the event loop, as its backend knows it."""
    token = current_token()
    return getattr(token, "native_token", token)


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Let asyncio call everybody else once: ``checkpoint``, without asking which event loop this is."""
    yield


def _finish(waiter: Any) -> None:
    if not waiter.done():
        waiter.set_result(None)
