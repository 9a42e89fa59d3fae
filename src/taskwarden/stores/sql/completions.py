"""Step 6 in a database: what became of claims is written, and claims are given back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Receipt
from taskwarden.core.decision import IntervalState
from taskwarden.core.lifecycle import Signal, State, apply
from taskwarden.core.outcome import Succeeded
from taskwarden.stores import moves
from taskwarden.stores.sql import incidents
from taskwarden.stores.sql.lanes import ended
from taskwarden.stores.sql.records import run_values
from taskwarden.stores.sql.rows import number_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from taskwarden.core.claim import Claim, Completion, Deferral
    from taskwarden.ids import TaskId
    from taskwarden.stores.sql.rows import Row
    from taskwarden.stores.sql.writing import Writing

__all__ = ["complete", "defer"]


def complete(writing: Writing, completions: Sequence[Completion]) -> list[Receipt]:
    """Do what ``Store.complete`` says, in the transaction *writing*."""
    for done in completions:
        IntervalState(done.memory)  # a memory that is too long is refused before anything is written
    held = writing.lock(_numbers(done.claim for done in completions))
    succeeded = _numbers(done.claim for done in completions if type(done.outcome) is Succeeded)
    family = _family(writing, held, sorted(succeeded & held.keys()))
    receipts = [_complete(writing, family, done) for done in completions]
    _ended(writing, held)
    return receipts


def defer(writing: Writing, deferrals: Sequence[Deferral]) -> list[Receipt]:
    """Do what ``Store.defer`` says, in the transaction *writing*."""
    held = writing.lock(_numbers(deferral.claim for deferral in deferrals))
    tasks = {row.task.id: row for row in held.values()}
    receipts = [_defer(writing, tasks, deferral) for deferral in deferrals]
    _ended(writing, held)
    return receipts


def _numbers(claims: Iterable[Claim]) -> set[int]:
    """Return the keys of the tasks that were claimed; those that no task of this store can have are left out."""
    return {number for claim in claims if (number := number_or_none(claim.task.id)) is not None}


class Family:
    """The rows of a batch, with those above and below them that dependencies make it ask or move."""

    def __init__(self, rows: Mapping[int, Row], below: Mapping[TaskId, list[Row]]) -> None:
        self.rows: dict[TaskId, Row] = {row.task.id: row for row in rows.values()}
        self.below = below


def _family(writing: Writing, held: Mapping[int, Row], succeeded: Sequence[int]) -> Family:
    """
    Look up those who may wait for the *succeeded*, and those whom they, or a new slot of the *held*, wait for.

    Who waits is locked before whom it waits for is read: of two upstream tasks that succeed at the same time, the
    second to get the lock sees the first.
    """
    waiting = [number for number in succeeded if held[number].has_dependants]
    edges = writing.sql.rows_of(writing.conn, writing.sql.edges_below, waiting)
    dependants = writing.lock({edge.task_id for edge in edges} - held.keys())
    rows = {**held, **dependants}
    askers = [number for number, row in rows.items() if row.task.depends_on]
    above = writing.sql.rows_of(writing.conn, writing.sql.edges_above, askers)
    rows |= writing.read({edge.upstream_id for edge in above} - rows.keys())
    below: dict[TaskId, list[Row]] = {}
    for edge in sorted(edges, key=lambda edge: edge.task_id):
        if edge.task_id in rows:
            below.setdefault(rows[edge.upstream_id].task.id, []).append(rows[edge.task_id])
    return Family(rows, below)


def _held(rows: Mapping[TaskId, Row], claim: Claim) -> Row | None:
    row = rows.get(claim.task.id)
    return None if row is None or row.token != claim.token or row.runner is None else row


def _complete(writing: Writing, family: Family, done: Completion) -> Receipt:
    claim = done.claim
    row = _held(family.rows, claim)
    if row is None:
        return Receipt.REFUSED
    overruled = row.health.epoch > claim.health.epoch
    interval = row.interval
    if done.memory != interval.memory:
        interval = IntervalState(done.memory, interval.seed, interval.activity)
    if row.runner is None:
        raise AssertionError(f"task {row.task.id!r} is completed and nobody runs it")
    writing.runs.append(run_values(done, row.number, row.runner, row.health.phase if overruled else None))
    row.last_token = claim.token
    writing.tell(ChangeName.RUN_FINISHED, row.task.tenant, number=row.number, kind=row.task.kind, token=claim.token)
    moves.let_go(row)
    if moves.settle(row, done, interval, writing.now, overruled=overruled) and row.task.depends_on:
        block(row, family.rows)
    if type(done.outcome) is Succeeded:
        for dependant in family.below.get(row.task.id, ()):
            if moves.release(dependant, family.rows, writing.now):
                writing.save(dependant)
    if done.effects and not overruled:
        incidents.apply(writing, done.effects, row.task.tenant, row)
    writing.save(row, hint=False)
    return Receipt.OVERRULED if overruled else Receipt.RECORDED


def _defer(writing: Writing, tasks: Mapping[TaskId, Row], deferral: Deferral) -> Receipt:
    row = _held(tasks, deferral.claim)
    if row is None:
        return Receipt.REFUSED
    overruled = row.health.epoch > deferral.claim.health.epoch
    moves.let_go(row)
    moves.give_back(row, deferral, overruled=overruled)
    row.decided_at = writing.now
    if not overruled:
        writing.tell_of(ChangeName.TASK_DEFERRED, row, detail=deferral.why)
    writing.save(row)
    return Receipt.OVERRULED if overruled else Receipt.RECORDED


def block(row: Row, rows: Mapping[TaskId, Row]) -> None:
    """Block *row*, which is SCHEDULED, if an upstream has not released its slot."""
    if row.task.depends_on and row.state is State.SCHEDULED and moves.unreleased(row, rows):
        row.state = apply(row.state, Signal.BLOCK)


def _ended(writing: Writing, held: Mapping[int, Row]) -> None:
    rows = [row for row in held.values() if row.number in writing.saved]
    if rows:
        ended(writing, {row.task.tenant for row in rows}, {row.task.kind for row in rows})
