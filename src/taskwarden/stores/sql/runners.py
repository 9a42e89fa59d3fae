"""The runners that were seen: who claims through this store, and who claims through others."""

from __future__ import annotations

import json
import os
import socket
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import BigInteger, bindparam, cast, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from taskwarden.core.instant import MICROSECOND, at_micros, micros
from taskwarden.ids import Kind, RunnerId
from taskwarden.stores.sql.statements import arrays
from taskwarden.stores.sql.writing import now_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from sqlalchemy import Connection

    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.schema import Tables

__all__ = ["Presence", "RunnerSeen", "runners"]

_KEPT: Final = timedelta(days=1) // MICROSECOND
"""Microseconds for which a runner that is not seen any more is remembered."""
_HERE: Final = 75.0
"""Seconds after its last call for which a runner is believed to be here; one that lives calls twice as often."""
_LONGEST_HOST: Final = 255


@attrs.frozen
class RunnerSeen:
    """
    A runner, as its store told of it last.

    Args:
        kinds: What it claims, in order.
        started_at: When its store first told of it.
        seen_at: When its store last did, which is every 30 s; one not seen for 75 s is gone, or cannot reach the
            database.
    """

    name: RunnerId
    host: str
    pid: int
    kinds: tuple[Kind, ...]
    started_at: datetime
    seen_at: datetime


def runners(conn: Connection, tables: Tables) -> list[RunnerSeen]:
    """Return the runners that were seen within a day, those seen last first."""
    table = tables.runner
    found = conn.execute(select(table).order_by(table.c.seen_at.desc(), table.c.runner))
    return [
        RunnerSeen(
            name=RunnerId(row.runner),
            host=row.host,
            pid=row.pid,
            kinds=tuple(Kind(kind) for kind in json.loads(row.kinds)),
            started_at=at_micros(row.started_at),
            seen_at=at_micros(row.seen_at),
        )
        for row in found
    ]


@attrs.define(eq=False)
class _Here:
    """A runner that calls this store."""

    kinds: Collection[Kind]
    called_at: float
    started_at: int | None = None


@attrs.define(eq=False)
class Presence:
    """
    The runners that call this store, known by their calls: they need not register.

    Args:
        clock: The store's, where it is not the database's own.
    """

    tables: Tables
    dialect: Dialect
    clock: Callable[[], datetime] | None
    _here: dict[RunnerId, _Here] = attrs.field(factory=dict, init=False)
    _statement: Any = attrs.field(default=None, init=False)

    def claims(self, runner: RunnerId, kinds: Collection[Kind]) -> None:
        """Take note of *runner*, which asks for tasks of *kinds*."""
        here = self._here.get(runner)
        if here is None:
            self._here[runner] = _Here(kinds, monotonic())
        else:
            here.kinds, here.called_at = kinds, monotonic()

    def holds(self, runner: RunnerId) -> None:
        """Take note that *runner* lives: it may be full, and claim nothing for hours."""
        here = self._here.get(runner)
        if here is not None:
            here.called_at = monotonic()

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What the runners that are here claim, in order."""
        return tuple(sorted({kind for here in self._now_here().values() for kind in here.kinds}))

    def report(self, notification: tuple[str, str] | None) -> Callable[[Connection], None] | None:
        """
        Return what writes that the runners here were seen now, and forgets those that nobody has seen for a day.

        Args:
            notification: A channel of PostgreSQL and what is said in it, by the same statement. None: nothing is, and
                where no runner is here there is nothing to write.
        """
        here = self._now_here()
        if notification is None and not here:
            return None
        return partial(self._report, here, notification)

    def _report(self, here: dict[RunnerId, _Here], notification: tuple[str, str] | None, conn: Connection) -> None:
        if notification is not None:
            now = self._tell_at_once(conn, here, notification)
        else:
            now = self._tell_one_by_one(conn, here)
        for one in here.values():
            one.started_at = now if one.started_at is None else one.started_at

    def _now_here(self) -> dict[RunnerId, _Here]:
        since = monotonic() - _HERE
        for gone in [name for name, here in self._here.items() if here.called_at < since]:
            del self._here[gone]
        return dict(self._here)

    def _tell_one_by_one(self, conn: Connection, here: dict[RunnerId, _Here]) -> int:
        table = self.tables.runner
        now = micros(now_of(conn, self.dialect, self.clock))
        rows = [
            {
                "runner": name,
                "host": _host(),
                "pid": os.getpid(),
                "kinds": _encoded(one.kinds),
                "started_at": now if one.started_at is None else one.started_at,
                "seen_at": now,
            }
            for name, one in sorted(here.items())
        ]
        conn.execute(self.dialect.upsert(table, ("runner",), dict.fromkeys(_CHANGED, ...)), rows)
        conn.execute(delete(table).where(table.c.seen_at < now - _KEPT))
        return now

    def _tell_at_once(self, conn: Connection, here: dict[RunnerId, _Here], notification: tuple[str, str]) -> int:
        if self._statement is None:
            self._statement = self._at_once()
        names = sorted(here)
        given = {
            "runners": names,
            "kindss": [_encoded(here[name].kinds) for name in names],
            "started_ats": [here[name].started_at for name in names],
            "of_host": _host(),
            "of_pid": os.getpid(),
            "channel": notification[0],
            "said": notification[1],
        }
        if self.clock is not None:
            given["now"] = micros(self.clock())
        now: int = conn.execute(self._statement, given).one().now
        return now

    def _at_once(self) -> Any:
        table = self.tables.runner
        now = self.dialect.now() if self.clock is None else cast(bindparam("now"), BigInteger)
        here = arrays(table.c.runner, table.c.kinds, table.c.started_at, name="here")
        rows = select(
            here.c.runner,
            bindparam("of_host", type_=table.c.host.type),
            bindparam("of_pid", type_=table.c.pid.type),
            here.c.kinds,
            func.coalesce(here.c.started_at, now),
            now,
        )
        insert = postgresql_insert(table).from_select(["runner", "host", "pid", "kinds", "started_at", "seen_at"], rows)
        seen = insert.on_conflict_do_update(
            index_elements=["runner"], set_={name: insert.excluded[name] for name in _CHANGED}
        )
        # Those that are here are left alone, however long ago: no row can be changed twice in one statement.
        old = table.c.seen_at < now - literal(_KEPT, BigInteger)
        forgotten = delete(table).where(old, table.c.runner.not_in(select(here.c.runner)))
        told = select(now.label("now"), func.pg_notify(bindparam("channel"), bindparam("said")))
        return told.add_cte(seen.cte("seen"), forgotten.cte("forgotten"))


_CHANGED: Final = ("host", "pid", "kinds", "started_at", "seen_at")


def _host() -> str:
    return socket.gethostname()[:_LONGEST_HOST]


def _encoded(kinds: Collection[Kind]) -> str:
    return json.dumps(sorted(kinds))
