"""``ensure`` within the host's own transaction: the task is there if and when that commits, and never was if not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import attrs
import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from taskwarden.core.protocols import Ensured, EnsuredAs, Hint
from taskwarden.errors import InvalidValue, StoreUnavailable, TaskNotFound
from taskwarden.ids import Kind as TaskKind
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.conformance.suite import ALICE, FIRST, LEASE, PING
from tests.databases import Kind, fresh_database
from tests.stores.hearing import PATIENCE, create, listening

PONG: Final = TaskKind("suite.pong")

# --- hosts --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Host:
    """
    An application with its own way to the store's database.

    Args:
        face: What it calls its transaction: one of SQLAlchemy's four.
    """

    face: Any
    kind: Kind
    driver: str
    backend: str

    @contextmanager
    def database(self, folder: Path) -> Iterator[str]:
        with fresh_database(self.kind, folder) as url:
            yield make_url(url).set(drivername=self.driver).render_as_string(hide_password=False)

    @asynccontextmanager
    async def store(self, url: str) -> AsyncIterator[SqlStore]:
        """Open the store with a driver of its own choice."""
        plain = make_url(url).set(drivername=make_url(url).get_backend_name())
        store = await open_at(plain.render_as_string(hide_password=False), create=True)
        try:
            yield store
        finally:
            await store.close()

    @asynccontextmanager
    async def transaction(self, url: str, *, committed: bool = True) -> AsyncIterator[Any]:
        """Hold a transaction of the host's, and commit it or roll it back."""
        if self.face in (AsyncConnection, AsyncSession):
            engine = create_async_engine(url)
            try:
                async with engine.connect() if self.face is AsyncConnection else AsyncSession(engine) as own:
                    yield own
                    await (own.commit() if committed else own.rollback())
            finally:
                await engine.dispose()
        else:
            blocking = create_engine(url)
            try:
                with Session(blocking) if self.face is Session else blocking.connect() as mine:
                    yield mine
                    end: Callable[[], None] = mine.commit if committed else mine.rollback
                    end()
            finally:
                blocking.dispose()


HOSTS: Final = [
    *(Host("connection", "sqlite", "sqlite", backend) for backend in ("asyncio", "trio")),
    *(Host("connection", "postgresql", "postgresql+psycopg", backend) for backend in ("asyncio", "trio")),
    Host("connection", "mariadb", "mysql+pymysql", "trio"),
    Host(Session, "sqlite", "sqlite", "trio"),
    Host(Session, "postgresql", "postgresql+psycopg", "asyncio"),
    Host(Session, "mariadb", "mysql+pymysql", "asyncio"),
    *(Host(face, "postgresql", "postgresql+asyncpg", "asyncio") for face in (AsyncConnection, AsyncSession)),
    *(Host(face, "postgresql", "postgresql+psycopg", "asyncio") for face in (AsyncConnection, AsyncSession)),
    *(Host(face, "mariadb", "mysql+asyncmy", "asyncio") for face in (AsyncConnection, AsyncSession)),
]


def _each(hosts: list[Host]) -> pytest.MarkDecorator:
    cases = [
        pytest.param(
            host.backend, host, id=f"{getattr(host.face, '__name__', 'Connection')}, {host.driver}, {host.backend}"
        )
        for host in hosts
    ]
    return pytest.mark.parametrize(("anyio_backend", "host"), cases, indirect=["anyio_backend"])


each_host = _each(HOSTS)
one_of_each = _each([host for host in HOSTS if host.face in ("connection", AsyncSession) and host.backend == "asyncio"])
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)


async def ensured(store: SqlStore, key: str, payload: Any = None, connection: object | None = None) -> Ensured:
    """Ensure a task that is due now."""
    return await store.ensure(ALICE, spec(PING, key, at=await store.now(), payload=payload), connection=connection)


# --- committed, and not -------------------------------------------------------------------------------------------


@each_host
async def test_what_commits_is_there_and_whoever_listens_is_told(host: Host, tmp_path: Path) -> None:
    with host.database(tmp_path) as url:
        async with host.store(url) as store, listening(store) as heard:
            cursor, due = await store.cursor(), heard.count(Hint.DUE)
            async with host.transaction(url) as connection:
                made = await ensured(store, "one", {"a": 1}, connection)
            await heard.until(Hint.DUE, due + 1)

            assert made.how is EnsuredAs.CREATED
            assert (await store.get(ALICE, made.id)).task == made.task
            assert [change.name for change in (await store.changes(cursor, limit=10)).changes] == ["task.created"]
            claimed = await store.claim(runner=FIRST, kinds=[PING], limit=5, lease=LEASE)
            assert [claim.task.payload for claim in claimed.claims] == [{"a": 1}]


@each_host
async def test_what_is_rolled_back_never_was(host: Host, tmp_path: Path) -> None:
    with host.database(tmp_path) as url:
        async with host.store(url) as store:
            cursor = await store.cursor()
            async with host.transaction(url, committed=False) as connection:
                made = await ensured(store, "one", connection=connection)

            with pytest.raises(TaskNotFound):
                await store.get(ALICE, made.id)
            assert await store.find(ALICE, PING, "one") is None
            assert (await store.changes(cursor, limit=10)).changes == ()
            assert (await store.claim(runner=FIRST, kinds=[PING], limit=5, lease=LEASE)).claims == ()


@one_of_each
async def test_nobody_sees_it_before_it_commits(host: Host, tmp_path: Path) -> None:
    with host.database(tmp_path) as url:
        async with host.store(url) as store:
            async with host.transaction(url) as connection:
                made = await ensured(store, "one", connection=connection)
                with pytest.raises(TaskNotFound):
                    await store.get(ALICE, made.id)
            assert (await store.get(ALICE, made.id)).id == made.id


@_each([host for host in HOSTS if host.kind == "postgresql"])
async def test_of_what_is_rolled_back_nothing_is_said(host: Host, tmp_path: Path) -> None:
    with host.database(tmp_path) as url:
        async with host.store(url) as store, host.store(url) as other, listening(store) as heard:
            due = heard.count(Hint.DUE)
            async with host.transaction(url, committed=False) as connection:
                await ensured(other, "one", connection=connection)
            await create(other, "two")
            await heard.until(Hint.DUE, due + 1)

            assert heard.count(Hint.DUE) == due + 1


@one_of_each
async def test_an_existing_task_is_changed_and_the_answer_tells_how_it_will_be(host: Host, tmp_path: Path) -> None:
    with host.database(tmp_path) as url:
        async with host.store(url) as store:
            before = await ensured(store, "one", 1)
            async with host.transaction(url) as connection:
                changed = await ensured(store, "one", 2, connection)
                again = await ensured(store, "one", 2, connection)
            after = await store.get(ALICE, before.id)

    assert (changed.how, again.how) == (EnsuredAs.UPDATED, EnsuredAs.UNCHANGED)
    assert changed.id == before.id
    assert after.task == changed.task


# --- what the store remembers -------------------------------------------------------------------------------------


@each_host
async def test_the_store_does_not_remember_a_change_that_was_rolled_back(host: Host, tmp_path: Path) -> None:
    """The next change has the same version, and the store must not take the one for the other."""
    with host.database(tmp_path) as url:
        async with host.store(url) as store, host.store(url) as other:
            await ensured(store, "one", "first")
            async with host.transaction(url, committed=False) as connection:
                await ensured(store, "one", "undone", connection)
            await ensured(other, "one", "second")

            (claim,) = (await store.claim(runner=FIRST, kinds=[PING], limit=5, lease=LEASE)).claims
    assert claim.task.payload == "second"


@each_host
async def test_the_store_does_not_remember_a_task_that_was_rolled_back(host: Host, tmp_path: Path) -> None:
    """SQLite gives its id to the next."""
    with host.database(tmp_path) as url:
        async with host.store(url) as store, host.store(url) as other:
            async with host.transaction(url, committed=False) as connection:
                await ensured(store, "undone", "undone", connection)
            await ensured(other, "one", "first")

            (claim,) = (await store.claim(runner=FIRST, kinds=[PING], limit=5, lease=LEASE)).claims
    assert (claim.task.key, claim.task.payload) == ("one", "first")


# --- beside others ------------------------------------------------------------------------------------------------


@each_host
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "rolled back"])
async def test_the_same_task_ensured_inside_and_outside_is_one_task(
    host: Host, tmp_path: Path, committed: bool
) -> None:
    async def outside() -> None:
        others.append(await ensured(store, "one"))

    others: list[Ensured] = []
    with host.database(tmp_path) as url:
        async with host.store(url) as store:
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as tg, host.transaction(url, committed=committed) as connection:
                    mine = await ensured(store, "one", connection=connection)
                    for _ in range(3):
                        tg.start_soon(outside)
                    await anyio.lowlevel.checkpoint()
            kept = await store.tasks(ALICE, kind=None, status=None, after=None, limit=10)

    created = [each for each in others if each.how is EnsuredAs.CREATED]
    assert len(created) == (0 if committed else 1)
    assert {each.id for each in others} == {task.id for task in kept}
    assert len(kept) == 1
    if committed:
        assert mine.id == kept[0].id


@_each([host for host in HOSTS if host.kind != "sqlite" and host.face in ("connection", AsyncSession)])
async def test_a_transaction_that_stays_open_holds_up_no_other_kind(host: Host, tmp_path: Path) -> None:
    with host.database(tmp_path) as url:
        async with host.store(url) as store:
            await store.ensure(ALICE, spec(PONG, "two", at=await store.now()))
            async with host.transaction(url) as connection:
                await ensured(store, "one", connection=connection)
                with anyio.fail_after(PATIENCE):
                    claims = (await store.claim(runner=FIRST, kinds=[PONG], limit=5, lease=LEASE)).claims
                    await store.complete([completed(claim) for claim in claims])
                    await store.ensure(ALICE, spec(PONG, "three", at=await store.now()))

    assert [claim.task.key for claim in claims] == ["two"]


# --- misuse -------------------------------------------------------------------------------------------------------


@on_asyncio
@pytest.mark.parametrize("face", ["engine", "async engine", "text"])
async def test_what_is_no_transaction_is_refused_with_the_remedy(face: str, tmp_path: Path) -> None:
    with fresh_database("sqlite", tmp_path) as url:
        store = await open_at(url)
        engine = create_engine(url)
        asynchronous = create_async_engine("postgresql+asyncpg://nobody@localhost/nowhere")
        connection = {"engine": engine, "async engine": asynchronous, "text": url}[face]
        with pytest.raises(InvalidValue, match="an engine is none: begin a transaction on it"):
            await ensured(store, "one", connection=connection)
        assert await store.tasks(ALICE, kind=None, status=None, after=None, limit=10) == []
        engine.dispose()
        await store.close()


@on_asyncio
async def test_a_connection_to_another_database_is_refused(tmp_path: Path) -> None:
    with fresh_database("sqlite", tmp_path) as ours, fresh_database("postgresql", tmp_path) as theirs:
        store = await open_at(ours)
        engine = create_engine(make_url(theirs).set(drivername="postgresql+psycopg", password="secret"))
        with (
            engine.connect() as connection,
            pytest.raises(InvalidValue, match="must be one to the store's database") as e,
        ):
            await ensured(store, "one", connection=connection)
        engine.dispose()
        await store.close()

    assert "secret" not in str(e.value)


@on_asyncio
async def test_a_database_of_the_same_family_without_the_tables_is_said_to_be_so(tmp_path: Path) -> None:
    with fresh_database("sqlite", tmp_path) as ours, fresh_database("sqlite", tmp_path) as theirs:
        store = await open_at(ours)
        engine = create_engine(theirs)
        with engine.connect() as connection, pytest.raises(StoreUnavailable, match="no such table"):
            await ensured(store, "one", connection=connection)
        engine.dispose()
        await store.close()
