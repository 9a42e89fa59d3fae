"""Procrastinate, at jobs that run once and at periodic tasks: a program that prints JSON."""

from __future__ import annotations

import asyncio
from typing import Final

from procrastinate import App, PsycopgConnector

from benchmarks.peers.load import Countdown, OneOff, Recurring, Window, answer, running
from benchmarks.peers.meter import Figures, Meter, dsn

__all__ = ["one_off", "recurring"]

CONCURRENCY: Final = 50
EVERY_SECOND: Final = "* * * * * *"


def app(url: str) -> App:
    """Return an application without tasks."""
    return App(connector=PsycopgConnector(conninfo=dsn(url)))


async def one_off(load: OneOff) -> Figures:
    """Measure until all is run and written."""
    ours, left = app(load.url), Countdown(load.jobs)

    async def nothing() -> None:
        left.ran()

    task = ours.task(name="nothing")(nothing)
    async with ours.open_async():
        await ours.schema_manager.apply_schema_async()
        for begin in range(0, load.jobs, 1_000):
            await task.batch_defer_async(*({} for _ in range(min(1_000, load.jobs - begin))))
        await ours.connector.execute_query_async("ANALYZE")
        meter = Meter(load.url)
        await ours.run_worker_async(wait=False, concurrency=CONCURRENCY, install_signal_handlers=False)
        figures = meter.stop(load.jobs)
    if left.jobs:
        raise RuntimeError(f"{left.jobs} of {load.jobs} jobs did not run")
    return figures


async def recurring(load: Recurring) -> Figures:
    """Measure periodic tasks; its cron has seconds, and it looks half a second after each on purpose."""
    ours, window = app(load.url), Window(load)

    async def nothing(timestamp: int) -> None:
        window.ran(timestamp)

    task = ours.task(name="nothing")(nothing)
    for number in range(load.tasks):
        ours.periodic(cron=EVERY_SECOND, periodic_id=str(number))(task)
    async with ours.open_async():
        await ours.schema_manager.apply_schema_async()
        work = ours.run_worker_async(
            concurrency=CONCURRENCY, install_signal_handlers=False, shutdown_graceful_timeout=1
        )
        async with running(asyncio.create_task(work)):
            return await window.pass_by()


if __name__ == "__main__":
    answer(one_off=one_off, recurring=recurring)
