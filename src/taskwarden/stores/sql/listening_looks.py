"""Looking for what has changed, again and again, where the database says nothing by itself."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
from sqlalchemy import bindparam, func, select

from taskwarden.stores.sql.listening_connection import OwnConnection
from taskwarden.stores.sql.listening_notices import ANYTHING, Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection, Engine

    from taskwarden.stores.sql.database import Database
    from taskwarden.stores.sql.schema import Tables

__all__ = ["PollingEar", "VersionEar"]

_EVERY: Final = 1.0
"""Seconds between two looks into tables."""
_PATIENCE: Final = 10.0
"""Seconds that such a look may take."""
_OFTEN: Final = 0.06
"""Seconds between two looks at the version of a file."""
_CALM: Final = 0.1
"""Seconds from one hint to the next while this process writes, too: most of what it then sees is its own doing."""


@attrs.define(eq=False)
class PollingEar:
    """
    An ``Ear`` that reads the tables once a second: in one statement, of which each part is one step into an index.

    Args:
        kinds: Tells whose tasks matter here.
    """

    database: Database
    tables: Tables
    kinds: Callable[[], Sequence[str]]
    provable: bool = attrs.field(default=False, init=False)
    _seen: tuple[Any, ...] | None = attrs.field(default=None, init=False)
    _news: bool = attrs.field(default=False, init=False)
    _next: float = attrs.field(default=0.0, init=False)

    async def open(self) -> None:
        await self._look()

    async def wait(self) -> None:
        while not self._news:
            await anyio.sleep(max(self._next - monotonic(), 0))
            await self._look()

    def take(self) -> list[Notice]:
        news, self._news = self._news, False
        return [ANYTHING] if news else []

    async def close(self) -> None:
        """Do nothing: what was seen is compared with what will be."""

    async def _look(self) -> None:
        self._next = monotonic() + _EVERY
        kinds = tuple(self.kinds())
        # Shielded: whoever waits has other things to do at certain times, and would break off a statement for them.
        with anyio.fail_after(_PATIENCE, shield=True):
            found = await self.database.read(lambda conn: self._read(conn, kinds))
        seen = (kinds, *found)
        self._news = self._news or seen != self._seen
        self._seen = seen

    def _read(self, conn: Connection, kinds: Sequence[str]) -> tuple[Any, ...]:
        due, change = self.tables.due, self.tables.change
        # Not min(), for which MariaDB reads all that is ready.
        earliest = [
            select(due.c.ready_at)
            .where(due.c.kind == bindparam(f"kind_{at}", kind), due.c.ready_at.is_not(None))
            .order_by(due.c.ready_at)
            .limit(1)
            .scalar_subquery()
            for at, kind in enumerate(kinds)
        ]
        return tuple(conn.execute(select(select(func.max(change.c.seq)).scalar_subquery(), *earliest)).one())


@attrs.define(eq=False)
class VersionEar:
    """
    An ``Ear`` that looks at the version of a file of SQLite 17 times a second: some microseconds each, and no lock.

    Args:
        writes: Tells how often this store has written: that changes the version, too.
    """

    engine: Engine
    writes: Callable[[], int]
    provable: bool = attrs.field(default=False, init=False)
    _own: OwnConnection | None = attrs.field(default=None, init=False)
    _version: int = attrs.field(default=0, init=False)
    _written: int = attrs.field(default=0, init=False)
    _told: float = attrs.field(default=0.0, init=False)
    _news: bool = attrs.field(default=False, init=False)

    async def open(self) -> None:
        self._own = await OwnConnection.opened(self.engine, self._prepare)

    async def wait(self) -> None:
        while not self._look():  # noqa: ASYNC110 - what another process writes sets no event here
            await anyio.sleep(_OFTEN)

    def take(self) -> list[Notice]:
        news, self._news = self._news, False
        return [ANYTHING] if news else []

    async def close(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            await own.close()

    def _prepare(self, conn: Connection) -> None:
        # The event loop does the looking: it must not wait for a file that another process has locked.
        conn.exec_driver_sql("PRAGMA busy_timeout = 0")
        self._version = conn.exec_driver_sql("PRAGMA data_version").scalar_one()
        self._written = self.writes()

    def _look(self) -> bool:
        if self._own is None:
            raise ConnectionError("the connection that looks at the file was closed")
        try:
            version = self._own.raw.execute("PRAGMA data_version").fetchone()[0]
        except self.engine.dialect.loaded_dbapi.OperationalError as error:
            if "locked" not in str(error):
                raise
            return self._news  # another process is writing, without a write-ahead log
        if version != self._version:
            written, now = self.writes(), monotonic()
            if written == self._written or now - self._told >= _CALM:
                self._version, self._written, self._told, self._news = version, written, now, True
        return self._news
