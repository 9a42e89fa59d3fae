"""
What is asked of those who are compared: jobs that run once, tasks that are due at one instant, tasks that always are.

Needs attrs and psycopg and nothing else, for it is imported in the environments of the others, too.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from benchmarks.peers.meter import Figures, Meter
from benchmarks.table import percentile

__all__ = ["AlwaysDue", "Countdown", "OneOff", "Recurring", "Window", "answer", "running"]


@attrs.frozen(kw_only=True)
class AlwaysDue:
    """
    *tasks* that do nothing and are due again as soon as they have run, worked off for as many *seconds*.

    *batch* and *clients* are those of the limit, and of pgbench.
    """

    url: str
    tasks: int
    seconds: float
    batch: int = 100
    clients: int = 1


@attrs.frozen(kw_only=True)
class OneOff:
    """As many *jobs* as that, created beforehand, each of which does nothing, once."""

    url: str
    jobs: int


@attrs.frozen(kw_only=True)
class Recurring:
    """
    *tasks* that do nothing, all due at the same instants, one second apart, for as many *seconds*.

    *begin* is the first instant that is measured; tasks are due from one second before, so that everybody is warm. It
    lies as far *ahead* as setting up takes, which is not measured.
    """

    url: str
    tasks: int
    seconds: int
    ahead: float = 3
    begin: int = attrs.field(init=False)

    @begin.default
    def _begin(self) -> int:
        return int(time.time() + self.ahead) + 2

    @property
    def first(self) -> datetime:
        """The instant at which tasks are due for the first time."""
        return datetime.fromtimestamp(self.begin - 1, UTC)


@attrs.define
class Countdown:
    """Says when all *jobs* have run."""

    jobs: int
    done: asyncio.Event = attrs.field(factory=asyncio.Event)

    def ran(self) -> None:
        """One has run."""
        self.jobs -= 1
        if self.jobs == 0:
            self.done.set()


@attrs.define
class Window:
    """Takes down how late runs start that are due while it is open, and what was used in that time."""

    load: Recurring
    late: list[float] = attrs.field(factory=list)
    figures: Figures | None = None

    def ran(self, due: float) -> None:
        """A run that was due at *due*, in seconds since 1970, has started now."""
        now = time.time()
        if self.load.begin <= now < self.load.begin + self.load.seconds:
            self.late.append(now - due)

    async def pass_by(self) -> Figures:
        """Wait until it opens, then until it is closed, and return what happened in between."""
        if time.time() > self.load.begin - 1:
            raise RuntimeError(f"set up {time.time() - self.load.begin + 1:.1f} s too late: begin further ahead")
        margin = 0.05
        await asyncio.sleep(self.load.begin - margin - time.time())
        meter = Meter(self.load.url)
        await asyncio.sleep(self.load.begin + self.load.seconds - margin - time.time())
        figures = meter.stop(len(self.late), seconds=float(self.load.seconds))
        late = [seconds * 1000 for seconds in self.late]
        if not late:
            raise RuntimeError("nothing ran in time")
        return attrs.evolve(figures, p50_ms=percentile(late, 50), p99_ms=percentile(late, 99))


@asynccontextmanager
async def running(task: asyncio.Task[None]) -> AsyncIterator[None]:
    """Let *task* work meanwhile, and cancel it at the end; what it raises is raised."""
    try:
        yield
    finally:
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and task.exception() is not None:
        raise RuntimeError("stopped while it was measured") from task.exception()


_LOADS: Final = {"always_due": AlwaysDue, "one_off": OneOff, "recurring": Recurring}


def answer(**systems: Callable[[Any], Coroutine[Any, Any, Figures]]) -> None:
    """
    Measure that of *systems* which is named on the command line, and print its figures as one line of JSON.

    Each is named for the load that it is measured under, whose arguments follow as JSON.
    """
    name, given = sys.argv[1:]
    figures = asyncio.run(systems[name](_LOADS[name](**json.loads(given))))
    print(json.dumps(attrs.asdict(figures)))
