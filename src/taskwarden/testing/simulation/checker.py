"""
The judge: reads a history, and nothing else, and says what promise was broken where.

Each rule is a function of its own that goes through the whole history with no more state than it needs; together they
are the safety half. ``check_recovery`` is the liveness half, for a history whose faults ended at a known instant.
A rule knows the promise only: it shares no code with stores, runners or policies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Claim, Completion, Receipt
from taskwarden.core.decision import Trigger
from taskwarden.core.health import Phase
from taskwarden.core.instant import micros
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Failed, Succeeded
from taskwarden.testing.simulation.history import (
    Capped,
    Claimed,
    Completed,
    Deferred,
    Deleted,
    Ended,
    Executed,
    History,
    Jumped,
    Renewed,
    Steered,
    Trespassed,
)

if TYPE_CHECKING:
    from taskwarden.core.record import TaskStatus
    from taskwarden.ids import Kind, RunnerId, TaskId, TenantId

__all__ = ["Violation", "check_recovery", "check_safety"]


@attrs.frozen
class Violation:
    """A broken promise: which rule, what happened, and at which entry of the history."""

    rule: str
    what: str
    entry: int

    def __str__(self) -> str:
        return f"{self.rule}: {self.what} (entry {self.entry})"


Rule = Callable[[History], Iterator[tuple[int, str]]]


def check_safety(history: History, *, periods: Mapping[Kind, timedelta] | None = None) -> tuple[Violation, ...]:
    """
    Return every broken promise of safety, rule by rule; empty if the history keeps all of them.

    Args:
        periods: Of kinds whose tasks all run by a plain ``every``: that each of their slots ran, or was counted as
            coalesced, is checked too.
    """
    rules: list[tuple[str, Rule]] = [
        *_RULES.items(),
        ("every slot runs or is counted", lambda entries: _unaccounted(entries, periods or {})),
    ]
    return tuple(Violation(rule, what, entry) for rule, broken in rules for entry, what in broken(history))


def _accepted(entry: Completed) -> Iterator[tuple[Completion, Receipt]]:
    for completion, receipt in zip(entry.completions, entry.receipts, strict=True):
        if receipt is not Receipt.REFUSED:
            yield completion, receipt


def _released(entry: object) -> Iterator[Claim]:
    """Yield the claims whose leases *entry* ended."""
    if isinstance(entry, Completed):
        yield from (completion.claim for completion, _ in _accepted(entry))
    elif isinstance(entry, Deferred):
        for deferral, receipt in zip(entry.deferrals, entry.receipts, strict=True):
            if receipt is not Receipt.REFUSED:
                yield deferral.claim


def _name(claim: Claim) -> str:
    return f"{claim.task.kind} {claim.task.key} of {claim.task.tenant}"


# --- leases and tokens --------------------------------------------------------------------------------------------


def _overlapping(history: History) -> Iterator[tuple[int, str]]:
    leases: dict[TaskId, tuple[int, datetime]] = {}
    longest = timedelta(0)
    for index, entry in enumerate(history):
        match entry:
            case Claimed():
                for claim in entry.claims:
                    token, until = leases.get(claim.task.id, (0, claim.claimed_at))
                    if until > claim.claimed_at:
                        found = f"was claimed at {claim.claimed_at}, token {token} held it to {until}"
                        yield index, f"{_name(claim)} {found}"
                    leases[claim.task.id] = claim.token, claim.lease_until
                    longest = max(longest, claim.lease_until - claim.claimed_at)
            case Renewed():
                for task_id, token in entry.holds.items():
                    if task_id not in entry.lost and leases.get(task_id, (0,))[0] == token:
                        leases[task_id] = token, entry.lease_until
            case Jumped():
                # No lease ends in a future that was never real: nobody could wait for that.
                leases = {it: (token, min(until, entry.at + longest)) for it, (token, until) in leases.items()}
            case _:
                for claim in _released(entry):
                    if leases.get(claim.task.id, (0,))[0] == claim.token:
                        del leases[claim.task.id]


def _stagnant(history: History) -> Iterator[tuple[int, str]]:
    last: dict[TaskId, int] = {}
    for index, entry in enumerate(history):
        for claim in entry.claims if isinstance(entry, Claimed) else ():
            if claim.token <= last.get(claim.task.id, 0):
                yield index, f"{_name(claim)} got token {claim.token} after {last[claim.task.id]}"
            last[claim.task.id] = claim.token


def _unfenced(history: History) -> Iterator[tuple[int, str]]:
    current: dict[TaskId, int | None] = {}
    for index, entry in enumerate(history):
        if isinstance(entry, Claimed):
            current.update((claim.task.id, claim.token) for claim in entry.claims)
        elif isinstance(entry, Renewed):
            for task_id, token in entry.holds.items():
                if task_id not in entry.lost and current.get(task_id) != token:
                    yield index, f"token {token} of {task_id} was renewed, current is {current.get(task_id)}"
        for claim in _released(entry):
            if current.get(claim.task.id) != claim.token:
                now = current.get(claim.task.id)
                yield index, f"{_name(claim)}: token {claim.token} was accepted, current is {now}"
            current[claim.task.id] = None


def _unclaimed(history: History) -> Iterator[tuple[int, str]]:
    holders: dict[tuple[TaskId, int], RunnerId] = {}
    executed: set[tuple[TaskId, int]] = set()
    for index, entry in enumerate(history):
        if isinstance(entry, Claimed):
            holders.update(((it.task.id, it.token), entry.runner) for it in entry.claims if it.lost_by is None)
        elif isinstance(entry, Executed):
            run = entry.task_id, entry.token
            if holders.get(run) != entry.runner:
                yield index, f"{entry.runner} executed {run}, which {holders.get(run)} claimed"
            if run in executed:
                yield index, f"{run} was executed twice under one token"
            executed.add(run)


# --- slots --------------------------------------------------------------------------------------------------------


def _settled_twice(history: History) -> Iterator[tuple[int, str]]:
    settled: set[tuple[TaskId, datetime]] = set()
    for index, entry in enumerate(history):
        if isinstance(entry, Jumped) and entry.by < timedelta(0):
            settled.clear()  # slots that were settled in a future that was never real are due once more
        for completion, _ in _accepted(entry) if isinstance(entry, Completed) else ():
            slot = completion.claim.task.id, completion.claim.slot_at
            if not completion.settles:
                continue
            if slot in settled:
                yield index, f"{_name(completion.claim)}: slot {slot[1]} was settled twice"
            if completion.claim.trigger is Trigger.MANUAL:
                yield index, f"{_name(completion.claim)}: a manual run settled a slot"
            settled.add(slot)


def _unaccounted(history: History, periods: Mapping[Kind, timedelta]) -> Iterator[tuple[int, str]]:
    planned: dict[TaskId, datetime | None] = {}
    begun: set[tuple[TaskId, int]] = set()
    for index, entry in enumerate(history):
        match entry:
            case Jumped():
                # What was claimed or planned before has a slot by another clock.
                planned.clear()
                begun.clear()
            case Steered():
                planned.pop(entry.task_id, None)
            case Claimed():
                for claim in entry.claims:
                    begun.add((claim.task.id, claim.token))
                    due = planned.get(claim.task.id, claim.slot_at)
                    if claim.trigger is not Trigger.MANUAL and due != claim.slot_at:
                        yield index, f"{_name(claim)}: slot {claim.slot_at} was claimed, {due} was planned"
            case Completed():
                for completion, receipt in _accepted(entry):
                    claim = completion.claim
                    if claim.trigger is Trigger.MANUAL or claim.task.kind not in periods:
                        continue
                    planned.pop(claim.task.id, None)
                    if receipt is Receipt.RECORDED and (claim.task.id, claim.token) in begun:
                        planned[claim.task.id] = _next_slot(completion)
                        missed = _missed(completion, periods[claim.task.kind])
                        if completion.coalesced != missed:
                            found = f"{missed} slots were passed over, {completion.coalesced} counted"
                            yield index, f"{_name(claim)}: {found}"
            case _:
                pass


def _next_slot(completion: Completion) -> datetime | None:
    """Return the slot of the next run: the planned one, or the run's own time where that comes before it."""
    slot, at = completion.slot_at, completion.next_run_at
    return slot if slot is None or at is None else min(slot, at)


def _missed(completion: Completion, period: timedelta) -> int:
    """Return how many slots of the grid lie between the slot that *completion* settled and the next one."""
    if not completion.settles or completion.slot_at is None:
        return 0
    step, phase = period // timedelta(microseconds=1), completion.claim.state.seed
    last, coming = micros(completion.claim.slot_at) - phase, micros(completion.slot_at) - phase
    return (coming - 1) // step - last // step


# --- caps, tenants, records ---------------------------------------------------------------------------------------


def _over_caps(history: History) -> Iterator[tuple[int, str]]:
    caps: dict[TenantId | Kind, int | None] = {}
    running: dict[TaskId, tuple[TenantId, Kind]] = {}
    for index, entry in enumerate(history):
        if isinstance(entry, Capped):
            caps.update((of, entry.most) for of in (entry.tenant, entry.kind) if of is not None)
        elif isinstance(entry, Claimed):
            fresh = [it.task for it in entry.claims if it.lost_by is None]
            running.update((it.task.id, (it.task.tenant, it.task.kind)) for it in entry.claims)
            for of in dict.fromkeys(name for task in fresh for name in (task.tenant, task.kind)):
                cap, now = caps.get(of), sum(of in names for names in running.values())
                if cap is not None and now > cap:
                    yield index, f"{now} tasks of {of} run, its cap is {cap}"
        elif isinstance(entry, Deleted):
            running.pop(entry.task_id, None)
        for claim in _released(entry):
            running.pop(claim.task.id, None)


def _trespassing(history: History) -> Iterator[tuple[int, str]]:
    for index, entry in enumerate(history):
        if isinstance(entry, Trespassed) and entry.answer is not None:
            yield index, f"{entry.tenant} reached task {entry.task_id} of another tenant: {entry.answer}"
        elif isinstance(entry, Ended):
            for read in (entry.tasks, entry.runs, entry.tallies):
                for tenant, rows in read.items():
                    foreign = {row.tenant for row in rows} - {tenant}
                    if foreign:
                        yield index, f"{tenant} reads rows of {sorted(foreign)}"


def _miscounted(history: History) -> Iterator[tuple[int, str]]:
    recount: Counter[tuple[TenantId, Kind, str]] = Counter()
    finished: Counter[tuple[TaskId, int]] = Counter()
    for index, entry in enumerate(history):
        if isinstance(entry, Completed):
            for completion, _ in _accepted(entry):
                claim, ending = completion.claim, type(completion.outcome).__name__.lower()
                recount[claim.task.tenant, claim.task.kind, ending] += 1
                finished[claim.task.id, claim.token] += 1
        elif isinstance(entry, Ended):
            tallies: Counter[tuple[TenantId, Kind, str]] = Counter()
            for each in (each for of in entry.tallies.values() for each in of):
                tallies[each.tenant, each.kind, each.ending.value] += each.runs
            yield from ((index, f"tallies: {what}") for what in _differences(tallies, recount))
            kept = Counter((run.task_id, run.token) for of in entry.runs.values() for run in of)
            yield from ((index, f"runs: {what}") for what in _differences(kept, finished))
            told = [it.run for it in entry.feed if it.name is ChangeName.RUN_FINISHED and it.run is not None]
            feed = Counter((run.task_id, run.token) for run in told)
            yield from ((index, f"feed: {what}") for what in _differences(feed, finished))


def _differences(found: Counter[Any], expected: Counter[Any]) -> Iterator[str]:
    if found != expected:
        yield f"{dict(found - expected)} too many, {dict(expected - found)} missing"


def _disordered(history: History) -> Iterator[tuple[int, str]]:
    for index, entry in enumerate(history):
        if isinstance(entry, Ended):
            numbers = [change.seq for change in entry.feed]
            if any(later <= earlier for earlier, later in pairwise(numbers)):
                yield index, "the numbers of the feed do not grow"


def _hammering(history: History) -> Iterator[tuple[int, str]]:
    floors: dict[TaskId, datetime] = {}
    for index, entry in enumerate(history):
        match entry:
            case Jumped():
                floors.clear()
            case Steered():
                floors.pop(entry.task_id, None)
            case Claimed():
                for claim in entry.claims:
                    floor = floors.get(claim.task.id)
                    if claim.lost_by is None and floor is not None and claim.claimed_at < floor:
                        yield index, f"{_name(claim)} was claimed at {claim.claimed_at}, the provider said {floor}"
            case Completed():
                for completion, receipt in _accepted(entry):
                    task_id, outcome = completion.claim.task.id, completion.outcome
                    if isinstance(outcome, Succeeded):
                        floors.pop(task_id, None)
                    elif completion.claim.trigger is Trigger.MANUAL or receipt is Receipt.OVERRULED:
                        continue  # what an operator asked for counts nothing against the task
                    elif isinstance(outcome, Failed) and outcome.failure.retry_after:
                        floors[task_id] = completion.finished_at + outcome.failure.retry_after
            case _:
                pass


_RULES: Final[Mapping[str, Rule]] = {
    "at most one live lease": _overlapping,
    "tokens grow": _stagnant,
    "only the current token writes": _unfenced,
    "only what is claimed is executed, once": _unclaimed,
    "a slot is settled once": _settled_twice,
    "caps hold": _over_caps,
    "tenants are apart": _trespassing,
    "what is counted is what happened": _miscounted,
    "the feed is in order": _disordered,
    "no Retry-After is ignored": _hammering,
}


# --- liveness -----------------------------------------------------------------------------------------------------


def check_recovery(
    history: History, *, healed_at: datetime, slack: timedelta, horizon: timedelta
) -> tuple[Violation, ...]:
    """
    Return every task that has not come back, in a history whose faults ended at *healed_at*.

    At the end each task is healthy and not paused; it runs, is done, or has a next time that is neither overdue by more
    than *slack* nor farther away than *horizon*; and each that is not done has had a success since.
    """
    last = len(history) - 1
    ended = history[last]
    if not isinstance(ended, Ended):
        return (Violation("recovery", "the history does not end with what the store held", last),)
    successes = {
        completion.claim.task.id
        for entry in history
        if isinstance(entry, Completed)
        for completion, _ in _accepted(entry)
        if isinstance(completion.outcome, Succeeded) and entry.at >= healed_at
    }
    return tuple(
        Violation("recovery", f"{status.kind} {status.key} of {status.tenant} {problem}", last)
        for statuses in ended.tasks.values()
        for status in statuses
        for problem in _stuck(status, status.id in successes, status.as_of - slack, status.as_of + horizon)
    )


def _stuck(status: TaskStatus, succeeded: bool, earliest: datetime, latest: datetime) -> Iterator[str]:  # noqa: FBT001
    if status.phase is not Phase.HEALTHY:
        yield f"is {status.phase}, next at {status.next_run_at}"
    if status.paused:
        yield "is paused"
    if status.state is State.DONE:
        return
    due = status.lease_until if status.state is State.RUNNING else status.next_run_at
    if due is None or not earliest <= due <= latest:
        yield f"is {status.state}, and its time is {due}"
    if not succeeded:
        yield "has had no success since the faults ended"
