"""Step 2 in memory: what is due, in turns, and what others have lost; and the clock that went back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskwarden.core.claim import Claims, Renewal
from taskwarden.core.decision import IntervalState, Level, OpenIncident
from taskwarden.core.instant import FAR_FUTURE, later
from taskwarden.core.lifecycle import State
from taskwarden.stores.moves import take

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime, timedelta

    from taskwarden.core.claim import Claim, Holds
    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import Kind, RunnerId, TenantId
    from taskwarden.stores.memory.leases import Group
    from taskwarden.stores.memory.row import Row
    from taskwarden.stores.memory.tables import Tables
    from taskwarden.stores.memory.turns import KindQueue

__all__ = ["claim", "interval", "renew"]


def claim(tables: Tables, runner: RunnerId, kinds: Collection[Kind], limit: int, lease: timedelta) -> Claims:
    """Do what ``Store.claim`` says."""
    now = tables.look()
    if later(now, lease) < tables.high_water:
        _mend(tables, now, lease)
    queues = {
        queue: (queue.leases.expire(now), queue.leases.group(runner, lease, tables.era))
        for kind in kinds
        if (queue := tables.queues.get(kind)) is not None
    }
    until = later(now, lease)
    taken = _take_over(queues, runner, limit, now, until)
    for queue in queues:
        queue.advance(now)
    if len(taken) < limit:
        for row in tables.turns.serve(queues):
            taken.append(_take(row, runner, queues[row.lane.queue][1], now, until))
            if len(taken) == limit:
                break
    if taken:
        tables.high_water = max(tables.high_water, now)
    next_due = _next_due(queues, runner, now)
    tables.told[runner] = next_due or FAR_FUTURE
    tables.horizon = max(tables.told.values())
    return Claims(tuple(taken), now, next_due)


def renew(tables: Tables, runner: RunnerId, holds: Holds, lease: timedelta) -> Renewal:
    """Do what ``Store.renew`` says."""
    now = tables.look()
    until = later(now, lease)
    lost = set()
    for task_id, token in holds.items():
        row = tables.rows.get(task_id)
        if row is None or row.hold is None or row.token != token:
            lost.add(task_id)
        else:
            _hold(row, row.lane.queue.leases.group(runner, lease, tables.era), now, until)
    tables.high_water = max(tables.high_water, now)
    return Renewal(now, until, frozenset(lost))


def interval(row: Row, now: datetime) -> IntervalState:
    """Return what the interval policy may know of *row*: the same object until something of it changes."""
    state, activity = row.interval, row.lane.activity
    if activity is not None and activity.until <= now:
        activity = None
    if state.activity is not activity:
        row.interval = state = IntervalState(state.memory, state.seed, activity)
    return state


def _take_over(
    queues: dict[KindQueue, tuple[Group, Group]], runner: RunnerId, limit: int, now: datetime, until: datetime
) -> list[Claim]:
    """Claim what has expired. Of tenants that are paused it is left, and looked at again each time."""
    taken: list[Claim] = []
    for expired, hold in queues.values():
        rows = [row for row in expired.values() if not row.lane.tenant.paused]
        taken += [_take(row, runner, hold, now, until) for row in rows[: limit - len(taken)]]
    return taken


def _take(row: Row, runner: RunnerId, hold: Group, now: datetime, until: datetime) -> Claim:
    if row.runner is None:
        row.lane.queue.running += 1
        row.lane.tenant.running += 1
    taken = take(row, runner, interval(row, now), now, until)
    _hold(row, hold, now, until)
    return taken


def _hold(row: Row, group: Group, now: datetime, until: datetime) -> None:
    if row.hold is not None:
        del row.hold[row.number]
    row.held_at, row.lease_until = now, until
    row.hold = group
    group[row.number] = row


def _next_due(queues: dict[KindQueue, tuple[Group, Group]], runner: RunnerId, now: datetime) -> datetime | None:
    """
    Return when another claim may find more.

    Now, if there is more than was asked for; what waits for a cap does not count, as the end of that is a hint. Leases
    of *runner* itself do not count either, as it renews them.
    """
    earliest: datetime | None = None
    for queue, (expired, _) in queues.items():
        if queue.head() is not None or any(not row.lane.tenant.paused for row in expired.values()):
            return now
        for at in (queue.timers.earliest(), queue.leases.earliest(runner)):
            if at is not None and (earliest is None or at < earliest):
                earliest = at
    return earliest


def _mend(tables: Tables, now: datetime, lease: timedelta) -> None:
    """
    The clock went back by more than *lease*: undo what was decided for a future that never was.

    What was decided within a lease from now is left alone, so *high_water* may go no lower than that.
    """
    until = later(now, lease)
    mended: dict[TenantId, list[TaskRecord[Any]]] = {}
    for row in tables.rows.values():
        if row.succeeded_from is not None and row.succeeded_from > until:
            row.succeeded_from = now  # or its dependants would wait for that future
        if row.manual_at is not None and row.asked_at > until:
            row.manual_at = row.asked_at = now
            tables.place(row)
        if row.state is State.RUNNING:
            if row.held_at > until and row.runner is not None:
                # Otherwise nobody could take the task over before that future comes.
                _hold(row, row.lane.queue.leases.group(row.runner, lease, tables.era), now, until)
        elif row.decided_at > until and row.next_run_at is not None:
            row.next_run_at = row.slot_at = row.decided_at = now
            row.attempt, row.deferred_until, row.deferred_why = 1, None, ""
            mended.setdefault(row.task.tenant, []).append(row.task)
            tables.place(row)
    tables.high_water = until
    fault = OpenIncident("clock_fault", "unknown.internal_clock", f"The store's clock went back to {now}", Level.ERROR)
    for tenant, tasks in mended.items():
        tables.report(fault, tenant, tasks, now)
