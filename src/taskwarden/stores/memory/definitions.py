"""What wardens do to a task's definition: make it, change what is named, delete it."""

from __future__ import annotations

import json
from bisect import bisect_left
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import IntervalState
from taskwarden.core.hashing import seed
from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import EnsuredAs
from taskwarden.core.task import TaskRecord
from taskwarden.errors import HasDependants
from taskwarden.ids import TaskId
from taskwarden.stores import moves
from taskwarden.stores.memory import edges
from taskwarden.stores.memory.row import Row

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.outcome import JSON
    from taskwarden.core.protocols import TaskSpec
    from taskwarden.ids import TenantId
    from taskwarden.stores.memory.tables import Tables

__all__ = ["delete", "ensure"]


def ensure(tables: Tables, tenant: TenantId, spec: TaskSpec) -> tuple[Row, EnsuredAs]:
    """Do what ``Store.ensure`` says."""
    now = tables.clock.now()
    for upstream in spec.depends_on:
        tables.row(tenant, upstream)
    known = tables.tenants.get(tenant)
    row = None if known is None else known.named.get((spec.kind, spec.key))
    if row is None:
        return _create(tables, tenant, spec, now), EnsuredAs.CREATED
    return row, _update(tables, row, spec, now)


def delete(tables: Tables, row: Row, *, detach: bool, actor: str) -> None:
    """Do what ``Store.delete`` says."""
    now = tables.clock.now()
    dependants = list((row.dependants or {}).values())
    if dependants and not detach:
        raise HasDependants(row.id, [dependant.task.key for dependant in dependants])
    lane, task = row.lane, row.task
    if row.runner is not None:
        tables.let_go(row, now)
    lane.queue.forget(row)
    lane.queue.stored -= 1
    edges.cut(row, task.depends_on, tables.rows)
    tenant = lane.tenant
    del tables.rows[row.id], tenant.rows[row.number], tenant.named[task.kind, task.key]
    del tenant.numbers[bisect_left(tenant.numbers, row.number)]
    for dependant in dependants:
        left = tuple(upstream for upstream in dependant.task.depends_on if upstream != row.id)
        dependant.task = attrs.evolve(dependant.task, depends_on=left, version=dependant.task.version + 1)
        if moves.release(dependant, tables.rows, now):
            tables.place(dependant)
    tables.feed.tell(now, ChangeName.TASK_DELETED, task, actor)


def _create(tables: Tables, tenant_id: TenantId, spec: TaskSpec, now: datetime) -> Row:
    tenant = tables.tenant(tenant_id)
    number, first = next(tables.numbers), spec.first
    task: TaskRecord[Any] = TaskRecord(
        id=TaskId(f"task-{number}"),
        tenant=tenant_id,
        kind=spec.kind,
        key=spec.key,
        payload=deepcopy(spec.payload),
        payload_version=spec.payload_version,
        priority=spec.priority,
        schedule=spec.schedule,
        depends_on=spec.depends_on,
        created_at=now,
    )
    state = IntervalState(first.memory, seed(tenant_id, spec.kind, spec.key))
    lane = tables.lane(tenant, spec.kind)
    row = Row(task, spec.schedule_digest, state, first.at, first.at, now, first.reason, number=number, lane=lane)
    lane.queue.stored += 1
    tables.rows[task.id] = tenant.rows[number] = tenant.named[spec.kind, spec.key] = row
    tenant.numbers.append(number)
    edges.draw(row, tables.rows)
    if first.at is None:
        row.state = State.DONE
    else:
        edges.block(row, tables.rows)
    tables.decided(row, now)
    tables.feed.tell(now, ChangeName.TASK_CREATED, task)
    tables.place(row)
    return row


def _update(tables: Tables, row: Row, spec: TaskSpec, now: datetime) -> EnsuredAs:
    task = row.task
    wanted: dict[str, Any] = {name: getattr(spec, name) for name in spec.named}
    if "payload" in wanted:
        wanted |= {"payload": deepcopy(spec.payload), "payload_version": spec.payload_version}
    if "depends_on" in wanted:
        edges.check_acyclic(row, spec.depends_on, tables.rows)
    another = ("schedule" in wanted or task.schedule is None) and row.digest != spec.schedule_digest
    changed = attrs.evolve(task, **wanted)
    if changed == task and _text(changed.payload) == _text(task.payload) and not another:
        return EnsuredAs.UNCHANGED
    # Before anything is written: a memory that is too long is refused.
    state = IntervalState(spec.first.memory, row.interval.seed, row.interval.activity)
    row.task = attrs.evolve(changed, version=task.version + 1)
    if another:
        moves.change_slot(row, spec, state)
        tables.decided(row, now)
    if changed.depends_on != task.depends_on:
        edges.cut(row, task.depends_on, tables.rows)
        edges.draw(row, tables.rows)
        moves.release(row, tables.rows, now)
        if row.state is State.SCHEDULED and row.attempt == 1:  # a retry's slot was released already
            edges.block(row, tables.rows)
    tables.feed.tell(now, ChangeName.TASK_UPDATED, row.task)
    tables.place(row)
    return EnsuredAs.UPDATED


def _text(payload: JSON) -> str:
    # To Python 1, 1.0 and True are equal; in JSON they are not.
    return json.dumps(payload, sort_keys=True)
