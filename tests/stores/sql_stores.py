"""
Fresh SQL stores for tests, at the price of emptying tables instead of making them.

All stores in one database take turns on a few sets of tables, so that statements are compiled once for all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Final

import anyio
import anyio.to_thread
import attrs
from sqlalchemy import Connection, Engine, Table, event, insert, make_url, select
from sqlalchemy.ext.asyncio import AsyncEngine

from taskwarden.core.protocols import Store
from taskwarden.stores.sql.opening import open_at
from taskwarden.stores.sql.store import SqlStore
from taskwarden.testing.clock import VirtualClock
from tests.databases import Kind, fresh_database

__all__ = ["SqlStores", "another", "not_committed", "sql_stores"]

THREADS: Final = 5
"""Transactions of one store at the same time."""
DRIVERS: Final[Mapping[Kind, str]] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "mariadb": "mysql+pymysql",
}
"""Those that run in threads, so on either event loop."""


@attrs.frozen
class Room:
    """A set of tables, by the first store that was opened over it, and what they held then."""

    first: SqlStore
    rows: Mapping[Table, Sequence[Mapping[str, Any]]]


@attrs.define(eq=False)
class SqlStores:
    """Stores in one database, over one engine."""

    where: str | Engine | AsyncEngine
    """The engine, or the URL from which the first store makes one."""
    _free: list[Room] = attrs.field(factory=list, init=False)
    _made: int = attrs.field(default=0, init=False)

    @asynccontextmanager
    async def fresh(self, clock: VirtualClock) -> AsyncIterator[SqlStore]:
        """Open an empty store that has the time of *clock*."""
        room = self._free.pop() if self._free else await self._build()
        try:
            async with another(room.first, clock) as store:
                await store.database.write(lambda conn: empty(conn, room))
                yield store
        finally:
            self._free.append(room)

    async def close(self) -> None:
        """Close all connections of an engine that belongs to this event loop."""
        if isinstance(self.where, AsyncEngine):
            await self.where.dispose()

    def dispose(self) -> None:
        """Close all connections of an engine that is used in threads."""
        if isinstance(self.where, Engine):
            self.where.dispose()

    async def _build(self) -> Room:
        self._made += 1
        store = await open_at(self.where, prefix=f"room{self._made}_", pool_size=2 * THREADS, create=True)
        self.where = store.database.engine
        tables = store.tables.metadata.sorted_tables

        def rows(conn: Connection) -> dict[Table, list[dict[str, Any]]]:
            return {table: [dict(row) for row in conn.execute(select(table)).mappings()] for table in tables}

        return Room(store, await store.database.read(rows))


@asynccontextmanager
async def another(store: Store, clock: VirtualClock) -> AsyncIterator[SqlStore]:
    """Open a store over the data of *store*, which knows nothing of what that one remembers."""
    assert isinstance(store, SqlStore)
    threads = None if store.database.threads is None else anyio.CapacityLimiter(THREADS)
    opened = attrs.evolve(store, database=attrs.evolve(store.database, owned=False, threads=threads), clock=clock.now)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def not_committed(store: Store, call: Awaitable[object]) -> AsyncIterator[None]:
    """Let *call*, of *store*, have done all that it does, and commit it when the block ends."""
    assert isinstance(store, SqlStore)
    engine: Any = store.database.engine
    assert isinstance(engine, Engine)
    done, go_on = Event(), Event()

    def hold(_: object) -> None:
        if not done.is_set():  # the first transaction that ends from here on is that of the call
            done.set()
            assert go_on.wait(20)

    async def made() -> None:
        await call

    event.listen(engine, "commit", hold)
    async with anyio.create_task_group() as tg:
        tg.start_soon(made)
        assert await anyio.to_thread.run_sync(done.wait, 20)
        try:
            yield
        finally:
            go_on.set()
    event.remove(engine, "commit", hold)


def empty(conn: Connection, room: Room) -> None:
    """Let the tables of *room* hold what they held at first, and count from 1: the feed begins without a gap."""
    for table, rows in room.rows.items():
        conn.execute(table.delete())
        if rows:
            conn.execute(insert(table), list(rows))
    change = room.first.tables.change
    match conn.dialect.name:
        case "postgresql":
            conn.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{change}', 'seq'), 1, false)")
        case "mysql":
            conn.exec_driver_sql(f"ALTER TABLE {change} AUTO_INCREMENT = 1")


@contextmanager
def sql_stores(kind: Kind, folder: Path, driver: str | None = None) -> Iterator[SqlStores]:
    """Give stores in a fresh database of *kind*, by *driver*; None: by the one for threads."""
    with fresh_database(kind, folder) as url:
        named = make_url(url).set(drivername=DRIVERS[kind] if driver is None else driver)
        stores = SqlStores(named.render_as_string(hide_password=False))
        try:
            yield stores
        finally:
            stores.dispose()
