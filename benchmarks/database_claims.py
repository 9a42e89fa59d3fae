"""
What a claim costs in a database that holds much: a million tasks that wait, or a great backlog of somebody else's.

Batches of 100 are claimed and completed at the store, without a runner. In each state of the tables there are tasks of
two kinds: of one just as many are due as fit into a batch, of the other nine times as many, so that there is a backlog
and the tenants take turns. Each state has tables of its own; they are measured in turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

import anyio
import attrs

from benchmarks.cycles import claiming, cycles, warm_up
from benchmarks.databases import databases
from benchmarks.population import Group, fill
from benchmarks.table import REPETITIONS, Row
from taskwarden import every
from taskwarden.stores.sql import SqlStore, open_at

__all__ = ["Load", "measure", "measured"]

DATABASES: Final = ("PostgreSQL", "SQLite", "MariaDB")
TENANTS: Final = [f"tenant-{number}" for number in range(100)]
FITS: Final = "bench.fits"
BACKLOG: Final = "bench.backlog"
DUE: Final = {FITS: 1, BACKLOG: 9}
"""How many tasks of each kind are due, of each tenant."""
NAMES: Final = {FITS: "all that is due fits", BACKLOG: "more is due than fits"}
SCHEDULE: Final = every(hours=1)
HOUR: Final = timedelta(hours=1)
MOST_GROWTH: Final = 1.5


@attrs.frozen
class Load:
    """
    What is compared with 1,000 stored tasks, all of them due.

    Args:
        stored: As many tasks, the others due an hour later.
        ahead: As many tasks of one more tenant besides, which have been due for an hour.
        batches: How many are timed, in each repetition.
    """

    stored: int = 1_000_000
    ahead: int = 200_000
    batches: int = 100


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the microseconds for each task, and how they grow with what is stored."""
    return measured(Load(stored=50_000, ahead=10_000, batches=30) if quick else Load())


def measured(load: Load) -> list[Row]:
    """Return what ``measure`` does, for any *load*."""
    with databases() as found:
        return [row for name in DATABASES if name in found for row in anyio.run(_compared, name, found[name], load)]


async def _compared(name: str, url: str, load: Load) -> list[Row]:
    few, many, ahead = "1,000 stored", f"{load.stored:,} stored", f"behind {load.ahead:,} due of one tenant"
    async with AsyncExitStack() as stack:
        stores = {
            few: await _filled(url, "few_", 0, 0),
            many: await _filled(url, "many_", load.stored - 1_000, 0),
            ahead: await _filled(url, "ahead_", 0, load.ahead),
        }
        for store in stores.values():
            stack.push_async_callback(store.close)
        taken = {
            FITS: await _taken({state: stores[state] for state in (few, many)}, FITS, load.batches),
            BACKLOG: await _taken(stores, BACKLOG, load.batches),  # with so many ahead it is always one
        }
    rows = []
    for kind, figures in taken.items():
        for state, costs in figures.items():
            rows.append(Row(f"{name}: claim a task, {state}, {NAMES[kind]}", costs, "us"))
            if state != few:
                growth = [much / little for much, little in zip(costs, figures[few], strict=True)]
                what = f"{name}: growth of a claim, {state}, {NAMES[kind]}"
                rows.append(Row(what, growth, "x", at_most=MOST_GROWTH))
    return rows


async def _taken(stores: Mapping[str, SqlStore], kind: str, batches: int) -> dict[str, list[float]]:
    """Return the microseconds to claim a task in each of *stores*, measured in turns."""
    taken: dict[str, list[float]] = {state: [] for state in stores}
    for store in stores.values():
        await warm_up(store, claiming(store, kind), DUE[kind] * len(TENANTS))
    for _ in range(REPETITIONS):
        for state, store in stores.items():
            taken[state].append((await cycles(store, claiming(store, kind), batches)).claim_us)
    return taken


async def _filled(url: str, prefix: str, waiting: int, ahead: int) -> SqlStore:
    """Return a store of its own tables: what is due, and besides so many *waiting*, and *ahead* of one tenant."""
    store = await open_at(url, prefix=prefix, create=True)
    now, groups = await store.now(), []
    each = waiting // len(DUE) // len(TENANTS)
    for kind, due in DUE.items():
        mine = Group(name="due", kind=kind, tenants=TENANTS, each=due, schedule=SCHEDULE, first=now)
        groups.append(mine)
        if each:
            groups.append(attrs.evolve(mine, name="waits", each=each, first=now + HOUR, apart=HOUR / each))
    if ahead:
        groups.append(attrs.evolve(mine, name="ahead", tenants=["greedy"], each=ahead, first=now - HOUR))
    await fill(store, *groups)
    return store
