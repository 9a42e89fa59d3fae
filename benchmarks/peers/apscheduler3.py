"""APScheduler 3 with its SQLAlchemy store, at jobs that run once and at intervals: a program that prints JSON."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from benchmarks.peers.load import Countdown, OneOff, Recurring, Window, answer
from benchmarks.peers.meter import Figures, Meter

__all__ = ["one_off", "recurring"]

_countdowns: list[Countdown] = []
_windows: list[Window] = []
_runs: Counter[int] = Counter()


async def once() -> None:
    """Do nothing, once. Jobs are stored by the names of their functions, so these cannot be closures."""
    _countdowns[0].ran()


async def each(number: int) -> None:
    """Do nothing, as task *number*. Nothing is skipped, so that its runs tell which instant each was due at."""
    window = _windows[0]
    window.ran(window.load.begin - 1 + _runs[number])
    _runs[number] += 1


def scheduler(url: str) -> AsyncIOScheduler:
    """Return one that is set to skip nothing however late it is, with as many runs of a job at a time as it takes."""
    store = SQLAlchemyJobStore(url.replace("postgresql://", "postgresql+psycopg://", 1))
    defaults = {"misfire_grace_time": None, "coalesce": False, "max_instances": 1_000}
    return AsyncIOScheduler(timezone="UTC", jobstores={"default": store}, job_defaults=defaults)


async def one_off(load: OneOff) -> Figures:
    """Measure until all is run and removed: it takes a job from the store as soon as it starts it."""
    left = Countdown(load.jobs)
    _countdowns[:] = [left]
    ours = scheduler(load.url)
    ours.start(paused=True)
    now = DateTrigger(datetime.now(UTC))
    for number in range(load.jobs):
        ours.add_job(once, now, id=str(number))
    meter = Meter(load.url)
    ours.resume()
    await left.done.wait()
    figures = meter.stop(load.jobs)
    ours.shutdown(wait=False)
    return figures


async def recurring(load: Recurring) -> Figures:
    """Measure tasks that are due each second."""
    window = Window(load)
    _windows[:] = [window]
    ours = scheduler(load.url)
    ours.start(paused=True)
    trigger = IntervalTrigger(seconds=1, start_date=load.first, timezone="UTC")
    for number in range(load.tasks):
        ours.add_job(each, trigger, args=(number,), id=str(number))
    ours.resume()
    try:
        return await window.pass_by()
    finally:
        ours.shutdown(wait=False)


if __name__ == "__main__":
    answer(one_off=one_off, recurring=recurring)
