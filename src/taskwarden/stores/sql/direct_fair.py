"""The fair claim in one statement of PostgreSQL: see ``direct`` for when, ``lanes`` and ``turns`` for what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import (
    BigInteger,
    Integer,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from taskwarden.core.claim import AGING
from taskwarden.core.instant import MICROSECOND
from taskwarden.stores.sql.direct_parts import Parts, most
from taskwarden.stores.sql.line import LOOKS, ONCE_MORE
from taskwarden.stores.sql.statements import series
from taskwarden.stores.sql.turns import SPARE

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from taskwarden.stores.sql.schema import Tables

__all__ = ["Fair"]

_AGING: Final = AGING // MICROSECOND
_PLACES: Final = (0, 1, 2, 3)


@attrs.frozen
class Fair:
    """Makes the statement."""

    parts: Parts

    @property
    def tables(self) -> Tables:
        """The tables."""
        return self.parts.tables

    @property
    def now(self) -> ColumnElement[int]:
        """The time."""
        return self.parts.now

    def statement(self) -> Any:
        t, now = self.tables, self.now
        due, lane, tenant = t.due, t.lane, t.tenant
        asked = self.parts.asked()
        each = (
            select(lane.c.id, lane.c.tenant, lane.c.turn_at, lane.c.turn)
            .where(lane.c.kind == asked.c.kind, lane.c.turn_at <= self.parts.end())
            .order_by(lane.c.turn_at, lane.c.turn, lane.c.id)
            .limit(most())
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
        all_turns = func.ceil(cast(most(), BigInteger) * 1.0 / weights.c[0]) * weights.c[1]
        share_each = func.least(most(), cast(all_turns + SPARE, BigInteger))  # as turns.most_of_each
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
            .limit(most())
            .cte("chosen")
        )
        many = select(func.count()).select_from(asked).scalar_subquery() > 1
        crowded = select(func.count()).select_from(lanes).scalar_subquery() >= most()
        standing = self._standing(lanes, line, found, chosen, limit)
        left = select(literal(1)).select_from(standing).where(standing.c.left).exists()
        facts = select(
            now.label("moment"),
            select(func.count()).select_from(chosen).scalar_subquery().label("found"),
            or_(self.parts.special(), self.parts.restricted(lanes), and_(many, crowded)).label("special"),
            self.parts.next_due().label("next_due"),
            self.parts.next_lost().label("next_lost"),
            or_(left, crowded, self._held_by_others(lanes)).label("more"),
        ).cte("facts")
        allowed = ~select(facts.c.special).scalar_subquery()
        locked = (
            select(due.c.task_id)
            .where(
                due.c.task_id == any_(func.array(select(chosen.c.task_id).where(allowed).scalar_subquery())),
                due.c.ready_at <= now,
                self.parts.settled(),
            )
            .with_for_update(skip_locked=True)
            .cte("locked")
        )
        moved = self._moved(standing, allowed)
        kept = self._kept(line, standing, allowed)
        return self.parts.claimed(facts, select(locked.c.task_id), place=chosen, also=(moved, kept))

    def _held_by_others(self, lanes: Any) -> Any:
        """Tell whether some lane in line is not ours: what it has may be left for us."""
        lane = self.tables.lane
        asked = self.parts.asked("others")
        held = select(lanes.c.id).scalar_subquery()
        inner = (
            select(lane.c.id)
            .where(lane.c.kind == asked.c.kind, lane.c.turn_at <= self.parts.end(), lane.c.id.not_in(held))
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
        looks = case((standing.c.taken > 0, 0), else_=func.greatest(-standing.c.turn, 0))
        soon = now + literal(ONCE_MORE, BigInteger).bitwise_lshift(cast(looks, Integer))
        waits = and_(looks < LOOKS, or_(standing.c.upcoming.is_(None), standing.c.upcoming > soon))
        new_at = case(
            (and_(standing.c.left, standing.c.served), self.parts.end()),
            (standing.c.left, standing.c.turn_at),
            (waits, soon),
            else_=standing.c.upcoming,
        )
        new_turn = case(
            (and_(standing.c.left, standing.c.served), bindparam("tail", type_=BigInteger) + standing.c.last),
            (standing.c.left, standing.c.turn),
            (waits, -looks - 1),
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
