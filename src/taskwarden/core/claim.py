"""Steps 2 and 6: what a runner takes from a store, and what it brings back."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.decision import Trigger
from taskwarden.core.health import Phase
from taskwarden.core.instant import later
from taskwarden.core.task import Priority

if TYPE_CHECKING:
    from taskwarden.core.decision import Effect, IntervalState
    from taskwarden.core.health import Health
    from taskwarden.core.outcome import Outcome
    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import RunnerId, TaskId

__all__ = [
    "AGING",
    "Claim",
    "Claims",
    "Completion",
    "Deferral",
    "Receipt",
    "Renewal",
    "trigger_of",
    "urgency",
]

AGING: Final = timedelta(minutes=5)
"""Waiting this long raises a task's priority by one level."""


def urgency(due_at: datetime, priority: Priority) -> datetime:
    """
    Return the claim order within a tenant's turn: the earliest first.

    A task gains one level for each ``AGING`` waited, which is the same as being due one ``AGING`` earlier for
    each level. The order of two tasks therefore never changes while they wait, and an index can hold it.
    """
    return later(due_at, _HEAD_START[priority])


_HEAD_START: Final = {priority: AGING * int(priority) for priority in Priority}
"""By how much a task of CRITICAL priority may be due later and still goes first."""


def trigger_of(health: Health, attempt: int, *, manual: bool) -> Trigger:
    """Return why a claimed task runs, from what the store holds of it."""
    if manual:
        return Trigger.MANUAL
    if health.phase in _HELD:
        return Trigger.PROBE
    return Trigger.SCHEDULED if attempt == 1 else Trigger.RETRY


_HELD: Final = frozenset({Phase.COOLING_OFF, Phase.PROBING, Phase.NEEDS_INTERVENTION})


# Claims and completions are made once for each run, and a frozen class takes twice as long to make.
@attrs.define(kw_only=True)
class Claim:
    """
    One task, taken exclusively until ``lease_until`` by the store's clock. Not to be changed.

    Args:
        task: The definition; the payload is JSON as stored.
        token: The fencing number: greater than that of any earlier claim of this task.
        health: The failure policy's memory; its ``epoch`` fences the decision.
        state: What the interval policy may know.
        trigger: Why it runs.
        slot_at: The due slot. Where the task runs before its slot's time, by an operator's word or as a probe, the time
            from which on it might: a slot of its own. For a manual run the instant from which it was asked for, which
            is no slot.
        due_at: When the task might have been claimed first; claimed_at - due_at is the lateness.
        attempt: 1-based within the slot.
        lost_by: Set where the claim takes over an expired lease: who held it. Such a claim is not executed; it is
            completed with ``Lost`` at once, so that the policy decides what follows.
    """

    task: TaskRecord[Any]
    token: int
    health: Health
    state: IntervalState
    trigger: Trigger
    slot_at: datetime
    due_at: datetime
    attempt: int
    claimed_at: datetime
    lease_until: datetime
    lost_by: RunnerId | None = None


@attrs.frozen
class Claims:
    """
    What one call of ``Store.claim`` took.

    Args:
        claims: In claim order; empty if nothing could be claimed.
        now: The store's time of the claim, from which the runner derives its own.
        next_due: The earliest instant at which a claim may find something that this one did not, as far as is
            known: not later than *now* when due work was left behind; None: nothing is scheduled at all. The ends of
            the caller's own leases need not count, as it renews them.
    """

    claims: tuple[Claim, ...]
    now: datetime
    next_due: datetime | None


@attrs.define(kw_only=True)
class Completion:
    """
    What became of a claim. Persisted in one atomic write, if the token is still current. Not to be changed.

    Args:
        claim: What was claimed: its token and its health's epoch are the fences.
        outcome: What the run ended with.
        started_at, finished_at: By the runner's reading of the store's clock.
        health: What the policy remembers from now on.
        settles: The slot is over. *slot_at* is then the next slot, else the claim's.
        slot_at: The slot that the next run is for; None: no further slot, the task is done.
        next_run_at: When the next run may start; None exactly where *slot_at* is None; for a manual run None leaves
            the schedule as it is.
        attempt: The next run's attempt.
        memory: What the interval policy remembers.
        coalesced: How many missed slots this run stood for besides its own.
        effects: Incidents and notices, persisted with the rest.
        urgent: The next slot is claimed as if its priority were CRITICAL (the outcome's ``run_by`` pulled it earlier).
        why: The failure policy's rules, most decisive first.
        reason: Why the next time is what it is, for people.
        result: The run's result as JSON text, or None.
    """

    claim: Claim
    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    health: Health
    settles: bool
    slot_at: datetime | None
    next_run_at: datetime | None
    attempt: int
    memory: str = ""
    coalesced: int = 0
    urgent: bool = False
    effects: tuple[Effect, ...] = ()
    why: tuple[str, ...] = ()
    reason: str = ""
    result: str | None = None


@attrs.frozen(kw_only=True)
class Deferral:
    """
    A claim given back unrun: a breaker said not now (step 2b).

    Slot, attempt and health stay; it is no failure and no run. The task shows as *deferred* until then.
    """

    claim: Claim
    until: datetime
    why: str


class Receipt(enum.StrEnum):
    """What a store did with one completion of a batch."""

    RECORDED = "recorded"
    """All of it was written."""
    OVERRULED = "overruled"
    """An operator steered the task meanwhile: run, statistics and feed were written, the slot settled and the lease
    released; health, phase and next time stay as the operator set them."""
    REFUSED = "refused"
    """The token is stale or the task is gone: nothing was written."""


@attrs.frozen
class Renewal:
    """What ``Store.renew`` did: the store's time, how long the leases last now, and the tasks whose token is stale."""

    now: datetime
    lease_until: datetime
    lost: frozenset[TaskId] = frozenset()


Holds = Mapping["TaskId", int]
"""Task to token: what a runner believes that it holds."""
