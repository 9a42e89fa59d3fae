"""
PostgreSQL: what becomes of the throughput while another connection holds a snapshot open, as a backup or a report does.

No row that was rewritten since can be taken away until it ends. What is compared are the last seconds of the time that
it is held, and those before; the seconds after its end are shown, too.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

import anyio
import attrs
import psycopg

from benchmarks.always_due import Count, filled, running
from benchmarks.peers.meter import dsn
from benchmarks.programs import answered, postgresql
from benchmarks.table import REPETITIONS, Row, ratio

__all__ = ["Load", "measure", "measured"]

LEAST_RATIO: Final = 1 / 3


@attrs.frozen
class Load:
    """
    What is measured.

    Args:
        tasks: As many recurring tasks, always due.
        warm: Seconds before anything is measured.
        span: Seconds that each rate is taken over.
        held: Seconds for which the snapshot is held.
    """

    tasks: int = 20_000
    warm: float = 5.0
    span: float = 10.0
    held: float = 60.0


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return runs a second without, and under the snapshot."""
    return measured(Load(tasks=5_000, warm=1.0, span=2.0, held=6.0) if quick else Load())


def measured(load: Load) -> list[Row]:
    """Return what ``measure`` does, for any *load*."""
    taken: list[dict[str, float]] = []
    for _ in range(REPETITIONS):
        with postgresql() as url:
            if url is None:
                return []
            taken.append(answered("benchmarks.snapshot", url=url, load=attrs.asdict(load)))
    what = f"{load.tasks:,} recurring tasks, always due"
    before, under, after = ([each[name] for each in taken] for name in ("before", "under", "after"))
    held = f"a snapshot held for {load.held:g} s"
    return [
        Row(f"runs, before the snapshot, {what}", before, "runs/s"),
        Row(f"runs, last {load.span:g} s of {held}, {what}", under, "runs/s"),
        Row(f"runs, after its end, {what}", after, "runs/s"),
        ratio(f"runs, {held} / before, {what}", under, before, at_least=LEAST_RATIO),
    ]


async def _rates(url: str, load: dict[str, Any]) -> dict[str, float]:
    given = Load(**load)
    await filled(url, given.tasks)
    async with running(url, given.tasks) as (_, count):
        await anyio.sleep(given.warm)
        before = await _rate(count, given.span)
        with psycopg.connect(dsn(url)) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            seen = _seen(conn)
            await anyio.sleep(given.held - given.span)
            under = await _rate(count, given.span)
            if _seen(conn) != seen:
                raise RuntimeError("the snapshot was not held")
        return {"before": before, "under": under, "after": await _rate(count, given.span)}


async def _rate(count: Count, seconds: float) -> float:
    """Return the runs a second of the next *seconds*."""
    runs, begun = count.runs, time.perf_counter()
    await anyio.sleep(seconds)
    return (count.runs - runs) / (time.perf_counter() - begun)


def _seen(conn: psycopg.Connection[Any]) -> Any:
    """Return how many statistics there are, and of how many runs: the first time, this takes the snapshot."""
    return conn.execute("SELECT count(*), sum(runs) FROM tw_rollup").fetchone()


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: _rates(**json.loads(sys.argv[1])))))
