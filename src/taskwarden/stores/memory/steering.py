"""What wardens do to a task or a tenant outside its runs: pause, steer, ask for a run, set caps and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import Activity, IntervalState
from taskwarden.errors import InvalidValue
from taskwarden.stores import moves
from taskwarden.stores.memory.row import NO_CAP

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.protocols import Steer
    from taskwarden.ids import Kind, TenantId
    from taskwarden.stores.memory.row import Row
    from taskwarden.stores.memory.tables import Tables

__all__ = ["limit_kind", "pause", "report_activity", "request_run", "set_tenant", "steer"]


def pause(tables: Tables, row: Row, *, paused: bool, actor: str) -> bool:
    """Do what ``Store.pause`` says."""
    if row.paused == paused:
        return False
    row.paused = paused
    name = ChangeName.TASK_PAUSED if paused else ChangeName.TASK_RESUMED
    tables.feed.tell(tables.clock.now(), name, row.task, actor)
    tables.place(row)
    return True


def steer(tables: Tables, row: Row, word: Steer) -> bool:
    """Do what ``Store.steer`` says."""
    if row.health.epoch != word.epoch or row.health.last_token != word.health.last_token:
        return False
    now, name = tables.clock.now(), ChangeName(word.name)
    memory = row.interval.memory if word.memory is None else word.memory
    interval = IntervalState(memory, row.interval.seed, row.interval.activity)
    moves.steer(row, word, interval)
    tables.decided(row, now)
    tables.feed.tell(now, name, row.task, word.actor, word.detail)
    tables.apply(word.effects, row.task.tenant, row.task, now)
    tables.place(row)
    return True


def request_run(tables: Tables, row: Row, *, at: datetime, actor: str) -> bool:
    """Do what ``Store.request_run`` says."""
    if row.manual_at is not None:
        return False
    now = tables.clock.now()
    row.manual_at, row.asked_at = at, now
    tables.high_water = max(tables.high_water, now)
    tables.feed.tell(now, ChangeName.RUN_REQUESTED, row.task, actor)
    tables.place(row)
    return True


def limit_kind(tables: Tables, kind: Kind, max_running: int | None) -> None:
    """Do what ``Store.limit_kind`` says."""
    queue = tables.queue(kind)
    full = queue.running >= queue.max_running
    queue.max_running = NO_CAP if max_running is None else _cap(max_running)
    if full and queue.head() is not None:
        tables.expect(tables.clock.now())


def set_tenant(
    tables: Tables, tenant_id: TenantId, *, paused: bool | None, weight: int | None, max_running: int | None
) -> None:
    """Do what ``Store.set_tenant`` says."""
    if weight is not None and weight < 1:
        raise InvalidValue("weight", weight, "must be at least 1", "pause the tenant to give it no turns")
    if max_running not in {None, -1}:
        _cap(max_running)
    tenant = tables.tenant(tenant_id)
    if paused is not None:
        tenant.paused = paused
    if weight is not None:
        tenant.weight = weight
    if max_running != -1:
        tenant.max_running = NO_CAP if max_running is None else max_running
    if not tenant.paused:
        now = tables.clock.now()
        tables.reopen(tenant, now)
        tables.expect(now)  # for leases that expired during the pause


def report_activity(tables: Tables, tenant_id: TenantId, kind: Kind | None, *, weight: int, until: datetime) -> None:
    """Do what ``Store.report_activity`` says."""
    tenant, activity = tables.tenant(tenant_id), Activity(weight, until)
    if kind is None:
        tenant.activity = activity
        lanes = list(tenant.lanes.values())
    else:
        lanes = [tables.lane(tenant, kind)]
    for lane in lanes:
        lane.activity = activity


def _cap(value: int) -> int:
    if value < 0:
        raise InvalidValue("max_running", value, "must be at least 0", "None lifts the cap")
    return value
