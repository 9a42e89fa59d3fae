"""A runner that has nothing to do: 100,000 stored tasks, none of them due within the hour."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from benchmarks.table import REPETITIONS, Row
from taskwarden import JSON, RunContext, SystemClock, Task, TaskExecutor, Warden, once
from taskwarden.core.protocols import Signalled

__all__ = ["CountingClock", "measure", "measured"]

TENANTS: Final = 100
SETTLED: Final = 1.0
"""Seconds that the runner has for its first look, before we count."""
MOST_CPU_MS: Final = 10.0
"""In 60 s."""


class CountingClock(SystemClock):
    """The real clock, counting how often somebody who waited by it was woken."""

    def __init__(self) -> None:
        self.wake_ups = 0

    async def wait(self, event: Signalled, until: float | None) -> bool:
        """Wait, and count the return."""
        answer = await super().wait(event, until)
        self.wake_ups += 1
        return answer


class Never(TaskExecutor[JSON]):
    """Is not run."""

    kind = "bench.never"

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        """Say that something is wrong."""
        raise RuntimeError(f"{task.key} was run")


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the wake-ups and the CPU time."""
    return measured(100_000, 10 if quick else 60)


def measured(tasks: int, seconds: float) -> list[Row]:
    """Return what ``measure`` does, for as many *tasks* over as many *seconds*; the goal for CPU is in proportion."""
    taken = [anyio.run(_watched, tasks, seconds) for _ in range(REPETITIONS)]
    load = f"{tasks:,} tasks, none due, {seconds:g} s"
    return [
        Row(f"wake-ups by the clock, {load}", [wake_ups for wake_ups, _ in taken], "wake-ups", at_most=0),
        Row(f"CPU of the process, {load}", [cpu for _, cpu in taken], "ms", at_most=MOST_CPU_MS * seconds / 60),
    ]


async def _watched(tasks: int, seconds: float) -> tuple[int, float]:
    """Return how often the runner woke up, and the process's milliseconds of CPU."""
    clock = CountingClock()
    begin = datetime.now(UTC) + timedelta(hours=1, minutes=10)
    async with Warden.open("memory://", executors=[Never()], clock=clock) as warden:
        tenants = [warden.tenant(f"tenant {index}").tasks for index in range(min(TENANTS, tasks))]
        for index in range(tasks):
            schedule = once(begin + timedelta(milliseconds=10 * index))
            await tenants[index % len(tenants)].ensure(Never.kind, key=str(index), schedule=schedule)
        async with warden.runner():
            await anyio.sleep(SETTLED)
            before, cpu = clock.wake_ups, time.process_time()
            await anyio.sleep(seconds)
            return clock.wake_ups - before, (time.process_time() - cpu) * 1000
