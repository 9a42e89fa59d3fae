"""Every 30 s a store that listens says which runners are here, hears itself say so, and lets them look: no more."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, insert

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.instant import micros
from taskwarden.core.protocols import Hint
from taskwarden.core.task import Task
from taskwarden.ids import Kind, RunnerId
from taskwarden.manage import Warden
from taskwarden.policies.intervals import once
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.stores.sql.listening_looks import VersionEar
from taskwarden.stores.sql.listening_notices import Notice, channel_of
from taskwarden.stores.sql.listening_outage import Outage, Unheard
from taskwarden.stores.sql.runners import RunnerSeen
from taskwarden.stores.sql.schema import tables
from tests.databases import PostgresServer, fresh_database
from tests.stores.hearing import (
    PATIENCE,
    POSTGRES,
    WAYS,
    Way,
    counting,
    create,
    each_way,
    listening,
    on_postgres,
    own_server,
)

KINDS = [Kind("b"), Kind("a")]


class Idle(TaskExecutor[Any]):
    """Is never due."""

    kind = "idle"

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        raise AssertionError(f"{task.key} was run")


async def seen(store: SqlStore) -> list[RunnerSeen]:
    return list(await store.runners())


# --- runners that are here ----------------------------------------------------------------------------------------


@each_way
async def test_a_runner_is_known_by_its_claims_as_long_as_it_makes_some(way: Way, tmp_path: Path) -> None:
    name = RunnerId("first")
    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            store._listening.period = 0.1
            await store.claim(runner=name, kinds=KINDS, limit=1, lease=timedelta(seconds=60))
            async with listening(store) as heard:
                (first,) = [it for it in await seen(store) if it.name == name]
                await heard.one_more(Hint.DUE)
                await heard.one_more(Hint.DUE)
                (later,) = [it for it in await seen(store) if it.name == name]

    assert (first.host, first.pid, first.kinds) == (socket.gethostname(), os.getpid(), ("a", "b"))
    assert first.started_at <= first.seen_at < later.seen_at
    assert later.started_at == first.started_at


@each_way
async def test_runners_that_nobody_has_seen_for_a_day_are_forgotten(way: Way, tmp_path: Path) -> None:
    def put(conn: Connection) -> None:
        for name, ago in (("gone", timedelta(days=1, minutes=1)), ("late", timedelta(hours=23))):
            at = micros(now - ago)
            values = {"runner": name, "host": "", "pid": 1, "kinds": "[]", "started_at": at, "seen_at": at}
            conn.execute(insert(store.tables.runner).values(values))

    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            now = await store.now()
            await store.database.write(put)
            async with listening(store):
                names = [it.name for it in await seen(store)]

    assert names == ["here", "late"]


@each_way
async def test_a_name_that_another_process_had_is_this_ones_from_now_on(way: Way, tmp_path: Path) -> None:
    def put(conn: Connection) -> None:
        values = {"runner": "here", "host": "old", "pid": 1, "kinds": "[]", "started_at": 1, "seen_at": 1}
        conn.execute(insert(store.tables.runner).values(values))

    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            await store.database.write(put)
            async with listening(store):
                (found,) = await seen(store)

    assert (found.pid, found.started_at) == (os.getpid(), found.seen_at)


async def test_a_runner_that_is_full_is_here_as_long_as_it_renews(tmp_path: Path) -> None:
    with fresh_database("sqlite", tmp_path) as url:
        store = await open_at(url)
        presence = store._listening.presence
        for name in ("full", "stopped"):
            presence.claims(RunnerId(name), KINDS)
            presence._here[RunnerId(name)].called_at -= 70
        presence.holds(RunnerId("full"))
        presence._here[RunnerId("stopped")].called_at -= 10
        here = presence._now_here()
        await store.close()

    assert list(here) == ["full"]


# --- what idling costs --------------------------------------------------------------------------------------------


@on_postgres
async def test_an_idle_runner_costs_two_statements_a_beat_which_is_four_a_minute(way: Way, tmp_path: Path) -> None:
    beats = 5
    with way.database(tmp_path) as url:
        async with way.store(url) as store, Warden.open(store, executors=[Idle()]) as warden:
            await warden.tenant("alice").tasks.ensure(
                "idle", key="a", schedule=once(await store.now() + timedelta(hours=1))
            )
            assert store._listening.period == 30
            store._listening.period = 0.3
            async with warden.runner(), listening(store) as heard:
                await heard.one_more(Hint.DUE)
                with counting(store) as statements:
                    await heard.until(Hint.DUE, heard.count(Hint.DUE) + beats)

    assert beats <= len(statements) <= 2 * beats + 2  # a beat may have begun before we counted
    assert len(set(statements)) == 2


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Provide a server of the test's own."""
    with own_server() as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize(("anyio_backend", "driver"), [("asyncio", "asyncpg"), ("trio", "psycopg")])
async def test_the_server_counts_no_more_statements_than_we_do(server: PostgresServer, driver: str) -> None:
    def log() -> list[str]:
        said = (server.folder / "log").read_text().split("LOG:  ")
        return [each for each in said if each.startswith(("execute", "statement"))]

    beats = 5
    (way,) = [it for it in POSTGRES if it.name == driver and (driver == "asyncpg" or it.backend == "trio")]
    url = server.url.replace("postgresql:", f"postgresql+{driver}:")
    async with way.store(url) as store, Warden.open(store, executors=[Idle()]) as warden:
        store._listening.period = 0.3
        async with warden.runner(), listening(store) as heard:
            await heard.one_more(Hint.DUE)
            await store.database.alone(lambda conn: conn.exec_driver_sql("ALTER SYSTEM SET log_statement = 'all'"))
            await store.database.alone(lambda conn: conn.exec_driver_sql("SELECT pg_reload_conf()"))
            with anyio.fail_after(PATIENCE):
                while not any("pg_notify" in each for each in log()):  # until all connections have taken that up
                    await heard.one_more(Hint.DUE)
            await heard.one_more(Hint.DUE)
            begin, due = len(log()), heard.count(Hint.DUE)
            await heard.until(Hint.DUE, due + beats)
            end = len(log())

    assert beats <= end - begin <= 2 * beats + 1


@each_way
async def test_nothing_goes_on_once_nobody_listens_any_more(way: Way, tmp_path: Path) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            before = len(anyio.get_running_tasks())
            async with listening(store), listening(store, settled=False):
                pass

            assert len(anyio.get_running_tasks()) == before
            assert store._listening._ear is None


async def test_a_look_at_mariadb_is_one_statement_that_reads_one_entry_of_an_index_for_each_part(
    tmp_path: Path,
) -> None:
    def entries(conn: Connection) -> int:
        conn.exec_driver_sql("FLUSH STATUS")
        store._listening._second._read(conn, KINDS)
        read = "'Handler_read_first', 'Handler_read_key', 'Handler_read_last', 'Handler_read_next', 'Handler_read_prev'"
        found = conn.exec_driver_sql(f"SHOW SESSION STATUS WHERE Variable_name IN ({read})")
        return sum(int(value) for _, value in found)

    way = next(it for it in WAYS if it.name == "mariadb")
    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            for number in range(20):
                await create(store, str(number), KINDS[0])
            with counting(store) as statements:
                read = await store.database.read(entries)

    assert len([it for it in statements if it.startswith("SELECT")]) == 1
    assert read <= 3


# --- the version of a file ----------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Iterator[tuple[Any, Connection]]:
    """Provide an engine for a file of SQLite without a write-ahead log, and another process's connection to it."""
    engine, other = create_engine(f"sqlite:///{tmp_path / 'a.db'}"), create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with other.connect() as conn:
        conn.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("CREATE TABLE a (b)")
        yield engine, conn
    engine.dispose()
    other.dispose()


def write(conn: Connection) -> None:
    conn.exec_driver_sql("INSERT INTO a VALUES (1)")


async def test_a_file_that_is_locked_is_looked_at_again_and_waited_for_by_nobody(file: Any) -> None:
    engine, conn = file
    ear = VersionEar(engine, lambda: 0)
    await ear.open()
    conn.exec_driver_sql("BEGIN EXCLUSIVE")
    write(conn)
    locked = ear._look()
    conn.exec_driver_sql("COMMIT")
    with anyio.fail_after(PATIENCE):
        await ear.wait()
    await ear.close()

    assert locked is False


async def test_of_what_this_process_writes_itself_a_file_reminds_it_ten_times_a_second_at_most(file: Any) -> None:
    engine, conn = file
    written = 0
    ear = VersionEar(engine, lambda: written)
    await ear.open()
    heard = []
    for _ in range(3):
        write(conn)
        written += 1
        ear._look()
        heard.append(len(ear.take()))
    ear._told -= 0.1
    ear._look()
    heard.append(len(ear.take()))
    await ear.close()

    assert heard == [1, 0, 0, 1]


async def test_what_another_process_writes_is_heard_however_fast_it_writes(file: Any) -> None:
    engine, conn = file
    ear = VersionEar(engine, lambda: 0)
    await ear.open()
    heard = []
    for _ in range(3):
        write(conn)
        ear._look()
        heard.append(len(ear.take()))
    await ear.close()

    assert heard == [1, 1, 1]


# --- what is said -------------------------------------------------------------------------------------------------


@given(hints=st.frozensets(st.sampled_from(Hint)), writer=st.text("0123456789abcdef", max_size=8))
def test_a_notice_is_heard_as_it_was_said(hints: frozenset[Hint], writer: str) -> None:
    said = Notice(hints, writer)

    assert Notice.heard(str(said)) == said


@given(st.text())
def test_whatever_else_is_said_on_the_channel_does_no_harm(text: str) -> None:
    heard = Notice.heard(text)

    assert heard.hints == set(Hint) or ":" in text


@given(st.one_of(st.none(), st.text("äö", min_size=1, max_size=63)), st.text("tw_", min_size=1, max_size=30))
def test_a_channel_is_no_longer_than_postgresql_allows_and_its_stores_own(schema: str | None, prefix: str) -> None:
    channel = channel_of(tables(prefix, schema))

    assert 0 < len(channel.encode()) <= 63
    assert channel != channel_of(tables(f"{prefix}x", schema))


# --- losing and finding -------------------------------------------------------------------------------------------


@given(times=st.integers(1, 40))
def test_a_lost_ear_is_opened_again_within_five_seconds_however_often_it_was_lost(times: int) -> None:
    outage = Outage("store")
    delays = []
    for _ in range(times):
        begun = monotonic()
        delays.append(outage.lost(ConnectionError("gone")) - begun)

    assert delays[0] < 1
    assert max(delays) < 6


def test_an_ear_that_is_deaf_twice_in_a_row_is_left_alone_for_minutes() -> None:
    outage = Outage("store")
    first, second = (outage.lost(Unheard()) - monotonic() for _ in range(2))
    outage.over()
    third = outage.lost(Unheard()) - monotonic()

    assert first < 1
    assert second > 60
    assert third < 1


def test_what_no_database_raises_is_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    for error in (ConnectionError("gone"), KeyError("a fault of ours")):
        Outage("store").lost(error)

    assert [bool(record.exc_info) for record in caplog.records] == [False, True]
