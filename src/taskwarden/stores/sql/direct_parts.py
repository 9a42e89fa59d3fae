"""What both ways of claiming in one statement of PostgreSQL are made of: see ``direct``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Integer,
    String,
    any_,
    bindparam,
    case,
    column,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from taskwarden.stores.sql.taking import claim_changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from taskwarden.stores.sql.schema import Tables

__all__ = ["CLAIMED", "Parts", "most"]

CLAIMED: Final = (
    *("task_id", "version", "token", "lane_id", "place", "health", "memory", "attempt", "slot_at", "next_run_at"),
    *("manual_slot", "runner"),
)
"""What of a claimed row is returned."""


@attrs.frozen
class Parts:
    """
    Parts of the statements.

    Args:
        now: The time: the database's, or bound as ``now``.
    """

    tables: Tables
    now: ColumnElement[int]

    def asked(self, name: str = "asked") -> Any:
        kinds = bindparam("kinds", type_=ARRAY(String()))
        return func.unnest(kinds).table_valued(column("kind", String)).render_derived(name=name)

    def special(self) -> Any:
        """Tell whether something is about that only the long way knows: caps, lost leases, a clock that went back."""
        t, now = self.tables, self.now
        due, kind, tenant = t.due, t.kind, t.tenant
        kinds = any_(bindparam("kinds", type_=ARRAY(String())))
        capped = select(literal(1)).where(kind.c.kind == kinds, kind.c.max_running.is_not(None)).exists()
        paused = select(literal(1)).where(tenant.c.tenant == due.c.tenant, tenant.c.paused).exists()
        lost = select(literal(1)).where(due.c.lease_until <= now, due.c.kind == kinds, ~paused).exists()
        back = select(literal(1)).where(t.life.c.high_water > now + bindparam("lease", type_=BigInteger)).exists()
        return or_(capped, lost, back)

    def restricted(self, rows: Any) -> Any:
        """Tell whether a tenant among *rows* is paused or has a cap."""
        tenant = self.tables.tenant
        return (
            select(literal(1))
            .select_from(rows.join(tenant, tenant.c.tenant == rows.c.tenant))
            .where(or_(tenant.c.paused, tenant.c.max_running.is_not(None)))
        ).exists()

    def end(self) -> ColumnElement[int]:
        """Return from when on the last lane stands in line: where the clock went back, later than now."""
        return select(func.greatest(self.now, self.tables.life.c.high_water)).scalar_subquery()

    def settled(self) -> ColumnElement[bool]:
        """
        Tell whether the last run of a row was over when the statement began.

        One that others claimed and completed meanwhile, and that is due again, would begin before it ended.
        """
        return self.tables.due.c.decided_at <= self.end()

    def next_due(self) -> Any:
        """Return when something is due next."""
        due = self.tables.due
        asked = self.asked("of")
        first = (
            select(due.c.ready_at)
            .where(due.c.kind == asked.c.kind, due.c.ready_at > self.now)
            .order_by(due.c.ready_at)
            .limit(1)
            .lateral("first")
        )
        return select(func.min(first.c.ready_at)).select_from(asked.join(first, true())).scalar_subquery()

    def next_lost(self) -> Any:
        """
        Return when the next lease of another runner ends, if it is to be looked at.

        It walks past all leases of the runner's own, so it is not for every claim.
        """
        due = self.tables.due
        kinds = bindparam("kinds", type_=ARRAY(String()))
        others = (
            select(due.c.lease_until)
            .where(
                due.c.lease_until > self.now,
                due.c.runner != bindparam("claimer", type_=String),
                due.c.kind == any_(kinds),
            )
            .order_by(due.c.lease_until)
            .limit(1)
            .scalar_subquery()
        )
        return case((bindparam("watch", type_=Boolean), others), else_=null())

    def claimed(self, facts: Any, wanted: Any, *, place: Any, also: Sequence[Any] = ()) -> Any:
        """
        Return the statement that claims what is *wanted*, and answers with *facts* beside each row.

        Args:
            place: Tells the ``rank`` of each ``task_id``, by which the claims are ordered.
        """
        due, lane, now = self.tables.due, self.tables.lane, self.now
        until = now + bindparam("lease", type_=BigInteger)
        changes = claim_changes(due.c, now=now, until=until, claimer=bindparam("claimer", type_=String))
        claimed = (
            update(due)
            .where(due.c.task_id == any_(func.array(wanted.scalar_subquery())))
            .ordered_values(*changes)
            .returning(*(due.c[name] for name in CLAIMED))
            .cte("claimed")
        )
        rows = claimed.join(lane, lane.c.id == claimed.c.lane_id).join(place, place.c.task_id == claimed.c.task_id)
        columns = [*(claimed.c[name] for name in CLAIMED), lane.c.activity_weight, lane.c.activity_until, place.c.rank]
        taken = select(*columns).select_from(rows).subquery("taken")
        return select(facts, taken).select_from(facts.outerjoin(taken, true())).add_cte(*also)


def most() -> Any:
    """Return the bound limit."""
    return bindparam("most", type_=Integer)
