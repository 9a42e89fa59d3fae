"""
Hearing of what other processes change, and saying what we change.

Theory. All who listen to a store share one *ear*. There is no task of the store's own: the first who listens does the
hearing for all, the others wait for his place, and who leaves last closes the ear. A hint is never needed for being
right, so whatever goes wrong with an ear costs time only: it is logged once, tables are looked at every second
meanwhile, and the ear is opened again, with backoff. What was said in between is not heard, hence all hints are
whispered then.

An ear can be deaf without knowing it (a connection that was cut silently, a pooler between us and the server). So where
it can hear its own store, it is spoken to: by the *beat*, which every 30 s also says which runners are here, and
whispers that something may be due, in case a hint was lost.

Nobody waits for CHANGED as eagerly as for DUE, and notifying commits of PostgreSQL wait for one another. So a store
that listens says CHANGED beside its transactions and ten times a second at most; DUE is said within them, at once.
"""

from __future__ import annotations

import logging
import secrets
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs
from sqlalchemy import Engine, bindparam, func, select

from taskwarden.core.protocols import Hint
from taskwarden.errors import Closed
from taskwarden.stores.listeners import Listeners
from taskwarden.stores.sql.address import Options, address
from taskwarden.stores.sql.engines import engine_at
from taskwarden.stores.sql.listening_looks import PollingEar, VersionEar
from taskwarden.stores.sql.listening_notices import Notice, channel_of
from taskwarden.stores.sql.listening_outage import Outage, Unheard
from taskwarden.stores.sql.listening_postgres import ear_for
from taskwarden.stores.sql.runners import Presence

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from sqlalchemy import Connection

    from taskwarden.stores.sql.database import Database
    from taskwarden.stores.sql.listening_notices import Ear
    from taskwarden.stores.sql.schema import Tables

__all__ = ["Listening"]

_LOG: Final = logging.getLogger("taskwarden.store")
_DEBOUNCE: Final = 0.1
"""Seconds between two notifications that the feed has grown."""
_SETTLED: Final = 1.0
"""Seconds after which runners that have come with the first who listens will have claimed."""


@attrs.define(eq=False)
class Listening:
    """
    The listeners of one store, and its voice.

    Args:
        url: Where to connect for LISTEN, if not as the engine does; empty: nowhere, so that tables are looked at.
        period: Seconds between two beats.
        heard_within: Seconds in which a beat must be heard.
    """

    database: Database
    tables: Tables
    clock: Callable[[], datetime] | None
    url: str | None = None
    period: float = 30.0
    heard_within: float = 5.0
    listeners: Listeners = attrs.field(factory=Listeners, init=False)
    presence: Presence = attrs.field(init=False)
    name: str = attrs.field(factory=lambda: secrets.token_hex(4), init=False)
    _channel: str | None = attrs.field(init=False)
    _notify: Any = attrs.field(init=False)
    _first: Ear = attrs.field(init=False)
    _second: PollingEar = attrs.field(init=False)
    _ear: Ear | None = attrs.field(default=None, init=False)
    _present: int = attrs.field(default=0, init=False)
    _turn: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)
    _scope: anyio.CancelScope | None = attrs.field(default=None, init=False)
    _closing: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _beat_at: float = attrs.field(default=0.0, init=False)
    _prove_by: float = attrs.field(default=inf, init=False)
    _doubted: bool = attrs.field(default=False, init=False)
    _writes: int = attrs.field(default=0, init=False)
    _untold: bool = attrs.field(default=False, init=False)
    _told_at: float = attrs.field(default=-inf, init=False)
    _outage: Outage = attrs.field(init=False)
    _remark: tuple[int, str] | None = attrs.field(default=None, init=False)
    """What there is to say of the ear, once, by whoever listens; and how loud."""

    def __attrs_post_init__(self) -> None:
        dialect = self.database.dialect
        self.presence = Presence(self.tables, dialect, self.clock)
        self._channel = channel_of(self.tables) if dialect.name == "postgresql" else None
        self._notify = select(func.pg_notify(bindparam("channel"), bindparam("said")))
        self._second = PollingEar(self.database, self.tables, lambda: self.presence.kinds)
        self._first = self._best_ear()
        self._outage = Outage(self.database.name)

    # --- speaking -----------------------------------------------------------------------------------------------

    def notify(self, conn: Connection, hints: AbstractSet[Hint], *, foreign: bool = False) -> None:
        """
        Say *hints* to other processes, in the transaction on *conn*: it is heard if and when that commits.

        Args:
            foreign: The transaction is the host's own, of whose end we do not learn: our own listeners hear of it, too.
        """
        if self._channel is None or not hints:
            return
        if Hint.DUE in hints or foreign or not self._present:
            self._say(conn, Notice(hints, "" if foreign else self.name))

    def told(self, hints: AbstractSet[Hint]) -> None:
        """Whisper what a transaction that has been committed has changed."""
        self._writes += 1
        for hint in hints:
            self.listeners.whisper(hint)
        if self._channel is not None and self._present and hints == {Hint.CHANGED} and not self._untold:
            self._untold = True
            if self._scope is not None:
                self._scope.cancel()

    def _say(self, conn: Connection, notice: Notice) -> None:
        conn.execute(self._notify, {"channel": self._channel, "said": str(notice)})

    # --- hearing ------------------------------------------------------------------------------------------------

    async def listen(self, hint: Callable[[Hint], None]) -> None:
        """Do what ``Store.listen`` says."""
        key = object()
        self.listeners.add(key, hint)
        self._present += 1
        try:
            async with self._turn:
                while True:
                    await self._hear()
        finally:
            self.listeners.remove(key)
            self._present -= 1
            if not self._present:
                await self._drop()

    async def close(self) -> None:
        """Hear no more: the store was closed."""
        self._closing.set()
        await self._drop()

    async def _hear(self) -> None:
        """Hear until that fails, then do without until it is time to try again."""
        self._check()
        try:
            await self._attend(self._first, inf)
        except Closed:
            raise
        except Exception as error:  # whatever a driver raises, those who listen go on
            self._check()
            again = self._outage.lost(error)
        await self._drop()
        if self._first is not self._second:
            try:
                await self._attend(self._second, again)
            except Closed:
                raise
            except Exception as error:  # the database is away altogether
                _LOG.debug("store %s: cannot look for changes: %s", self.database.name, error)
            await self._drop()
        with anyio.move_on_after(max(again - monotonic(), 0)):
            await self._closing.wait()

    async def _attend(self, ear: Ear, until: float) -> None:
        """Pass on what *ear* hears until *until*, on the monotonic clock, and do the rest when it is time."""
        if ear is not self._ear:
            try:
                await ear.open()
            except BaseException:
                await ear.close()
                raise
            self._ear, self._prove_by = ear, inf
            if ear is self._first:
                self._opened(ear)
        while (now := monotonic()) < until:
            self._check()
            tell_at = self._told_at + _DEBOUNCE if self._untold else inf
            if now >= self._beat_at:
                await self._beat(ear)
            elif now >= tell_at:
                await self._tell()
            elif now >= self._prove_by:
                self._doubt()
            else:
                wake = min(until, self._beat_at, tell_at, self._prove_by)
                try:
                    with anyio.move_on_after(wake - now) as self._scope:
                        await ear.wait()
                finally:
                    self._scope = None
                self._pass_on(ear.take())

    def _opened(self, ear: Ear) -> None:
        if self._remark is not None:
            (level, remark), self._remark = self._remark, None
            _LOG.log(level, "store %s: %s", self.database.name, remark)
        if ear.provable:
            self._beat_at = 0.0  # whether it is deaf is known soon
        else:
            self._outage.over()
        for hint in Hint:
            self.listeners.whisper(hint)

    def _pass_on(self, notices: list[Notice]) -> None:
        if not notices:
            return
        if self._ear is self._first:
            self._prove_by = inf
            self._outage.over()
        heard = {hint for notice in notices if notice.writer != self.name for hint in notice.hints}
        for hint in Hint:
            if hint in heard:
                self.listeners.whisper(hint)

    async def _beat(self, ear: Ear) -> None:
        """Say which runners are here, and hear ourselves say it; whisper that something may be due."""
        early = self._beat_at == 0.0 and not self.presence.kinds
        self._beat_at = monotonic() + (min(_SETTLED, self.period) if early else self.period)
        if ear.provable:
            self._prove_by, self._doubted = monotonic() + self.heard_within, False
        said = None if self._channel is None else (self._channel, str(Notice(frozenset(), self.name)))
        report = self.presence.report(said)
        if report is not None and said is not None:
            await self.database.alone(report)
        elif report is not None:
            await self.database.write(report)
            self._writes += 1
        self.listeners.whisper(Hint.DUE)

    async def _tell(self) -> None:
        """Say that the feed has grown."""
        self._untold, self._told_at = False, monotonic()
        await self.database.alone(lambda conn: self._say(conn, Notice({Hint.CHANGED}, self.name)))

    # --- losing and finding -------------------------------------------------------------------------------------

    def _best_ear(self) -> Ear:
        engine = self.database.engine
        if self.url == "":
            self._remark = (logging.INFO, "looks for other processes' changes every second, as it was told to")
        elif self._channel is not None:
            if self.url is not None:
                engine = engine_at(*address(self.url, Options()))
            ear = ear_for(engine, self._channel)
            if ear is not None:
                return ear
            told = (
                f"does not know how to LISTEN with the driver {engine.dialect.driver}, so it looks for other "
                "processes' changes every second; use asyncpg or psycopg to be told at once"
            )
            self._remark = (logging.WARNING, told)
        elif self.database.dialect.serial and isinstance(engine, Engine) and _is_file(engine):
            return VersionEar(engine, lambda: self._writes)
        return self._second

    def _check(self) -> None:
        if self.database.closed:
            raise Closed(f"the store {self.database.name}")

    def _doubt(self) -> None:
        """Nothing was heard in time; what lies there after the event loop was blocked gets another second."""
        if self._doubted:
            raise Unheard
        self._doubted, self._prove_by = True, monotonic() + 1

    async def _drop(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            await ear.close()


def _is_file(engine: Engine) -> bool:
    name = engine.url.database
    return bool(name) and ":memory:" not in str(name) and "mode=memory" not in str(engine.url)
