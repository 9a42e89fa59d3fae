"""
The claim in one statement of PostgreSQL, for where no caps, pauses, lost leases or faults of the clock are about.

*Plain*: all that is due, if it fits: then there is nothing to share out, and no lane is touched. *Fair*: under backlog,
the lanes in line, the most urgent of each, shared out in turns. Whatever is special is seen by the statement itself,
which then changes nothing, and the claim is made again the long way, in ``claims``.

Both see one snapshot. A task that becomes due beside it is not lost: the lanes' rule (see ``lanes``) holds whatever the
snapshot, and the runner comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    String,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from taskwarden.core.claim import AGING, Claims
from taskwarden.core.instant import MICROSECOND, at_micros
from taskwarden.stores.sql.claims import claim_changes, claim_of, urgency
from taskwarden.stores.sql.rows import activity_of
from taskwarden.stores.sql.statements import series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from sqlalchemy import ColumnElement, Connection

    from taskwarden.ids import RunnerId
    from taskwarden.stores.sql.known import KnownTasks
    from taskwarden.stores.sql.schema import Tables

__all__ = ["Direct", "Taken"]

_AGING: Final = AGING // MICROSECOND
_ONCE_MORE: Final = 1_000_000
_EMPTY: Final = -1
_PLACES: Final = (0, 1, 2, 3)
_CLAIMED: Final = (
    *("task_id", "version", "token", "lane_id", "place", "health", "memory", "attempt", "slot_at", "next_run_at"),
    *("manual_slot", "runner"),
)


@attrs.frozen
class Taken:
    """
    What a statement did.

    Args:
        claims: What was claimed; None: something special is about, and nothing was changed.
        more: There is more than fitted.
    """

    claims: Claims | None
    more: bool


@attrs.define(eq=False)
class Direct:
    """
    The two statements.

    Args:
        now: The time: the database's, or bound as ``now`` where the host's clock is the store's.
        turn: Numbers that grow, to tell who was served last where the clock does not.
    """

    tables: Tables
    now: ColumnElement[int]
    host_clock: bool
    turn: Iterator[int]
    _plain: Any = attrs.field(init=False)
    _fair: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._plain, self._fair = self._plainly(), self._fairly()

    def claim(
        self,
        conn: Connection,
        known: KnownTasks,
        *,
        runner: RunnerId,
        kinds: Sequence[str],
        limit: int,
        lease: timedelta,
        now: int | None,
        fairly: bool,
    ) -> Taken:
        """Claim for *runner* in a statement that commits itself; a second reads definitions that are not known yet."""
        parameters: dict[str, Any] = {
            "kinds": list(kinds),
            "most": limit,
            "claimer": runner,
            "lease": lease // MICROSECOND,
        }
        if self.host_clock:
            parameters["now"] = now
        if fairly:
            parameters["tail"] = next(self.turn)
        rows = conn.execute(self._fair if fairly else self._plain, parameters).all()
        facts = rows[0]
        if facts.special or (not fairly and facts.found > limit):
            return Taken(None, more=not facts.special)
        return Taken(self._claims(conn, known, rows, runner, lease), bool(facts.more))

    def _claims(
        self, conn: Connection, known: KnownTasks, rows: Sequence[Any], runner: RunnerId, lease: timedelta
    ) -> Claims:
        facts = rows[0]
        now = at_micros(facts.moment)
        until = now + lease
        taken = [row for row in rows if row.task_id is not None]
        entries = known.of(conn, {row.task_id: row.version for row in taken})
        ordered = sorted(taken, key=_order)
        claims = []
        for row in ordered:
            entry = entries.get(row.task_id)
            if entry is not None:
                activity = None
                if row.activity_until is not None and row.activity_until > facts.moment:
                    activity = activity_of(row.activity_weight, row.activity_until)
                claims.append(claim_of(row, entry, activity, row.token, now, until, runner))
        again = facts.moment if facts.more else facts.next_due
        return Claims(tuple(claims), now, None if again is None else at_micros(again))

    # --- plain --------------------------------------------------------------------------------------------------

    def _plainly(self) -> Any:
        due, now = self.tables.due, self.now
        asked = self._asked()
        each = (
            select(due.c.task_id, due.c.tenant, due.c.ready_at)
            .where(due.c.kind == asked.c.kind, due.c.ready_at <= now)
            .order_by(due.c.ready_at)
            .limit(_most() + 1)
            .with_for_update(skip_locked=True)
            .lateral("each")
        )
        found = select(each).select_from(asked.join(each, true())).cte("found")
        count = select(func.count()).select_from(found).scalar_subquery()
        facts = select(
            now.label("moment"),
            count.label("found"),
            or_(self._special(), self._restricted(found)).label("special"),
            self._next_due().label("next_due"),
            literal(value=False).label("more"),
        ).cte("facts")
        allowed = select(and_(facts.c.found <= _most(), ~facts.c.special)).scalar_subquery()
        wanted = select(found.c.task_id).where(allowed)
        return self._claimed(facts, wanted, place=None)

    # --- fair ---------------------------------------------------------------------------------------------------

    def _fairly(self) -> Any:
        t, now = self.tables, self.now
        due, lane, tenant = t.due, t.lane, t.tenant
        asked = self._asked()
        each = (
            select(lane.c.id, lane.c.tenant, lane.c.turn_at, lane.c.turn)
            .where(lane.c.kind == asked.c.kind, lane.c.turn_at <= now)
            .order_by(lane.c.turn_at, lane.c.turn, lane.c.id)
            .limit(_most())
            .with_for_update(skip_locked=True)
            .lateral("each")
        )
        lanes = select(each).select_from(asked.join(each, true())).cte("lanes")
        # The tenants in line, with what a turn of theirs is, and what is left of one that was broken off.
        place = func.row_number().over(
            order_by=(func.min(lanes.c.turn_at), func.min(lanes.c.turn), func.min(lanes.c.id))
        )
        weight = func.coalesce(func.min(tenant.c.weight), 1)
        credit = func.coalesce(func.min(tenant.c.credit), 0)
        line = (
            select(
                lanes.c.tenant,
                place.label("place"),
                weight.label("weight"),
                case((credit > 0, credit), else_=weight).label("first"),
            )
            .select_from(lanes.outerjoin(tenant, tenant.c.tenant == lanes.c.tenant))
            .group_by(lanes.c.tenant)
            .cte("line")
        )
        weights = select(func.sum(line.c.weight), func.max(line.c.weight)).subquery("weights")
        share_each = func.least(
            _most(), cast(2 * func.ceil(cast(_most(), BigInteger) * 1.0 * weights.c[1] / weights.c[0]) + 4, BigInteger)
        )
        share = select(func.coalesce(share_each, 0)).select_from(weights).cte("share")
        limit = select(share.c[0]).scalar_subquery()
        places = series(_PLACES, "place")
        inner = (
            select(due.c.task_id, due.c.ready_at)
            .where(due.c.lane_id == lanes.c.id, due.c.place == places.c.place, due.c.ready_at <= now)
            .order_by(due.c.ready_at, due.c.task_id)
            .limit(limit)
            .lateral("inner")
        )
        found = (
            select(
                lanes.c.id.label("lane_id"),
                lanes.c.tenant,
                inner.c.task_id,
                places.c.place,
                func.row_number()
                .over(
                    partition_by=lanes.c.tenant,
                    order_by=(inner.c.ready_at + places.c.place * _AGING, inner.c.task_id),
                )
                .label("nth"),
            )
            .select_from(lanes.join(places, true()).join(inner, true()))
            .cte("found")
        )
        turn = case((found.c.nth <= line.c.first, 0), else_=1 + (found.c.nth - line.c.first - 1) // line.c.weight)
        chosen = (
            select(
                found.c.task_id,
                found.c.lane_id,
                found.c.tenant,
                func.row_number().over(order_by=(turn, line.c.place, found.c.nth)).label("rank"),
                turn.label("turn"),
            )
            .select_from(found.join(line, line.c.tenant == found.c.tenant))
            .order_by(turn, line.c.place, found.c.nth)
            .limit(_most())
            .cte("chosen")
        )
        many = select(func.count()).select_from(asked).scalar_subquery() > 1
        crowded = select(func.count()).select_from(lanes).scalar_subquery() >= _most()
        standing = self._standing(lanes, line, found, chosen, limit)
        left = select(literal(1)).select_from(standing).where(standing.c.left).exists()
        facts = select(
            now.label("moment"),
            select(func.count()).select_from(chosen).scalar_subquery().label("found"),
            or_(self._special(), self._restricted(lanes), and_(many, crowded)).label("special"),
            self._next_due().label("next_due"),
            or_(left, crowded, self._held_by_others(lanes)).label("more"),
        ).cte("facts")
        allowed = ~select(facts.c.special).scalar_subquery()
        locked = (
            select(due.c.task_id)
            .where(
                due.c.task_id == any_(func.array(select(chosen.c.task_id).where(allowed).scalar_subquery())),
                due.c.ready_at <= now,
            )
            .with_for_update(skip_locked=True)
            .cte("locked")
        )
        moved = self._moved(standing, allowed)
        kept = self._kept(line, standing, allowed)
        return self._claimed(facts, select(locked.c.task_id), place=chosen, also=(moved, kept))

    def _held_by_others(self, lanes: Any) -> Any:
        """Tell whether some lane in line is not ours: what it has may be left for us."""
        lane = self.tables.lane
        asked = self._asked("others")
        held = select(lanes.c.id).scalar_subquery()
        inner = (
            select(lane.c.id)
            .where(lane.c.kind == asked.c.kind, lane.c.turn_at <= self.now, lane.c.id.not_in(held))
            .limit(1)
            .lateral("another")
        )
        return select(literal(1)).select_from(asked.join(inner, true())).exists()

    def _standing(self, lanes: Any, line: Any, found: Any, chosen: Any, limit: Any) -> Any:
        """Return of each lane what was taken, whether something is left, and when it has something next if not."""
        due, now = self.tables.due, self.now
        by_place = (
            select(found.c.lane_id, found.c.place, func.count().label("seen"))
            .group_by(found.c.lane_id, found.c.place)
            .subquery("by_place")
        )
        seen = (
            select(
                by_place.c.lane_id,
                func.sum(by_place.c.seen).label("seen"),
                func.max(by_place.c.seen).label("most"),
            )
            .group_by(by_place.c.lane_id)
            .subquery("seen")
        )
        taken = (
            select(chosen.c.lane_id, func.count().label("taken")).group_by(chosen.c.lane_id).subquery("taken_of_lane")
        )
        of_tenant = (
            select(chosen.c.tenant, func.count().label("taken"), func.max(chosen.c.rank).label("last"))
            .group_by(chosen.c.tenant)
            .subquery("taken_of_tenant")
        )
        left = or_(
            func.coalesce(seen.c.most, 0) >= limit, func.coalesce(seen.c.seen, 0) > func.coalesce(taken.c.taken, 0)
        )
        upcoming = func.least(
            *(
                select(due.c.ready_at)
                .where(due.c.lane_id == lanes.c.id, due.c.place == each, due.c.ready_at > now)
                .order_by(due.c.ready_at)
                .limit(1)
                .scalar_subquery()
                for each in _PLACES
            )
        )
        # A turn is in its middle only where the claim was full before it was over.
        after_first = of_tenant.c.taken - line.c.first
        turn_over = case((after_first < 0, False), else_=after_first % line.c.weight == 0)
        rest = case(
            (after_first < 0, -after_first), else_=(line.c.weight - after_first % line.c.weight) % line.c.weight
        )
        rows = lanes.join(line, line.c.tenant == lanes.c.tenant)
        rows = rows.outerjoin(seen, seen.c.lane_id == lanes.c.id).outerjoin(taken, taken.c.lane_id == lanes.c.id)
        rows = rows.outerjoin(of_tenant, of_tenant.c.tenant == lanes.c.tenant)
        return (
            select(
                *(lanes.c.id, lanes.c.tenant, lanes.c.turn_at, lanes.c.turn),
                left.label("left"),
                func.coalesce(taken.c.taken, 0).label("taken"),
                case((left, null()), else_=upcoming).label("upcoming"),
                of_tenant.c.last.label("last"),
                func.coalesce(turn_over, False).label("served"),
                rest.label("rest"),
            )
            .select_from(rows)
            .cte("standing")
            .prefix_with("MATERIALIZED", dialect="postgresql")
        )

    def _moved(self, standing: Any, allowed: Any) -> Any:
        """Let the lanes stand elsewhere in line: at its end, or where they have nothing due, at their next time."""
        lane, now = self.tables.lane, self.now
        empty = and_(standing.c.turn == _EMPTY, standing.c.taken == 0)
        soon = now + _ONCE_MORE
        waits = and_(~empty, or_(standing.c.upcoming.is_(None), standing.c.upcoming > soon))
        new_at = case(
            (and_(standing.c.left, standing.c.served), now),
            (standing.c.left, standing.c.turn_at),
            (waits, soon),
            else_=standing.c.upcoming,
        )
        new_turn = case(
            (and_(standing.c.left, standing.c.served), bindparam("tail", type_=BigInteger) + standing.c.last),
            (standing.c.left, standing.c.turn),
            (waits, _EMPTY),
            else_=0,
        )
        moving = update(lane).where(lane.c.id == standing.c.id, allowed)
        return moving.values(turn_at=new_at, turn=new_turn).cte("moved")

    def _kept(self, line: Any, standing: Any, allowed: Any) -> Any:
        """Remember what is left of turns that were broken off: of weights above 1 only."""
        tenant = self.tables.tenant
        of_tenant = (
            select(
                standing.c.tenant,
                func.bool_or(standing.c.left).label("left"),
                func.max(standing.c.rest).label("rest"),
            )
            .where(standing.c.rest.is_not(None))
            .group_by(standing.c.tenant)
            .subquery("rests")
        )
        credit = case((of_tenant.c.left, of_tenant.c.rest), else_=0)
        keeping = update(tenant).where(
            tenant.c.tenant == line.c.tenant, of_tenant.c.tenant == line.c.tenant, line.c.weight > 1, allowed
        )
        return keeping.values(credit=credit).cte("kept")

    # --- both ---------------------------------------------------------------------------------------------------

    def _asked(self, name: str = "asked") -> Any:
        kinds = bindparam("kinds", type_=ARRAY(String()))
        return func.unnest(kinds).table_valued(column("kind", String)).render_derived(name=name)

    def _special(self) -> Any:
        """Tell whether something is about that only the long way knows: caps, lost leases, a clock that went back."""
        t, now = self.tables, self.now
        due, kind = t.due, t.kind
        kinds = any_(bindparam("kinds", type_=ARRAY(String())))
        capped = select(literal(1)).where(kind.c.kind == kinds, kind.c.max_running.is_not(None)).exists()
        lost = select(literal(1)).where(due.c.lease_until <= now, due.c.kind == kinds).exists()
        back = select(literal(1)).where(t.life.c.high_water > now + bindparam("lease", type_=BigInteger)).exists()
        return or_(capped, lost, back)

    def _restricted(self, rows: Any) -> Any:
        """Tell whether a tenant among *rows* is paused or has a cap."""
        tenant = self.tables.tenant
        return (
            select(literal(1))
            .select_from(rows.join(tenant, tenant.c.tenant == rows.c.tenant))
            .where(or_(tenant.c.paused, tenant.c.max_running.is_not(None)))
        ).exists()

    def _next_due(self) -> Any:
        due, now = self.tables.due, self.now
        kinds = bindparam("kinds", type_=ARRAY(String()))
        asked = self._asked("of")
        first = (
            select(due.c.ready_at)
            .where(due.c.kind == asked.c.kind, due.c.ready_at > now)
            .order_by(due.c.ready_at)
            .limit(1)
            .lateral("first")
        )
        ready = select(func.min(first.c.ready_at)).select_from(asked.join(first, true())).scalar_subquery()
        others = (
            select(due.c.lease_until)
            .where(
                due.c.lease_until > now,
                due.c.runner != bindparam("claimer", type_=String),
                due.c.kind == any_(kinds),
            )
            .order_by(due.c.lease_until)
            .limit(1)
            .scalar_subquery()
        )
        return func.least(ready, others)

    def _claimed(self, facts: Any, wanted: Any, *, place: Any, also: Sequence[Any] = ()) -> Any:
        due, lane, now = self.tables.due, self.tables.lane, self.now
        until = now + bindparam("lease", type_=BigInteger)
        changes = claim_changes(due.c, now=now, until=until, claimer=bindparam("claimer", type_=String))
        claimed = (
            update(due)
            .where(due.c.task_id == any_(func.array(wanted.scalar_subquery())))
            .ordered_values(*changes)
            .returning(*(due.c[name] for name in _CLAIMED))
            .cte("claimed")
        )
        rank = null().label("rank") if place is None else place.c.rank
        rows = claimed.join(lane, lane.c.id == claimed.c.lane_id)
        if place is not None:
            rows = rows.join(place, place.c.task_id == claimed.c.task_id)
        columns = [*(claimed.c[name] for name in _CLAIMED), lane.c.activity_weight, lane.c.activity_until, rank]
        taken = select(*columns).select_from(rows).subquery("taken")
        return select(facts, taken).select_from(facts.outerjoin(taken, true())).add_cte(*also)


def _most() -> Any:
    return bindparam("most", type_=Integer)


def _order(row: Any) -> tuple[int, int]:
    """Return where a claimed row stands: by its rank in the turns, or by urgency."""
    if row.rank is not None:
        return row.rank, 0
    at = row.next_run_at if row.manual_slot is None else row.manual_slot
    return urgency(at, row.place), row.task_id
