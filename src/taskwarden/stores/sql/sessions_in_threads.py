"""A run's session in threads: ``Session``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
import attrs
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from taskwarden.core.claim import Receipt
from taskwarden.stores.sql.database import problem_of
from taskwarden.stores.sql.sessions_held import JOINED, SHIELD, Held, RolledBack

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from taskwarden.core.claim import Completion
    from taskwarden.core.protocols import Hint
    from taskwarden.stores.sql.sessions import Sessions

__all__ = ["InThreads"]

T = TypeVar("T")


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
            with anyio.move_on_after(SHIELD, shield=True):
                await anyio.to_thread.run_sync(self._close_now, cut_off, abandon_on_cancel=True, limiter=_unbounded())
        self.release(self)

    async def _seen_through(self, function: Callable[[], T]) -> T:
        """Call *function* in a thread, which closes everything at its end if nobody waits for it any more."""

        def call() -> T:
            with self._lock:
                if self._forsaken:
                    raise RolledBack
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
            self._held = held = self.sessions.held(conn)
            held.begin()
            self.session = Session(bind=conn, **JOINED)
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
