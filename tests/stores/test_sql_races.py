"""Everybody at once, on a real database: nothing due is lost, no cap is broken, nobody waits in a circle."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

import anyio
import attrs
import pytest

from taskwarden.core.change import Change
from taskwarden.core.claim import Claim, Completion
from taskwarden.core.instant import MICROSECOND
from taskwarden.core.protocols import Store
from taskwarden.errors import DependencyCycle, HasDependants, TaskNotFound
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId
from taskwarden.testing.builders import completed, deferred, failed, retried, spec
from taskwarden.testing.clock import VirtualClock
from tests.databases import Kind as Database
from tests.stores.sql_stores import SqlStores, another, sql_stores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MOMENT: Final = timedelta(milliseconds=1)
SECOND: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
LEASE: Final = timedelta(seconds=60)
KINDS: Final = (Kind("free"), Kind("steady"))
TENANTS: Final = tuple(TenantId(name) for name in ("free", "steady", "changing", "paused"))
STEADY: Final = 2
"""The cap of the tenant and of the kind that are called so."""
MOST: Final = 3
"""The greatest cap of the tenant whose cap changes."""
BACKLOG: Final = TenantId("backlog")
"""Has always more to do than fits into a claim, so that all others have to wait for their turn."""
ROUNDS: Final = 30
"""How often each of those at work does something."""


@attrs.define(eq=False)
class Race:
    """What can be seen from outside of one store that is used through several objects, as by several processes."""

    stores: list[Store]
    clock: VirtualClock
    made: list[tuple[TenantId, TaskId]] = attrs.field(factory=list)
    running: dict[TaskId, Claim] = attrs.field(factory=dict)
    read: list[Change] = attrs.field(factory=list)
    moments: int = 0

    async def claim(self, rng: Random, number: int) -> None:
        """Claim, hold, renew, and bring back in one way or another."""
        store, runner, mine = rng.choice(self.stores), RunnerId(f"{number}"), list[Claim]()
        for _ in range(ROUNDS):
            kinds = rng.choice((KINDS, KINDS[:1], KINDS[1:]))
            claims = await store.claim(runner=runner, kinds=kinds, limit=rng.randint(1, 6), lease=LEASE)
            self.check(claims.claims)
            mine += claims.claims
            rng.shuffle(mine)
            cut = rng.randint(0, len(mine))
            back, mine = mine[:cut], mine[cut:]
            await store.renew(runner=runner, holds={held.task.id: held.token for held in mine}, lease=LEASE)
            await self.bring_back(store, back, rng)
        await self.bring_back(store, mine, rng)

    def check(self, claims: tuple[Claim, ...]) -> None:
        """Check that nothing is in two leases, and that no cap is exceeded by what is known to run."""
        for held in claims:
            assert held.task.id not in self.running, f"{held.task.key} is in two live leases"
            self.running[held.task.id] = held
        tenants = Counter(held.task.tenant for held in self.running.values())
        kinds = Counter(held.task.kind for held in self.running.values())
        assert tenants[TENANTS[1]] <= STEADY, tenants
        assert tenants[TENANTS[2]] <= MOST, tenants
        assert kinds[KINDS[1]] <= STEADY, kinds

    async def bring_back(self, store: Store, claims: list[Claim], rng: Random) -> None:
        """Complete, or give back; from here on they may run elsewhere."""
        for held in claims:
            self.running.pop(held.task.id, None)
        if rng.random() < 0.2:
            await store.defer([deferred(held, self.soon(rng)) for held in claims])
        else:
            await store.complete([self.ended(held, rng) for held in claims])

    def ended(self, held: Claim, rng: Random) -> Completion:
        outcome = rng.choice((None, None, failed()))
        return completed(held, outcome, next_run_at=self.soon(rng), last=rng.random() < 0.05)

    def soon(self, rng: Random) -> datetime:
        """Return an instant about now that is no other's."""
        self.moments += 1
        return self.clock.now() + MOMENT * rng.choice((-1, -1, 1, 5, 2_000)) + self.moments * MICROSECOND

    async def create(self, rng: Random, number: int) -> None:
        """Make tasks, some of which wait for others."""
        store = rng.choice(self.stores)
        for turn in range(ROUNDS):
            tenant, kind = rng.choice(TENANTS), rng.choice(KINDS)
            upstream = [task for owner, task in rng.sample(self.made, min(len(self.made), 3)) if owner == tenant]
            key = f"{number}-{turn if rng.random() < 0.8 else 0}"
            wanted = spec(kind, key, at=self.soon(rng), depends_on=upstream if rng.random() < 0.3 else ())
            with suppress(TaskNotFound, DependencyCycle):
                self.made.append((tenant, (await store.ensure(tenant, wanted)).id))
            self.clock.jump(MOMENT * rng.randint(0, 20))

    async def steer(self, rng: Random, _: int) -> None:
        """Say what operators say."""
        store = rng.choice(self.stores)
        for _ in range(ROUNDS):
            await store.set_tenant(TENANTS[2], max_running=rng.randint(1, MOST), weight=rng.randint(1, 3))
            await store.set_tenant(TENANTS[3], paused=rng.random() < 0.5)
            if not self.made:
                continue
            tenant, task = rng.choice(self.made)
            with suppress(TaskNotFound, HasDependants):
                await store.pause(tenant, task, paused=rng.random() < 0.5, actor="")
                await store.request_run(tenant, task, at=self.soon(rng), actor="")
                await store.steer(tenant, task, retried(await store.get(tenant, task), self.soon(rng)))
                if rng.random() < 0.3:
                    self.running.pop(task, None)
                    await store.delete(tenant, task, detach=rng.random() < 0.7, actor="")

    async def follow(self, rng: Random, _: int) -> None:
        """Read the feed as it grows."""
        store, cursor = rng.choice(self.stores), 0
        for _ in range(ROUNDS * 3):
            page = await store.changes(cursor, limit=rng.randint(1, 50))
            assert not page.reset
            self.read += page.changes
            cursor = page.cursor
        self.read += await self.feed(cursor)

    async def feed(self, cursor: int = 0) -> list[Change]:
        """Return what follows *cursor*."""
        found: list[Change] = []
        while True:
            page = await self.stores[0].changes(cursor, limit=500)
            if not page.changes:
                return found
            found += page.changes
            cursor = page.cursor

    async def fill(self) -> None:
        """Let there be a backlog."""
        for number in range(30):
            await self.stores[0].ensure(BACKLOG, spec(KINDS[0], f"{number}", at=self.clock.now()))

    async def resume(self) -> None:
        """Let nothing wait for a word any more; the caps stay."""
        store = self.stores[0]
        await store.set_tenant(TENANTS[3], paused=False)
        for tenant in TENANTS:
            for status in await store.tasks(tenant, kind=None, status=None, after=None, limit=1_000):
                await store.pause(tenant, status.id, paused=False, actor="")

    async def work_off(self) -> None:
        """Claim for a while, and plan for tomorrow what is not of the backlog."""
        for _ in range(60):
            claims = await self.stores[1].claim(runner=RunnerId("last"), kinds=KINDS, limit=7, lease=LEASE)
            now = self.clock.now()
            at = {BACKLOG: now}
            done = [(held, at.get(held.task.tenant, now + DAY)) for held in claims.claims]
            await self.stores[1].complete([completed(held, slot_at=slot, settles=True) for held, slot in done])


@pytest.fixture(scope="module", params=["postgresql", "mariadb", "sqlite"])
def threaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStores]:
    """Provide stores whose transactions run in threads."""
    kind: Database = request.param
    with sql_stores(kind, tmp_path_factory.mktemp(kind)) as stores:
        yield stores


@pytest.fixture(scope="module")
async def asynchronous(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqlStores]:
    """Provide stores whose transactions run in the event loop."""
    with sql_stores("postgresql", tmp_path_factory.mktemp("unused"), "postgresql+asyncpg") as stores:
        yield stores
        await stores.close()


async def race(stores: SqlStores, seed: int) -> None:
    # MariaDB compares the age of changes with its own clock: to that, none of these is old.
    clock = VirtualClock(datetime.now(UTC) + DAY)
    async with stores.fresh(clock) as one, another(one, clock) as two:
        run = Race([one, two], clock)
        await one.set_tenant(TENANTS[1], max_running=STEADY)
        await one.set_tenant(TENANTS[2], max_running=MOST)
        await one.limit_kind(KINDS[1], STEADY)
        await run.fill()
        work: list[Callable[[Random, int], Coroutine[Any, Any, None]]] = [
            *(run.create, run.create),
            *(run.claim, run.claim, run.claim, run.claim),
            *(run.steer, run.follow),
        ]
        async with anyio.create_task_group() as tg:
            for number, what in enumerate(work):
                tg.start_soon(partial(what, Random(f"{seed} {number}"), number))
        clock.jump(3 * SECOND)  # later than all that was planned
        await run.resume()
        await run.fill()
        await run.work_off()
        clock.jump(SECOND)  # a lane that was found empty is looked at once more a second later
        await run.work_off()

        assert [(await two.tenant(tenant)).due for tenant in TENANTS] == [0, 0, 0, 0]
        assert [(await two.tenant(tenant)).running for tenant in TENANTS] == [0, 0, 0, 0]
        for tenant in TENANTS:
            runs = await one.runs(tenant, task_id=None, before=None, limit=10_000)
            recount = Counter((run.kind, run.ending, run.code) for run in runs)
            assert {(it.kind, it.ending, it.code): it.runs for it in await one.tallies(tenant)} == recount
            settled = Counter((run.task_id, run.slot_at) for run in runs if run.settled and run.counted)
            assert set(settled.values()) <= {1}
        everything = await run.feed()
        seen = {change.seq for change in run.read}
        assert [change for change in everything[: len(run.read)] if change.seq not in seen] == []


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_is_lost_and_no_cap_broken_in_a_race_of_threads(threaded: SqlStores, seed: int) -> None:
    await race(threaded, seed)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize("seed", range(2))
async def test_nothing_is_lost_and_no_cap_broken_in_a_race_within_a_loop(asynchronous: SqlStores, seed: int) -> None:
    await race(asynchronous, seed)
