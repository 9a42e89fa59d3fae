"""Step 7: the change feed. Each change is written with what it tells of, in one order for the whole store."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from taskwarden.core.decision import Notify
    from taskwarden.core.record import Incident, Run
    from taskwarden.ids import Kind, TaskId, TenantId

__all__ = ["Change", "ChangeName", "Changes"]


class ChangeName(enum.StrEnum):
    """What may happen, as the feed, logs and telemetry name it."""

    TASK_CREATED = "task.created"
    TASK_UPDATED = "task.updated"
    TASK_DELETED = "task.deleted"
    TASK_PAUSED = "task.paused"
    TASK_RESUMED = "task.resumed"
    TASK_RETRIED = "task.retried"
    TASK_RESCHEDULED = "task.rescheduled"
    TASK_DEFERRED = "task.deferred"
    RUN_REQUESTED = "run.requested"
    RUN_FINISHED = "run.finished"
    INCIDENT_OPENED = "incident.opened"
    INCIDENT_SEEN = "incident.seen"
    INCIDENT_RESOLVED = "incident.resolved"
    NOTICE = "notice"


@attrs.frozen(kw_only=True)
class Change:
    """
    One change.

    Args:
        seq: Its place in the feed: unique, growing; a reader resumes after it. Gaps may occur.
        at: When, by the store's clock.
        run: The finished run (``run.finished``).
        incident: As it stands after the change (``incident.*``).
        notice: What people should be told (``notice``).
        actor: Who asked, where an operator did.
        detail: For people.
    """

    seq: int
    at: datetime
    name: ChangeName
    tenant: TenantId
    task_id: TaskId | None = None
    kind: Kind | None = None
    run: Run | None = None
    incident: Incident | None = None
    notice: Notify | None = None
    actor: str = ""
    detail: str = ""


@attrs.frozen
class Changes:
    """
    A page of the feed.

    Args:
        changes: In order of ``seq``.
        cursor: Pass it as *after* to go on; moves even where another tenant's changes were left out.
        reset: Changes after the asked cursor are no longer kept, or it lies beyond the feed's end, and so is of an
            earlier life of the store: read the current state anew.
    """

    changes: tuple[Change, ...]
    cursor: int
    reset: bool = False
