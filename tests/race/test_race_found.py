"""What races found in stores, each reduced to a few calls in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import attrs
import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, select, text

from taskwarden.core.protocols import Store
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.stores.sql.line import LOOKS
from taskwarden.stores.sql.opening import open_at
from taskwarden.testing.builders import completed, spec
from tests.databases import Kind as DatabaseKind
from tests.databases import fresh_database

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ALICE, BOB, POLL = TenantId("alice"), TenantId("bob"), Kind("poll")
DRIVERS: dict[DatabaseKind, str] = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}

WAITING = {
    "postgresql": """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    """,
    "mysql": """
        SELECT count(*) FROM information_schema.innodb_trx AS held, information_schema.processlist AS process
        WHERE held.trx_mysql_thread_id = process.id AND process.db = database() AND held.trx_state = 'LOCK WAIT'
    """,
}

# What is between two transactions is the same on each event loop.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
concurrent = pytest.mark.parametrize("kind", DRIVERS)


@attrs.define
class Clock:
    """The store's time, as told."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def engine(kind: DatabaseKind, folder: Path) -> Iterator[Engine]:
    with fresh_database(kind, folder) as url:
        opened = create_engine(make_url(url).set(drivername=DRIVERS[kind]), isolation_level="READ COMMITTED")
        try:
            yield opened
        finally:
            opened.dispose()


async def claimed(store: Store, limit: int = 10) -> list[str]:
    """Claim as a runner would, and complete at once; return the keys."""
    answer = await store.claim(runner=RunnerId("here"), kinds=[POLL], limit=limit, lease=MINUTE)
    await store.complete([completed(claim, last=True) for claim in answer.claims])
    return [claim.task.key for claim in answer.claims]


@concurrent
async def test_a_task_made_in_a_slow_transaction_is_claimed_although_its_lane_was_found_empty_twice(
    kind: DatabaseKind, tmp_path: Path
) -> None:
    clock = Clock()
    with engine(kind, tmp_path) as opened:
        store = await open_at(opened, create=True, clock=clock)
        await store.limit_kind(POLL, 5)  # so that claims are made in turns
        await store.ensure(ALICE, spec(POLL, "first", at=NOON))
        with opened.connect() as conn, conn.begin():
            await store.ensure(ALICE, spec(POLL, "slow", at=NOON), connection=conn)
            found = [await claimed(store)]
            for _ in range(5):
                clock.now += SECOND
                found.append(await claimed(store))
        clock.now += MINUTE
        found.append(await claimed(store))
        await store.close()

    assert found == [["first"], [], [], [], [], [], ["slow"]]


@pytest.mark.parametrize("looks", [0, 1, 3])
@concurrent
async def test_a_task_made_in_a_slow_transaction_is_claimed_in_spite_of_the_backlog_of_others(
    kind: DatabaseKind, looks: int, tmp_path: Path
) -> None:
    clock, most = Clock(), 3
    with engine(kind, tmp_path) as opened:
        store = await open_at(opened, create=True, clock=clock)
        await store.ensure(ALICE, spec(POLL, "first", at=NOON))
        for number in range(40):
            await store.ensure(BOB, spec(POLL, f"{number}", at=NOON))
        with opened.connect() as conn, conn.begin():
            await store.ensure(ALICE, spec(POLL, "slow", at=NOON), connection=conn)
            before = [await claimed(store, most)]
            for look in range(looks):
                clock.now += 2**look * SECOND
                before.append(await claimed(store, most))
        clock.now += MINUTE
        after = [*await claimed(store, most), *await claimed(store, most)]
        await store.close()

    assert "first" in before[0]
    assert "slow" in after


@pytest.mark.parametrize("looks", [0, 3, LOOKS - 1, LOOKS, LOOKS + 1])
@concurrent
async def test_a_task_made_beside_any_look_into_its_empty_lane_is_claimed(
    kind: DatabaseKind, looks: int, tmp_path: Path
) -> None:
    clock = Clock()
    with engine(kind, tmp_path) as opened:
        store = await open_at(opened, create=True, clock=clock)
        await store.limit_kind(POLL, 5)
        await store.ensure(ALICE, spec(POLL, "first", at=NOON))
        found = [await claimed(store)]  # its lane is found empty, and will be looked into again, less and less often
        for look in range(looks):
            clock.now += 2**look * SECOND
            found.append(await claimed(store))
        clock.now += 2**looks * SECOND
        with opened.connect() as conn, conn.begin():
            await store.ensure(ALICE, spec(POLL, "second", at=clock.now + SECOND), connection=conn)
            found.append(await claimed(store))
        clock.now += 2**looks * 4 * SECOND
        found.append(await claimed(store))
        await store.close()

    assert found == [["first"], *[[]] * (looks + 1), ["second"]]


@concurrent
async def test_a_host_that_makes_a_task_in_a_long_transaction_holds_no_claim_up(
    kind: DatabaseKind, tmp_path: Path
) -> None:
    clock, events = Clock(), list[str]()
    with engine(kind, tmp_path) as opened:
        store = await open_at(opened, create=True, clock=clock)
        await store.limit_kind(POLL, 5)
        await store.ensure(ALICE, spec(POLL, "later", at=NOON + 5 * SECOND))

        async def claim() -> None:
            events.append(f"claimed {await claimed(store)}")
            answered.set()

        with opened.connect() as conn, conn.begin():
            await store.ensure(ALICE, spec(POLL, "sooner", at=NOON + SECOND), connection=conn)
            clock.now += 6 * SECOND
            answered = anyio.Event()
            async with anyio.create_task_group() as tg:
                tg.start_soon(claim)
                with anyio.move_on_after(5):
                    await answered.wait()
                conn.commit()
                events.append("committed")
        await store.close()

    assert events == ["claimed []", "committed"]


@concurrent
async def test_after_a_backlog_a_lane_that_a_host_holds_gives_what_is_due_in_it(
    kind: DatabaseKind, tmp_path: Path
) -> None:
    clock, most = Clock(), 3
    with engine(kind, tmp_path) as opened:
        store = await open_at(opened, create=True, clock=clock)
        for number in range(7):
            await store.ensure(BOB, spec(POLL, f"{number}", at=NOON))
        found = await claimed(store, most)
        await store.ensure(ALICE, spec(POLL, "due", at=NOON + SECOND))
        with opened.connect() as conn, conn.begin():
            conn.execute(select(store.tables.lane).where(store.tables.lane.c.tenant == ALICE).with_for_update())
            clock.now += SECOND
            for _ in range(4):
                found += await claimed(store, most)
        await store.close()

    assert sorted(found) == ["0", "1", "2", "3", "4", "5", "6", "due"]


@concurrent
async def test_a_lease_begins_when_the_task_is_taken_however_long_the_claim_had_to_wait(
    kind: DatabaseKind, tmp_path: Path
) -> None:
    clock = Clock()
    with engine(kind, tmp_path) as opened:
        store = await open_at(opened, create=True, clock=clock)
        await store.limit_kind(POLL, 5)
        await store.ensure(ALICE, spec(POLL, "first", at=NOON))

        async def claim() -> None:
            (first,) = (await store.claim(runner=RunnerId("here"), kinds=[POLL], limit=10, lease=MINUTE)).claims
            leases.append((first.claimed_at, first.lease_until))

        leases: list[tuple[datetime, datetime]] = []
        with opened.connect() as conn, conn.begin():
            # As another claim does that counts what runs of this kind.
            conn.execute(select(store.tables.kind).with_for_update())
            async with anyio.create_task_group() as tg:
                tg.start_soon(claim)
                with opened.connect() as watching:
                    await waiting(watching)
                clock.now += 10 * SECOND
                conn.commit()
        await store.close()

    assert leases == [(NOON + 10 * SECOND, NOON + 10 * SECOND + MINUTE)]


async def waiting(conn: Connection) -> None:
    """Return once somebody waits for a lock in this database."""
    order = text(WAITING[conn.dialect.name])
    while not conn.execute(order).scalar_one():
        conn.commit()
        await anyio.sleep(0.2)  # MariaDB tells the same anew if it is asked more often
