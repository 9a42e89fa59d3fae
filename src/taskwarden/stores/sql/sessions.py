"""
Sessions for runs on the store's own database, and outcomes written in the same transaction as what a run has written.

A session within a transaction joins that by savepoints: whatever the executor commits or rolls back, the transaction
itself is ended here. What is done to it is written once, as functions of a ``Connection`` (``sessions_held``), and
called in the event loop by way of ``AsyncConnection.run_sync`` (``sessions_in_loop``), or in a thread, which sees it
through though nobody may wait for it any more (``sessions_in_threads``).
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Final

import anyio
import anyio.from_thread
import anyio.to_thread
import attrs
from sqlalchemy import Engine, QueuePool, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from taskwarden.errors import Closed, InvalidValue, StoreUnavailable
from taskwarden.stores.sql.database import problem_of
from taskwarden.stores.sql.sessions_held import SHIELD, Held, Written
from taskwarden.stores.sql.sessions_in_loop import InLoop
from taskwarden.stores.sql.sessions_in_threads import InThreads

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from taskwarden.core.claim import Completion
    from taskwarden.core.protocols import Hint
    from taskwarden.core.session import OpenSession
    from taskwarden.stores.sql.database import Database

__all__ = ["Sessions"]

_SPARED: Final = 2
"""Connections of the pool that runs leave to the store."""
_IN_THREADS: Final = {"asyncpg": "postgresql+psycopg", "aiomysql": "mysql+pymysql", "asyncmy": "mysql+pymysql"}
"""Which driver speaks in threads in place of one that needs asyncio."""


@attrs.define(eq=False)
class Sessions:
    """
    Opens sessions on one database.

    Args:
        written: Writes in a transaction that is not the store's.
        tell: Told what others should hear of a completion that was committed.
        mark: Told when something was decided.
    """

    database: Database
    written: Written
    tell: Callable[[set[Hint]], None]
    mark: Callable[[datetime], Awaitable[None]]
    _room: anyio.CapacityLimiter = attrs.field(init=False)
    _beside: Engine | None = attrs.field(default=None, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def __attrs_post_init__(self) -> None:
        pool = self.database.engine.pool
        size = pool.size() if isinstance(pool, QueuePool) else inf
        self._room = anyio.CapacityLimiter(max(1, size - _SPARED))

    async def open(self, *, transaction: bool) -> OpenSession:
        """Open a session for the event loop, once there is room."""
        engine = self.database.engine
        opened: InLoop | InThreads
        if isinstance(engine, AsyncEngine):
            opened = InLoop(self, self._drop, engine)
        else:
            opened = InThreads(self, self._release, engine)
        await self._room.acquire_on_behalf_of(opened)
        try:
            await opened.open(transaction=transaction)
        except (SQLAlchemyError, OSError) as error:
            raise problem_of(error, self.database.name) from error
        return opened

    def open_in_thread(self, *, transaction: bool) -> OpenSession:
        """Open a session in this worker thread, once there is room."""
        engine = self.database.engine
        if isinstance(engine, AsyncEngine):
            opened = InThreads(self, lambda _: None, self._engine_beside(engine))
        else:
            opened = InThreads(self, self._release, engine)
            anyio.from_thread.run(self._room.acquire_on_behalf_of, opened)
        try:
            opened.open_now(transaction=transaction)
        except (SQLAlchemyError, OSError) as error:
            raise problem_of(error, self.database.name) from error
        return opened

    def held(self, conn: Connection | None) -> Held:
        """Return a transaction on *conn*, not begun yet."""
        if conn is None:
            raise AssertionError("a connection that is open has one that is not asynchronous")
        return Held(self.database.dialect, self.written, conn)

    async def told(self, completion: Completion, hints: set[Hint]) -> None:
        """Take note that *completion* was committed in a run's own transaction."""
        self.tell(hints)
        with suppress(StoreUnavailable):  # others will mark what they decide later
            await self.mark(completion.finished_at)

    async def close(self) -> None:
        """Close what is open beside the database's own engine. Idempotent."""
        with self._lock:
            beside, self._beside = self._beside, None
        if beside is not None:
            with anyio.move_on_after(SHIELD, shield=True):
                await anyio.to_thread.run_sync(beside.dispose, abandon_on_cancel=True)

    def _engine_beside(self, engine: AsyncEngine) -> Engine:
        """Return an engine for threads to the database of *engine*."""
        driver = engine.dialect.driver
        name = _IN_THREADS.get(driver, f"{engine.url.get_backend_name()}+{driver}" if driver == "psycopg" else None)
        remedy = "open the store by an engine for threads: postgresql+psycopg:// or create_engine()"
        if name is None:
            raise InvalidValue("driver of the store", driver, "gives no sessions to blocking executors", remedy)
        with self._lock:
            if self.database.closed:
                raise Closed(f"the store {self.database.name}")
            if self._beside is None:
                url = engine.url.set(drivername=name)
                if driver == "asyncpg" and "ssl" in url.query:
                    url = url.difference_update_query(["ssl"]).update_query_dict({"sslmode": url.query["ssl"]})
                try:
                    self._beside = create_engine(url, isolation_level="READ COMMITTED", max_overflow=0)
                except ImportError as error:
                    rule = f"needs {error.name} for blocking executors"
                    raise InvalidValue("driver of the store", driver, rule, remedy) from error
            return self._beside

    def _release(self, opened: object) -> None:
        """Give room back, from whatever thread. Idempotent."""
        try:
            anyio.from_thread.run_sync(self._drop, opened)
        except RuntimeError:  # this is the event loop's own thread, or there is no event loop any more
            self._drop(opened)

    def _drop(self, opened: object) -> None:
        with suppress(RuntimeError):  # it was given back before
            self._room.release_on_behalf_of(opened)
