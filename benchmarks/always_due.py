"""Recurring tasks that do nothing and whose next slot is due before they can run again: as fast as a store can be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs
from sqlalchemy import func, select

from benchmarks.peers.taskwarden import CONCURRENCY, KIND, TENANTS, Nothing
from benchmarks.population import Group, fill
from taskwarden import IntervalPolicy, RunContext, Warden, every
from taskwarden.core.record import Ending
from taskwarden.stores.sql import SqlStore, open_at

__all__ = ["Count", "filled", "running", "stored_runs"]

FASTEST: Final = 40_000
"""Runs a second that nobody reaches: each task is due so often that all together would be that many."""


@attrs.define
class Count:
    """How often anything was run."""

    runs: int = 0

    def ran(self, _: RunContext) -> None:
        """Once more."""
        self.runs += 1


def _schedule(tasks: int) -> IntervalPolicy:
    return every(seconds=max(tasks / FASTEST, 0.001))


async def filled(url: str, tasks: int) -> None:
    """Store that many *tasks* in an empty database; all are due."""
    store = await open_at(url, create=True)
    tenants = [f"tenant-{number}" for number in range(min(TENANTS, tasks))]
    each, first = tasks // len(tenants), await store.now()
    group = Group(name="task", kind=KIND, tenants=tenants, each=each, schedule=_schedule(tasks), first=first)
    await fill(store, group)
    await store.close()


@asynccontextmanager
async def running(url: str, tasks: int) -> AsyncIterator[tuple[SqlStore, Count]]:
    """Let a runner work them off while the block lasts."""
    count = Count()
    store = await open_at(url)
    executor = Nothing(count.ran, _schedule(tasks))
    try:
        async with Warden.open(store, executors=[executor]) as warden, warden.runner(concurrency=CONCURRENCY):
            yield store, count
    finally:
        await store.close()


async def stored_runs(url: str) -> int:
    """Return how many runs the history has, but for those that a stopping runner has interrupted."""
    store = await open_at(url)
    query = select(func.count()).where(store.tables.run.c.ending == Ending.SUCCEEDED.value)
    stored = await store.database.read(lambda conn: conn.execute(query).scalar_one())
    await store.close()
    return int(stored)
