"""A database that goes, collides, fills up or refuses: errors of ours, within bounds; nothing lost; all goes on."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Final

import anyio
import attrs
import psycopg
import pytest
from sqlalchemy import Connection, create_engine, make_url, select, text, update

from taskwarden.core.claim import Receipt
from taskwarden.errors import StoreUnavailable
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.testing.builders import deferred
from taskwarden.testing.conformance.suite import ALICE, FIRST, LEASE, PING
from tests.databases import fresh_database
from tests.stores.hearing import PATIENCE, Way, create, on_postgres, one
from tests.stores.sqlite_files import locked, sqlite_file

WAITING: Final = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


# --- collisions ---------------------------------------------------------------------------------------------------


@on_postgres
async def test_a_deadlock_is_tried_again_and_ends_well(way: Way, tmp_path: Path) -> None:
    """The other transaction has what we want next, and wants what we have; we are the one whom the server refuses."""

    def other() -> None:
        named = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(named) as conn:
            conn.execute("SET deadlock_timeout = '1h'")
            lock = f"SELECT FROM {store.tables.due} WHERE task_id = %s FOR UPDATE".encode()
            conn.execute(lock, [numbers[1]])
            anyio.from_thread.run_sync(holding.set)
            until = monotonic() + PATIENCE
            while not one(url, WAITING):
                assert monotonic() < until
            conn.execute(lock, [numbers[0]])

    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            for key in ("a", "b"):
                await create(store, key)
            held = (await store.claim(runner=FIRST, kinds=[PING], limit=2, lease=LEASE)).claims
            numbers = sorted(int(claim.task.id.rpartition("-")[2]) for claim in held)
            later = await store.now() + timedelta(hours=1)
            holding = anyio.Event()
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tg:
                    tg.start_soon(anyio.to_thread.run_sync, other)
                    await holding.wait()
                    receipts = await store.defer([deferred(claim, later) for claim in held])

    assert receipts == [Receipt.RECORDED] * 2


@on_postgres
async def test_a_transaction_that_cannot_be_serialised_is_tried_again_and_ends_well(way: Way, tmp_path: Path) -> None:
    def conflicting(conn: Connection) -> int:
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        attempts.append(conn.execute(select(life.c.high_water)).scalar_one())
        if len(attempts) == 1:
            with psycopg.connect(named, autocommit=True) as other:
                other.execute(str(raised).encode())
        conn.execute(raised)
        return len(attempts)

    attempts: list[int] = []
    with way.database(tmp_path) as url:
        named = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        async with way.store(url) as store:
            life = store.tables.life
            raised = update(life).values(high_water=life.c.high_water + text("1"))

            assert await store.database.write(conflicting) == 2
    assert attempts[1] == attempts[0] + 1


@on_postgres
@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
async def test_a_transaction_that_always_collides_is_given_up_within_a_second_or_two(
    way: Way, tmp_path: Path, state: str
) -> None:
    def collide(conn: Connection) -> None:
        attempts.append(state)
        conn.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'collided' USING ERRCODE = '{state}'; END $$")

    attempts: list[str] = []
    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            with anyio.fail_after(PATIENCE), pytest.raises(StoreUnavailable, match="collided"):
                await store.database.write(collide)

    assert 3 <= len(attempts) <= 10


@pytest.mark.parametrize("number", [1205, 1213])
async def test_mariadb_that_always_collides_is_given_up_within_a_second_or_two(tmp_path: Path, number: int) -> None:
    def collide(conn: Connection) -> None:
        attempts.append(number)
        conn.exec_driver_sql(f"SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'collided'")

    attempts: list[int] = []
    with fresh_database("mariadb", tmp_path) as url:
        store = await open_at(url, create=True)
        with anyio.fail_after(PATIENCE), pytest.raises(StoreUnavailable, match="collided"):
            await store.database.write(collide)
        await store.close()

    assert 3 <= len(attempts) <= 10


async def test_mariadb_that_cuts_connections_is_reached_again_by_single_statements_too(tmp_path: Path) -> None:
    def cut(conn: Connection) -> None:
        others = "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
        for (number,) in conn.exec_driver_sql(others).all():
            conn.exec_driver_sql(f"KILL {number}")

    with fresh_database("mariadb", tmp_path) as url:
        store = await open_at(url, create=True)
        one_more = create_engine(make_url(url).set(drivername="mysql+pymysql"))
        await store.database.alone(lambda conn: conn.exec_driver_sql("SELECT 1").scalar_one())
        with one_more.connect() as conn:
            cut(conn)
        one_more.dispose()

        with pytest.raises(StoreUnavailable):
            await store.database.alone(lambda conn: conn.exec_driver_sql("SELECT 1").scalar_one())
        assert await store.database.alone(lambda conn: conn.exec_driver_sql("SELECT 2").scalar_one()) == 2
        await store.close()


# --- SQLite -------------------------------------------------------------------------------------------------------


async def test_a_locked_file_is_waited_for_within_bounds_and_written_to_once_it_is_free(tmp_path: Path) -> None:
    async with sqlite_file(tmp_path) as file:
        with locked(file.path) as release:
            with anyio.fail_after(PATIENCE), pytest.raises(StoreUnavailable, match="database is locked"):
                await create(file.store, "a")
            assert await file.store.tasks(ALICE, kind=None, status=None, after=None, limit=9) == []  # reading goes on
            await anyio.to_thread.run_sync(release)

        await create(file.store, "a")
        assert len(await file.store.tasks(ALICE, kind=None, status=None, after=None, limit=9)) == 1


async def fill(store: SqlStore) -> int:
    """Create tasks until the store refuses one because the disk is full; return how many there are."""
    for number in count():
        try:
            await create(store, str(number))
        except StoreUnavailable as error:
            assert "full" in str(error)
            return number
    raise AssertionError("unreachable")


async def test_a_full_disk_refuses_what_is_written_and_loses_nothing_of_what_was(tmp_path: Path) -> None:
    async with sqlite_file(tmp_path) as file:
        file.pragma("PRAGMA max_page_count = 80")
        made = await fill(file.store)
        found = await file.store.tasks(ALICE, kind=None, status=None, after=None, limit=10_000)
        cursor = await file.store.cursor()
        file.pragma("PRAGMA max_page_count = 10000")
        await create(file.store, "again")

        assert len(found) == made
        assert await file.store.cursor() == cursor + 1


async def test_a_file_that_cannot_be_written_can_be_read_and_says_so(tmp_path: Path) -> None:
    async with sqlite_file(tmp_path) as file:
        await create(file.store, "a")
        engine = create_engine(f"sqlite:///file:{file.path}?mode=ro&uri=true")
        store = SqlStore(attrs.evolve(file.store.database, engine=engine), file.store.tables, file.store.clock)
        with pytest.raises(StoreUnavailable, match="readonly"):
            await store.claim(runner=FIRST, kinds=[PING], limit=1, lease=LEASE)
        (task,) = await store.tasks(ALICE, kind=None, status=None, after=None, limit=9)
        engine.dispose()

    assert task.key == "a"
