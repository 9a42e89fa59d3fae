"""Lanes, where a transaction that makes something claimable has not ended yet while claims look for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Final

import pytest

from taskwarden.core.claim import Claim
from taskwarden.core.protocols import Store
from taskwarden.core.record import TaskStatus
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId
from taskwarden.stores.sql.line import LOOKS
from taskwarden.stores.sql.store import SqlStore
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.clock import VirtualClock
from tests.databases import Kind as Database
from tests.stores.sql_stores import SqlStores, another, not_committed, sql_stores

# What is between two transactions is the same on each event loop.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)

ALICE, BACKLOG = TenantId("alice"), TenantId("backlog")
PING: Final = Kind("ping")
RUNNER: Final = RunnerId("runner")
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStores]:
    """Provide stores in each database in which several transactions write at a time."""
    kind: Database = request.param
    with sql_stores(kind, tmp_path_factory.mktemp(kind)) as made:
        yield made


@pytest.fixture
def clock() -> VirtualClock:
    """Provide the time."""
    return VirtualClock()


@pytest.fixture
async def store(stores: SqlStores, clock: VirtualClock) -> AsyncIterator[SqlStore]:
    """Provide a fresh store."""
    async with stores.fresh(clock) as fresh:
        yield fresh


async def make(store: Store, clock: VirtualClock, key: str, *, tenant: TenantId = ALICE) -> TaskStatus:
    return (await store.ensure(tenant, spec(PING, key, at=clock.now()))).status


async def fill(store: Store, clock: VirtualClock) -> None:
    """Let there be a backlog, so that lanes are asked, and one of Alice's in which there is nothing."""
    made = await make(store, clock, "gone")
    await store.delete(ALICE, made.id, detach=False, actor="")
    for number in range(20):
        await make(store, clock, f"{number}", tenant=BACKLOG)


async def claim(store: Store) -> list[TaskId]:
    """Claim a little of what is due, put the backlog's back, and return what was Alice's."""
    claims: tuple[Claim, ...] = (await store.claim(runner=RUNNER, kinds=[PING], limit=2, lease=MINUTE)).claims
    assert claims
    now = await store.now()
    await store.complete([completed(held, slot_at=now) for held in claims if held.task.tenant == BACKLOG])
    return [held.task.id for held in claims if held.task.tenant == ALICE]


async def test_what_is_made_while_its_lane_is_found_empty_is_found_a_second_later(
    store: Store, clock: VirtualClock
) -> None:
    await fill(store, clock)
    async with another(store, clock) as other:
        async with not_committed(store, make(store, clock, "late")):
            before = await claim(other)
        clock.jump(SECOND)

        found = [*await claim(other), *await claim(other)]

    assert before == []
    assert found == [(await make(store, clock, "late")).id]


@pytest.mark.parametrize("seconds", [2, 40])
async def test_what_a_long_transaction_makes_is_found_within_as_long_again_and_a_second(
    store: Store, clock: VirtualClock, seconds: int
) -> None:
    await store.limit_kind(PING, 100)
    await fill(store, clock)
    async with another(store, clock) as other:
        async with not_committed(store, make(store, clock, "late")):
            before = await claim(other)
            for _ in range(seconds):
                clock.jump(SECOND)
                before += await claim(other)
        found: list[TaskId] = []
        for _ in range(seconds + 1):
            clock.jump(SECOND)
            found += await claim(other)
        found += await claim(other)

    assert before == []
    assert found == [(await make(store, clock, "late")).id]


async def test_what_is_empty_for_good_is_let_go_of(store: Store, clock: VirtualClock) -> None:
    await store.limit_kind(PING, 100)
    await fill(store, clock)
    for looks in range(LOOKS + 2):
        await claim(store)
        clock.jump(SECOND * 2**looks)
    assert isinstance(store, SqlStore)
    lane = store.tables.lane

    rows = await store.database.read(lambda conn: conn.execute(lane.select().where(lane.c.tenant == ALICE)).all())

    assert [(row.turn_at, row.turn) for row in rows] == [(None, 0)]
