"""APScheduler 4 with its SQLAlchemy store, at jobs that run once and at intervals: a program that prints JSON."""

from __future__ import annotations

from typing import Final

from apscheduler import AsyncScheduler, current_job
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.peers.load import Countdown, OneOff, Recurring, Window, answer
from benchmarks.peers.meter import Figures, Meter

__all__ = ["one_off", "recurring"]

CONCURRENCY: Final = 100

_countdowns: list[Countdown] = []
_windows: list[Window] = []


async def once() -> None:
    """Do nothing, once. Jobs are stored by the names of their functions, so these cannot be closures."""
    _countdowns[0].ran()


async def each() -> None:
    """Do nothing."""
    due = current_job.get().scheduled_fire_time
    if due is None:
        raise RuntimeError("a run without a schedule")
    _windows[0].ran(due.timestamp())


def engine(url: str) -> AsyncEngine:
    """Return an engine with its fastest driver, and as many connections as by default, but kept: see ``Figures``."""
    return create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=15, max_overflow=0)


async def one_off(load: OneOff) -> Figures:
    """Measure until all is run and released. Events stay in the process: its broker on PostgreSQL stalls."""
    left = Countdown(load.jobs)
    _countdowns[:] = [left]
    stored = engine(load.url)
    async with AsyncScheduler(SQLAlchemyDataStore(stored), max_concurrent_jobs=CONCURRENCY) as scheduler:
        task = await scheduler.configure_task(once, max_running_jobs=None)
        for _ in range(load.jobs):
            await scheduler.add_job(task.id)
        meter = Meter(load.url)
        await scheduler.start_in_background()
        await left.done.wait()
        figures = meter.stop(load.jobs)
    await stored.dispose()
    return figures


async def recurring(load: Recurring) -> Figures:
    """Measure tasks that are due each second."""
    window = Window(load)
    _windows[:] = [window]
    stored = engine(load.url)
    async with AsyncScheduler(SQLAlchemyDataStore(stored), max_concurrent_jobs=CONCURRENCY) as scheduler:
        # By its id from here on: a schedule made from the function would set it back to one job at a time.
        task = await scheduler.configure_task(each, max_running_jobs=None)
        for number in range(load.tasks):
            trigger = IntervalTrigger(seconds=1, start_time=load.first)  # it has a state: one for each
            await scheduler.add_schedule(task.id, trigger, id=str(number))
        await scheduler.start_in_background()
        figures = await window.pass_by()
    await stored.dispose()
    return figures


if __name__ == "__main__":
    answer(one_off=one_off, recurring=recurring)
