"""The read side: tasks and tenants as they stand at one instant."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import TenantState
from taskwarden.core.record import Tally, TaskStatus
from taskwarden.errors import TaskNotFound
from taskwarden.stores.memory.claims import interval
from taskwarden.stores.memory.history import run_of
from taskwarden.stores.memory.row import NO_CAP
from taskwarden.stores.moves import unreleased

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.record import Status
    from taskwarden.ids import Kind, TaskId, TenantId
    from taskwarden.stores.memory.row import Row, Tenant
    from taskwarden.stores.memory.tables import Tables

__all__ = ["page", "status_of", "tallies", "tenant_state"]


def status_of(tables: Tables, row: Row, now: datetime) -> TaskStatus:
    """Return *row* as it stands at *now*."""
    return TaskStatus(
        task=row.task,
        as_of=now,
        state=row.state,
        health=row.health,
        interval=interval(row, now),
        paused=row.paused,
        attempt=row.attempt,
        next_run_at=row.next_run_at,
        slot_at=row.slot_at,
        manual_at=row.manual_at,
        plan_reason=row.plan_reason,
        blocked_by=unreleased(row, tables.rows) if row.state is State.BLOCKED else (),
        deferred_until=row.deferred_until,
        deferred_why=row.deferred_why,
        runner=row.runner,
        lease_until=row.lease_until,
        running_since=row.claimed_at,
        last_run=None if row.last is None else run_of(row.last),
        last_success_at=row.succeeded_at,
    )


def page(
    tables: Tables, tenant: Tenant, *, kind: Kind | None, status: Status | None, after: TaskId | None, limit: int
) -> list[TaskStatus]:
    """Return tasks in order of creation. Costs those that are looked at, not those before *after*."""
    now = tables.clock.now()
    found: list[TaskStatus] = []
    begin = 0 if after is None else bisect_right(tenant.numbers, _number(tenant.id, after))
    for number in islice(tenant.numbers, begin, None):
        row = tenant.rows[number]
        if kind is None or row.task.kind == kind:
            told = status_of(tables, row, now)
            if status is None or told.status is status:
                found.append(told)
                if len(found) == limit:
                    break
    return found


def tenant_state(tables: Tables, tenant: Tenant) -> TenantState:
    """Return what holds for *tenant*. Costs what it has due, and what became due since the last claim."""
    now, due = tables.look(), 0
    for lane in tenant.lanes.values():
        lane.queue.advance(now)
        due += sum(entry[2].entry is entry for entry in lane.ready)
    return TenantState(
        tenant=tenant.id,
        paused=tenant.paused,
        weight=tenant.weight,
        max_running=None if tenant.max_running == NO_CAP else tenant.max_running,
        running=tenant.running,
        due=due,
    )


def tallies(tenant: Tenant) -> list[Tally]:
    """Return the tenant's cumulative counters."""
    return [
        Tally(tenant.id, kind, ending, code, runs)
        for kind, lane in tenant.lanes.items()
        for (ending, code), runs in lane.tallies.items()
    ]


def _number(tenant: TenantId, task_id: TaskId) -> int:
    """Return the place in the order of creation that *task_id* tells, also of a task that is gone."""
    prefix, _, number = task_id.partition("-")
    if prefix != "task" or not number.isdecimal():
        raise TaskNotFound(tenant, task_id)
    return int(number)
