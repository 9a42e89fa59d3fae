"""A store in a database hears of what other processes change, in each database, by each driver, on each event loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pymysql
import pytest
from sqlalchemy import make_url

from taskwarden.core.protocols import Hint
from taskwarden.errors import Closed
from taskwarden.stores.sql.store import SqlStore
from taskwarden.testing.builders import completed
from taskwarden.testing.conformance.suite import FIRST, LEASE, PING
from tests.stores.hearing import PATIENCE, WAYS, Heard, Way, create, each_way, listening, on_postgres, one, said

LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)


@each_way
async def test_a_change_by_another_process_is_heard(way: Way, tmp_path: Path) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other, listening(store) as heard:
            due, changed = heard.count(Hint.DUE), heard.count(Hint.CHANGED)
            await create(other, "one")

            await heard.until(Hint.DUE, due + 1)
            await heard.until(Hint.CHANGED, changed + 1)


@each_way
async def test_a_change_of_ones_own_is_heard_at_once(way: Way, tmp_path: Path) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, listening(store) as heard:
            before = list(heard.hints)
            await create(store, "one")

            assert set(heard.hints[len(before) :]) == set(Hint)


@on_postgres
async def test_what_a_store_says_itself_is_no_news_to_it(way: Way, tmp_path: Path) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other, listening(store) as heard:
            due, changed = heard.count(Hint.DUE), heard.count(Hint.CHANGED)
            await create(store, "own")
            # What is notified arrives in order: with this one, all before it has.
            await other.database.write(lambda conn: other._listening.notify(conn, {Hint.CHANGED}))
            await heard.until(Hint.CHANGED, changed + 2)

            assert heard.count(Hint.DUE) == due + 1


@on_postgres
async def test_what_was_rolled_back_is_not_said(way: Way, tmp_path: Path) -> None:
    class Undone(Exception):
        pass

    def undone(conn: Any) -> None:
        other._listening.notify(conn, {Hint.DUE})
        raise Undone

    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other, listening(store) as heard:
            due = heard.count(Hint.DUE)
            with pytest.raises(Undone):
                await other.database.write(undone)
            await create(other, "one")
            await heard.until(Hint.DUE, due + 1)

            assert heard.count(Hint.DUE) == due + 1


@on_postgres
async def test_the_hosts_own_transaction_is_heard_by_its_own_process_too(way: Way, tmp_path: Path) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, listening(store) as heard:
            due = heard.count(Hint.DUE)
            await store.database.write(lambda conn: store._listening.notify(conn, {Hint.DUE}, foreign=True))

            await heard.until(Hint.DUE, due + 1)


@on_postgres
async def test_one_connection_serves_all_who_listen_and_is_closed_when_the_last_leaves(
    way: Way, tmp_path: Path
) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            async with listening(store), listening(store, settled=False), listening(store, settled=False):
                during = await anyio.to_thread.run_sync(one, url, LISTENERS)
            with anyio.fail_after(PATIENCE):
                while await anyio.to_thread.run_sync(one, url, LISTENERS):
                    pass  # the server takes note of the end by itself

    assert during == 1


@each_way
async def test_when_the_one_who_hears_for_all_leaves_another_takes_over(way: Way, tmp_path: Path) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other:
            async with anyio.create_task_group() as tg:
                async with listening(store):
                    heard = Heard()
                    tg.start_soon(store.listen, heard)
                    await heard.until(Hint.CHANGED)
                    ear = store._listening._ear
                due = heard.count(Hint.DUE)
                await create(other, "one")
                await heard.until(Hint.DUE, due + 1)

                assert store._listening._ear is ear
                tg.cancel_scope.cancel()
            assert store._listening._ear is None


@each_way
async def test_a_store_that_is_closed_tells_those_who_listen(way: Way, tmp_path: Path) -> None:
    told: list[str] = []

    async def listen() -> None:
        with pytest.raises(Closed) as refused:
            await store.listen(lambda _: None)
        told.append(str(refused.value))

    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tg:
                    async with listening(store):
                        tg.start_soon(listen)
                    await anyio.wait_all_tasks_blocked()
                    await store.close()

    assert len(told) == 1


@on_postgres
async def test_a_connection_that_was_cut_is_made_anew_and_what_was_missed_is_whispered(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other, listening(store) as heard:
            changed = heard.count(Hint.CHANGED)
            await anyio.to_thread.run_sync(one, url, CUT)
            await heard.until(Hint.CHANGED, changed + 1)
            await said(caplog, "again after")
            due = heard.count(Hint.DUE)
            await create(other, "one")
            await heard.until(Hint.DUE, due + 1)

    gone, back = messages(caplog)
    assert "does not hear of other processes' changes" in gone
    assert "hears of other processes' changes again" in back


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True)
async def test_looking_goes_on_after_its_connections_were_cut_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def cut() -> None:
        where = {"host": address.host, "port": address.port or 3306, "user": address.username}
        with pymysql.connect(**where) as conn, conn.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (address.database,))
            for (connection,) in cursor.fetchall():
                cursor.execute("KILL %s", (connection,))

    way = next(it for it in WAYS if it.name == "mariadb")
    with way.database(tmp_path) as url:
        address = make_url(url)
        async with way.store(url) as store, way.store(url) as other, listening(store) as heard:
            await anyio.to_thread.run_sync(cut)
            await said(caplog, "again after")
            other.database.engine.dispose()  # its connections were cut as well
            changed = heard.count(Hint.CHANGED)
            await create(other, "one")
            await heard.until(Hint.CHANGED, changed + 1)

    assert len(messages(caplog)) == 2


@on_postgres
async def test_an_ear_that_went_deaf_is_found_out_by_its_own_beat_and_opened_again(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other:
            store._listening.heard_within = 0.1
            async with listening(store) as heard:
                await deafen(store._listening._ear)
                store._listening._beat_at = 0.1
                stir(store)
                await said(caplog, "again after")
                due = heard.count(Hint.DUE)
                await create(other, "one")
                await heard.until(Hint.DUE, due + 1)

    gone, _ = messages(caplog)
    assert "what is notified does not arrive" in gone


@on_postgres
async def test_where_nothing_is_ever_heard_looking_every_second_takes_over_and_says_so_once(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other:
            store._listening.heard_within = 0.05
            store._listening._first.channel = "elsewhere"  # type: ignore[attr-defined] # as behind a pooler
            async with listening(store, settled=False) as heard:
                await said(caplog, "listen_url=")
                number = 0
                while store._listening._outage._deaf < 2 or number == 0:
                    number += 1
                    await create(other, str(number))
                    await heard.one_more(Hint.CHANGED)
                await create(other, "last")
                await heard.one_more(Hint.CHANGED)

    assert len(messages(caplog)) == 1


@on_postgres
async def test_a_driver_that_cannot_listen_is_named_once_and_looking_takes_its_place(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as store:
            store.database.engine.dialect.driver = "telegraph"
            async with way.store(url) as other:
                deaf = type(store)(store.database, store.tables)
                async with listening(deaf) as heard:
                    changed = heard.count(Hint.CHANGED)
                    await create(other, "one")
                    await heard.until(Hint.CHANGED, changed + 1)

    (message,) = messages(caplog)
    assert "does not know how to LISTEN with the driver telegraph" in message


@on_postgres
async def test_listening_goes_to_the_address_that_is_given_for_it(way: Way, tmp_path: Path) -> None:
    with way.database(tmp_path) as url:
        async with way.store(url) as plain, way.store(url) as other:
            separator = "&" if "?" in url else "?"
            store = type(plain)(
                plain.database,
                plain.tables,
                listen_url=f"{url}{separator}application_name=direct".replace("+psycopg", ""),
            )
            async with listening(store) as heard:
                name = await anyio.to_thread.run_sync(one, url, LISTENERS.replace("count(*)", "application_name"))
                due = heard.count(Hint.DUE)
                await create(other, "one")
                await heard.until(Hint.DUE, due + 1)

    assert name == "direct"


@on_postgres
async def test_a_burst_of_finished_runs_is_told_a_few_times_and_its_end_is_told(way: Way, tmp_path: Path) -> None:
    runs = 60
    with way.database(tmp_path) as url:
        async with way.store(url) as store, way.store(url) as other, listening(store), listening(other) as heard:
            for number in range(runs):
                await create(store, str(number))
            held = (await store.claim(runner=FIRST, kinds=[PING], limit=runs, lease=LEASE)).claims
            before, begun = heard.count(Hint.CHANGED), anyio.current_time()
            for claim in held:
                await store.complete([completed(claim)])
            ended = anyio.current_time()
            end, read, told = await store.cursor(), -1, before
            while read < end:  # by one who reads when told, and never else
                await heard.until(Hint.CHANGED, told + 1)
                told = heard.count(Hint.CHANGED)
                read = await other.cursor()

            assert told - before <= (ended - begun) / 0.1 + 3


# --- moves --------------------------------------------------------------------------------------------------------


async def deafen(ear: Any) -> None:
    """Let the server forget that the ear wants to hear, as a pooler would."""
    raw = ear._own.raw
    done = raw.execute("UNLISTEN *")
    if hasattr(done, "__await__"):
        await done


def stir(store: SqlStore) -> None:
    """Let the one who hears look at what time it is."""
    if store._listening._scope is not None:
        store._listening._scope.cancel()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "taskwarden.store"]
