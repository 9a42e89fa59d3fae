"""
APScheduler 4 with its memory store, under one burst: a program that prints its figures as JSON.

Both generations are one distribution: this one stands in a folder of its own, which comes first on the path.
"""

from __future__ import annotations

from apscheduler import AsyncScheduler
from apscheduler.triggers.interval import IntervalTrigger

from benchmarks.burst import Measured, Recorder, answer

__all__ = ["system"]

_recorders: list[Recorder] = []


async def _run() -> None:
    _recorders[0].ran()


async def system(recorder: Recorder) -> Measured:
    """Measure APScheduler 4, with as many jobs at a time as Taskwarden has runs."""
    burst = recorder.burst
    _recorders[:] = [recorder]
    async with AsyncScheduler(max_concurrent_jobs=100) as scheduler:
        # By its id from here on: a schedule made from the function would set it back to one job at a time.
        task = await scheduler.configure_task(_run, max_running_jobs=None)
        for number in range(burst.tasks):
            trigger = IntervalTrigger(seconds=burst.period, start_time=burst.first)
            await scheduler.add_schedule(task.id, trigger, id=str(number))
        await scheduler.start_in_background()
        return await recorder.measure()


if __name__ == "__main__":
    answer(system)
