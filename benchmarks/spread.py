"""
How late runs start on PostgreSQL when the phases are spread, for one process; and at which rate it no longer keeps up.

The history tells it: how many of the slots of a span have run, how many were coalesced, and how late the runs started
by the clock of the database. Two rates are measured for five minutes, once each; then steps of seconds, each a few
times, look for the knee: the highest rate at which nothing is left out and the goal for lateness is met.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import anyio
import attrs
from sqlalchemy import func, select

from benchmarks.peers.meter import Meter
from benchmarks.peers.taskwarden import CONCURRENCY, KIND, TENANTS, Nothing
from benchmarks.population import Group, fill, move_to_phases
from benchmarks.programs import answered, postgresql
from benchmarks.table import REPETITIONS, Row
from taskwarden import IntervalPolicy, Warden, every
from taskwarden.core.instant import micros
from taskwarden.stores.sql import SqlStore, open_at

__all__ = ["Load", "knee_of", "measure", "measured"]

GOALS: Final = {2_000: 150.0, 5_000: 500.0}
"""By rate: the 99th percentile of lateness in milliseconds."""
MOST_P99_MS: Final = 500.0
"""At the knee."""
LEAST_SHARE: Final = 0.999
PARTS: Final = {"p50": 0.5, "p99": 0.99, "most": 1.0}
AHEAD: Final = 3.0
"""Seconds from when the phases are written until the first slot, besides what writing takes."""
MOVED: Final = 5_000
"""Tasks whose phases are surely written in a second."""


@attrs.frozen
class Load:
    """
    What is measured.

    Args:
        rates: Tasks due each second, for *seconds*.
        steps: Tasks due each second, for *step_seconds*, in ascending order.
        repetitions: How often each step is measured.
        period: Seconds from one slot of a task to the next; spans are multiples of it.
        settled: Seconds that the runner has before slots count, and again for the last of them.
    """

    rates: tuple[int, ...] = (2_000, 5_000)
    seconds: int = 300
    steps: tuple[int, ...] = (3_000, 4_000, 5_000, 6_000, 7_000, 8_000)
    step_seconds: int = 20
    repetitions: int = REPETITIONS
    period: int = 10
    settled: float = 5.0


QUICK: Final = Load(seconds=10, steps=(3_000, 6_000), step_seconds=5, repetitions=1, period=5)


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return what became of the slots, how late runs started, and where the knee is."""
    return measured(QUICK if quick else Load())


def measured(load: Load) -> list[Row]:
    """Return what ``measure`` does, for any *load*."""
    rows = []
    for rate in load.rates:
        figures = _figures(load, rate, load.seconds)
        if figures is None:
            return []
        rows += _rows([figures], rate, load.seconds, share=LEAST_SHARE, coalesced=0, p99=GOALS.get(rate))
    taken: dict[int, list[Mapping[str, float]]] = {rate: [] for rate in load.steps}
    for _ in range(load.repetitions):
        for rate, several in taken.items():
            figures = _figures(load, rate, load.step_seconds)
            if figures is not None:
                several.append(figures)
    for rate, several in taken.items():
        rows += _rows(several, rate, load.step_seconds)
    knees = [knee_of({rate: several[turn] for rate, several in taken.items()}) for turn in range(load.repetitions)]
    return [*rows, Row("the knee: tasks due each second of which all run in time", knees, "runs/s")]


def _figures(load: Load, rate: int, seconds: int) -> dict[str, float] | None:
    """Return what one repetition showed; None: there is no PostgreSQL."""
    with postgresql() as url:
        if url is None:
            return None
        given = {"rate": rate, "seconds": seconds, "period": load.period, "settled": load.settled}
        figures: dict[str, float] = answered("benchmarks.spread", url=url, **given)
        return figures


def _rows(
    taken: Sequence[Mapping[str, float]],
    rate: int,
    seconds: int,
    *,
    share: float | None = None,
    coalesced: int | None = None,
    p99: float | None = None,
) -> list[Row]:
    """Return the rows of one rate; *share*, *coalesced* and *p99* are goals."""
    what = f"{rate:,} due each second, {seconds:,} s"

    def of(name: str) -> list[float]:
        return [each[name] for each in taken if name in each]

    rows = [
        Row(f"share of slots that ran, {what}", of("share"), "", at_least=share),
        Row(f"slots coalesced, {what}", of("coalesced"), "", at_most=coalesced),
        Row(f"lateness p50, {what}", of("p50"), "ms"),
        Row(f"lateness p99, {what}", of("p99"), "ms", at_most=p99),
        Row(f"lateness max, {what}", of("most"), "ms"),
        Row(f"CPU, {what}", of("cpu"), "% core"),
    ]
    if of("server"):
        rows.append(Row(f"CPU of the server, {what}", of("server"), "% core"))
    return rows


def knee_of(figures: Mapping[int, Mapping[str, float]]) -> int:
    """Return the highest rate up to which all is well; 0: there is none."""
    knee = 0
    for rate, each in figures.items():
        if each["share"] < LEAST_SHARE or each["coalesced"] or each["p99"] > MOST_P99_MS:
            break
        knee = rate
    return knee


# --- the program --------------------------------------------------------------------------------------------------


async def _spread(url: str, rate: int, seconds: int, period: int, settled: float) -> dict[str, float]:
    store = await open_at(url, create=True)
    schedule = every(seconds=period)
    begin, tasks = await _filled(store, schedule, rate, period)
    async with Warden.open(store, executors=[Nothing(lambda _: None, schedule)]) as warden:
        late = await store.now() - begin
        if late > timedelta(0):
            raise RuntimeError(f"set up {late} too late: begin further ahead")
        async with warden.runner(concurrency=CONCURRENCY):
            since = begin + timedelta(seconds=settled)
            await anyio.sleep((since - await store.now()).total_seconds())
            meter = Meter(url)
            await anyio.sleep(seconds)
            used = meter.stop(0)
            await anyio.sleep(settled)
            seen = await _history(store, since, since + timedelta(seconds=seconds))
    await store.close()
    slots = tasks * seconds // period
    figures = {**seen, "share": seen["ran"] / slots, "cpu": used.cpu / used.seconds * 100}
    return figures if used.server is None else {**figures, "server": used.server / used.seconds * 100}


async def _filled(store: SqlStore, schedule: IntervalPolicy, rate: int, period: int) -> tuple[datetime, int]:
    """Store tasks that are due at their own phases, and return from when on, and how many they are."""
    tenants = [f"tenant-{number}" for number in range(min(TENANTS, rate))]
    each = rate * period // len(tenants)
    tasks = each * len(tenants)
    soon = await store.now()
    group = Group(name="task", kind=KIND, tenants=tenants, each=each, schedule=schedule, first=soon)
    await fill(store, group)
    begin = await store.now() + timedelta(seconds=AHEAD + tasks / MOVED)
    await move_to_phases(store, attrs.evolve(group, first=begin))
    return begin, tasks


async def _history(store: SqlStore, since: datetime, until: datetime) -> dict[str, float]:
    """Return what the history says of the slots from *since* to before *until*."""
    run = store.tables.run
    late = run.c.started_at - run.c.slot_at
    query = select(
        func.count().label("ran"),
        func.coalesce(func.sum(run.c.coalesced), 0).label("coalesced"),
        *(func.percentile_cont(part).within_group(late).label(name) for name, part in PARTS.items()),
    ).where(run.c.settled, run.c.slot_at >= micros(since), run.c.slot_at < micros(until))
    row = await store.database.read(lambda conn: conn.execute(query).one())
    if not row.ran:
        raise RuntimeError("nothing ran in time")
    return {
        "ran": row.ran,
        "coalesced": int(row.coalesced),
        **{name: getattr(row, name) / 1000 for name in PARTS},
    }


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: _spread(**json.loads(sys.argv[1])))))
