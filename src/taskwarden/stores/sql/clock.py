"""The clock that went back: what was decided for a future that never was is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update

from taskwarden.core.decision import Level, OpenIncident
from taskwarden.core.instant import later, micros
from taskwarden.core.lifecycle import State
from taskwarden.stores.sql import incidents

if TYPE_CHECKING:
    from datetime import timedelta

    from taskwarden.ids import TenantId
    from taskwarden.stores.sql.rows import Row
    from taskwarden.stores.sql.writing import Writing

__all__ = ["mend"]


def mend(writing: Writing, lease: timedelta) -> None:
    """
    The clock went back by more than *lease*: see ``Store.claim``.

    What was decided within a lease from now is left alone. Costs a look at every task, and happens once.
    """
    t, conn, now = writing.t, writing.conn, writing.now
    due, until = t.due, later(now, lease)
    late = micros(until)
    wrong = or_(due.c.decided_at > late, due.c.asked_at > late, due.c.held_at > late, due.c.succeeded_from > late)
    numbers = conn.execute(select(due.c.task_id).where(wrong)).scalars().all()
    mended: dict[TenantId, list[Row]] = {}
    for row in writing.lock(numbers).values():
        if row.succeeded_from is not None and row.succeeded_from > until:
            row.succeeded_from = now  # or its dependants would wait for that future
        if row.manual_at is not None and row.asked_at > until:
            row.manual_at = row.asked_at = now
        if row.state is State.RUNNING:
            if row.held_at > until:
                row.held_at, row.lease_until = now, until
        elif row.decided_at > until and row.next_run_at is not None:
            row.next_run_at = row.slot_at = row.decided_at = now
            row.attempt, row.deferred_until, row.deferred_why = 1, None, ""
            mended.setdefault(row.task.tenant, []).append(row)
        writing.save(row)
    fault = OpenIncident("clock_fault", "unknown.internal_clock", f"The store's clock went back to {now}", Level.ERROR)
    for tenant, rows in sorted(mended.items()):
        incidents.report(writing, fault, tenant, rows)
    writing.flush()
    conn.execute(update(t.life).values(high_water=late))
    # Every lane is asked anew: the times in which they stood in line were those of that future.
    conn.execute(update(t.lane).where(t.lane.c.turn_at > micros(now)).values(turn_at=micros(now), turn=0))
