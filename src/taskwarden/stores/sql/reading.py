"""The read side: tasks, runs, tenants and statistics as they stand at one instant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import func, select, tuple_

from taskwarden.core.instant import micros
from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import TenantState
from taskwarden.core.record import Ending, Tally, TaskStatus
from taskwarden.errors import TaskNotFound
from taskwarden.ids import Kind, TaskId, TenantId
from taskwarden.stores.moves import unreleased
from taskwarden.stores.sql.records import number_of_run, run_of
from taskwarden.stores.sql.rows import activity_of, number_of, stored, task_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from taskwarden.core.record import Run, Status
    from taskwarden.ids import RunId
    from taskwarden.stores.sql.known import KnownTasks
    from taskwarden.stores.sql.rows import Row
    from taskwarden.stores.sql.schema import Tables
    from taskwarden.stores.sql.statements import Statements

__all__ = ["Reading"]

_CHUNK: Final = 200
"""How many tasks are looked at together where the wanted ones are found by looking."""


@attrs.define(eq=False)
class Reading:
    """One transaction that reads, at the store's time *now*."""

    conn: Connection
    sql: Statements
    known: KnownTasks
    now: datetime

    @property
    def t(self) -> Tables:
        """The tables."""
        return self.sql.tables

    # --- tasks --------------------------------------------------------------------------------------------------

    def get(self, tenant: TenantId, name: TaskId) -> TaskStatus:
        """Do what ``Store.get`` says."""
        due = self.t.due
        found = self._statuses(select(due).where(due.c.task_id == number_of(tenant, name), due.c.tenant == tenant))
        if not found:
            raise TaskNotFound(tenant, name)
        return found[0]

    def find(self, tenant: TenantId, kind: Kind, key: str) -> TaskStatus | None:
        """Do what ``Store.find`` says."""
        due = self.t.due
        named = {"tenant": tenant, "kind": kind, "key": key}
        number = self.conn.execute(self.sql.read_task, named).scalar_one_or_none()
        found = [] if number is None else self._statuses(select(due).where(due.c.task_id == number))
        return found[0] if found else None

    def page(
        self, tenant: TenantId, *, kind: Kind | None, status: Status | None, after: TaskId | None, limit: int
    ) -> list[TaskStatus]:
        """Do what ``Store.tasks`` says. A status is found by looking: it may cost all of the tenant's tasks."""
        task, due = self.t.task, self.t.due
        begin = 0 if after is None else number_of(tenant, after)
        found: list[TaskStatus] = []
        size = limit if status is None else max(limit, _CHUNK)
        while len(found) < limit:
            query = select(task.c.id).where(task.c.tenant == tenant, task.c.id > begin).order_by(task.c.id).limit(size)
            if kind is not None:
                query = query.where(task.c.kind == kind)
            numbers = list(self.conn.execute(query).scalars())
            told = self._statuses(select(due).where(due.c.task_id.in_(numbers)).order_by(due.c.task_id))
            found += [each for each in told if status is None or each.status is status]
            if len(numbers) < size:
                break
            begin = numbers[-1]
        return found[:limit]

    def of_row(self, row: Row) -> TaskStatus:
        """Return a task that this transaction has changed, as it stands with that."""
        due = self.t.due
        return self._statuses(select(due).where(due.c.task_id == row.number), {row.number: row})[0]

    def _statuses(self, query: Any, changed: dict[int, Row] | None = None) -> list[TaskStatus]:
        found = self.conn.execute(query).all()
        rows: dict[int, Row] = dict(changed or {})
        activity = self._activity([due.lane_id for due in found])
        known = self.known.of(self.conn, {due.task_id: due.version for due in found if due.task_id not in rows})
        for due in found:
            entry = known.get(due.task_id)
            if entry is not None:
                interval = entry.interval(due.memory, activity.get(due.lane_id))
                rows[due.task_id] = stored(due, entry.record, entry.digest, entry.health(due.health), interval)
        told = [rows[due.task_id] for due in found if due.task_id in rows]
        runs = self._last_runs(told)
        blocked = self._blocked([row for row in told if row.state is State.BLOCKED])
        return [self._status(row, activity, runs.get(row.number), blocked.get(row.number, ())) for row in told]

    def _status(
        self, row: Row, activity: dict[int, Any], last: Run | None, blocked_by: tuple[TaskId, ...]
    ) -> TaskStatus:
        interval = attrs.evolve(row.interval, activity=activity.get(row.lane_id))
        return TaskStatus(
            task=row.task,
            as_of=self.now,
            state=row.state,
            health=row.health,
            interval=interval,
            paused=row.paused,
            attempt=row.attempt,
            next_run_at=row.next_run_at,
            slot_at=row.slot_at,
            manual_at=row.manual_at,
            plan_reason=row.plan_reason,
            blocked_by=blocked_by,
            deferred_until=row.deferred_until,
            deferred_why=row.deferred_why,
            runner=row.runner,
            lease_until=row.lease_until,
            running_since=row.claimed_at,
            last_run=last,
            last_success_at=row.succeeded_at,
        )

    def _activity(self, lanes: Sequence[int]) -> dict[int, Any]:
        lane = self.t.lane
        if not lanes:
            return {}
        query = select(lane.c.id, lane.c.activity_weight, lane.c.activity_until).where(
            lane.c.id.in_(sorted(set(lanes))), lane.c.activity_until > micros(self.now)
        )
        return {row.id: activity_of(row.activity_weight, row.activity_until) for row in self.conn.execute(query)}

    def _last_runs(self, rows: Sequence[Row]) -> dict[int, Run]:
        run = self.t.run
        wanted = [(row.number, row.last_token) for row in rows if row.last_token]
        if not wanted:
            return {}
        found = self.conn.execute(select(run).where(tuple_(run.c.task_id, run.c.token).in_(wanted)))
        return {row.task_id: run_of(row) for row in found}

    def _blocked(self, rows: Sequence[Row]) -> dict[int, tuple[TaskId, ...]]:
        """Return what blocked tasks wait for."""
        numbers = {number_of(row.task.tenant, name) for row in rows for name in row.task.depends_on}
        if not numbers:
            return {}
        found = self.sql.rows_of(self.conn, self.sql.read_due, sorted(numbers))
        known = self.known.of(self.conn, {due.task_id: due.version for due in found})
        above = {}
        for due in found:
            entry = known[due.task_id]
            health, interval = entry.health(due.health), entry.interval(due.memory, None)
            above[task_id(due.task_id)] = stored(due, entry.record, entry.digest, health, interval)
        return {row.number: unreleased(row, above) for row in rows}

    # --- runs, tenants, statistics ------------------------------------------------------------------------------

    def runs(self, tenant: TenantId, *, task_id: TaskId | None, before: RunId | None, limit: int) -> list[Run]:
        """Do what ``Store.runs`` says. A task's tokens grow with each run, so its newest run has the greatest."""
        run = self.t.run
        query = select(run).where(run.c.tenant == tenant).limit(limit)
        if before is not None:
            query = query.where(run.c.id < number_of_run(before))
        if task_id is None:
            query = query.order_by(run.c.id.desc())
        else:
            try:
                number = number_of(tenant, task_id)
            except TaskNotFound:
                return []
            query = query.where(run.c.task_id == number).order_by(run.c.token.desc())
        return [run_of(row) for row in self.conn.execute(query)]

    def tallies(self, tenant: TenantId) -> list[Tally]:
        """Do what ``Store.tallies`` says."""
        table = self.t.rollup
        keys = (table.c.kind, table.c.ending, table.c.code)
        query = select(*keys, func.sum(table.c.runs)).where(table.c.tenant == tenant).group_by(*keys)
        return [
            Tally(tenant, Kind(kind), Ending(ending), code, int(runs))
            for kind, ending, code, runs in self.conn.execute(query)
        ]

    def tenant(self, tenant: TenantId) -> TenantState:
        """Do what ``Store.tenant`` says. Costs what the tenant has due."""
        t, due = self.t, self.t.due
        row = self.conn.execute(select(t.tenant).where(t.tenant.c.tenant == tenant)).one_or_none()
        running = select(func.count()).where(due.c.lease_until.is_not(None), due.c.tenant == tenant)
        lanes = select(t.lane.c.id).where(t.lane.c.tenant == tenant)
        waiting = select(func.count()).where(due.c.lane_id.in_(lanes), due.c.ready_at <= micros(self.now))
        return TenantState(
            tenant=tenant,
            paused=False if row is None else bool(row.paused),
            weight=1 if row is None else row.weight,
            max_running=None if row is None else row.max_running,
            running=self.conn.execute(running).scalar_one(),
            due=self.conn.execute(waiting).scalar_one(),
        )
