"""Opening a store: from a URL or an engine of the host's to tables that are there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
from sqlalchemy import Engine, create_engine, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from taskwarden.stores.sql.database import Database
from taskwarden.stores.sql.dialect import dialect_of
from taskwarden.stores.sql.schema import PREFIX, Tables, tables
from taskwarden.stores.sql.store import SqlStore

if TYPE_CHECKING:
    from sqlalchemy import Connection


__all__ = ["open_sql_store"]


async def open_sql_store(
    target: str | Engine | AsyncEngine,
    *,
    prefix: str = PREFIX,
    schema: str | None = None,
    clock: Callable[[], datetime] | None = None,
    create: bool = True,
    pool_size: int = 5,
) -> SqlStore:
    """Open the store in the database at *target*."""
    engine = _engine(target, pool_size) if isinstance(target, str) else target
    dialect = dialect_of(engine.dialect.name)
    threads = None if isinstance(engine, AsyncEngine) else anyio.CapacityLimiter(pool_size)
    name = engine.url.render_as_string(hide_password=True)
    database = Database(name, dialect, engine, owned=isinstance(target, str), threads=threads)
    made = tables(prefix, schema)
    if create:
        await database.write(lambda conn: _create(conn, made))
    if clock is None and dialect.serial:
        clock = _host_clock
    return SqlStore(database, made, clock)


def _host_clock() -> datetime:
    return datetime.now(UTC)


def _create(conn: Connection, made: Tables) -> None:
    made.metadata.create_all(conn)
    if conn.execute(select(made.life.c.id)).first() is None:
        conn.execute(insert(made.life), {"id": 1, "application": "", "high_water": 0, "feed_floor": 0})


def _engine(url: str, pool_size: int) -> Engine | AsyncEngine:
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        engine = create_engine(parsed, pool_size=pool_size, max_overflow=0, connect_args={"timeout": 5})

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: Any) -> None:
            connection.isolation_level = None
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
                connection.execute(f"PRAGMA {pragma}")

        return engine
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("mysql", "mariadb"):
        parsed = parsed.set(drivername="mysql+pymysql")
    if parsed.drivername.endswith("asyncpg"):
        return create_async_engine(parsed, pool_size=pool_size, max_overflow=0)
    return create_engine(parsed, pool_size=pool_size, max_overflow=0, isolation_level="READ COMMITTED")
