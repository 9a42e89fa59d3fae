"""How late runs start under a steady load: 100,000 recurring tasks, 2,000 of them due each second."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
import attrs

from benchmarks.table import REPETITIONS, Row, percentile
from taskwarden import JSON, RunContext, Task, TaskExecutor, Warden, every

__all__ = ["Load", "measure", "measured"]

TENANTS: Final = 100
MOST_P99_MS: Final = 100.0
DUE_SHARE: Final = 0.95
"""Of what is due on average; phases are drawn, so that it is a little more or less in any one span."""


@attrs.frozen
class Load:
    """
    *tasks* that are due every *period* seconds, each at its own phase, measured for *seconds*.

    What falls due while they are created waits until the runner starts, and is no lateness of the runner's: slots count
    from *settled* seconds after its start.
    """

    tasks: int = 100_000
    period: float = 50.0
    seconds: float = 20.0
    settled: float = 2.0


@attrs.frozen
class Figures:
    """What one repetition showed: milliseconds of lateness, the share of one core, runs in a second."""

    p50: float
    p99: float
    most: float
    cpu: float
    rate: float


class Late(TaskExecutor[JSON]):
    """Does nothing but take down how late it was started, for slots from *since* to *until*."""

    kind = "bench.late"

    def __init__(self) -> None:
        self.since = self.until = datetime.max.replace(tzinfo=UTC)
        self.late_ms: list[float] = []

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        """Compare the clock with the slot."""
        slot = context.slot_at
        if self.since <= slot < self.until:
            self.late_ms.append((datetime.now(UTC) - slot) / timedelta(milliseconds=1))


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return lateness and CPU on asyncio."""
    return measured(Load(tasks=20_000, period=10.0, seconds=4.0) if quick else Load())


def measured(load: Load, *, backend: str = "asyncio") -> list[Row]:
    """Return what ``measure`` does, for any *load*."""
    taken = [anyio.run(_figures, load, backend=backend) for _ in range(REPETITIONS)]
    name = f"{load.tasks:,} tasks every {load.period:g} s, spread"
    return [
        # Runs that never start are not late: without this, a runner that stopped would look good.
        Row(f"runs, {name}", [each.rate for each in taken], "runs/s", at_least=DUE_SHARE * load.tasks / load.period),
        Row(f"lateness p50, {name}", [each.p50 for each in taken], "ms"),
        Row(f"lateness p99, {name}", [each.p99 for each in taken], "ms", at_most=MOST_P99_MS),
        Row(f"lateness max, {name}", [each.most for each in taken], "ms"),
        Row(f"CPU, {name}", [each.cpu * 100 for each in taken], "% core"),
    ]


async def _figures(load: Load) -> Figures:
    executor = Late()
    schedule = every(seconds=load.period)
    async with Warden.open("memory://", executors=[executor]) as warden:
        tenants = [warden.tenant(f"tenant {index}").tasks for index in range(min(TENANTS, load.tasks))]
        for index in range(load.tasks):
            await tenants[index % len(tenants)].ensure(executor.kind, key=str(index), schedule=schedule)
        async with warden.runner():
            executor.since = datetime.now(UTC) + timedelta(seconds=load.settled)
            executor.until = executor.since + timedelta(seconds=load.seconds)
            await anyio.sleep(load.settled)
            cpu = time.process_time()
            await anyio.sleep((executor.until - datetime.now(UTC)).total_seconds())
            cpu = time.process_time() - cpu
            await anyio.sleep(load.settled)  # the last slots may be late
    late = executor.late_ms
    return Figures(percentile(late, 50), percentile(late, 99), max(late), cpu / load.seconds, len(late) / load.seconds)
