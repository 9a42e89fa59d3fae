"""
How fast virtual time passes: a hundred tasks, each every 15 minutes, with executors that do nothing.

The whole path runs (claim, execute, decide, complete, history) over the memory store, on a virtual clock. By default
each task has a phase of its own, so that nearly every run needs a jump, a claim and a write of its own; where tasks
share their slots, a batch does. ``python -m benchmarks.simulation 365`` plays the whole year.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Final

import anyio

from benchmarks.table import REPETITIONS, Row
from taskwarden import JSON, IntervalPolicy, RunContext, Task, TaskExecutor, every
from taskwarden.testing import simulated

__all__ = ["measure", "played"]

TASKS: Final = 100
TENANTS: Final = 10
GOAL: Final = 10_000
BACKENDS: Final = ("asyncio", "trio")
SPREAD: Final = every(minutes=15)
SHARED: Final = every(minutes=15, anchor=datetime(2026, 1, 1, tzinfo=UTC))


class Nothing(TaskExecutor[JSON]):
    """Does nothing."""

    kind = "nothing"

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        """Do nothing."""


async def played(days: float, schedule: IntervalPolicy) -> tuple[int, float]:
    """Return how many runs *days* of virtual time held, and how many real seconds they took."""
    async with simulated(executors=[Nothing()]) as world:
        tenants = [world.tenant(f"tenant{number}") for number in range(TENANTS)]
        for number in range(TASKS):
            await tenants[number % TENANTS].tasks.ensure("nothing", key=str(number), schedule=schedule)
        begun = time.perf_counter()
        await world.advance(days=days)
        took = time.perf_counter() - begun
        counted = [await tenant.statistics() for tenant in tenants]
    return sum(tally.runs for statistics in counted for tally in statistics.tallies), took


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as every benchmark is called
    """Return task-runs a second."""
    days = 1 if quick else 10
    cases = [
        (f"every 15 min, {slots}, {backend}", backend, schedule, goal)
        for slots, schedule, goal in (("each task at its own phase", SPREAD, GOAL), ("shared slots", SHARED, GOAL))
        for backend in BACKENDS
    ]
    rates: dict[str, list[float]] = {what: [] for what, *_ in cases}
    for _ in range(REPETITIONS):
        for what, backend, schedule, _ in cases:
            runs, took = anyio.run(played, days, schedule, backend=backend)
            rates[what].append(runs / took)
    return [
        Row(what, rates[what], "runs/s", at_least=goal if backend == "asyncio" else None)
        for what, backend, _, goal in cases
    ]


if __name__ == "__main__":
    length = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    total, seconds = anyio.run(played, length, SPREAD)
    print(f"{total:,} runs in {seconds:.1f} s: {total / seconds:,.0f} a second")
