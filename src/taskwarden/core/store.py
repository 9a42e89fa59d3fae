"""
``Store``: the contract that every store keeps, and the values that only it takes and gives.

The docstrings are the contract: they alone should suffice to write another store, and
``taskwarden.testing.StoreConformance`` tests each sentence of them.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from taskwarden.core.change import Changes
    from taskwarden.core.claim import Claims, Completion, Deferral, Holds, Receipt, Renewal
    from taskwarden.core.decision import Effect, OpenIncident, Planned
    from taskwarden.core.health import Health
    from taskwarden.core.outcome import JSON
    from taskwarden.core.protocols import IntervalPolicy
    from taskwarden.core.record import Incident, Run, Status, Tally, TaskStatus
    from taskwarden.core.task import Priority, TaskRecord
    from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId

__all__ = ["Ensured", "EnsuredAs", "Hint", "Steer", "Store", "TaskSpec", "TenantState"]


class EnsuredAs(enum.StrEnum):
    """What ``Store.ensure`` did."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class Hint(enum.Enum):
    """What a store whispers to those who listen. Hints may be late, doubled or lost: they save time, not work."""

    DUE = enum.auto()
    """Something may be due earlier than was known."""
    CHANGED = enum.auto()
    """The feed has grown."""


def _distinct(names: Iterable[TaskId]) -> tuple[TaskId, ...]:
    return tuple(dict.fromkeys(names))


@attrs.frozen(kw_only=True)
class TaskSpec:
    """
    What ``Store.ensure`` is to make true. Checked by the warden before it comes here.

    Args:
        named: The fields that the caller named: of a task that exists, only these are changed. Of
            ``payload priority schedule depends_on``.
        schedule: The task's own interval policy; None: the executor's.
        schedule_digest: Names the schedule in force, own or the executor's: the next time moves only if it changed.
        first: The slot to start with, planned for a new task or a changed schedule.
    """

    kind: Kind
    key: str
    payload: JSON
    payload_version: int
    priority: Priority
    schedule: IntervalPolicy | None
    schedule_digest: str
    depends_on: tuple[TaskId, ...] = attrs.field(converter=_distinct)
    first: Planned
    named: frozenset[str]


@attrs.frozen
class Ensured:
    """The task as it is after ``Store.ensure``, and what was done."""

    status: TaskStatus
    how: EnsuredAs

    @property
    def id(self) -> TaskId:
        """The task's id."""
        return self.status.id

    @property
    def task(self) -> TaskRecord[Any]:
        """The task's definition; its payload is JSON as stored."""
        return self.status.task


@attrs.frozen(kw_only=True)
class Steer:
    """
    An operator's word on one task, decided outside a run and fenced by the epoch that it was decided on.

    Args:
        name: ``task.retried`` or ``task.rescheduled``, for the feed.
        epoch: The health's epoch that was read.
        health: The new health, whose epoch is greater, and whose last token is that of the health that was read.
        next_run_at: When the task may run next.
        slot_at: The slot of that run; None: the slot stays, or is *next_run_at* where the task was done.
        memory: What the interval policy remembers; None: as it was.
    """

    name: str
    epoch: int
    health: Health
    next_run_at: datetime
    slot_at: datetime | None = None
    memory: str | None = None
    effects: tuple[Effect, ...] = ()
    actor: str = ""
    detail: str = ""


@attrs.frozen(kw_only=True)
class TenantState:
    """
    What holds for all tasks of a tenant.

    Args:
        weight: Its share of turns; 1 is ordinary.
        max_running: Most of its tasks that run at the same time, over all runners; None: no cap.
        running: How many run now.
        due: How many are due and wait.
    """

    tenant: TenantId
    paused: bool = False
    weight: int = 1
    max_running: int | None = None
    running: int = 0
    due: int = 0


class Store(Protocol):
    """
    Where tasks, runs and the feed are kept. Stores persist decisions; they never decide.

    Every method is atomic: it happens wholly or, if it raises or is cancelled, may be assumed not to have happened
    (after a lost connection: may or may not have, and is safe to repeat). All instants are by the store's one clock.
    Methods that take a tenant see and touch that tenant's tasks only: others' ids read as absent (``TaskNotFound``).

    Raises, from every method:
        StoreUnavailable: The backend could not be reached; nothing was changed.
        Closed: The store was closed.
    """

    # --- for runners -------------------------------------------------------------------------------------------

    async def now(self) -> datetime:
        """Return the store's time."""

    async def claim(self, *, runner: RunnerId, kinds: Collection[Kind], limit: int, lease: timedelta) -> Claims:
        """
        Take tasks exclusively, for *lease*.

        Expects no order of calls: runners need not register. Should the store find its own clock to have gone back by
        more than a lease since a task was last decided on, it makes that task due now, with a slot of now, and opens an
        incident ``clock_fault`` of the task's tenant (decided times that lie in a future that was never real); of one
        that runs, the lease then lasts no longer than *lease* from now. A manual run asked for in that future is due
        now.

        Claimable is a task of one of *kinds* whose tenant is not paused and that either is SCHEDULED, not paused and
        due (``next_run_at <= now``); or has a manual run asked for and due, paused or not, in any state but RUNNING; or
        is RUNNING with an expired lease: then the claim has ``lost_by`` set, and is to be completed with ``Lost``.
        Each claim raises the task's token. No task is in two claims with live leases. A manual request is taken up by
        its claim, before a slot that is due too, and stands again if that claim's completion is Interrupted. (Not if it
        is Lost: a run that kills its process must not be started again and again without the policy having a say.)

        Order: tenants take turns in proportion to their weights; within a tenant the least ``urgency(due, priority)``
        goes first, and of equal ones the task that was made first. With T tenants of equal weight that have claimable
        tasks, each is served within T claimed tasks plus one batch for each concurrent runner. Caps on running tasks,
        per tenant and per kind, hold at every instant over all runners; what is over a cap waits and holds nobody up.
        Tasks of other kinds are left alone. Claims that take over expired leases come first, and count in caps as
        before.

        Args:
            limit: Most claims to return; at least 1.
            lease: How long they stay exclusive; positive.

        Raises:
            InvalidValue: *limit* or *lease* is too small; nothing was claimed.
        """

    async def renew(self, *, runner: RunnerId, holds: Holds, lease: timedelta) -> Renewal:
        """
        Prolong the leases that *runner* holds, to *lease* from now, expired ones included while the token is current.

        Returns:
            The tasks whose token is stale, or that are gone: their runs should be cancelled.

        Raises:
            InvalidValue: *lease* is not positive; nothing was prolonged.
        """

    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        """
        Write what became of claims: task row, run row, statistics, feed and effects of each together.

        Fenced item by item, in order: token not current, claim completed or given back before, or task deleted:
        REFUSED, nothing of it is written, so that repeating a batch is safe. Token current and the stored epoch newer
        than the claim's: OVERRULED: run, statistics and feed are written, the slot is settled if the completion settles
        it and no other was set meanwhile, the lease is released; health, phase, memory and next time stay as the
        operator set them (the time at least a microsecond after the slot that is settled, which must not run again),
        and no effects are applied. Otherwise RECORDED. A refused item does not spoil its batch. An
        expired lease whose token is still current is accepted.

        A manual run's completion settles nothing: slot, attempt, memory and state are again as before the claim; its
        health is written, and its ``next_run_at`` if that is not None. Of the others, one with ``slot_at`` None makes
        the task DONE. Otherwise it is SCHEDULED, or BLOCKED where the slot is new and an upstream has not released it.
        (An OVERRULED one whose ``slot_at`` is None leaves the task SCHEDULED for the operator's time, as its new slot.)
        A slot that was moved during the run (by ``ensure`` or ``steer``) stays moved, whatever the completion plans,
        but for the next time where its phase is not HEALTHY.
        A success releases the BLOCKED tasks that waited for it alone, in the same write: they are due from now on, or
        from their next time if that is later. An edge is satisfied if the
        upstream has a success that started after the start of the dependant's last success, or is DONE by success.

        Effects: ``OpenIncident`` opens an incident of (tenant, key), or adds a sighting to the open one;
        ``ResolveIncident`` closes it; ``Notify`` becomes a notice in the feed.

        Returns:
            One receipt for each completion, in order.
        """

    async def defer(self, deferrals: Sequence[Deferral]) -> Sequence[Receipt]:
        """
        Give claims back unrun: ``next_run_at`` is their *until*; slot, attempt and health stay; no run row.

        Fenced like completions. A manual request stands again, from *until* on; the schedule is left alone.
        """

    async def listen(self, hint: Callable[[Hint], None]) -> None:
        """
        Call *hint* in this event loop whenever something changes, until cancelled. Never returns otherwise.

        Calls it once with each hint as soon as it listens, for what happened before it could hear.

        Hints may be lost: callers that must not miss anything also look by themselves.
        """

    async def open_incident(self, tenant: TenantId, incident: OpenIncident, task_id: TaskId | None = None) -> None:
        """Apply an ``OpenIncident`` outside any completion: the runner's own word."""

    async def limit_kind(self, kind: Kind, max_running: int | None) -> None:
        """Cap the running tasks of *kind* over all runners; None: no cap. What runs already goes on."""

    # --- for wardens -------------------------------------------------------------------------------------------

    async def ensure(self, tenant: TenantId, spec: TaskSpec, *, connection: object | None = None) -> Ensured:
        """
        Create the task (tenant, kind, key), or change the named fields of the one that exists.

        Idempotent, and concurrent calls make one task. Of an existing task ``next_run_at`` and ``slot_at`` move only if
        the schedule was named, or is the executor's, and its digest changed; then to ``spec.first``, health untouched;
        while the policy holds the task (its phase is not HEALTHY) only the slot moves. A slot that was set while the
        task ran, by this or by an operator, outlasts the run. A task that was DONE becomes SCHEDULED by it.

        Args:
            connection: A transaction of the host's own, as the store knows them: the task exists if and when that
                commits. None: a transaction by itself.

        Raises:
            TaskNotFound: An upstream task is not this tenant's.
            DependencyCycle: The task would wait for itself; names the keys.
            InvalidValue: The store cannot take part in *connection*; nothing was changed.
        """

    async def get(self, tenant: TenantId, task_id: TaskId) -> TaskStatus:
        """
        Return the task.

        Raises:
            TaskNotFound: The tenant has no such task.
        """

    async def find(self, tenant: TenantId, kind: Kind, key: str) -> TaskStatus | None:
        """Return the task of (tenant, kind, key), or None."""

    async def tasks(
        self, tenant: TenantId, *, kind: Kind | None, status: Status | None, after: TaskId | None, limit: int
    ) -> Sequence[TaskStatus]:
        """Return at most *limit* tasks in order of creation, those after the task *after*; all None: from the start."""

    async def pause(self, tenant: TenantId, task_id: TaskId, *, paused: bool, actor: str) -> bool:
        """
        Set the flag only: health, epoch and next time stay; a run in progress goes on.

        Returns:
            Whether the flag changed.
        """

    async def steer(self, tenant: TenantId, task_id: TaskId, steer: Steer) -> bool:
        """
        Write an operator's word, if the stored epoch is still *steer.epoch*.

        A task that is RUNNING goes on: its completion will be OVERRULED. One that is DONE becomes SCHEDULED.

        Returns:
            False: the epoch has moved on; nothing was written; read anew and decide again.
        """

    async def request_run(self, tenant: TenantId, task_id: TaskId, *, at: datetime, actor: str) -> bool:
        """
        Ask for one manual run beside the schedule, not before *at* nor before a live lease ends.

        Returns:
            False: one is asked for already, which stands.
        """

    async def delete(self, tenant: TenantId, task_id: TaskId, *, detach: bool, actor: str) -> None:
        """
        Delete the task; its runs are kept. A run in progress is cancelled when its lease is next renewed.

        Raises:
            HasDependants: Tasks depend on it and *detach* is False; with it the edges are cut.
        """

    async def runs(
        self, tenant: TenantId, *, task_id: TaskId | None, before: RunId | None, limit: int
    ) -> Sequence[Run]:
        """
        Return at most *limit* runs, newest completion first, those before the run *before*.

        Runs that were completed by one call have no order among themselves, but keep the one in which they are shown.

        Of the task *task_id*, also a deleted one; none if the tenant never had it. Old runs may have been dropped.
        """

    async def incidents(self, tenant: TenantId, *, open_only: bool) -> Sequence[Incident]:
        """Return the tenant's incidents, newest first."""

    async def tallies(self, tenant: TenantId) -> Sequence[Tally]:
        """Return the cumulative counters, kept in the completions' own writes; equal to a recount of all runs ever."""

    async def changes(self, after: int, *, limit: int, tenant: TenantId | None = None) -> Changes:
        """
        Return the feed after cursor *after* (0: from what is kept), at most *limit* changes of *tenant* (None: of all).

        Changes become visible in order: a reader that resumes by cursor misses none.
        """

    async def cursor(self) -> int:
        """Return the feed's end: ``changes`` after it tells only what is new."""

    async def tenant(self, tenant: TenantId) -> TenantState:
        """Return what holds for the tenant; the defaults for one that is not known."""

    async def set_tenant(
        self, tenant: TenantId, *, paused: bool | None = None, weight: int | None = None, max_running: int | None = -1
    ) -> None:
        """
        Change what is given. ``max_running=None`` lifts the cap, -1 leaves it. What runs already goes on.

        Raises:
            InvalidValue: *weight* is less than 1; nothing was changed.
        """

    async def report_activity(self, tenant: TenantId, kind: Kind | None, *, weight: int, until: datetime) -> None:
        """Remember the tenant's activity, for one kind or all, for ``Claim.state.activity``; the last report wins."""

    async def close(self) -> None:
        """Release what the store holds. Idempotent; afterwards every call raises ``Closed``."""
