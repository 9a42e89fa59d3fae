"""A connection of one's own to the database of an engine: in no pool, so that it may be kept as long as it lives."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import anyio.to_thread
import attrs
from sqlalchemy import Connection, Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

__all__ = ["OwnConnection"]

_PATIENCE: Final = 10.0
"""Seconds that connecting may take."""
_GOODBYE: Final = 5.0
"""Seconds that closing may take."""


@attrs.define(eq=False)
class OwnConnection:
    """
    An open connection, in autocommit.

    Args:
        raw: The driver's own object.
    """

    raw: Any
    _engine: Engine | AsyncEngine
    _conn: Connection | AsyncConnection

    @classmethod
    async def opened(cls, engine: Engine | AsyncEngine, prepare: Callable[[Connection], None]) -> Self:
        """
        Connect as *engine* does, with all that its owner has set up for it, and do *prepare*.

        Raises:
            TimeoutError: That took more than 10 s; nothing is left behind.
        """
        try:
            with anyio.fail_after(_PATIENCE):
                if isinstance(engine, Engine):
                    return await cls._opened_in_thread(_alike(engine), prepare)
                return await cls._opened_here(type(engine)(_alike(engine.sync_engine)), prepare)
        except TimeoutError as error:
            raise TimeoutError(f"no connection within {_PATIENCE:g} s") from error

    @classmethod
    async def _opened_here(cls, engine: AsyncEngine, prepare: Callable[[Connection], None]) -> Self:
        conn = await engine.connect()
        made = cls(None, engine, conn)
        try:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            await conn.run_sync(prepare)
            made.raw = (await conn.get_raw_connection()).driver_connection
        except BaseException:
            await made.close()
            raise
        return made

    @classmethod
    async def _opened_in_thread(cls, engine: Engine, prepare: Callable[[Connection], None]) -> Self:
        opening = _Opening(engine, prepare)
        try:
            # Abandoned when cancelled: a server that does not answer must not hold up the end of a program.
            conn = await anyio.to_thread.run_sync(opening.open, abandon_on_cancel=True)
        except BaseException:
            opening.abandon()
            raise
        return cls(conn.connection.driver_connection, engine, conn)

    async def close(self) -> None:
        """Close it, within 5 s, whatever state it is in."""
        with anyio.move_on_after(_GOODBYE, shield=True), suppress(Exception):  # it may be lost already
            if isinstance(self._engine, Engine) and isinstance(self._conn, Connection):
                await anyio.to_thread.run_sync(_close, self._engine, self._conn)
            elif not isinstance(self._engine, Engine) and not isinstance(self._conn, Connection):
                await self._conn.invalidate()
                await self._conn.close()
                await self._engine.dispose()


@attrs.define(eq=False)
class _Opening:
    """A connection that is being made in a thread, by somebody who may go away meanwhile."""

    engine: Engine
    prepare: Callable[[Connection], None]
    _conn: Connection | None = attrs.field(default=None, init=False)
    _abandoned: bool = attrs.field(default=False, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def open(self) -> Connection:
        conn = self.engine.connect()
        try:
            conn = conn.execution_options(isolation_level="AUTOCOMMIT")
            self.prepare(conn)
        except BaseException:
            _close(self.engine, conn)
            raise
        with self._lock:
            self._conn = conn
            abandoned = self._abandoned
        if abandoned:
            _close(self.engine, conn)
        return conn

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            conn = self._conn
        if conn is not None:
            _close(self.engine, conn)


def _close(engine: Engine, conn: Connection) -> None:
    # Invalidated first, as a connection that may be lost must not be asked to put itself in order.
    with suppress(Exception):
        conn.invalidate()
        conn.close()
        engine.dispose()


def _alike(engine: Engine) -> Engine:
    """Return an engine of our own that connects as *engine* does: its arguments, its creator, its events."""
    return Engine(engine.pool.recreate(), engine.dialect, engine.url)
