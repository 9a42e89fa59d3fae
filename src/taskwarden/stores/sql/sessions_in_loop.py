"""A run's session in the event loop: ``AsyncSession``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from taskwarden.core.claim import Receipt
from taskwarden.stores.sql.database import problem_of
from taskwarden.stores.sql.sessions_held import JOINED, SHIELD, Held

if TYPE_CHECKING:
    from taskwarden.core.claim import Completion
    from taskwarden.stores.sql.sessions import Sessions

__all__ = ["InLoop"]


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
            self._held = self.sessions.held(conn.sync_connection)
            await conn.run_sync(lambda _: self._held.begin())  # type: ignore[union-attr]
            self.session = AsyncSession(bind=conn, **JOINED)
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
        with anyio.move_on_after(SHIELD, shield=True):
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
