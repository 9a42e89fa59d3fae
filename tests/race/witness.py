"""
The application beside the racing processes: it creates tasks, follows the feed, and reads everything at the end.

It is no part of the chaos, but sees the database go and come back as every application would.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import attrs

from taskwarden.core.change import Change, ChangeName
from taskwarden.core.record import Ending, Run, TaskStatus
from taskwarden.errors import StoreUnavailable
from taskwarden.ids import TaskId, TenantId
from taskwarden.manage import Warden
from taskwarden.policies import Coalesce, Each, every, once
from taskwarden.stores.sql.opening import migrate_at
from tests.race.history import Caps, Execution, Heard, History, Name
from tests.race.journal import Journal
from tests.race.kinds import CAPPED, NARROW, NARROWEST, ONCE, RECURRING, TICK, TICK_CAPPED, Work, executors

__all__ = ["Plan", "Witness", "planned"]

T = TypeVar("T")
TENANTS: Final = 100
WIDTH: Final = 4
"""How many tasks are created at the same time."""
PAGE: Final = 500
AT_ONCE: Final = 0.4
"""The part of one-off tasks that is due at once, and so makes a backlog."""
HELD_BACK: Final = 25.0
"""Seconds within which a reader of the feed sees everything."""


@attrs.frozen(kw_only=True)
class Plan:
    """One task to create. *after* is when it is due for the first time, in seconds from the beginning."""

    name: Name
    work: Work
    after: float
    period: float | None


def planned(
    rng: random.Random, caps: Caps, *, one_offs: int, recurring: int, seconds: float, lease: float
) -> list[Plan]:
    """
    Return what to create for a race of *seconds*, in the order of creation: what recurs, then what does not.

    Some one-offs last longer than a lease, but where there are caps.
    """
    tenants = [TenantId(f"tenant-{number}") for number in range(TENANTS)]
    often = [3.0 if tenant in caps else 1.0 for tenant in tenants]  # so that caps are reached
    plans = []
    for number in range(recurring):
        tenant, period = rng.choice(tenants), rng.uniform(2, 6)
        kind = TICK_CAPPED if tenant in caps else TICK
        work = Work(rng.uniform(0, 0.05), fails=int(number % 25 == 0), skips=7 if number % 10 == 0 else 0)
        plans.append(Plan(name=(tenant, kind, f"{number}"), work=work, after=rng.uniform(0, period), period=period))
    for number in range(one_offs):
        (tenant,) = rng.choices(tenants, often)
        kind = CAPPED if tenant in caps else NARROW if number % 20 == 0 else ONCE
        takes = rng.uniform(0, 0.1) if kind is ONCE else rng.uniform(0, 0.3)  # caps are reached by what lasts
        if kind is ONCE and number % 100 == 1:
            takes = 1.5 * lease
        work = Work(takes, fails=int(number % 20 == 0), snoozes=number % 50 == 0)
        after = 0 if rng.random() < AT_ONCE else rng.uniform(0, seconds)
        plans.append(Plan(name=(tenant, kind, f"{number}"), work=work, after=after, period=None))
    return plans


@attrs.define(eq=False)
class Witness:
    """One application with a warden of its own, in this process."""

    warden: Warden
    heard: list[Heard] = attrs.field(factory=list, init=False)
    done: set[TaskId] = attrs.field(factory=set, init=False)
    """One-off tasks that have succeeded, as the feed told."""
    ticked: set[TaskId] = attrs.field(factory=set, init=False)
    """Recurring ones that have succeeded since this was last cleared."""
    away: int = attrs.field(default=0, init=False)
    """How often the database did not answer."""
    resets: int = attrs.field(default=0, init=False)
    _cursor: int = attrs.field(default=0, init=False)
    _news: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, folder: Path) -> AsyncIterator[Witness]:
        """Open one at *url*, where it makes the tables; it executes nothing."""
        await migrate_at(url)
        async with Warden.open(url, executors=executors(Journal(folder, 0))) as warden:
            yield cls(warden)

    async def cap(self, tenants: Caps) -> None:
        """Cap *tenants*."""
        for tenant, most in tenants.items():
            await self.warden.tenant(tenant).limits(max_running=most)

    async def create(self, plans: Sequence[Plan], begin: datetime) -> None:
        """Create tasks, several at the same time, in spite of outages: it is safe to repeat."""
        async with anyio.create_task_group() as tg:
            for first in range(WIDTH):
                tg.start_soon(self._create, plans[first::WIDTH], begin)

    async def _create(self, plans: Iterable[Plan], begin: datetime) -> None:
        for plan in plans:
            tenant, kind, key = plan.name
            first = begin + timedelta(seconds=plan.after)
            if plan.period is None:
                schedule: Any = once(first)
            else:
                # Every other one catches missed slots up one by one; the others coalesce them.
                missed = Each(5) if int(key) % 2 else Coalesce()
                schedule = every(seconds=round(plan.period, 3), anchor=first, missed=missed)
            ensure = self.warden.tenant(tenant).tasks.ensure
            await self._patiently(lambda: ensure(kind, key=key, payload=plan.work, schedule=schedule))  # noqa: B023  # awaited here

    async def follow(self) -> None:
        """Listen to the feed until cancelled, from cursor to cursor."""
        while True:
            page = await self._patiently(lambda: self.warden.store.changes(self._cursor, limit=PAGE))
            self._hear(page.changes)
            self.resets += page.reset
            self._cursor = page.cursor
            if not page.changes:
                await anyio.sleep(0.02)

    def _hear(self, changes: Iterable[Change]) -> None:
        self._news.set()
        self._news = anyio.Event()
        for change in changes:
            if change.name is ChangeName.RUN_FINISHED and change.run is not None:
                run = change.run
                self.heard.append((change.seq, run.task_id, run.token))
                if run.ending is Ending.SUCCEEDED:
                    (self.ticked if run.kind in RECURRING else self.done).add(run.task_id)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await ask()
            except StoreUnavailable:
                self.away += 1
                await anyio.sleep(0.05)

    async def until(self, come_true: Callable[[], bool], seconds: float) -> bool:
        """Wait until *come_true* says so, at most *seconds*, and return whether it does."""
        with anyio.move_on_after(seconds):
            while not come_true():
                await self._news.wait()
        return come_true()

    async def testify(
        self,
        plans: Sequence[Plan],
        caps: Caps,
        executed: list[Execution],
        stopped_at: datetime,
    ) -> History:
        """Read all that the store has to tell, once everything has come to rest."""
        store, tenants = self.warden.store, sorted({plan.name[0] for plan in plans})
        runs = [run for tenant in tenants for run in await self._runs(tenant)]
        # A reader may be held back behind a number that was given to a write that never came to pass.
        await self.until(lambda: len(self.heard) >= len(runs), HELD_BACK)
        return History(
            made=frozenset(plan.name for plan in plans),
            tasks=[status for tenant in tenants for status in await self._tasks(tenant)],
            runs=runs,
            tallies=[tally for tenant in tenants for tally in await store.tallies(tenant)],
            feed=await self._feed(),
            heard=self.heard,
            executions=executed,
            caps={**caps, NARROW: NARROWEST},
            stopped_at=stopped_at,
        )

    async def _tasks(self, tenant: TenantId) -> list[TaskStatus]:
        found: list[TaskStatus] = []
        while True:
            after = found[-1].id if found else None
            page = await self.warden.store.tasks(tenant, kind=None, status=None, after=after, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found

    async def _runs(self, tenant: TenantId) -> list[Run]:
        found: list[Run] = []
        while True:
            before = found[-1].id if found else None
            page = await self.warden.store.runs(tenant, task_id=None, before=before, limit=PAGE)
            found += page
            if len(page) < PAGE:
                return found

    async def _feed(self) -> list[Change]:
        found: list[Change] = []
        cursor = 0
        while True:
            page = await self.warden.store.changes(cursor, limit=PAGE)
            found += page.changes
            cursor = page.cursor
            if not page.changes:
                return found
