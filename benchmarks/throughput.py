"""
Whole runs in memory: claim, run, decide, complete, history; every task created beforehand, and due.

The yardstick is what anyio needs to start and end as many child tasks that do nothing, behind a gate of the same
capacity, on the same event loop, in the same process. A scheduler that ran each task as a child task of its own could
not be faster than that, whatever it left out.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
import attrs

from benchmarks.table import REPETITIONS, Row, ratio
from taskwarden import JSON, IntervalPolicy, RunContext, Task, TaskExecutor, Warden, every, once

__all__ = ["BACKENDS", "measure"]

BACKENDS: Final = ("asyncio", "trio")
CAPACITY: Final = 100
TENANTS: Final = 100
GOAL: Final = 0.6


@attrs.frozen
class Cost:
    """What runs, or child tasks, cost: how many in a second, and microseconds of CPU for one, of the whole process."""

    rate: float
    cpu_us: float


@attrs.frozen
class Costs:
    """All three, measured one right after the other."""

    anyio: Cost
    one_off: Cost
    recurring: Cost


class Nothing(TaskExecutor[JSON]):
    """Does nothing, and says when it has done so often enough."""

    kind = "bench.nothing"

    def __init__(self, often: int) -> None:
        self.left = often
        self.done = anyio.Event()

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        """Count down."""
        self.left -= 1
        if self.left == 0:
            self.done.set()


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the rates and how they compare, on both event loops."""
    return measured(5_000 if quick else 50_000)


def measured(tasks: int) -> list[Row]:
    """Return what ``measure`` does, for as many *tasks*."""
    costs: dict[str, list[Costs]] = {backend: [] for backend in BACKENDS}
    for _ in range(REPETITIONS):
        for backend, taken in costs.items():
            taken.append(anyio.run(_costs, tasks, backend=backend))
    return [row for backend, taken in costs.items() for row in _rows(f"{tasks:,} on {backend}", taken)]


def _rows(load: str, costs: list[Costs]) -> list[Row]:
    children = [each.anyio for each in costs]
    ours = {
        "one-off tasks": [each.one_off for each in costs],
        "recurring tasks": [each.recurring for each in costs],
    }
    return [
        *_both("anyio: child tasks behind a gate", load, children),
        *(row for what, taken in ours.items() for row in _both(f"taskwarden: {what}", load, taken)),
        *(
            ratio(
                f"rate, {what} / child tasks, {load}",
                [each.rate for each in taken],
                [each.rate for each in children],
                at_least=GOAL,
            )
            for what, taken in ours.items()
        ),
    ]


def _both(what: str, load: str, taken: list[Cost]) -> list[Row]:
    return [
        Row(f"{what}, {load}", [each.rate for each in taken], "/s"),
        Row(f"{what}, CPU for one, {load}", [each.cpu_us for each in taken], "us"),
    ]


async def _costs(tasks: int) -> Costs:
    now = datetime.now(UTC)
    at_once = every(hours=1, anchor=now + timedelta(minutes=30), immediately=True)
    await child_tasks(1_000)  # warm up
    return Costs(
        await _cost(tasks, child_tasks),
        await whole_runs(tasks, once(now)),
        await whole_runs(tasks, at_once),
    )


async def child_tasks(number: int) -> None:
    """Start and end *number* child tasks that do nothing, no more than ``CAPACITY`` of them at a time."""
    free, room = CAPACITY, anyio.Event()

    async def nothing() -> None:
        nonlocal free
        free += 1
        room.set()

    async with anyio.create_task_group() as tg:
        for _ in range(number):
            while not free:
                room = anyio.Event()
                await room.wait()
            free -= 1
            tg.start_soon(nothing)


async def whole_runs(number: int, schedule: IntervalPolicy) -> Cost:
    """Create *number* tasks, then return what it costs to run them all and to write what became of them."""
    executor = Nothing(number)
    async with Warden.open("memory://", executors=[executor]) as warden:
        tenants = [warden.tenant(f"tenant {index}") for index in range(min(TENANTS, number))]
        for index in range(number):
            await tenants[index % len(tenants)].tasks.ensure(executor.kind, key=str(index), schedule=schedule)

        async def run(_: int) -> None:
            async with warden.runner(concurrency=CAPACITY):
                await executor.done.wait()

        cost = await _cost(number, run)  # leaving the runner's block drains: all is written when the clock stops
        written = sum([(await tenant.statistics()).runs for tenant in tenants])
    if written < number:
        raise RuntimeError(f"only {written} of {number} runs were written")
    return cost


async def _cost(number: int, work: Callable[[int], Awaitable[None]]) -> Cost:
    gc.collect()
    begun, cpu = time.perf_counter(), time.process_time()
    await work(number)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - begun
    return Cost(number / seconds, cpu / number * 1e6)
