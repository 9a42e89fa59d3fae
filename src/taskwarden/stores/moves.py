"""
How a task's row moves: the same steps for every store, so that no two of them can drift apart.

A store looks the row up, calls one of these, and keeps what has changed. Nothing here knows where rows are kept, and
nothing decides: what is decided comes in as a ``Completion``, a ``Deferral`` or a ``Steer``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.claim import Claim, trigger_of
from taskwarden.core.decision import IntervalState, Trigger
from taskwarden.core.health import HEALTHY, Phase
from taskwarden.core.instant import FAR_PAST, MICROSECOND, later
from taskwarden.core.lifecycle import Signal, State, apply
from taskwarden.core.outcome import Interrupted, Succeeded
from taskwarden.core.task import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taskwarden.core.claim import Completion, Deferral
    from taskwarden.core.health import Health
    from taskwarden.core.protocols import Steer, TaskSpec
    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import RunnerId, TaskId

__all__ = [
    "Stored",
    "change_slot",
    "give_back",
    "let_go",
    "ready",
    "release",
    "resting",
    "revive",
    "satisfied",
    "settle",
    "steer",
    "take",
    "unreleased",
]


@attrs.define(eq=False)
class Stored:
    """
    One task, as a store knows it.

    Args:
        digest: Names the schedule in force.
        decided_at: When its times were last decided, by the store's clock.
        asked_at: When its manual run was asked for, by the store's clock.
        urgent: Its slot is claimed as if its priority were CRITICAL.
        token: The fencing number of its last claim.
        runner, lease_until, claimed_at: Of the claim in progress; *runner* is None while there is none.
        manual_slot: The instant from which the manual run in progress was asked for; None: it is of the schedule.
        held_at: When that lease was taken or last renewed.
        rest: The state that a manual run in progress returns to.
        moved: The slot was changed while it ran, and outlasts the run.
        done_by_success: The last run that settled a slot succeeded.
    """

    task: TaskRecord[Any]
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
    runner: RunnerId | None = None
    lease_until: datetime | None = None
    claimed_at: datetime | None = None
    manual_slot: datetime | None = None
    held_at: datetime = FAR_PAST
    rest: State = State.SCHEDULED
    moved: bool = False
    succeeded_from: datetime | None = None
    succeeded_at: datetime | None = None
    done_by_success: bool = False


_BACK: Final = {State.SCHEDULED: Signal.RESCHEDULE, State.BLOCKED: Signal.BLOCK, State.DONE: Signal.FINISH}
"""How a manual run returns to the state that it came from."""

# --- what is claimable ------------------------------------------------------------------------------------------


def ready(row: Stored) -> tuple[datetime, Priority] | None:
    """Return from when on *row* can be claimed, and as of which priority; None: never, or it runs."""
    if row.state is State.RUNNING:
        return None
    at = row.next_run_at if row.state is State.SCHEDULED and not row.paused else None
    manual = row.manual_at
    if manual is not None and (at is None or manual <= at):
        return manual, row.task.priority
    if at is None:
        return None
    return at, Priority.CRITICAL if row.urgent else row.task.priority


def take(row: Stored, runner: RunnerId, interval: IntervalState, now: datetime, until: datetime) -> Claim:
    """Claim *row* for *runner*: what is due of it, or what another has lost. Its lease is the caller's to set."""
    lost_by = row.runner
    asked_at = row.manual_slot
    if lost_by is None:
        asked_at = row.manual_at
        if asked_at is not None and asked_at > now:
            asked_at = None
        row.manual_slot, row.rest = asked_at, row.state
        if asked_at is not None:
            row.manual_at = None
    manual = asked_at is not None
    if manual:
        attempt, slot_at, due_at = 1, asked_at, asked_at
    else:
        attempt, slot_at, due_at = row.attempt, row.slot_at, row.next_run_at
        if row.deferred_until is not None:
            row.deferred_until, row.deferred_why = None, ""
    if slot_at is None or due_at is None:
        raise AssertionError(f"task {row.task.id!r} is claimed without a slot")
    row.state = apply(row.state, Signal.CLAIM)
    row.moved = False
    row.token += 1
    row.runner, row.claimed_at = runner, now
    return Claim(
        task=row.task,
        token=row.token,
        health=row.health,
        state=interval,
        trigger=trigger_of(row.health, attempt, manual=manual),
        slot_at=min(slot_at, due_at),
        due_at=due_at,
        attempt=attempt,
        claimed_at=now,
        lease_until=until,
        lost_by=lost_by,
    )


# --- what becomes of a claim ------------------------------------------------------------------------------------


def let_go(row: Stored) -> None:
    """End the claim of *row*; its state is the caller's to set."""
    row.runner = row.lease_until = row.claimed_at = row.manual_slot = None


def settle(row: Stored, done: Completion, interval: IntervalState, now: datetime, *, overruled: bool) -> bool:
    """
    Write on *row*, whose claim was let go, what *done* decided.

    Returns:
        Whether its slot is new, so that dependencies have to be asked.
    """
    # A runner that has not noticed yet that the clock went back: the next claim finds out.
    row.decided_at = max(now, done.finished_at)
    if not overruled:
        row.health = done.health
    succeeded = type(done.outcome) is Succeeded
    if succeeded:  # before the next slot is planned: it waits for what is newer than this
        row.succeeded_from, row.succeeded_at = done.started_at, done.finished_at
    if done.claim.trigger is Trigger.MANUAL:
        _rest(row, done, overruled=overruled)
        return False
    row.done_by_success = succeeded
    return _plan(row, done, interval, overruled=overruled)


def _rest(row: Stored, done: Completion, *, overruled: bool) -> None:
    """A manual run is over: the task is as it was."""
    if isinstance(done.outcome, Interrupted) and row.manual_at is None:
        row.manual_at = done.claim.slot_at
    row.state = apply(row.state, _BACK[row.rest])
    if not overruled and done.next_run_at is not None and row.state is not State.DONE:
        row.next_run_at, row.plan_reason = done.next_run_at, done.reason


def _plan(row: Stored, done: Completion, interval: IntervalState, *, overruled: bool) -> bool:
    """A run of the schedule is over: plan what is next. Return whether its slot is new."""
    slot_at, new_slot = done.slot_at, done.settles
    if row.moved:
        # Another slot was set meanwhile, and outlasts this run; the policy may hold it back.
        if not overruled and done.next_run_at is not None and done.health.phase is not Phase.HEALTHY:
            row.next_run_at, row.plan_reason = done.next_run_at, done.reason
    elif overruled:
        settled = done.claim.slot_at
        if new_slot and row.next_run_at is not None and row.next_run_at <= settled:
            row.next_run_at = later(settled, MICROSECOND)  # that slot is over: the run asked for is not for it
        if slot_at is None:
            row.slot_at, row.attempt, new_slot = row.next_run_at, 1, False
        elif new_slot:
            row.slot_at, row.attempt = slot_at, done.attempt
    else:
        row.slot_at, row.next_run_at, row.attempt = slot_at, done.next_run_at, done.attempt
        row.plan_reason, row.urgent, row.interval = done.reason, done.urgent, interval
        if slot_at is None:
            row.state = apply(row.state, Signal.FINISH)
            return False
    row.state = apply(row.state, Signal.RESCHEDULE)
    return new_slot


def give_back(row: Stored, deferral: Deferral, *, overruled: bool) -> None:
    """Write on *row*, whose claim was let go, that it was given back unrun."""
    row.state = apply(row.state, _BACK[row.rest])
    if deferral.claim.trigger is Trigger.MANUAL:
        row.manual_at = row.manual_at or deferral.until
    elif not overruled and not row.moved:
        row.next_run_at = row.deferred_until = deferral.until
        row.deferred_why = deferral.why


# --- what wardens do --------------------------------------------------------------------------------------------


def steer(row: Stored, word: Steer, interval: IntervalState) -> None:
    """Write an operator's word on *row*. Whether its fence holds is the caller's to check."""
    slot_at = word.slot_at
    if slot_at is None and resting(row) is State.DONE:
        slot_at = word.next_run_at
    if slot_at is not None and slot_at != row.slot_at:
        row.slot_at, row.attempt = slot_at, 1
        row.moved = row.state is State.RUNNING
    row.health, row.next_run_at, row.plan_reason = word.health, word.next_run_at, word.detail
    row.deferred_until, row.deferred_why = None, ""
    row.interval = interval
    revive(row)


def change_slot(row: Stored, spec: TaskSpec, interval: IntervalState) -> None:
    """Go over to the first slot of a changed schedule."""
    first, row.digest = spec.first, spec.schedule_digest
    if first.at is None:
        return  # never again: what is planned is the last
    done = resting(row) is State.DONE
    row.slot_at, row.attempt, row.plan_reason, row.urgent = first.at, 1, first.reason, False
    row.interval = interval
    if done or row.health.phase is Phase.HEALTHY:
        row.next_run_at = first.at
        row.deferred_until, row.deferred_why = None, ""
    row.moved = row.state is State.RUNNING
    if done:
        revive(row)


def revive(row: Stored) -> None:
    """An operator's word, or a new schedule: what is DONE becomes SCHEDULED, a run in progress goes on."""
    if row.state is State.RUNNING:
        row.rest = apply(row.rest, Signal.STEER)
    row.state = apply(row.state, Signal.STEER)


# --- dependencies -----------------------------------------------------------------------------------------------


def resting(row: Stored) -> State:
    """Return the state of *row*, or the one that its manual run in progress returns to."""
    return row.rest if row.state is State.RUNNING else row.state


def unreleased(row: Stored, rows: Mapping[TaskId, Stored]) -> tuple[TaskId, ...]:
    """Return the upstream tasks whose edges are not satisfied."""
    upstreams = dict.fromkeys(row.task.depends_on)
    return tuple(upstream for upstream in upstreams if not satisfied(rows[upstream], row))


def satisfied(upstream: Stored, row: Stored) -> bool:
    """Tell whether *upstream* holds *row* back no more: it is done by success, or has one newer than its last."""
    if upstream.done_by_success and resting(upstream) is State.DONE:
        return True
    success, last = upstream.succeeded_from, row.succeeded_from
    return success is not None and (last is None or success > last)


def release(row: Stored, rows: Mapping[TaskId, Stored], now: datetime) -> bool:
    """Unblock *row* if nothing holds its slot any more; return whether it was. It waits to be claimed from now on."""
    if resting(row) is not State.BLOCKED or unreleased(row, rows):
        return False
    if row.next_run_at is not None and row.next_run_at < now:
        row.next_run_at = now
    if row.state is State.RUNNING:
        row.rest = apply(row.rest, Signal.UNBLOCK)
    else:
        row.state = apply(row.state, Signal.UNBLOCK)
    return True
