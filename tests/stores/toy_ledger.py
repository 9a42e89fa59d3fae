"""What the toy store keeps: lists, and loops that look through them."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from fractions import Fraction
from typing import Any

import attrs

from taskwarden.core.change import Change, ChangeName
from taskwarden.core.claim import urgency
from taskwarden.core.decision import Activity, Effect, IntervalState, Notify, ResolveIncident
from taskwarden.core.hashing import seed
from taskwarden.core.health import HEALTHY, Health
from taskwarden.core.lifecycle import Signal, State, apply
from taskwarden.core.protocols import Hint
from taskwarden.core.record import Ending, Incident, Run, TaskStatus
from taskwarden.core.task import Priority, TaskRecord
from taskwarden.errors import TaskNotFound
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId


@attrs.define
class Lease:
    """
    Who runs a task.

    *manual* is the request that the run answers, *rest* the state to return to after it, *slot_at* the task's slot when
    it was claimed.
    """

    runner: RunnerId
    until: datetime
    since: datetime
    renewed: datetime
    manual: datetime | None
    rest: State
    slot_at: datetime | None


@attrs.define(eq=False)
class Row:
    """One task."""

    task: TaskRecord[Any]
    digest: str
    next_run_at: datetime | None
    slot_at: datetime | None
    decided_at: datetime
    reason: str
    memory: str
    state: State = State.SCHEDULED
    health: Health = HEALTHY
    attempt: int = 1
    urgent: bool = False
    paused: bool = False
    manual_at: datetime | None = None
    deferred_until: datetime | None = None
    deferred_why: str = ""
    token: int = 0
    lease: Lease | None = None
    last_run: Run | None = None
    last_success: Run | None = None
    done_by_success: bool = False

    @property
    def rest(self) -> State:
        """The state, or the one that a manual run in progress will return to."""
        return self.lease.rest if self.lease is not None and self.lease.manual is not None else self.state

    def move(self, signal: Signal) -> None:
        self.state = apply(self.state, signal)

    def is_scheduled_due(self, now: datetime) -> bool:
        at = self.next_run_at
        return self.state is State.SCHEDULED and not self.paused and at is not None and at <= now

    def is_manual_due(self, now: datetime) -> bool:
        return self.lease is None and self.manual_at is not None and self.manual_at <= now

    def is_due(self, now: datetime) -> bool:
        return self.is_scheduled_due(now) or self.is_manual_due(now)

    def is_expired(self, now: datetime) -> bool:
        return self.lease is not None and self.lease.until <= now

    def urgency(self) -> datetime:
        """Return its place within its tenant's turn: by the earlier of the slot's time and the request's."""
        at = self.next_run_at if self.state is State.SCHEDULED and not self.paused else None
        if at is None or (self.manual_at is not None and self.manual_at < at):
            assert self.manual_at is not None
            return urgency(self.manual_at, self.task.priority)
        return urgency(at, Priority.CRITICAL if self.urgent else self.task.priority)

    def wakes_at(self) -> Iterator[datetime]:
        """Yield the instants from which on there may be something to claim."""
        if self.lease is not None:
            yield self.lease.until
            return
        if self.manual_at is not None:
            yield self.manual_at
        if self.state is State.SCHEDULED and not self.paused and self.next_run_at is not None:
            yield self.next_run_at


@attrs.define
class Tenant:
    """What is set for a tenant. The one whose *turn* is least goes next, and moves on by 1 / *weight*."""

    id: TenantId
    paused: bool = False
    weight: int = 1
    max_running: int | None = None
    turn: Fraction = Fraction(0)


@attrs.define(eq=False)
class Ledger:
    """All that is kept. Several toy stores may share one, as processes share a database."""

    now: Callable[[], datetime]
    rows: list[Row] = attrs.field(factory=list)
    runs: list[Run] = attrs.field(factory=list)
    changes: list[Change] = attrs.field(factory=list)
    incidents: list[Incident] = attrs.field(factory=list)
    tallies: Counter[tuple[TenantId, Kind, Ending, str]] = attrs.field(factory=Counter)
    tenants: list[Tenant] = attrs.field(factory=list)
    kind_caps: dict[Kind, int | None] = attrs.field(factory=dict)
    activities: list[tuple[TenantId, Kind | None, Activity]] = attrs.field(factory=list)
    listeners: list[Callable[[Hint], None]] = attrs.field(factory=list)
    forgotten: int = 0
    last_turn: Fraction = Fraction(0)
    tasks_made: int = 0

    # --- looking up --------------------------------------------------------------------------------

    def row(self, tenant: TenantId, task_id: TaskId) -> Row:
        for row in self.rows:
            if row.task.id == task_id and row.task.tenant == tenant:
                return row
        raise TaskNotFound(tenant, task_id)

    def named(self, tenant: TenantId, kind: Kind, key: str) -> Row | None:
        for row in self.rows:
            if (row.task.tenant, row.task.kind, row.task.key) == (tenant, kind, key):
                return row
        return None

    def held(self, task_id: TaskId, token: int) -> Row | None:
        for row in self.rows:
            if row.task.id == task_id and row.token == token and row.lease is not None:
                return row
        return None

    def tenant(self, tenant: TenantId) -> Tenant:
        for known in self.tenants:
            if known.id == tenant:
                return known
        self.tenants.append(Tenant(tenant))
        return self.tenants[-1]

    def open_rows(self, kinds: Collection[Kind]) -> list[Row]:
        """Return the tasks of *kinds* whose tenant is not paused."""
        return [row for row in self.rows if row.task.kind in kinds and not self.tenant(row.task.tenant).paused]

    def interval(self, row: Row) -> IntervalState:
        task, believed = row.task, None
        for tenant, kind, activity in self.activities:
            if tenant == task.tenant and kind in {None, task.kind}:
                believed = activity
        if believed is not None and believed.until <= self.now():
            believed = None
        return IntervalState(row.memory, seed(task.tenant, task.kind, task.key), believed)

    def status(self, row: Row) -> TaskStatus:
        lease = row.lease
        return TaskStatus(
            task=row.task,
            as_of=self.now(),
            state=row.state,
            health=row.health,
            interval=self.interval(row),
            paused=row.paused,
            attempt=row.attempt,
            next_run_at=row.next_run_at,
            slot_at=row.slot_at,
            manual_at=row.manual_at,
            plan_reason=row.reason,
            blocked_by=self.unreleased(row) if row.state is State.BLOCKED else (),
            deferred_until=row.deferred_until,
            deferred_why=row.deferred_why,
            runner=lease.runner if lease else None,
            lease_until=lease.until if lease else None,
            running_since=lease.since if lease else None,
            last_run=row.last_run,
            last_success_at=row.last_success.finished_at if row.last_success else None,
        )

    # --- dependencies ------------------------------------------------------------------------------

    def unreleased(self, row: Row) -> tuple[TaskId, ...]:
        """Return the upstream tasks whose edges are not satisfied."""
        since = row.last_success.started_at if row.last_success else None
        waiting = []
        for upstream in self.rows:
            if upstream.task.id in row.task.depends_on:
                success = upstream.last_success
                is_newer = success is not None and (since is None or success.started_at > since)
                if not is_newer and not (upstream.rest is State.DONE and upstream.done_by_success):
                    waiting.append(upstream.task.id)
        return tuple(waiting)

    def release(self, row: Row) -> None:
        """Unblock *row*, if nothing holds its slot any more."""
        if row.rest is not State.BLOCKED or self.unreleased(row):
            return
        if row.next_run_at is not None:
            row.next_run_at = max(row.next_run_at, self.now())
        if row.lease is not None:
            row.lease.rest = apply(row.lease.rest, Signal.UNBLOCK)
        else:
            row.move(Signal.UNBLOCK)

    # --- writing down ------------------------------------------------------------------------------

    def record(self, name: ChangeName, task: TaskRecord[Any], **more: Any) -> None:
        self.append(name, task.tenant, task_id=task.id, kind=task.kind, **more)

    def append(self, name: ChangeName, tenant: TenantId, **more: Any) -> None:
        seq = self.forgotten + len(self.changes) + 1
        self.changes.append(Change(seq=seq, at=self.now(), name=name, tenant=tenant, **more))

    def apply(self, effect: Effect, tenant: TenantId, *tasks: TaskRecord[Any]) -> None:
        """Write an effect on *tasks*: mostly on one, sometimes on the tenant alone."""
        task_id, kind = (tasks[0].id, tasks[0].kind) if len(tasks) == 1 else (None, None)
        if isinstance(effect, Notify):
            self.append(ChangeName.NOTICE, tenant, task_id=task_id, kind=kind, notice=effect, detail=effect.message)
            return
        now = self.now()
        name = ChangeName.INCIDENT_SEEN
        incident = next(
            (
                each
                for each in self.incidents
                if (each.tenant, each.key) == (tenant, effect.key) and each.resolved_at is None
            ),
            None,
        )
        if incident is None:
            if isinstance(effect, ResolveIncident):
                return
            name = ChangeName.INCIDENT_OPENED
            incident = Incident(
                tenant=tenant,
                key=effect.key,
                code=effect.code,
                title=effect.title,
                level=effect.level,
                opened_at=now,
                last_seen_at=now,
                sightings=0,
                task_ids=(),
            )
            self.incidents.append(incident)
        place = self.incidents.index(incident)
        if isinstance(effect, ResolveIncident):
            name, incident = ChangeName.INCIDENT_RESOLVED, attrs.evolve(incident, resolved_at=now)
        else:
            seen = tuple(dict.fromkeys((*incident.task_ids, *(task.id for task in tasks))))
            incident = attrs.evolve(incident, last_seen_at=now, sightings=incident.sightings + 1, task_ids=seen)
        self.incidents[place] = incident
        self.append(name, tenant, task_id=task_id, kind=kind, incident=incident)

    def tell(self) -> None:
        """Whisper to all who listen; once too often does no harm."""
        for listener in list(self.listeners):
            listener(Hint.DUE)
            listener(Hint.CHANGED)
