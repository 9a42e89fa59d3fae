"""What tests of wake-ups share: the ways to a database, stores over it as of several processes, an ear that notes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import attrs
import psycopg
import pytest
from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from taskwarden.core.protocols import Hint
from taskwarden.ids import Kind as TaskKind
from taskwarden.ids import RunnerId, TenantId
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.testing.builders import spec
from tests.databases import Kind, PostgresServer, fresh_database
from tests.databases.programs import NoPostgres

__all__ = [
    "PATIENCE",
    "POSTGRES",
    "WAYS",
    "Heard",
    "Way",
    "counting",
    "create",
    "each_way",
    "listening",
    "on_postgres",
    "one",
    "own_server",
]

ALICE: Final = TenantId("alice")
KIND: Final = TaskKind("suite.ping")
RUNNER: Final = RunnerId("here")
PATIENCE: Final = 20.0
"""Seconds that anything may take on a busy machine."""


@attrs.frozen
class Way:
    """
    One way to a database.

    Args:
        backend: The event loop.
        in_loop: With an engine of the host's whose driver speaks in the event loop.
    """

    name: str
    kind: Kind
    driver: str
    backend: str
    in_loop: bool = False

    @contextmanager
    def database(self, folder: Path) -> Iterator[str]:
        """Give the URL, with the driver, of an empty database."""
        with fresh_database(self.kind, folder) as url:
            yield make_url(url).set(drivername=self.driver).render_as_string(hide_password=False)

    @asynccontextmanager
    async def store(self, url: str, **options: Any) -> AsyncIterator[SqlStore]:
        """Open a store with an engine of its own, as another process would."""
        engine = create_async_engine(url) if self.in_loop else None
        store = await open_at(url if engine is None else engine, create=True, **options)
        try:
            yield store
        finally:
            await store.close()
            if engine is not None:
                await engine.dispose()


POSTGRES: Final = (
    Way("asyncpg", "postgresql", "postgresql+asyncpg", "asyncio"),
    Way("psycopg", "postgresql", "postgresql+psycopg", "asyncio"),
    Way("psycopg", "postgresql", "postgresql+psycopg", "trio"),
    Way("psycopg of a host", "postgresql", "postgresql+psycopg", "asyncio", in_loop=True),
)
OTHERS: Final = (
    Way("sqlite", "sqlite", "sqlite", "asyncio"),
    Way("sqlite", "sqlite", "sqlite", "trio"),
    Way("mariadb", "mariadb", "mysql+pymysql", "asyncio"),
    Way("mariadb", "mariadb", "mysql+pymysql", "trio"),
)
WAYS: Final = POSTGRES + OTHERS


def _marked(ways: tuple[Way, ...]) -> pytest.MarkDecorator:
    cases = [pytest.param(way.backend, way, id=f"{way.name}, {way.backend}") for way in ways]
    return pytest.mark.parametrize(("anyio_backend", "way"), cases, indirect=["anyio_backend"])


each_way = _marked(WAYS)
on_postgres = _marked(POSTGRES)


@attrs.define(eq=False)
class Heard:
    """A listener that notes what it hears."""

    hints: list[Hint] = attrs.field(factory=list)
    _more: anyio.Event = attrs.field(factory=anyio.Event)

    def __call__(self, hint: Hint) -> None:
        self.hints.append(hint)
        self._more.set()

    def count(self, what: Hint) -> int:
        return self.hints.count(what)

    async def until(self, what: Hint, times: int = 1) -> None:
        """Wait until *what* was heard so many *times* in all."""
        with anyio.fail_after(PATIENCE):
            while self.count(what) < times:
                self._more = anyio.Event()
                await self._more.wait()

    async def one_more(self, what: Hint) -> None:
        """Wait for one that is new."""
        await self.until(what, self.count(what) + 1)


@asynccontextmanager
async def listening(store: SqlStore, *, settled: bool = True) -> AsyncIterator[Heard]:
    """
    Listen to *store* within the block.

    Args:
        settled: Wait until the ear is open and has beaten, so that what is heard from then on is news.
    """
    store._listening.presence.claims(RUNNER, [KIND])
    heard = Heard()
    async with anyio.create_task_group() as tg:
        tg.start_soon(store.listen, heard)
        if settled:
            await heard.until(Hint.DUE, 3)  # at once; when the ear is open; at its beat
        yield heard
        tg.cancel_scope.cancel()


async def create(store: SqlStore, key: str, kind: TaskKind = KIND) -> None:
    """Ensure a task that is due now."""
    await store.ensure(ALICE, spec(kind, key, at=await store.now()))


@contextmanager
def counting(store: SqlStore) -> Iterator[list[str]]:
    """Give the statements that *store* executes within the block, but for what its ear does on its own connection."""
    engine = store.database.engine
    sync = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(sync, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(sync, "before_cursor_execute", note)


@contextmanager
def own_server() -> Iterator[PostgresServer]:
    """Start a PostgreSQL for this test alone; where there is none, the test is skipped."""
    try:
        server = PostgresServer()
    except NoPostgres as absence:
        pytest.skip(str(absence))
    with server:
        yield server


def one(url: str, question: str) -> Any:
    """Ask PostgreSQL, on a connection of its own, and return the one answer."""
    named = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(named, autocommit=True) as conn:
        row = conn.execute(question.encode()).fetchone()
        return row and row[0]


async def said(caplog: pytest.LogCaptureFixture, what: str, logger: str = "taskwarden.store") -> None:
    """Wait until *logger* has logged *what*."""
    arrived = anyio.Event()

    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if what in record.getMessage():
                arrived.set()

    handler = Waiting()
    logging.getLogger(logger).addHandler(handler)
    try:
        told = [record.getMessage() for record in caplog.records if record.name == logger]
        if not any(what in message for message in told):
            with anyio.fail_after(PATIENCE):
                await arrived.wait()
    finally:
        logging.getLogger(logger).removeHandler(handler)
