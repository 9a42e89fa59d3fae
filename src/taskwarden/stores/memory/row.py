"""What is held in memory: a tenant, one tenant's tasks of one kind, and a task."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from taskwarden.core.health import HEALTHY
from taskwarden.core.instant import FAR_PAST
from taskwarden.core.lifecycle import State

if TYPE_CHECKING:
    from taskwarden.core.claim import Claim
    from taskwarden.core.decision import Activity, IntervalState
    from taskwarden.core.health import Health
    from taskwarden.core.record import Ending
    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import Kind, RunnerId, TaskId, TenantId
    from taskwarden.stores.memory.history import Facts
    from taskwarden.stores.memory.turns import KindQueue

__all__ = ["NO_CAP", "Entry", "Lane", "Row", "Tenant"]

NO_CAP: Final = sys.maxsize
"""Stands for "no cap", so that the hot path compares numbers only."""

Entry: TypeAlias = "tuple[datetime, int, Row]"
"""A row's place in a heap: key, number, row. It is valid while it is the row's ``entry``: heaps shed others lazily."""


@attrs.define(eq=False)
class Tenant:
    """
    One tenant.

    Args:
        turn: How far it has got in the round; the least goes next.
        stamp: When it got there, as a number that only grows: among equal turns the one that waits longest goes first.
        queued: How many of its lanes stand in rings.
        rows: Its tasks by number, which is the order of creation.
        numbers: Those numbers in order, to begin a page within.
    """

    id: TenantId
    paused: bool = False
    weight: int = 1
    max_running: int = NO_CAP
    running: int = 0
    turn: int = 0
    stamp: int = 0
    queued: int = 0
    activity: Activity | None = None
    lanes: dict[Kind, Lane] = attrs.field(factory=dict)
    rows: dict[int, Row] = attrs.field(factory=dict)
    numbers: list[int] = attrs.field(factory=list)
    named: dict[tuple[Kind, str], Row] = attrs.field(factory=dict)
    last: int = 0


@attrs.define(eq=False)
class Lane:
    """
    One tenant's tasks of one kind.

    Args:
        ready: A heap of those that are due, by urgency.
        queued: Whether it stands in the kind's ring.
        activity: What was last reported for tenant and kind.
        tallies: The cumulative counters by ending and code.
    """

    tenant: Tenant
    queue: KindQueue
    activity: Activity | None = None
    ready: list[Entry] = attrs.field(factory=list)
    queued: bool = False
    tallies: dict[tuple[Ending, str], int] = attrs.field(factory=dict)


@attrs.define(eq=False)
class Row:
    """
    One task.

    Args:
        number: Its place in the order of creation.
        digest: Names the schedule in force.
        decided_at: When its times were last decided, by the store's clock.
        asked_at: When its manual run was asked for, by the store's clock.
        urgent: Its slot is claimed as if its priority were CRITICAL.
        token: The fencing number of its last claim.
        claim, runner, lease_until, hold: Of the claim in progress; None while there is none. *hold* is the group of
            ``leases`` in which it stands.
        held_at: When that lease was taken or last renewed.
        rest: The state that a manual run in progress returns to.
        moved: The slot was changed while it ran, and outlasts the run.
        entry: Its valid place in a heap; None: it is not to be claimed.
        done_by_success: The last run that settled a slot succeeded.
        dependants: By number; None: nobody depends on it.
    """

    number: int
    task: TaskRecord[Any]
    lane: Lane
    digest: str
    interval: IntervalState
    slot_at: datetime | None
    next_run_at: datetime | None
    decided_at: datetime
    plan_reason: str
    health: Health = HEALTHY
    state: State = State.SCHEDULED
    attempt: int = 1
    paused: bool = False
    urgent: bool = False
    manual_at: datetime | None = None
    asked_at: datetime = FAR_PAST
    deferred_until: datetime | None = None
    deferred_why: str = ""
    token: int = 0
    claim: Claim | None = None
    runner: RunnerId | None = None
    lease_until: datetime | None = None
    held_at: datetime = FAR_PAST
    hold: dict[int, Row] | None = None
    rest: State = State.SCHEDULED
    moved: bool = False
    entry: Entry | None = None
    last: Facts | None = None
    succeeded_from: datetime | None = None
    succeeded_at: datetime | None = None
    done_by_success: bool = False
    dependants: dict[int, Row] | None = None

    @property
    def id(self) -> TaskId:
        """The task's id."""
        return self.task.id
