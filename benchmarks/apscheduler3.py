"""APScheduler 3 with its memory store, under one burst: a program that prints its figures as JSON."""

from __future__ import annotations

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from benchmarks.burst import Measured, Recorder, answer

__all__ = ["system"]


async def system(recorder: Recorder) -> Measured:
    """Measure APScheduler 3, so set that it skips nothing however late it is."""
    burst = recorder.burst
    scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": False})

    async def run() -> None:
        recorder.ran()

    trigger = IntervalTrigger(seconds=burst.period, start_date=burst.first, timezone="UTC")
    for number in range(burst.tasks):
        scheduler.add_job(run, trigger, id=str(number))
    scheduler.start()
    try:
        return await recorder.measure()
    finally:
        scheduler.shutdown(wait=False)


if __name__ == "__main__":
    answer(system)
