"""All that a memory store holds, and the few steps that every operation is made of."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import Notify, OpenIncident, ResolveIncident
from taskwarden.core.instant import FAR_FUTURE, FAR_PAST
from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import Hint
from taskwarden.errors import TaskNotFound
from taskwarden.stores.listeners import Listeners
from taskwarden.stores.memory.feed import Feed
from taskwarden.stores.memory.history import History
from taskwarden.stores.memory.incidents import Incidents
from taskwarden.stores.memory.row import Lane, Row, Tenant
from taskwarden.stores.memory.turns import KindQueue, Turns
from taskwarden.stores.moves import let_go

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from taskwarden.core.decision import Effect
    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import Kind, RunnerId, TaskId, TenantId

__all__ = ["Tables", "WallClock"]


class WallClock(Protocol):
    """The half of ``Clock`` that a store reads."""

    def now(self) -> datetime:
        """Return the time, aware UTC; it may jump either way."""


@attrs.define(eq=False)
class Tables:
    """
    What is stored.

    Args:
        high_water: Nothing was decided, asked for, taken or renewed later than this.
        seen: Up to when what is due has been moved from the timers.
        era: Grows whenever the clock is seen to go back.
        told: To whom ``claim`` named which ``next_due`` since the last hint.
        horizon: The latest of those: a task that is due before it deserves a hint. The end of time for a new listener.
        due: Something may be due earlier than was told.
    """

    clock: WallClock
    history: History
    feed: Feed
    rows: dict[TaskId, Row] = attrs.field(factory=dict)
    tenants: dict[TenantId, Tenant] = attrs.field(factory=dict)
    queues: dict[Kind, KindQueue] = attrs.field(factory=dict)
    incidents: Incidents = attrs.field(factory=Incidents)
    turns: Turns = attrs.field(factory=Turns)
    listeners: Listeners = attrs.field(factory=Listeners)
    numbers: Iterator[int] = attrs.field(factory=lambda: count(1))
    high_water: datetime = FAR_PAST
    seen: datetime = FAR_PAST
    era: int = 0
    told: dict[RunnerId, datetime] = attrs.field(factory=dict)
    horizon: datetime = FAR_FUTURE
    due: bool = False

    # --- looking up ---

    def row(self, tenant: TenantId, task_id: TaskId) -> Row:
        """
        Return the tenant's task.

        Raises:
            TaskNotFound: The tenant has none of that id.
        """
        row = self.rows.get(task_id)
        if row is None or row.task.tenant != tenant:
            raise TaskNotFound(tenant, task_id)
        return row

    def tenant(self, tenant: TenantId) -> Tenant:
        """Return what is held of *tenant*, from now on if nothing was."""
        known = self.tenants.get(tenant)
        if known is None:
            known = self.tenants[tenant] = Tenant(tenant)
        return known

    def queue(self, kind: Kind) -> KindQueue:
        """Return what is held of *kind*, from now on if nothing was."""
        known = self.queues.get(kind)
        if known is None:
            known = self.queues[kind] = KindQueue(len(self.queues), self.turns)
        return known

    def lane(self, tenant: Tenant, kind: Kind) -> Lane:
        """Return where *tenant*'s tasks of *kind* stand."""
        lane = tenant.lanes.get(kind)
        if lane is None:
            queue = self.queue(kind)
            lane = tenant.lanes[kind] = Lane(tenant, queue, tenant.activity)
            queue.lanes.append(lane)
        return lane

    # --- steps ---

    def look(self) -> datetime:
        """Return the time; if it went back, also take back what it had made due too early."""
        now = self.clock.now()
        if now < self.seen:
            self.era += 2
            for queue in self.queues.values():
                queue.leases.recall(self.era - 1)  # an era of their own: new leases may end before these
                for row in queue.recall():
                    self.place(row)
        self.seen = now
        return now

    def place(self, row: Row) -> None:
        """Put *row* where it waits for its time; nowhere if there is none, or it runs."""
        queue = row.lane.queue
        if row.entry is not None:
            queue.forget(row)
        if row.state is State.RUNNING:
            return
        at = row.next_run_at if row.state is State.SCHEDULED and not row.paused else None
        if row.manual_at is not None and (at is None or row.manual_at < at):
            at = row.manual_at
        if at is not None:
            row.entry = entry = (at, row.number, row)
            queue.timers.push(entry)
            if at < self.horizon:
                self.due = True

    def let_go(self, row: Row, now: datetime) -> None:
        """End the claim of *row*: lease, and places under caps."""
        if row.hold is not None:
            del row.hold[row.number]
            row.hold = None
        let_go(row)
        queue, tenant = row.lane.queue, row.lane.tenant
        queue.running -= 1
        tenant.running -= 1
        if tenant.running + 1 == tenant.max_running:
            self.reopen(tenant, now)
        if queue.running + 1 == queue.max_running and queue.head() is not None:
            self.expect(now)

    def reopen(self, tenant: Tenant, now: datetime) -> None:
        """Let what *tenant* has due compete again: a cap or a pause ends."""
        for lane in tenant.lanes.values():
            if lane.ready:
                lane.queue.enter(lane)
                self.expect(now)

    def expect(self, at: datetime) -> None:
        """Something may be due at *at*: hint, if anybody was told to sleep longer."""
        if at < self.horizon:
            self.due = True

    def decided(self, row: Row, now: datetime) -> None:
        """Remember when the times of *row* were decided."""
        row.decided_at = now
        self.high_water = max(self.high_water, now)

    def report(self, effect: OpenIncident, tenant: TenantId, tasks: Sequence[TaskRecord[Any]], now: datetime) -> None:
        """Open an incident, or add one sighting to it, on *tasks*."""
        incident, new = self.incidents.open(tenant, effect, [task.id for task in tasks], now)
        name = ChangeName.INCIDENT_OPENED if new else ChangeName.INCIDENT_SEEN
        task_id, kind = (tasks[0].id, tasks[0].kind) if len(tasks) == 1 else (None, None)
        self.feed.add((now, name, tenant, task_id, kind, incident, "", ""))

    def apply(self, effects: Iterable[Effect], tenant: TenantId, task: TaskRecord[Any] | None, now: datetime) -> None:
        """Write effects on *task*, or on the tenant alone."""
        task_id, kind = (None, None) if task is None else (task.id, task.kind)
        for effect in effects:
            match effect:
                case OpenIncident():
                    self.report(effect, tenant, [] if task is None else [task], now)
                case ResolveIncident():
                    resolved = self.incidents.resolve(tenant, effect.key, now)
                    if resolved is not None:
                        self.feed.add((now, ChangeName.INCIDENT_RESOLVED, tenant, task_id, kind, resolved, "", ""))
                case Notify():
                    self.feed.add((now, ChangeName.NOTICE, tenant, task_id, kind, effect, "", effect.message))

    def whisper(self) -> None:
        """Tell listeners what the operation that ends here has changed, each thing once."""
        if self.due:
            self.due = False
            self.told.clear()  # they will look, and be told anew
            self.horizon = FAR_PAST
            self.listeners.whisper(Hint.DUE)
        if self.feed.grown:
            self.feed.grown = False
            self.listeners.whisper(Hint.CHANGED)
