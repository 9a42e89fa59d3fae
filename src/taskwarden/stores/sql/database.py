"""
The way to the database: one function of a ``Connection`` at a time, in a transaction, on either event loop.

An async engine runs it by ``AsyncConnection.run_sync``, a sync one in a worker thread: one hop a transaction. What can
be tried again is tried again, a few times within about a second; the rest becomes an error of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread
import attrs
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from taskwarden.errors import Closed, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from taskwarden.stores.sql.dialect import Dialect

__all__ = ["Database", "connected", "problem_of", "transient"]

T = TypeVar("T")

_PAUSES: Final = (0.005, 0.02, 0.08, 0.2, 0.5)
"""Seconds between attempts at a transaction that collided with another."""
_LONG: Final = 2.0
"""Seconds after which nothing is tried again."""
_SHIELD: Final = 5.0
"""Most seconds that giving a connection back may take once we are cancelled."""


@attrs.define(eq=False)
class Database:
    """
    One database, by an engine.

    Args:
        name: What errors call it: its URL without the password.
        owned: The engine is ours, and is disposed of at the end.
        threads: How many transactions may run at the same time in worker threads; None for an async engine.
    """

    name: str
    dialect: Dialect
    engine: Engine | AsyncEngine
    owned: bool
    threads: anyio.CapacityLimiter | None
    closed: bool = attrs.field(default=False, init=False)
    _writers: anyio.CapacityLimiter | None = attrs.field(init=False)
    """Where one transaction writes at a time, ours stand in line: SQLite itself would have them look now and then."""

    def __attrs_post_init__(self) -> None:
        self._writers = anyio.CapacityLimiter(1) if self.dialect.serial else self.threads

    async def write(self, work: Callable[[Connection], T]) -> T:
        """
        Return what *work* returns, done in a transaction of its own; if it raises, nothing was written.

        It may be called several times, so it must not keep anything from one call to the next.
        """
        return await self._repeat(partial(_in_transaction, self.dialect, work), self._writers)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what *work*, which only reads, sees in one snapshot as far as the database gives one."""
        return await self._repeat(partial(_reading, self.dialect, work))

    async def alone(self, work: Callable[[Connection], T]) -> T:
        """Return what *work* returns: one statement, a transaction by itself, without the round trips of one."""
        return await self._repeat(partial(_autocommit, work))

    async def close(self) -> None:
        """Dispose of an engine of ours. Idempotent."""
        if self.closed:
            return
        self.closed = True
        if not self.owned:
            return
        with anyio.move_on_after(_SHIELD, shield=True):
            if isinstance(self.engine, Engine):
                await anyio.to_thread.run_sync(self.engine.dispose)
            else:
                await self.engine.dispose()

    async def _repeat(self, work: Callable[[Connection], T], limiter: anyio.CapacityLimiter | None = None) -> T:
        begin = monotonic()
        for pause in (*_PAUSES, None):
            if self.closed:
                raise Closed(f"the store {self.name}")
            try:
                return await self._once(work, limiter or self.threads)
            except (SQLAlchemyError, OSError) as error:
                # Where the database itself has waited long, as SQLite does for a lock, once was enough.
                if pause is None or monotonic() - begin > _LONG or not transient(error):
                    raise problem_of(error, self.name) from error
            await anyio.sleep(pause)
        raise AssertionError("unreachable")

    async def _once(self, work: Callable[[Connection], T], limiter: anyio.CapacityLimiter | None) -> T:
        if isinstance(self.engine, Engine):
            return await anyio.to_thread.run_sync(partial(connected, self.engine, work), limiter=limiter)
        conn = await self.engine.connect()
        try:
            return await conn.run_sync(work)
        finally:
            with anyio.move_on_after(_SHIELD, shield=True):
                await conn.close()


def connected(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Return what *work* returns for a connection of *engine*, which is given back."""
    with engine.connect() as conn:
        return work(conn)


def _in_transaction(dialect: Dialect, work: Callable[[Connection], T], conn: Connection) -> T:
    with transaction(conn, dialect):
        return work(conn)


def _reading(dialect: Dialect, work: Callable[[Connection], T], conn: Connection) -> T:
    with transaction(conn, dialect, writing=False):
        return work(conn)


def _autocommit(work: Callable[[Connection], T], conn: Connection) -> T:
    try:
        conn = conn.execution_options(isolation_level="AUTOCOMMIT")
    except conn.dialect.loaded_dbapi.Error as error:
        # The driver speaks to the server here, and SQLAlchemy neither wraps its errors nor drops the connection.
        conn.invalidate(error)
        raise DBAPIError(None, None, error, connection_invalidated=True) from error
    return work(conn)


@contextmanager
def transaction(conn: Connection, dialect: Dialect, *, writing: bool = True) -> Iterator[None]:
    """
    Hold a transaction on *conn* within the block: committed at its end, rolled back if it raises.

    On SQLite it takes the one place of the writer at its start (``BEGIN IMMEDIATE``), and waits for it as long as the
    connection's ``timeout`` says: a transaction that began by reading could not wait for it later.
    """
    if not dialect.serial:
        with conn.begin():
            yield
        return
    # The driver's own ways with transactions differ between versions; in autocommit it has none.
    conn = conn.execution_options(isolation_level="AUTOCOMMIT")
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
    try:
        yield
    except BaseException:
        _roll_back(conn)
        raise
    try:
        conn.exec_driver_sql("COMMIT")
    except BaseException:
        _roll_back(conn)
        raise


def _roll_back(conn: Connection) -> None:
    raw: Any = conn.connection.driver_connection
    if raw is not None and raw.in_transaction:  # a full disk may have ended it already
        conn.exec_driver_sql("ROLLBACK")


# --- errors -----------------------------------------------------------------------------------------------------

_COLLISIONS: Final = frozenset(
    {
        "40001",  # PostgreSQL: serialisation failure
        "40P01",  # PostgreSQL: deadlock
        "55P03",  # PostgreSQL: lock not available
        "23505",  # PostgreSQL: the row was inserted by another meanwhile, and will be found next time
    }
)
_COLLISION_NUMBERS: Final = frozenset({1062, 1205, 1213})
"""MariaDB and MySQL: a row that is there already, lock wait timeout, deadlock."""


def transient(error: BaseException) -> bool:
    """Tell whether *error* came from colliding with another transaction, so that trying again may help at once."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return False
    cause = error.orig
    if getattr(cause, "sqlstate", None) in _COLLISIONS:
        return True
    arguments = getattr(cause, "args", ())
    if arguments and arguments[0] in _COLLISION_NUMBERS:
        return True
    # SQLite has waited for the connection's timeout before it says so.
    return "database is locked" in str(cause) or "database table is locked" in str(cause)


def problem_of(error: BaseException, name: str) -> StoreUnavailable:
    """Return *error* of the database *name* as ours."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(str(cause).split()) or type(cause).__name__
    if isinstance(error, PoolTimeout):
        text = f"no connection became free: raise pool_size, or have fewer runners and readers ({text})"
    return StoreUnavailable(name, text[:300])
