"""
LISTEN: PostgreSQL says when a transaction that notified has been committed.

The event loop watches the connection, whichever driver it is of, so that waiting costs no thread, ends at once when it
is cancelled, and works on trio. Of psycopg's connections, synchronous or not, only the socket and libpq's own queue
are used for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
from sqlalchemy import Engine

from taskwarden.stores.sql.listening_connection import OwnConnection
from taskwarden.stores.sql.listening_notices import Notice

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from taskwarden.stores.sql.listening_notices import Ear

__all__ = ["AsyncpgEar", "PsycopgEar", "ear_for"]

_PSYCOPG: Final = frozenset({"psycopg", "psycopg_async"})


def ear_for(engine: Engine | AsyncEngine, channel: str) -> Ear | None:
    """Return what listens on *channel*, connecting as *engine* does; None: with its driver we do not know how."""
    if engine.dialect.driver == "asyncpg" and not isinstance(engine, Engine):
        return AsyncpgEar(engine, channel)
    if engine.dialect.driver in _PSYCOPG:
        return PsycopgEar(engine, channel)
    return None


@attrs.define(eq=False)
class AsyncpgEar:
    """An ``Ear`` by asyncpg, which calls back."""

    engine: AsyncEngine
    channel: str
    provable: bool = attrs.field(default=True, init=False)
    _own: OwnConnection | None = attrs.field(default=None, init=False)
    _heard: list[Notice] = attrs.field(factory=list, init=False)
    _woken: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    async def open(self) -> None:
        self._own = own = await OwnConnection.opened(self.engine, _nothing)
        self._heard.clear()
        own.raw.add_termination_listener(self._wake)
        await own.raw.add_listener(self.channel, self._hear)

    async def wait(self) -> None:
        if not self._heard:
            self._woken = anyio.Event()
            self._check()
            await self._woken.wait()

    def take(self) -> list[Notice]:
        self._check()
        heard, self._heard = self._heard, []
        return heard

    async def close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            own.raw.remove_termination_listener(self._wake)
            await own.close()
        self._woken.set()

    def _check(self) -> None:
        if self._own is None or self._own.raw.is_closed():
            raise ConnectionError("the connection that listens was closed")

    def _hear(self, _connection: Any, _pid: int, _channel: str, text: str) -> None:
        self._heard.append(Notice.heard(text))
        self._woken.set()

    def _wake(self, _connection: Any) -> None:
        self._woken.set()


@attrs.define(eq=False)
class PsycopgEar:
    """An ``Ear`` by psycopg."""

    engine: Engine | AsyncEngine
    channel: str
    provable: bool = attrs.field(default=True, init=False)
    _own: OwnConnection | None = attrs.field(default=None, init=False)

    async def open(self) -> None:
        self._own = await OwnConnection.opened(self.engine, self._listen)

    async def wait(self) -> None:
        await anyio.wait_readable(self._raw().fileno())

    def take(self) -> list[Notice]:
        libpq, heard = self._raw().pgconn, []
        libpq.consume_input()  # takes what has come, and waits for nothing
        while (said := libpq.notifies()) is not None:
            heard.append(Notice.heard(said.extra.decode()))
        return heard

    async def close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            if not own.raw.closed:
                anyio.notify_closing(own.raw.fileno())
            await own.close()

    def _listen(self, conn: Connection) -> None:
        conn.exec_driver_sql(f"LISTEN {conn.dialect.identifier_preparer.quote_identifier(self.channel)}")

    def _raw(self) -> Any:
        if self._own is None:
            raise ConnectionError("the connection that listens was closed")
        return self._own.raw


def _nothing(_: Connection) -> None:
    """Prepare nothing: asyncpg listens by a call of its own."""
