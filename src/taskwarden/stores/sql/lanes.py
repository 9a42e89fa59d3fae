"""
Lanes: who stands in line, under backlog. One lane is one tenant's tasks of one kind.

A claim takes the first of those in line, and passes over those that others hold. When a lane stands in line, and that
nothing is lost: see ``line``. All of it concerns a backlog or caps: while everything due fits into a claim and nothing
is capped, lanes are not asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import Integer, and_, bindparam, func, select, true, union_all, update

from taskwarden.stores.sql.dialect import with_patience
from taskwarden.stores.sql.line import LOOKS, ONCE_MORE
from taskwarden.stores.sql.statements import arrays, first_of_kinds, series

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.schema import Tables
    from taskwarden.stores.sql.writing import Writing

__all__ = ["Lanes", "ended", "reopen"]

_PLACES: Final = (0, 1, 2, 3)
_PATIENCE: Final = 200
"""Milliseconds for which a claim waits for a lane where all are held; on MariaDB and MySQL a second, their least."""
_TOGETHER: Final = (25, 5, 1)
"""How many lanes one statement looks through, where each of them is a part of its text."""


@attrs.define(eq=False)
class Lanes:
    """The statements over lanes."""

    tables: Tables
    dialect: Dialect
    _parts: dict[int, Any] = attrs.field(factory=dict, init=False)
    _lock: Any = attrs.field(init=False)
    _lock_first: Any = attrs.field(init=False)
    _siblings: Any = attrs.field(init=False)
    _next: Any = attrs.field(init=False)
    _move: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        lane, due, among, locked = self.tables.lane, self.tables.due, self.dialect.among, self.dialect.locked
        eligible = lane.c.turn_at <= bindparam("now")
        self._lock = locked(select(lane).where(among(lane.c.id, "ids"), eligible), skip=True)
        self._lock_first = locked(select(lane).where(lane.c.id == bindparam("id"), eligible))
        of_tenants = among(lane.c.tenant, "tenants", lane.c.tenant.type)
        of_kinds = among(lane.c.kind, "kinds", lane.c.kind.type)
        self._siblings = locked(select(lane).where(of_tenants, of_kinds, eligible), skip=True)
        earliest = [
            select(func.min(due.c.ready_at)).where(due.c.lane_id == lane.c.id, due.c.place == place).scalar_subquery()
            for place in _PLACES
        ]
        self._next = select(lane.c.id, *earliest).where(among(lane.c.id, "ids"))
        self._move = (
            update(lane)
            .where(lane.c.id == bindparam("lane"))
            .values(turn_at=bindparam("at"), turn=bindparam("new_turn"))
        )

    def hold(
        self, conn: Connection, kinds: Sequence[str], limit: int, now: int, but: Collection[str] = ()
    ) -> list[Any]:
        """
        Lock the first lanes in line, at most *limit*, and others of the same tenants; return them as they stand.

        Args:
            but: Tenants that were asked before: they are left out, and nobody is waited for any more.
        """
        lane = self.tables.lane
        order = (lane.c.turn_at, lane.c.turn, lane.c.id)
        eligible = lane.c.turn_at <= now
        if but:
            eligible = and_(eligible, lane.c.tenant.not_in(sorted(but)))
        first = first_of_kinds(conn, lane, kinds, order, eligible, limit)
        if not first:
            return []
        ids = [found.id for found in first]
        held = conn.execute(self._lock, {"ids": ids, "now": now}).all()
        if not held and not but:
            # Others hold them all. With nothing in our hands we may wait a little, for a claim that ends; but the
            # transaction of a host that makes tasks may last.
            waiting = partial(conn.execute, self._lock_first, {"id": ids[0], "now": now})
            held = with_patience(conn, waiting, _PATIENCE) or []
        if held and len(kinds) > 1:
            tenants = sorted({found.tenant for found in held})
            held = [*held, *conn.execute(self._siblings, {"tenants": tenants, "kinds": list(kinds), "now": now})]
        return sorted({found.id: found for found in held}.values(), key=lambda it: (it.turn_at, it.turn, it.id))

    def in_line(self, conn: Connection, kinds: Sequence[str], now: int) -> bool:
        """Tell whether some lane stands in line."""
        lane = self.tables.lane
        return bool(first_of_kinds(conn, lane, kinds, (lane.c.turn_at,), lane.c.turn_at <= now, 1))

    def due(self, conn: Connection, lanes: Sequence[int], share: int, now: int) -> list[Any]:
        """Return what of *lanes* is due: of each and each priority the *share* that waited longest."""
        if not lanes:
            return []
        if self.dialect.name == "postgresql":
            return list(conn.execute(self._lateral(), {"lanes": list(lanes), "now": now, "share": share}))
        found: list[Any] = []
        rest = list(lanes)
        for size in _TOGETHER:
            while len(rest) >= size:
                now_these, rest = rest[:size], rest[size:]
                named = {f"lane_{place}": lane for place, lane in enumerate(now_these)}
                text, order, constants = self._union(conn, size)
                values: Any = {**constants, **named, "now": now, "share": share}
                if order is not None:
                    values = tuple([values[name] for name in order])
                found += conn.exec_driver_sql(text, values).all()
        return found

    def raise_(self, conn: Connection, served: dict[int, tuple[int, int]], emptied: dict[int, int], now: int) -> None:
        """
        Let lanes that are held stand elsewhere in line.

        Args:
            served: Lane to its new ``turn_at`` and ``turn``.
            emptied: Lanes that have nothing due any more, and how often in a row they were found empty before.
        """
        moves: list[dict[str, Any]] = [
            {"lane": lane, "at": at, "new_turn": turn} for lane, (at, turn) in served.items()
        ]
        if emptied:
            for row in conn.execute(self._next, {"ids": sorted(emptied)}):
                at = min((each for each in row[1:] if each is not None), default=None)
                turn, looks = 0, emptied[row.id]
                soon = now + (ONCE_MORE << looks)
                if not self.dialect.serial and looks < LOOKS and (at is None or at > soon):
                    at, turn = soon, -looks - 1
                moves.append({"lane": row.id, "at": at, "new_turn": turn})
        if moves:
            conn.execute(self._move, sorted(moves, key=lambda move: move["lane"]))

    def looks(self, lane: Any) -> int:
        """Return how often in a row *lane* was found empty."""
        turn: int = lane.turn
        return max(-turn, 0)

    def _part(self, lane: Any, place: int) -> Select[Any]:
        due = self.tables.due
        return (
            select(due.c.task_id, due.c.tenant, due.c.kind, due.c.lane_id, due.c.place, due.c.ready_at)
            .where(due.c.lane_id == lane, due.c.place == place, due.c.ready_at <= bindparam("now"))
            .order_by(due.c.ready_at, due.c.task_id)
            .limit(bindparam("share", type_=Integer))
        )

    def _union(self, conn: Connection, size: int) -> tuple[str, Sequence[str] | None, dict[str, Any]]:
        """
        Return the statement for so many lanes as text, for to look for it anew costs more than to run it.

        Besides, the order of its parameters, None: they go by name; and those that are always the same.
        """
        if size not in self._parts:
            parts = [self._part(bindparam(f"lane_{at}"), place) for at in range(size) for place in _PLACES]
            wrapped = [select(part.subquery(f"part_{at}")) for at, part in enumerate(parts)]
            compiled = union_all(*wrapped).compile(dialect=conn.dialect)
            self._parts[size] = str(compiled), compiled.positiontup, compiled.params
        found: tuple[str, Sequence[str] | None, dict[str, Any]] = self._parts[size]
        return found

    def _lateral(self) -> Any:
        if 0 not in self._parts:
            lanes = arrays(self.tables.lane.c.id.label("lane"), name="lanes")
            places = series(_PLACES, "place")
            due = self.tables.due
            inner = (
                select(due.c.task_id, due.c.tenant, due.c.kind, due.c.lane_id, due.c.place, due.c.ready_at)
                .where(
                    due.c.lane_id == lanes.c.lane,
                    due.c.place == places.c.place,
                    due.c.ready_at <= bindparam("now"),
                )
                .order_by(due.c.ready_at, due.c.task_id)
                .limit(bindparam("share", type_=Integer))
                .lateral("found")
            )
            joined = lanes.join(places, true()).join(inner, true())
            self._parts[0] = select(inner).select_from(joined)
        return self._parts[0]


def reopen(writing: Writing, tenants: Iterable[str]) -> None:
    """Let all lanes of *tenants* stand in line again: a pause, or a cap, was changed."""
    writing.reopened |= set(tenants)
    writing.due = True


def ended(writing: Writing, tenants: Iterable[str], kinds: Iterable[str]) -> None:
    """
    Runs of *tenants* and *kinds* have ended: what waited for their caps may go on.

    The rows of capped tenants are held until the end: a claim that is counting what runs has parked its lanes by then,
    or will see the run to have ended.
    """
    conn, sql = writing.conn, writing.sql
    names = conn.execute(sql.lock_capped_tenants, {"names": sorted(tenants)}).scalars().all()
    if names:
        reopen(writing, names)
    if conn.execute(sql.capped_kinds, {"names": sorted(kinds)}).first() is not None:
        writing.due = True
