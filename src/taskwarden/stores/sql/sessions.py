"""
Sessions for runs on the store's own database, and outcomes written in the same transaction as what a run has written.

A session within a transaction joins that by savepoints: whatever the executor commits or rolls back, the transaction
itself is ended here. What is done to it is written once, as functions of a ``Connection``, and called in the event loop
by way of ``AsyncConnection.run_sync``, or in a thread, which sees it through though nobody may wait for it any more.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
import attrs
from sqlalchemy import Engine, QueuePool, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from taskwarden.core.claim import Receipt
from taskwarden.errors import Closed, InvalidValue
from taskwarden.stores.sql.database import problem_of, transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from taskwarden.core.claim import Completion
    from taskwarden.core.protocols import Hint
    from taskwarden.core.session import OpenSession
    from taskwarden.stores.sql.database import Database

__all__ = ["Sessions"]

T = TypeVar("T")
_SHIELD: Final = 5.0
"""Most seconds that giving a session back may take."""
_SPARED: Final = 2
"""Connections of the pool that runs leave to the store."""
_JOINED: Final[dict[str, Any]] = {"join_transaction_mode": "create_savepoint", "expire_on_commit": False}
_IN_THREADS: Final = {"asyncpg": "postgresql+psycopg", "aiomysql": "mysql+pymysql", "asyncmy": "mysql+pymysql"}
"""Which driver speaks in threads in place of one that needs asyncio."""


class Write(Protocol):
    """Writes a completion in a transaction that is not the store's."""

    def __call__(self, conn: Connection, completion: Completion) -> tuple[Receipt, set[Hint]]: ...


class _RolledBack(Exception):
    """Ends the block of a transaction."""


@attrs.define(eq=False)
class Sessions:
    """
    Opens sessions on one database.

    Args:
        write: Writes a completion.
        told: Told what others should hear of one that was committed.
    """

    database: Database
    write: Write
    told: Callable[[Completion, set[Hint]], Awaitable[None]]
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

    async def close(self) -> None:
        """Close what is open beside the database's own engine. Idempotent."""
        with self._lock:
            beside, self._beside = self._beside, None
        if beside is not None:
            with anyio.move_on_after(_SHIELD, shield=True):
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


@attrs.define(eq=False)
class Held:
    """A transaction on a connection, held open for one run. Its methods speak to the database."""

    sessions: Sessions
    conn: Connection
    _root: Any = attrs.field(init=False)
    _stack: ExitStack = attrs.field(factory=ExitStack, init=False)

    def begin(self) -> None:
        """Begin it; on SQLite it has the one place of the writer then."""
        self._stack.enter_context(transaction(self.conn, self.sessions.database.dialect))
        self._root = self.conn.get_transaction()

    def complete(self, completion: Completion) -> tuple[Receipt, set[Hint]]:
        """Write *completion* and commit, or roll back."""
        try:
            self._check()
            receipt, hints = self.sessions.write(self.conn, completion)
        except BaseException:
            self.roll_back()
            raise
        if receipt is Receipt.REFUSED:
            self.roll_back()
            return receipt, set()
        self._stack.close()
        return receipt, hints

    def roll_back(self) -> None:
        """Roll it back. Idempotent."""
        error = _RolledBack()
        with suppress(_RolledBack):
            self._stack.__exit__(_RolledBack, error, None)

    def forget(self) -> None:
        """Take note that its connection was given back or thrown away, and it with that."""
        with suppress(SQLAlchemyError):
            self.roll_back()

    def _check(self) -> None:
        root, raw = self._root, self.conn.connection.driver_connection
        inside = not self.sessions.database.dialect.serial or bool(getattr(raw, "in_transaction", True))
        if not inside or root is None or not root.is_active or self.conn.get_transaction() is not root:
            rule = "must be left to the runner to end"
            remedy = "its session's commit() and rollback() are yours, those of its connection are not"
            raise InvalidValue("the transaction of context.transaction()", "ended", rule, remedy)


@attrs.define(eq=False)
class InLoop:
    """A session of an async engine. Implements ``OpenSession``."""

    sessions: Sessions
    release: Callable[[object], None]
    engine: AsyncEngine
    session: Any = attrs.field(default=None, init=False)
    _conn: AsyncConnection | None = attrs.field(default=None, init=False)
    _held: Held | None = attrs.field(default=None, init=False)

    async def open(self, *, transaction: bool) -> None:
        """Open it; if that fails, or is cancelled, nothing is open."""
        try:
            if not transaction:
                self.session = AsyncSession(self.engine, expire_on_commit=False, close_resets_only=False)
                return
            self._conn = conn = await self.engine.connect()
            self._held = Held(self.sessions, conn.sync_connection)  # type: ignore[arg-type]  # it is connected
            await conn.run_sync(lambda _: self._held.begin())  # type: ignore[union-attr]
            self.session = AsyncSession(bind=conn, close_resets_only=False, **_JOINED)
        except BaseException:
            await self.close(cut_off=True)
            raise

    async def leave(self) -> None:
        """Take it back from the executor."""
        try:
            await self.session.commit()
            await self.session.close()
        except BaseException:
            await self.close(cut_off=True)
            raise

    async def complete(self, completion: Completion) -> Receipt:
        """Write *completion* and commit."""
        conn, held = self._conn, self._held
        if conn is None or held is None:
            raise AssertionError("a session without a transaction cannot be completed")
        cut_off = True
        try:
            receipt, hints = await conn.run_sync(lambda _: held.complete(completion))
            cut_off = False
        except (SQLAlchemyError, OSError) as error:
            raise problem_of(error, self.sessions.database.name) from error
        finally:
            await self.close(cut_off=cut_off)
        if receipt is not Receipt.REFUSED:
            await self.sessions.told(completion, hints)
        return receipt

    async def close(self, *, cut_off: bool = False) -> None:
        """Give everything back."""
        session, self.session = self.session, None
        conn, self._conn = self._conn, None
        held, self._held = self._held, None
        with anyio.move_on_after(_SHIELD, shield=True):
            try:
                if conn is not None and cut_off:
                    await conn.invalidate()
                if session is not None:
                    await (session.invalidate() if cut_off else session.close())
                if conn is not None and held is not None and not cut_off:
                    await conn.run_sync(lambda _: held.roll_back())
            except (SQLAlchemyError, OSError):  # what is not given back in good order is thrown away
                if conn is not None:
                    await conn.invalidate()
            finally:
                if conn is not None:
                    with suppress(SQLAlchemyError, OSError):
                        await conn.close()
                if held is not None:
                    held.forget()
        self.release(self)

    def leave_in_thread(self) -> None:
        raise AssertionError("a session of the event loop is left there")

    def close_in_thread(self) -> None:
        raise AssertionError("a session of the event loop is closed there")


@attrs.define(eq=False)
class InThreads:
    """A session of an engine for threads, used in one thread at a time. Implements ``OpenSession``."""

    sessions: Sessions
    release: Callable[[object], None]
    engine: Engine
    session: Any = attrs.field(default=None, init=False)
    _conn: Connection | None = attrs.field(default=None, init=False)
    _held: Held | None = attrs.field(default=None, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _busy: bool = attrs.field(default=False, init=False)
    _forsaken: bool = attrs.field(default=False, init=False)

    # --- in the event loop --------------------------------------------------------------------------------------

    async def open(self, *, transaction: bool) -> None:
        """Open it; if that fails, or is cancelled, nothing is open in the end."""
        try:
            await self._seen_through(lambda: self.open_now(transaction=transaction))
        except BaseException:
            self.release(self)
            raise

    async def leave(self) -> None:
        """Take it back from the executor."""
        await self._seen_through(self.leave_in_thread)

    async def complete(self, completion: Completion) -> Receipt:
        """Write *completion* and commit."""
        try:
            receipt, hints = await self._seen_through(lambda: self._complete_now(completion))
        except (SQLAlchemyError, OSError) as error:
            raise problem_of(error, self.sessions.database.name) from error
        finally:
            self.release(self)
        if receipt is not Receipt.REFUSED:
            await self.sessions.told(completion, hints)
        return receipt

    async def close(self, *, cut_off: bool = False) -> None:
        """Give everything back."""
        with self._lock:
            self._forsaken = True
            busy = self._busy
        if not busy:
            with anyio.move_on_after(_SHIELD, shield=True):
                await anyio.to_thread.run_sync(self._close_now, cut_off, abandon_on_cancel=True, limiter=_unbounded())
        self.release(self)

    async def _seen_through(self, function: Callable[[], T]) -> T:
        """Call *function* in a thread, which closes everything at its end if nobody waits for it any more."""

        def call() -> T:
            with self._lock:
                if self._forsaken:
                    raise _RolledBack
                self._busy = True
            try:
                return function()
            finally:
                if self._done():
                    self._close_now(cut_off=False)

        ended = False
        try:
            result = await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=_unbounded())
            ended = True
        finally:
            if not ended:
                await self.close()
        return result

    def _done(self) -> bool:
        """Leave the thread's part; return whether nobody waits for it any more."""
        with self._lock:
            self._busy = False
            return self._forsaken

    # --- in a thread --------------------------------------------------------------------------------------------

    def open_now(self, *, transaction: bool) -> None:
        """Open it; if that fails nothing is open."""
        try:
            if not transaction:
                engine = self.engine
                if self.sessions.database.owned and self.sessions.database.dialect.serial:
                    engine = engine.execution_options(isolation_level="SERIALIZABLE")  # ours is in autocommit
                self.session = Session(engine, expire_on_commit=False, close_resets_only=False)
                return
            self._conn = conn = self.engine.connect()
            self._held = held = Held(self.sessions, conn)
            held.begin()
            self.session = Session(bind=conn, close_resets_only=False, **_JOINED)
        except BaseException:
            self.close_in_thread()
            raise

    def leave_in_thread(self) -> None:
        """Take it back from the executor."""
        try:
            self.session.commit()
            self.session.close()
        except BaseException:
            self.close_in_thread()
            raise

    def close_in_thread(self) -> None:
        """Give everything back."""
        self._close_now(cut_off=False)
        self.release(self)

    def _complete_now(self, completion: Completion) -> tuple[Receipt, set[Hint]]:
        if self._held is None:
            raise AssertionError("a session without a transaction cannot be completed")
        try:
            return self._held.complete(completion)
        finally:
            self._close_now(cut_off=False)

    def _close_now(self, cut_off: bool) -> None:  # noqa: FBT001 - called by position, in a thread
        session, self.session = self.session, None
        conn, self._conn = self._conn, None
        held, self._held = self._held, None
        try:
            if conn is not None and cut_off:
                conn.invalidate()
            if session is not None:
                session.invalidate() if cut_off else session.close()
            if held is not None and not cut_off:
                held.roll_back()
        except (SQLAlchemyError, OSError):  # what is not given back in good order is thrown away
            if conn is not None:
                conn.invalidate()
        finally:
            if conn is not None:
                with suppress(SQLAlchemyError, OSError):
                    conn.close()
            if held is not None:
                held.forget()


def _unbounded() -> anyio.CapacityLimiter:
    """Return a limiter for one call: how many there are, the room for sessions bounds."""
    return anyio.CapacityLimiter(1)
