"""PGQueuer at jobs that run once: a program that prints JSON. Its own schedules go by the minute."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import asyncpg
from pgqueuer import AsyncpgDriver, Job, Queries, QueueManager
from pgqueuer.types import QueueExecutionMode

from benchmarks.peers.load import Countdown, OneOff, answer
from benchmarks.peers.meter import Figures, Meter, dsn

__all__ = ["one_off"]

BATCH: Final = 500
"""The best that was found; 10, its default, reaches less than half."""


async def one_off(load: OneOff) -> Figures:
    """Measure until all is run and logged; it keeps a log, and no more of a job that has succeeded."""
    left = Countdown(load.jobs)
    conn = await asyncpg.connect(dsn(load.url))
    queries = Queries(AsyncpgDriver(conn))
    await queries.install()
    for begin in range(0, load.jobs, 1_000):
        number = min(1_000, load.jobs - begin)
        await queries.enqueue(["nothing"] * number, [None] * number, [0] * number)
    await conn.execute("ANALYZE")
    manager = QueueManager(queries)

    async def nothing(_: Job) -> None:
        left.ran()

    manager.entrypoint("nothing")(nothing)
    meter = Meter(load.url)
    await manager.run(batch_size=BATCH, mode=QueueExecutionMode.drain, dequeue_timeout=timedelta(seconds=1))
    figures = meter.stop(load.jobs)
    if left.jobs:
        raise RuntimeError(f"{left.jobs} of {load.jobs} jobs did not run")
    return figures


if __name__ == "__main__":
    answer(one_off=one_off)
