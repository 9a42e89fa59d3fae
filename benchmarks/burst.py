"""The load that Taskwarden and both APSchedulers are measured under: many tasks, all due at the same instants."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio
import attrs

from benchmarks.table import percentile

__all__ = ["Burst", "Measured", "Recorder", "answer"]


@attrs.frozen
class Burst:
    """
    *tasks* recurring no-op tasks that are all due together, every *period* seconds, *times* over.

    *begin* is the first instant that is measured. One period before, tasks are due as well, so that everybody is warm;
    that lies far enough ahead for a system to be set up, which is not measured either.
    """

    tasks: int
    period: float
    times: int
    begin: datetime = attrs.field(init=False)

    @begin.default
    def _begin(self) -> datetime:
        # Half a millisecond a task is several times what the slowest needs.
        ahead = timedelta(seconds=2 + self.period + self.tasks * 0.0005)
        return datetime.now(UTC).replace(microsecond=0) + ahead

    @property
    def first(self) -> datetime:
        """The instant before, when tasks are due for the first time."""
        return self.begin - timedelta(seconds=self.period)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.period * self.times


@attrs.frozen
class Measured:
    """
    What one system did under a burst.

    Args:
        rate: Runs in a second, over the whole time; at most what was due.
        cpu_us: Microseconds of CPU for a run, of the whole process, also over the pauses.
        p50_ms, p99_ms, max_ms: How late runs started.
    """

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@attrs.define
class Recorder:
    """Takes down how late each run started."""

    burst: Burst
    late: list[float] = attrs.field(factory=list)
    _begin: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begin = self.burst.begin.timestamp()

    def ran(self) -> None:
        """A run has started now. Late by more than a period it would seem less: that flatters, and everybody alike."""
        since = time.time() - self._begin
        if since >= 0:
            self.late.append(since % self.burst.period)

    async def measure(self) -> Measured:
        """Wait until the burst begins, then until it is over, and return what happened in between."""
        left = self.burst.first.timestamp() - time.time()
        if left < 0:
            raise RuntimeError(f"set up {-left:.1f} s too late")
        margin = min(0.2, self.burst.period / 10)
        await anyio.sleep(self._begin - margin - time.time())
        cpu = time.process_time()
        await anyio.sleep(self._begin + self.burst.seconds - margin - time.time())
        cpu = time.process_time() - cpu
        late, runs = [seconds * 1000 for seconds in self.late], len(self.late)
        if not late:
            raise RuntimeError("nothing ran in time")
        rate, cpu_us = runs / self.burst.seconds, cpu / runs * 1e6
        return Measured(rate, cpu_us, percentile(late, 50), percentile(late, 99), max(late))


def answer(system: Callable[[Recorder], Awaitable[Measured]], *, backend: str = "asyncio") -> None:
    """Measure *system* under the burst that was given as JSON on the command line, and print the figures as JSON."""
    burst = Burst(**json.loads(sys.argv[1]))
    measured = anyio.run(system, Recorder(burst), backend=backend)
    print(json.dumps(attrs.asdict(measured)))
