"""Step 8 and the read side: what a store tells of tasks, runs and incidents."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs

from taskwarden.core.health import Health, Phase
from taskwarden.core.lifecycle import State

if TYPE_CHECKING:
    from taskwarden.core.decision import IntervalState, Level, Trigger
    from taskwarden.core.outcome import JSON
    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId

__all__ = ["Ending", "Incident", "Run", "Status", "Tally", "TaskStatus"]


class Status(enum.StrEnum):
    """The one word shown to people, derived from flag, lease, phase and state: the first of these that applies."""

    PAUSED = "paused"
    RUNNING = "running"
    NEEDS_INTERVENTION = "needs_intervention"
    PROBING = "probing"
    COOLING_OFF = "cooling_off"
    BACKING_OFF = "backing_off"
    DEFERRED = "deferred"
    BLOCKED = "blocked"
    SCHEDULED = "scheduled"
    DONE = "done"


class Ending(enum.StrEnum):
    """An outcome's name in history and statistics."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SNOOZED = "snoozed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    LOST = "lost"


@attrs.frozen(kw_only=True)
class TaskStatus:
    """
    A task as it stood at *as_of*, by the store's clock.

    Args:
        state: The lifecycle state.
        next_run_at: When it may run next; None while done.
        slot_at: The slot that run is for; None while done.
        manual_at: A manual run is asked for, and may start from then on.
        plan_reason: Why the next time is what it is.
        blocked_by: Upstream tasks that have not released the slot.
        deferred_until, deferred_why: A breaker's word, while it lasts.
        runner, lease_until, running_since: Who runs it; None while nobody does.
    """

    task: TaskRecord[Any]
    as_of: datetime
    state: State
    health: Health
    interval: IntervalState
    paused: bool
    attempt: int
    next_run_at: datetime | None
    slot_at: datetime | None
    manual_at: datetime | None = None
    plan_reason: str = ""
    blocked_by: tuple[TaskId, ...] = ()
    deferred_until: datetime | None = None
    deferred_why: str = ""
    runner: RunnerId | None = None
    lease_until: datetime | None = None
    running_since: datetime | None = None
    last_run: Run | None = None
    last_success_at: datetime | None = None

    @property
    def id(self) -> TaskId:
        """The task's id."""
        return self.task.id

    @property
    def key(self) -> str:
        """The task's key."""
        return self.task.key

    @property
    def kind(self) -> Kind:
        """The task's kind."""
        return self.task.kind

    @property
    def tenant(self) -> TenantId:
        """The task's tenant."""
        return self.task.tenant

    @property
    def phase(self) -> Phase:
        """The health's phase as of then: a task that cools off is probing once its next run is due."""
        return self.health.view(self.as_of)

    @property
    def status(self) -> Status:
        """The one word to show."""
        if self.paused:
            return Status.PAUSED
        if self.state is State.RUNNING:
            return Status.RUNNING
        if self.phase is not Phase.HEALTHY:
            return Status(self.phase.value)
        if self.deferred_until is not None and self.deferred_until > self.as_of:
            return Status.DEFERRED
        return Status(self.state.value)


@attrs.frozen(kw_only=True)
class Run:
    """
    One execution of a task: one row of history, never changed.

    Args:
        slot_at: The slot it was for; for a manual run the instant of the request.
        settled: The slot ended with this run.
        coalesced: How many missed slots it stood for besides its own.
        code, message: Of the failure; for neutral endings the message is the stated reason.
        phase: The task's phase after the run.
        next_run_at: What was decided; None: done.
        counted: False where the epoch had moved on: the run is recorded, the decision was not applied.
    """

    id: RunId
    task_id: TaskId
    tenant: TenantId
    kind: Kind
    key: str
    token: int
    attempt: int
    trigger: Trigger
    slot_at: datetime
    due_at: datetime
    claimed_at: datetime
    started_at: datetime
    finished_at: datetime
    ending: Ending
    settled: bool
    coalesced: int
    code: str = ""
    message: str = ""
    result: JSON = None
    phase: Phase = Phase.HEALTHY
    next_run_at: datetime | None = None
    why: tuple[str, ...] = ()
    runner: RunnerId
    counted: bool = True

    @property
    def duration(self) -> timedelta:
        """From start to finish."""
        return self.finished_at - self.started_at

    @property
    def lateness(self) -> timedelta:
        """How long after it was due the run started."""
        return self.started_at - self.due_at


@attrs.frozen(kw_only=True)
class Incident:
    """
    Something that people should know, with how often it was seen. Grouped by (tenant, key).

    Args:
        task_ids: The tasks on which it was seen, in that order; a store may name the first 100 only.
        resolved_at: None while it is open. One that opens again is a new incident.
    """

    tenant: TenantId
    key: str
    code: str
    title: str
    level: Level
    opened_at: datetime
    last_seen_at: datetime
    sightings: int
    task_ids: tuple[TaskId, ...]
    resolved_at: datetime | None = None


@attrs.frozen
class Tally:
    """How many runs of a tenant's kind ended how: one counter of the cumulative statistics."""

    tenant: TenantId
    kind: Kind
    ending: Ending
    code: str
    runs: int
