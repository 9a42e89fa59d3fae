"""What is held in memory: a tenant, one tenant's tasks of one kind, and a task."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from taskwarden.stores.moves import Stored

if TYPE_CHECKING:
    from taskwarden.core.decision import Activity
    from taskwarden.core.record import Ending
    from taskwarden.ids import Kind, TaskId, TenantId
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
class Row(Stored):
    """
    One task.

    Args:
        number: Its place in the order of creation.
        hold: The group of ``leases`` in which it stands while it runs.
        entry: Its valid place in a heap; None: it is not to be claimed.
        dependants: By number; None: nobody depends on it.
    """

    number: int = attrs.field(kw_only=True)
    lane: Lane = attrs.field(kw_only=True)
    hold: dict[int, Row] | None = None
    entry: Entry | None = None
    last: Facts | None = None
    dependants: dict[int, Row] | None = None

    @property
    def id(self) -> TaskId:
        """The task's id."""
        return self.task.id
