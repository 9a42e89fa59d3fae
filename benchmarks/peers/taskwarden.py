"""Taskwarden itself, with its SQL store: a program that prints JSON. SQLite's URL will do as well as PostgreSQL's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from benchmarks.peers.load import AlwaysDue, Countdown, OneOff, Recurring, Window, answer
from benchmarks.peers.meter import Figures, Meter
from taskwarden import IntervalPolicy, RunContext, Task, TaskExecutor, Warden, every, once
from taskwarden.core.hashing import digest
from taskwarden.core.instant import EPOCH
from taskwarden.ids import Kind, TenantId
from taskwarden.stores.sql import SqlStore, definitions, open_at
from taskwarden.testing.builders import spec

__all__ = ["always_due", "one_off", "opened", "recurring"]

KIND: Final = Kind("bench.nothing")
TENANTS: Final = 100
CONCURRENCY: Final = 400
_TOGETHER: Final = 500


class Nothing(TaskExecutor[Any]):
    """Does nothing, and says that it has run."""

    kind = KIND

    def __init__(self, ran: Callable[[RunContext], object], schedule: IntervalPolicy) -> None:
        self.ran = ran
        self.schedule = schedule  # type: ignore[misc]  # each load has a schedule of its own

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        """Do nothing."""
        self.ran(context)


@asynccontextmanager
async def opened(
    url: str, executor: Nothing, tasks: int, first: datetime | None = None, tenants: int = TENANTS
) -> AsyncIterator[Warden]:
    """
    Open a store with as many *tasks*, due from *first* on: now, if None.

    They are made many in a transaction: it is not their making that is measured.
    """
    store = await open_at(url, create=True)
    async with Warden.open(store, executors=[executor]) as warden:
        first = await store.now() if first is None else first
        schedule = executor.schedule
        assert schedule is not None
        for begin in range(0, tasks, _TOGETHER):
            await _make(store, schedule, range(begin, min(begin + _TOGETHER, tasks)), first, tenants)
        if store.database.dialect.name == "postgresql":
            # As is done for all that are compared: the server would do so by itself within a minute.
            await store.database.alone(lambda conn: conn.exec_driver_sql("ANALYZE"))
        yield warden


async def _make(store: SqlStore, schedule: IntervalPolicy, numbers: range, first: datetime, tenants: int) -> None:
    def work(writing: Any, _: datetime) -> None:
        for number in numbers:
            made = spec(KIND, f"{number}", at=first, payload=None, digest=digest(schedule))
            definitions.ensure(writing, TenantId(f"tenant-{number % tenants}"), made)

    await store._write(work)  # noqa: SLF001  many tasks in one transaction is nothing that the library offers


async def always_due(load: AlwaysDue) -> Figures:
    """Measure tasks whose next slot is due before they can run again."""
    runs = 0

    def ran(_: RunContext) -> None:
        nonlocal runs
        runs += 1

    schedule = every(seconds=max(load.tasks / 40_000, 0.001))
    executor = Nothing(ran, schedule)
    async with opened(load.url, executor, load.tasks) as warden, warden.runner(concurrency=CONCURRENCY):
        await asyncio.sleep(1)  # everybody is warm, and knows the tasks
        begun, meter = runs, Meter(load.url)
        await asyncio.sleep(load.seconds)
        return meter.stop(runs - begun)


async def one_off(load: OneOff) -> Figures:
    """Measure until all have run."""
    left = Countdown(load.jobs)
    executor = Nothing(lambda _: left.ran(), once(EPOCH))
    async with opened(load.url, executor, load.jobs) as warden:
        meter = Meter(load.url)
        async with warden.runner(concurrency=CONCURRENCY):
            await left.done.wait()
        return meter.stop(load.jobs)


async def recurring(load: Recurring) -> Figures:
    """Measure tasks that are due each second."""
    window = Window(load)
    executor = Nothing(
        lambda context: window.ran(context.claim.due_at.timestamp()), every(seconds=1, anchor=load.first)
    )
    async with opened(load.url, executor, load.tasks, load.first) as warden, warden.runner(concurrency=CONCURRENCY):
        return await window.pass_by()


if __name__ == "__main__":
    answer(always_due=always_due, one_off=one_off, recurring=recurring)
