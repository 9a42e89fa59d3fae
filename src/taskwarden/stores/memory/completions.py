"""Step 6 in memory: what became of claims is written, and claims are given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Receipt
from taskwarden.core.decision import IntervalState
from taskwarden.core.record import Ending
from taskwarden.stores import moves
from taskwarden.stores.memory import edges
from taskwarden.stores.memory.history import ENDINGS, code_of, facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from taskwarden.core.claim import Claim, Completion, Deferral
    from taskwarden.stores.memory.row import Row
    from taskwarden.stores.memory.tables import Tables

__all__ = ["complete", "defer"]


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
    return None if row is None or row.token != claim.token or row.runner is None else row


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
    if moves.settle(row, done, interval, now, overruled=overruled) and row.task.depends_on:
        edges.block(row, tables.rows)
    if row.decided_at > tables.high_water:
        tables.high_water = row.decided_at
    if ending is Ending.SUCCEEDED and row.dependants is not None:
        for dependant in row.dependants.values():
            if moves.release(dependant, tables.rows, now):
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


def _defer(tables: Tables, deferral: Deferral, now: datetime) -> Receipt:
    row = _held(tables, deferral.claim)
    if row is None:
        return Receipt.REFUSED
    overruled = row.health.epoch > deferral.claim.health.epoch
    tables.let_go(row, now)
    moves.give_back(row, deferral, overruled=overruled)
    tables.decided(row, now)
    if not overruled:
        tables.feed.tell(now, ChangeName.TASK_DEFERRED, row.task, detail=deferral.why)
    tables.place(row)
    return Receipt.OVERRULED if overruled else Receipt.RECORDED
