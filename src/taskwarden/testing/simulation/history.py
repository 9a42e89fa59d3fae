"""
What really happened to a store, in the order in which it happened: all that the checker looks at.

Entries are written below every fault, where calls take effect. What a runner believed, or would have said had it not
crashed, is not in here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import attrs

from taskwarden.core.change import Change
from taskwarden.core.claim import Claim, Completion, Deferral, Receipt
from taskwarden.core.record import Run, Tally, TaskStatus
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId

__all__ = [
    "Capped",
    "Claimed",
    "Completed",
    "Deferred",
    "Deleted",
    "Ended",
    "Entry",
    "Executed",
    "History",
    "Jumped",
    "Renewed",
    "Steered",
    "Trespassed",
]


@attrs.frozen(kw_only=True)
class Claimed:
    """A call of ``claim`` took *claims*, at *at* by the store's clock (as all entries)."""

    at: datetime
    runner: RunnerId
    claims: tuple[Claim, ...]


@attrs.frozen(kw_only=True)
class Renewed:
    """Leases were prolonged, but for the tasks in *lost*."""

    at: datetime
    runner: RunnerId
    holds: Mapping[TaskId, int]
    lease_until: datetime
    lost: frozenset[TaskId]


@attrs.frozen(kw_only=True)
class Completed:
    """Completions came in, and what the store did with each."""

    at: datetime
    completions: tuple[Completion, ...]
    receipts: tuple[Receipt, ...]


@attrs.frozen(kw_only=True)
class Deferred:
    """Claims were given back unrun, and what the store did with each."""

    at: datetime
    deferrals: tuple[Deferral, ...]
    receipts: tuple[Receipt, ...]


@attrs.frozen(kw_only=True)
class Executed:
    """An executor began to run a claim."""

    at: datetime
    runner: RunnerId
    task_id: TaskId
    token: int


@attrs.frozen(kw_only=True)
class Steered:
    """An operator changed what a task is to do next."""

    at: datetime
    task_id: TaskId


@attrs.frozen(kw_only=True)
class Deleted:
    """An operator deleted a task. A run of it that is in progress goes on for a while, and counts no more."""

    at: datetime
    task_id: TaskId


@attrs.frozen(kw_only=True)
class Capped:
    """The cap on running tasks of a tenant or of a kind was set (None: lifted)."""

    at: datetime
    tenant: TenantId | None = None
    kind: Kind | None = None
    most: int | None


@attrs.frozen(kw_only=True)
class Jumped:
    """The store's clock jumped by *by*, to *at*."""

    at: datetime
    by: timedelta


@attrs.frozen(kw_only=True)
class Trespassed:
    """A tenant asked for another one's task, and got *answer*; None: it read as absent."""

    at: datetime
    tenant: TenantId
    task_id: TaskId
    answer: str | None


@attrs.frozen(kw_only=True)
class Ended:
    """What the store held at the end: each tenant as it reads itself, and the feed of all."""

    at: datetime
    tasks: Mapping[TenantId, Sequence[TaskStatus]]
    runs: Mapping[TenantId, Sequence[Run]]
    tallies: Mapping[TenantId, Sequence[Tally]]
    feed: Sequence[Change]


Entry: TypeAlias = (
    Claimed | Renewed | Completed | Deferred | Executed | Steered | Deleted | Capped | Jumped | Trespassed | Ended
)
History: TypeAlias = Sequence[Entry]
