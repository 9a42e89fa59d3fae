"""
The feed: read in the order of ``seq``, and no further than it is sure to be whole.

A change gets its ``seq`` when it is written and is seen when its transaction ends, so that a later one may be seen
first. A reader that went on past the gap would miss what fills it. On SQLite there are no gaps, as one transaction
writes at a time. Elsewhere a reader waits until the gap can be filled no more:

* PostgreSQL can tell: whoever took a number holds a lock on the table from before that until its transaction ends. When
  nobody that held one as the gap was first seen still does, it stays empty.
* MariaDB and MySQL cannot: there a gap counts as empty ten seconds after it was first seen, or after the change that
  follows it, so that a reader who has just begun does not wait for what was rolled back long ago.

What is said of one gap holds for all before the newest change that was there by then. A number that is not there at
all because the feed was trimmed, or because the counter began anew, is no gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import bindparam, column, func, select, table, tuple_, update
from sqlalchemy.dialects import postgresql

from taskwarden.core.change import Change, ChangeName, Changes
from taskwarden.core.decision import Notify
from taskwarden.core.instant import at_micros
from taskwarden.core.record import Incident
from taskwarden.ids import Kind, TenantId
from taskwarden.stores.sql.records import run_of, subject_of
from taskwarden.stores.sql.rows import task_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.schema import Tables

__all__ = ["Feed"]

_HELD_BACK: Final = 10
"""Seconds after which a gap counts as empty where the database cannot tell."""
_SETTLED: Final = 100_000
"""This far behind the newest change nothing is in progress any more: where a reader who has just begun looks from."""


_QUOTED: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call] # by SQLAlchemy


@attrs.frozen
class Gap:
    """
    Some numbers up to *until* were missing when this was noted.

    Args:
        writers: Who might fill them, where the database can tell.
        seen: When it was, in seconds by a monotonic clock.
    """

    until: int
    writers: frozenset[str]
    seen: float


@attrs.define(eq=False)
class Feed:
    """
    What this store has seen of the feed.

    Args:
        bound: Row-level security hides what belongs to others, so that there are gaps everywhere.
        _whole: Up to here all that will ever be there has been seen; 0: nobody has looked yet.
    """

    tables: Tables
    dialect: Dialect
    bound: bool = False
    _whole: int = attrs.field(default=0, init=False)
    _gap: Gap | None = attrs.field(default=None, init=False)
    _ends: Any = attrs.field(init=False)
    _gaps: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        change, life = self.tables.change, self.tables.life
        newest: Any = select(func.max(change.c.seq)).scalar_subquery()
        if self.bound:
            # The newest that is seen is one's own; the last number that was given is everybody's.
            newest = func.pg_sequence_last_value(func.pg_get_serial_sequence(_QUOTED.format_table(change), "seq"))
        self._ends = select(newest.label("newest"), life.c.feed_floor)
        before = func.coalesce(func.lag(change.c.seq).over(order_by=change.c.seq), bindparam("whole"))
        rows = (
            select(change.c.seq, change.c.at, before.label("before"))
            .where(change.c.seq > bindparam("whole"), change.c.seq <= bindparam("newest"))
            .subquery()
        )
        self._gaps = select(rows).where(rows.c.seq > rows.c.before + 1).order_by(rows.c.seq)

    def end(self, conn: Connection, elapsed: float) -> int:
        """
        Return up to where the feed is whole.

        Args:
            elapsed: Seconds by a monotonic clock.
        """
        return self._look(conn, elapsed)[0]

    def read(self, conn: Connection, after: int, limit: int, tenant: TenantId | None, elapsed: float) -> Changes:
        """Do what ``Store.changes`` says."""
        change = self.tables.change
        end, newest, floor = self._look(conn, elapsed)
        if after > newest:
            return Changes((), end, reset=True)
        # Another store over this database may have seen the feed to be whole further than this one has.
        end = max(end, after)
        query = select(change).where(change.c.seq > max(after, floor), change.c.seq <= end)
        if tenant is not None:
            query = query.where(change.c.tenant == tenant)
        rows = conn.execute(query.order_by(change.c.seq).limit(limit)).all()
        cursor = rows[-1].seq if len(rows) == limit else end
        return Changes(tuple(self._told(conn, rows)), cursor, reset=0 < after < floor)

    def trim(self, conn: Connection, kept: int) -> None:
        """Drop all but the newest *kept* changes."""
        change, life = self.tables.change, self.tables.life
        newest, floor = self._read_ends(conn)
        if newest - kept > floor:
            conn.execute(update(life).values(feed_floor=newest - kept))
            conn.execute(change.delete().where(change.c.seq <= newest - kept))

    # --- how far it is whole ------------------------------------------------------------------------------------

    def _look(self, conn: Connection, elapsed: float) -> tuple[int, int, int]:
        """Return up to where the feed is whole, its newest change, and up to where changes were dropped."""
        known, gap = self._whole, self._gap  # before anything is read: other threads move them on
        newest, floor = self._read_ends(conn)
        if self.dialect.serial:
            return newest, newest, floor
        if newest < known:  # the counter began anew
            known, gap = 0, None
        whole = max(known or newest - _SETTLED, floor)
        if gap is not None and whole < gap.until and self._is_over(conn, gap, elapsed):
            whole = gap.until
        if gap is not None and whole >= gap.until:
            gap = None
        if whole < newest:
            whole, gap = self._walk(conn, whole, newest, gap, elapsed)
        self._whole, self._gap = whole, gap
        return whole, newest, floor

    def _walk(
        self, conn: Connection, whole: int, newest: int, gap: Gap | None, elapsed: float
    ) -> tuple[int, Gap | None]:
        """Go on from *whole* as far as no gap is in the way; return where that is, and what is known of the gap."""
        found = conn.execute(self._gaps, {"whole": whole, "newest": newest}).all()
        if not found and not self.bound:
            return newest, None
        if self.dialect.name == "mysql":
            settled = int(conn.execute(select(self.dialect.now())).scalar_one()) - _HELD_BACK * 1_000_000
            found = [row for row in found if row.at > settled]
            if not found:
                return newest, None
        if gap is None:
            gap = Gap(newest, self._writers(conn), elapsed)
            if self.dialect.name == "postgresql" and not gap.writers:
                return newest, None
        before: int = found[0].before if found else whole
        return before, gap

    def _is_over(self, conn: Connection, gap: Gap, elapsed: float) -> bool:
        if self.dialect.name == "postgresql":
            return gap.writers.isdisjoint(self._writers(conn))
        return elapsed - gap.seen >= _HELD_BACK

    def _writers(self, conn: Connection) -> frozenset[str]:
        """Return which transactions may have taken numbers of the feed and not ended yet."""
        if self.dialect.name != "postgresql":
            return frozenset()
        database = select(_DATABASES.c.oid).where(_DATABASES.c.datname == func.current_database()).scalar_subquery()
        name = conn.dialect.identifier_preparer.format_table(self.tables.change)
        held = select(_LOCKS.c.virtualtransaction).where(
            _LOCKS.c.locktype == "relation",
            _LOCKS.c.database == database,
            _LOCKS.c.relation == func.to_regclass(name),
            _LOCKS.c.mode == "RowExclusiveLock",
            _LOCKS.c.granted,
        )
        return frozenset(conn.execute(held).scalars())

    def _read_ends(self, conn: Connection) -> tuple[int, int]:
        newest, floor = conn.execute(self._ends).one()
        if newest is None:
            return floor, floor
        return newest, floor if floor < newest else 0  # beyond it lies what was dropped before the counter began anew

    # --- what it tells ------------------------------------------------------------------------------------------

    def _told(self, conn: Connection, rows: Sequence[Any]) -> list[Change]:
        run = self.tables.run
        ended = [(row.task_id, row.token) for row in rows if row.token is not None]
        runs: dict[tuple[int, int], Any] = {}
        if ended:
            query = select(run).where(tuple_(run.c.task_id, run.c.token).in_(ended))
            runs = {(found.task_id, found.token): run_of(found) for found in conn.execute(query)}
        return [_change(row, runs.get((row.task_id, row.token))) for row in rows]


_LOCKS: Final = table(
    "pg_locks",
    *(column(name) for name in ("locktype", "database", "relation", "mode", "granted", "virtualtransaction")),
    schema="pg_catalog",
)
_DATABASES: Final = table("pg_database", column("oid"), column("datname"), schema="pg_catalog")


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
