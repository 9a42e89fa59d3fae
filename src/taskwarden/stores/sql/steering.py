"""What wardens do to a task or a tenant outside its runs, in a database: pause, steer, ask for a run, set caps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import IntervalState
from taskwarden.core.instant import micros
from taskwarden.errors import InvalidValue
from taskwarden.stores import moves
from taskwarden.stores.sql import incidents
from taskwarden.stores.sql.lanes import reopen
from taskwarden.stores.sql.rows import check_figure

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.protocols import Steer
    from taskwarden.ids import Kind, TenantId
    from taskwarden.stores.sql.rows import Row
    from taskwarden.stores.sql.writing import Writing

__all__ = ["limit_kind", "pause", "report_activity", "request_run", "set_tenant", "steer"]


def pause(writing: Writing, row: Row, *, paused: bool, actor: str) -> bool:
    """Do what ``Store.pause`` says, in the transaction *writing*."""
    if row.paused == paused:
        return False
    row.paused = paused
    writing.tell_of(ChangeName.TASK_PAUSED if paused else ChangeName.TASK_RESUMED, row, actor)
    writing.save(row)
    return True


def steer(writing: Writing, row: Row, word: Steer) -> bool:
    """Do what ``Store.steer`` says, in the transaction *writing*."""
    if row.health.epoch != word.epoch or row.health.last_token != word.health.last_token:
        return False
    name = ChangeName(word.name)
    memory = row.interval.memory if word.memory is None else word.memory
    moves.steer(row, word, IntervalState(memory, row.interval.seed))
    row.decided_at = writing.now
    writing.tell_of(name, row, word.actor, word.detail)
    incidents.apply(writing, word.effects, row.task.tenant, row)
    writing.save(row)
    return True


def request_run(writing: Writing, row: Row, *, at: datetime, actor: str) -> bool:
    """Do what ``Store.request_run`` says, in the transaction *writing*."""
    if row.manual_at is not None:
        return False
    row.manual_at, row.asked_at = at, writing.now
    writing.tell_of(ChangeName.RUN_REQUESTED, row, actor)
    writing.save(row)
    writing.decided = max(writing.decided or writing.now, writing.now)
    return True


def limit_kind(writing: Writing, kind: Kind, max_running: int | None) -> None:
    """Do what ``Store.limit_kind`` says, in the transaction *writing*."""
    if max_running is not None:
        _check_cap(max_running)
    table = writing.t.kind
    upsert = writing.sql.dialect.upsert(table, ("kind",), {"max_running": ...})
    writing.conn.execute(upsert, {"kind": kind, "max_running": max_running})
    writing.due = True


def set_tenant(
    writing: Writing, tenant: TenantId, *, paused: bool | None, weight: int | None, max_running: int | None
) -> None:
    """Do what ``Store.set_tenant`` says, in the transaction *writing*."""
    if weight is not None:
        if weight < 1:
            raise InvalidValue("weight", weight, "must be at least 1", "pause the tenant to give it no turns")
        check_figure("weight", weight)
    changed: dict[str, Any] = {}
    if paused is not None:
        changed["paused"] = paused
    if weight is not None:
        changed |= {"weight": weight, "credit": 0}
    if max_running != -1:
        if max_running is not None:
            _check_cap(max_running)
        changed["max_running"] = max_running
    _keep(writing, tenant, changed)
    if not paused:
        reopen(writing, [tenant])


def report_activity(writing: Writing, tenant: TenantId, kind: Kind | None, *, weight: int, until: datetime) -> None:
    """Do what ``Store.report_activity`` says, in the transaction *writing*."""
    check_figure("weight", weight)
    t, conn = writing.t, writing.conn
    reported = {"activity_weight": weight, "activity_until": micros(until)}
    lanes = update(t.lane).where(t.lane.c.tenant == tenant)
    if kind is None:
        _keep(writing, tenant, reported)
    else:
        upsert = writing.sql.dialect.upsert(t.lane, ("tenant", "kind"))
        conn.execute(upsert, {"tenant": tenant, "kind": kind, "turn_at": None, "turn": 0})
        lanes = lanes.where(t.lane.c.kind == kind)
    conn.execute(lanes.values(reported))


def _keep(writing: Writing, tenant: TenantId, changed: dict[str, Any]) -> None:
    """Write what holds for *tenant*, which may not be known yet."""
    t, conn, dialect = writing.t, writing.conn, writing.sql.dialect
    conn.execute(dialect.upsert(t.tenant, ("tenant",)), {"tenant": tenant})
    conn.execute(dialect.locked(select(t.tenant.c.tenant).where(t.tenant.c.tenant == tenant)))
    if changed:
        conn.execute(update(t.tenant).where(t.tenant.c.tenant == tenant).values(changed))


def _check_cap(value: int) -> None:
    if value < 0:
        raise InvalidValue("max_running", value, "must be at least 0", "None lifts the cap")
    check_figure("max_running", value)
