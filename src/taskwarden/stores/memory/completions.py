"""Step 6 in memory: what became of claims is written, and claims are given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Receipt
from taskwarden.core.decision import IntervalState, Trigger
from taskwarden.core.health import Phase
from taskwarden.core.instant import MICROSECOND, later
from taskwarden.core.lifecycle import Signal, State, apply
from taskwarden.core.outcome import Interrupted, Succeeded
from taskwarden.core.record import Ending
from taskwarden.stores.memory import edges
from taskwarden.stores.memory.history import ENDINGS, code_of, facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from taskwarden.core.claim import Claim, Completion, Deferral
    from taskwarden.stores.memory.row import Row
    from taskwarden.stores.memory.tables import Tables

__all__ = ["complete", "defer"]

_BACK = {State.SCHEDULED: Signal.RESCHEDULE, State.BLOCKED: Signal.BLOCK, State.DONE: Signal.FINISH}
"""How a manual run returns to the state that it came from."""


def complete(tables: Tables, completions: Sequence[Completion]) -> list[Receipt]:
    """Do what ``Store.complete`` says."""
    now = tables.clock.now()
    receipts = [_complete(tables, done, now) for done in completions]
    tables.high_water = max(tables.high_water, now)
    return receipts


def defer(tables: Tables, deferrals: Sequence[Deferral]) -> list[Receipt]:
    """Do what ``Store.defer`` says."""
    now = tables.clock.now()
    return [_defer(tables, deferral, now) for deferral in deferrals]


def _held(tables: Tables, claim: Claim) -> Row | None:
    row = tables.rows.get(claim.task.id)
    return None if row is None or row.token != claim.token or row.claim is None else row


def _complete(tables: Tables, done: Completion, now: datetime) -> Receipt:
    claim = done.claim
    row = _held(tables, claim)
    if row is None:
        return Receipt.REFUSED
    overruled = row.health.epoch > claim.health.epoch
    interval = row.interval
    if done.memory is not interval.memory and done.memory != interval.memory:
        # Before anything is written: a memory that is too long is refused.
        interval = IntervalState(done.memory, interval.seed, interval.activity)
    ending = _record(tables, row, done, now, overruled=overruled)
    tables.let_go(row, now)
    if not overruled:
        row.health = done.health
    if ending is Ending.SUCCEEDED:  # before the next slot is planned: it waits for what is newer than this
        row.succeeded_from, row.succeeded_at = done.started_at, done.finished_at
    if claim.trigger is Trigger.MANUAL:
        _rest(row, done, overruled=overruled)
    else:
        _settle(tables, row, done, interval, overruled=overruled)
    # A runner that has not noticed yet that the clock went back: the next claim finds out.
    row.decided_at = decided_at = max(now, done.finished_at)
    if decided_at > tables.high_water:
        tables.high_water = decided_at
    if ending is Ending.SUCCEEDED and row.dependants is not None:
        for dependant in row.dependants.values():
            if edges.release(dependant, tables.rows, now):
                tables.place(dependant)
    if done.effects and not overruled:
        tables.apply(done.effects, row.task.tenant, row.task, now)
    tables.place(row)
    return Receipt.OVERRULED if overruled else Receipt.RECORDED


def _record(tables: Tables, row: Row, done: Completion, now: datetime, *, overruled: bool) -> Ending:
    """Write the run row, the statistics and the feed."""
    lane, history = row.lane, tables.history
    tenant, ending = lane.tenant, ENDINGS[type(done.outcome)]
    if row.runner is None:
        raise AssertionError(f"task {row.id!r} is completed and nobody runs it")
    phase = row.health.phase if overruled else None
    number = history.written + 1
    facts = facts_of(done, row.runner, phase, now, (number, 0 if row.last is None else row.last[0], tenant.last))
    row.last, tenant.last = facts, number
    history.add(facts)
    counter = (ending, code_of(done.outcome))
    lane.tallies[counter] = lane.tallies.get(counter, 0) + 1
    tables.feed.add(facts)
    return ending


def _rest(row: Row, done: Completion, *, overruled: bool) -> None:
    """A manual run is over: the task is as it was."""
    if isinstance(done.outcome, Interrupted) and row.manual_at is None:
        row.manual_at = done.claim.slot_at
    row.state = apply(row.state, _BACK[row.rest])
    if not overruled and done.next_run_at is not None and row.state is not State.DONE:
        row.next_run_at, row.plan_reason = done.next_run_at, done.reason


def _settle(tables: Tables, row: Row, done: Completion, interval: IntervalState, *, overruled: bool) -> None:
    """A run of the schedule is over: plan what is next."""
    slot_at = done.slot_at
    new_slot = done.settles
    row.done_by_success = type(done.outcome) is Succeeded
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
            return
    row.state = apply(row.state, Signal.RESCHEDULE)
    if new_slot and row.task.depends_on:
        edges.block(row, tables.rows)


def _defer(tables: Tables, deferral: Deferral, now: datetime) -> Receipt:
    row = _held(tables, deferral.claim)
    if row is None:
        return Receipt.REFUSED
    overruled = row.health.epoch > deferral.claim.health.epoch
    tables.let_go(row, now)
    row.state = apply(row.state, _BACK[row.rest])
    if deferral.claim.trigger is Trigger.MANUAL:
        row.manual_at = row.manual_at or deferral.until
    elif not overruled and not row.moved:
        row.next_run_at = row.deferred_until = deferral.until
        row.deferred_why = deferral.why
    tables.decided(row, now)
    if not overruled:
        tables.feed.tell(now, ChangeName.TASK_DEFERRED, row.task, detail=deferral.why)
    tables.place(row)
    return Receipt.OVERRULED if overruled else Receipt.RECORDED
