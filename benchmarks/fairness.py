"""
What it costs that tenants take turns, and what it brings.

*Costs*, on PostgreSQL: batches of 100 are claimed by the store and completed, and the same by the plain claim, which
takes what has been due for longest; in turns, each in tables of its own. *Brings*: one tenant has much due before 99
others come with 10 each; how many batches are claimed until all of those are served?
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

import anyio
import attrs

from benchmarks.cycles import BATCH, ClaimBatch, claiming, cycles, warm_up
from benchmarks.databases import databases
from benchmarks.plain_claim import PlainClaim
from benchmarks.population import Group, fill
from benchmarks.table import REPETITIONS, Row, ratio
from taskwarden import every
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.testing.builders import completed

__all__ = ["Load", "measure", "measured"]

DATABASES: Final = ("PostgreSQL", "SQLite", "MariaDB")
BACKLOG: Final = "bench.backlog"
FITS: Final = "bench.fits"
LEAST_RATIO: Final = {BACKLOG: 0.7, FITS: 0.85}
NAMES: Final = {BACKLOG: "with a backlog", FITS: "without a backlog"}
SCHEDULE: Final = every(hours=1)
HOUR: Final = timedelta(hours=1)
OTHERS: Final = 99
OF_OTHERS: Final = 10
MOST_CLAIMS: Final = 15


@attrs.frozen
class Load:
    """
    What is measured.

    Args:
        tenants: With how many tenants turns are compared with none.
        due: How many tasks are due then, of all of them.
        batches: How many are timed, in each repetition.
        greedy: How many tasks of one tenant are due before those of the others.
    """

    tenants: tuple[int, ...] = (1, 1_000)
    due: int = 20_000
    batches: int = 200
    greedy: int = 200_000


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return how throughput compares, and how many claims it takes until all are served."""
    return measured(Load(due=5_000, batches=50, greedy=20_000) if quick else Load())


def measured(load: Load) -> list[Row]:
    """Return what ``measure`` does, for any *load*."""
    rows = []
    with databases() as found:
        if "PostgreSQL" in found:
            for tenants in load.tenants:
                rows += anyio.run(_compared, found["PostgreSQL"], tenants, load)
        for name in DATABASES:
            if name in found:
                rows += anyio.run(_served, name, found[name], load.greedy)
    return rows


# --- what it costs ----------------------------------------------------------------------------------------------


async def _compared(url: str, tenants: int, load: Load) -> list[Row]:
    whose = f"{tenants:,} tenant{'s' if tenants > 1 else ''}"
    rows = []
    async with AsyncExitStack() as stack:
        fair, plain = [await _filled(url, f"{how}{tenants}_", tenants, load.due) for how in ("fair", "plain")]
        stack.push_async_callback(fair.close)
        stack.push_async_callback(plain.close)
        for kind in (BACKLOG, FITS):
            sides: list[tuple[SqlStore, ClaimBatch]] = [
                (fair, claiming(fair, kind)),
                (plain, PlainClaim(plain, kind)),
            ]
            ours, theirs = await _rates(sides, load.due if kind == BACKLOG else BATCH, load.batches)
            what = f"PostgreSQL: {{}}, {whose}, {NAMES[kind]}"
            rows += [
                Row(what.format("tasks claimed fairly and completed"), ours, "tasks/s"),
                Row(what.format("tasks claimed plainly and completed"), theirs, "tasks/s"),
                ratio(what.format("fair / plain"), ours, theirs, at_least=LEAST_RATIO[kind]),
            ]
    return rows


async def _rates(sides: list[tuple[SqlStore, ClaimBatch]], due: int, batches: int) -> list[list[float]]:
    """Return the rates of each of *sides*, measured in turns."""
    for store, claim in sides:
        await warm_up(store, claim, due)
    rates: list[list[float]] = [[] for _ in sides]
    for _ in range(REPETITIONS):
        for taken, (store, claim) in zip(rates, sides, strict=True):
            taken.append((await cycles(store, claim, batches)).rate)
    return rates


async def _filled(url: str, prefix: str, tenants: int, due: int) -> SqlStore:
    """Return a store of its own tables: of one kind much is due, of the other just what fits into a batch."""
    store = await open_at(url, prefix=prefix, create=True)
    now, names = await store.now(), [f"tenant-{number}" for number in range(tenants)]
    few = names[:BATCH]
    backlog = Group(name="task", kind=BACKLOG, tenants=names, each=due // tenants, schedule=SCHEDULE, first=now)
    fits = attrs.evolve(backlog, kind=FITS, tenants=few, each=BATCH // len(few))
    await fill(store, backlog, fits)
    return store


# --- what it brings ---------------------------------------------------------------------------------------------


async def _served(name: str, url: str, greedy: int) -> list[Row]:
    """Return after how many claims each of the others has had its first task, and its last."""
    store = await open_at(url, prefix="served_", create=True)
    now, names = await store.now(), [f"tenant-{number}" for number in range(OTHERS)]
    ahead = Group(name="task", kind=BACKLOG, tenants=["greedy"], each=greedy, schedule=SCHEDULE, first=now - HOUR)
    await fill(store, ahead, attrs.evolve(ahead, name="behind", tenants=names, each=OF_OTHERS, first=now))
    left, claim, claims, first = dict.fromkeys(names, OF_OTHERS), claiming(store, BACKLOG), 0, 0
    while any(left.values()):
        taken = (await claim()).claims
        claims += 1
        for each in taken:
            if each.task.tenant in left:
                left[each.task.tenant] -= 1
        if not first and max(left.values()) < OF_OTHERS:
            first = claims
        if len(taken) < BATCH:
            raise RuntimeError(f"claim {claims} took {len(taken)} tasks")
        await store.complete([completed(each) for each in taken])
    await store.close()
    who = f"{OTHERS} tenants behind one with {greedy:,} due"
    return [
        Row(f"{name}: claims until each has its first task, {who}", [first], ""),
        Row(f"{name}: claims until all {OF_OTHERS} of each are served, {who}", [claims], "", at_most=MOST_CLAIMS),
    ]
