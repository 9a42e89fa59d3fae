"""
The feed: read in the order of ``seq``, and no further than it is sure to be whole.

A change gets its ``seq`` when it is written and is seen when its transaction ends, so that a later one may be seen
first. A reader that went on past the gap would miss what fills it. It waits instead: on SQLite there are no gaps, as
one transaction writes at a time; elsewhere a gap is passed once it can no longer be filled, which PostgreSQL can tell
(every transaction that was in progress when the gap was first seen has ended), and MariaDB and MySQL cannot: there a
gap counts as empty after ten seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import BigInteger, String, cast, func, select, tuple_, update

from taskwarden.core.change import Change, ChangeName, Changes
from taskwarden.core.decision import Notify
from taskwarden.core.instant import at_micros
from taskwarden.core.record import Incident
from taskwarden.ids import Kind, TenantId
from taskwarden.stores.sql.rows import run_of, subject_of, task_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.schema import Tables

__all__ = ["Feed"]

_HELD_BACK: Final = 10.0
"""Seconds after which a gap counts as empty where the database cannot tell."""
_SETTLED: Final = 10_000
"""This far behind the newest change nothing is in progress any more."""


@attrs.define(eq=False)
class Feed:
    """
    What this store has seen of the feed.

    Args:
        _whole: Up to here all that will ever be there has been seen.
        _gap: The first missing ``seq``, and what tells when it cannot be filled any more.
    """

    tables: Tables
    dialect: Dialect
    _whole: int = attrs.field(default=0, init=False)
    _gap: tuple[int, float] | None = attrs.field(default=None, init=False)

    def end(self, conn: Connection, elapsed: float) -> int:
        """
        Return up to where the feed is whole.

        Args:
            elapsed: Seconds by a monotonic clock.
        """
        change = self.tables.change
        newest: int = conn.execute(select(func.max(change.c.seq))).scalar_one() or self._floor(conn)
        if self.dialect.serial:
            return newest
        whole = max(self._whole, newest - _SETTLED) if newest >= self._whole else newest
        while True:
            query = select(change.c.seq).where(change.c.seq > whole).order_by(change.c.seq).limit(_SETTLED)
            page = conn.execute(query).scalars().all()
            for seq in page:
                if seq != whole + 1 and not self._passable(conn, whole + 1, elapsed):
                    break
                whole = seq
            else:
                if len(page) == _SETTLED:
                    continue
            self._whole = whole
            return whole

    def read(self, conn: Connection, after: int, limit: int, tenant: TenantId | None, elapsed: float) -> Changes:
        """Do what ``Store.changes`` says."""
        change, end, floor = self.tables.change, self.end(conn, elapsed), self._floor(conn)
        reset = 0 < after < floor or after > end
        begin = end if after > end else max(after, floor)
        query = select(change).where(change.c.seq > begin, change.c.seq <= end).order_by(change.c.seq).limit(limit)
        if tenant is not None:
            query = query.where(change.c.tenant == tenant)
        rows = conn.execute(query).all()
        cursor = rows[-1].seq if len(rows) == limit else end
        return Changes(tuple(self._told(conn, rows)), cursor, reset)

    def trim(self, conn: Connection, kept: int) -> None:
        """Drop all but the newest *kept* changes."""
        change, life = self.tables.change, self.tables.life
        newest: int = conn.execute(select(func.max(change.c.seq))).scalar_one() or self._floor(conn)
        floor = newest - kept
        if floor > self._floor(conn):
            conn.execute(update(life).values(feed_floor=floor))
            conn.execute(change.delete().where(change.c.seq <= floor))

    def _floor(self, conn: Connection) -> int:
        floor: int = conn.execute(select(self.tables.life.c.feed_floor)).scalar_one()
        return floor

    def _passable(self, conn: Connection, missing: int, elapsed: float) -> bool:
        """Tell whether *missing* can be filled no more, remembering when it was first seen."""
        if self._gap is None or self._gap[0] != missing:
            self._gap = (missing, self._mark(conn, elapsed))
        if self.dialect.name != "postgresql":
            return elapsed - self._gap[1] >= _HELD_BACK
        oldest = func.pg_snapshot_xmin(func.pg_current_snapshot())
        return int(conn.execute(select(cast(cast(oldest, String), BigInteger))).scalar_one()) >= self._gap[1]

    def _mark(self, conn: Connection, elapsed: float) -> float:
        if self.dialect.name != "postgresql":
            return elapsed
        newest = func.pg_snapshot_xmax(func.pg_current_snapshot())
        return int(conn.execute(select(cast(cast(newest, String), BigInteger))).scalar_one())

    def _told(self, conn: Connection, rows: Sequence[Any]) -> list[Change]:
        run = self.tables.run
        ended = [(row.task_id, row.token) for row in rows if row.token is not None]
        runs: dict[tuple[int, int], Any] = {}
        if ended:
            query = select(run).where(tuple_(run.c.task_id, run.c.token).in_(ended))
            runs = {(found.task_id, found.token): run_of(found) for found in conn.execute(query)}
        return [_change(row, runs.get((row.task_id, row.token))) for row in rows]


def _change(row: Any, run: Any) -> Change:
    subject = subject_of(row.subject)
    return Change(
        seq=row.seq,
        at=at_micros(row.at),
        name=ChangeName(row.name),
        tenant=TenantId(row.tenant),
        task_id=None if row.task_id is None else task_id(row.task_id),
        kind=None if row.kind is None else Kind(row.kind),
        run=run,
        incident=subject if isinstance(subject, Incident) else None,
        notice=subject if isinstance(subject, Notify) else None,
        actor=row.actor,
        detail=row.detail,
    )
