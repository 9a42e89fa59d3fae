"""
The judge of a race: reads a history, and nothing else, and says which promise was broken where.

Each rule is a function of its own that goes through the whole history and shares no code with stores, runners or
policies. They speak of tasks with a schedule of their own, ``once`` or ``every`` with an anchor, that no operator
touches, and of runners that have all drained.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import Trigger
from taskwarden.core.lifecycle import State
from taskwarden.core.record import Ending, Run, TaskStatus
from taskwarden.ids import Kind, TaskId, TenantId
from taskwarden.policies.intervals import Every
from tests.race.history import Execution, History

__all__ = ["RULES", "Violation", "check"]

_SLACK: Final = timedelta(seconds=5)
"""How late a loaded machine may be where a promise is one of time."""
_PROMPTLY: Final = 0.5
"""Of a lease whose outcome was never written, the part after its run began in which it surely was still held."""


@attrs.frozen
class Violation:
    """A broken promise: which rule, and what happened."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


Rule = Callable[[History], Iterator[str]]


def check(history: History) -> tuple[Violation, ...]:
    """Return every broken promise, rule by rule; empty if the history keeps all of them."""
    return tuple(Violation(name, what) for name, broken in RULES.items() for what in broken(history))


def _of_tasks(runs: Iterable[Run]) -> dict[TaskId, list[Run]]:
    """Return the runs of each task, by token."""
    of: dict[TaskId, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.token):
        of[run.task_id].append(run)
    return of


def _is_recurring(status: TaskStatus) -> bool:
    return isinstance(status.task.schedule, Every)


def _name(of: TaskStatus | Run) -> str:
    return f"{of.kind} {of.key} of {of.tenant}"


# --- tasks and slots ----------------------------------------------------------------------------------------------


def _missing_tasks(history: History) -> Iterator[str]:
    found = Counter((status.tenant, status.kind, status.key) for status in history.tasks)
    yield from (f"{name} was made, and is not there" for name in history.made - found.keys())
    yield from (f"{name} is there, and nobody made it" for name in found.keys() - history.made)
    yield from (f"{name} is there {count} times" for name, count in found.items() if count > 1)


def _uncovered(history: History) -> Iterator[str]:
    runs = _of_tasks(history.runs)
    for status in history.tasks:
        if _is_recurring(status):
            of_schedule = [run for run in runs.get(status.id, []) if run.trigger is not Trigger.MANUAL]
            yield from (f"{_name(status)}: {what}" for what in _gaps(status, of_schedule))


def _gaps(status: TaskStatus, runs: list[Run]) -> Iterator[str]:
    """Go along the grid of a recurring task: each slot is settled, or counted as coalesced, and then left behind."""
    schedule = status.task.schedule
    assert isinstance(schedule, Every)
    period, anchor, created_at = schedule.period, schedule.anchor, status.task.created_at
    assert anchor is not None
    pending = runs[0].slot_at if runs else status.slot_at
    if pending is None or not created_at - _SLACK <= pending <= created_at + period:
        yield f"made at {created_at}, its first slot is {pending}"
    for run in runs:
        if run.slot_at != pending:
            yield f"slot {pending} was to come, and token {run.token} ran {run.slot_at}"
        if (run.slot_at - anchor) % period:
            yield f"slot {run.slot_at} of token {run.token} is not on the grid"
        beyond = run.slot_at + run.coalesced * period
        if run.coalesced and (not run.settled or beyond > run.finished_at):
            yield f"token {run.token}, finished at {run.finished_at}, counts slots as missed up to {beyond}"
        pending = beyond + period if run.settled else run.slot_at
    if status.slot_at != pending:
        yield f"slot {pending} was to come, and {status.slot_at} is planned"


def _undone(history: History) -> Iterator[str]:
    successes = Counter(run.task_id for run in history.runs if run.ending is Ending.SUCCEEDED)
    for status in history.tasks:
        if not _is_recurring(status):
            if successes[status.id] != 1:
                yield f"{_name(status)} has {successes[status.id]} succeeded runs"
            if status.state is not State.DONE:
                yield f"{_name(status)} is {status.state}, next at {status.next_run_at}"


def _often(runs: Iterable[Run], what: str) -> Iterator[str]:
    slots = Counter((run.task_id, run.slot_at) for run in runs if run.trigger is not Trigger.MANUAL)
    for (task_id, slot), count in slots.items():
        if count > 1:
            yield f"slot {slot} of {task_id} {what} {count} times"


def _succeeding_twice(history: History) -> Iterator[str]:
    yield from _often((run for run in history.runs if run.ending is Ending.SUCCEEDED), "succeeded")


def _settled_twice(history: History) -> Iterator[str]:
    yield from _often((run for run in history.runs if run.settled), "was settled")


# --- leases and tokens --------------------------------------------------------------------------------------------


def _overlapping(history: History) -> Iterator[str]:
    claims: dict[TaskId, dict[int, tuple[datetime, datetime]]] = defaultdict(dict)
    for each in history.executions:
        claims[each.task_id][each.token] = each.claimed_at, each.lease_until
    for run in history.runs:  # what is recorded held its lease to the end of the run, whenever it was renewed
        claimed_at, _ = claims[run.task_id].get(run.token, (run.claimed_at, None))
        if claimed_at != run.claimed_at:
            yield f"{_name(run)}: token {run.token} was claimed at {claimed_at}, and at {run.claimed_at}"
        claims[run.task_id][run.token] = run.claimed_at, run.finished_at
    for task_id, of_task in claims.items():
        for earlier, later in pairwise(sorted(of_task)):
            held, begins = of_task[earlier][1], of_task[later][0]
            if begins < held:
                yield f"{task_id}: token {later} was claimed at {begins}, token {earlier} held it to {held}"


def _stagnant(history: History) -> Iterator[str]:
    given = Counter((run.task_id, run.token) for run in history.runs)
    yield from (f"{run} is in {count} runs" for run, count in given.items() if count > 1)
    last: dict[TaskId, int] = {}
    for run in sorted(history.runs, key=lambda run: (run.claimed_at, run.finished_at)):
        if run.token < last.get(run.task_id, 0):
            yield f"{_name(run)} got token {run.token} at {run.claimed_at}, after {last[run.task_id]}"
        last[run.task_id] = run.token


def _vanished(history: History) -> Iterator[str]:
    deferred = Counter(change.task_id for change in history.feed if change.name is ChangeName.TASK_DEFERRED)
    executed: dict[TaskId, set[int]] = defaultdict(set)
    for each in history.executions:
        executed[each.task_id].add(each.token)
    runs = _of_tasks(history.runs)
    for task_id in executed.keys() | runs.keys():
        last = 0
        unexplained: list[int] = []
        for run in runs.get(task_id, []):
            if not _is_of_a_lost_one(run):
                unexplained += range(last + 1, run.token)
            last = run.token
        unexplained += range(last + 1, max(executed[task_id], default=0) + 1)
        # A claim is deferred before it is executed, or not at all.
        if len(unexplained) > deferred[task_id] or not executed[task_id].isdisjoint(unexplained):
            yield f"{task_id}: nothing became of the claims with tokens {unexplained}"


def _is_of_a_lost_one(run: Run) -> bool:
    """Tell whether *run* records that earlier claims ended without a word; two in a row count as a failure."""
    return run.ending is Ending.LOST or run.code == "unknown.lost"


def _stuck(history: History) -> Iterator[str]:
    due = history.stopped_at - _SLACK
    for status in history.tasks:
        horizon = status.as_of + _SLACK
        if isinstance(status.task.schedule, Every):
            horizon += status.task.schedule.period
        elif status.state is State.DONE:
            continue
        at = status.lease_until if status.state is State.RUNNING else status.next_run_at
        if status.state is State.SCHEDULED and at is not None and at < due and _waits_for_its_turn(history, status, at):
            continue
        if status.state is not State.SCHEDULED or at is None or not due <= at <= horizon:
            yield f"{_name(status)} is {status.state}, and its time is {at} ({status.phase}; stop {history.stopped_at})"


def _waits_for_its_turn(history: History, status: TaskStatus, at: datetime) -> bool:
    """Tell whether a task that is late has a cap to wait for, its siblings are served, and none was before its turn."""
    task = status.task
    if not {task.tenant, task.kind} & history.caps.keys():
        return False
    siblings = [
        run for run in history.runs if (run.tenant, run.kind) == (task.tenant, task.kind) and run.task_id != task.id
    ]
    served = any(run.claimed_at >= history.stopped_at - _SLACK for run in siblings)
    overtaken = any(run.due_at > at + _SLACK for run in siblings)
    return served and not overtaken


# --- what is told -------------------------------------------------------------------------------------------------


def _differences(found: Counter[Any], expected: Counter[Any]) -> Iterator[str]:
    for each in found.keys() | expected.keys():
        if found[each] != expected[each]:
            yield f"{each}: {found[each]}, where history has {expected[each]}"


def _miscounted(history: History) -> Iterator[str]:
    tallies: Counter[tuple[TenantId, Kind, str, str]] = Counter()
    for each in history.tallies:
        tallies[each.tenant, each.kind, each.ending.value, each.code] += each.runs
    recount = Counter((run.tenant, run.kind, run.ending.value, run.code) for run in history.runs)
    yield from _differences(tallies, recount)


def _told_wrongly(history: History) -> Iterator[str]:
    for earlier, later in pairwise(history.feed):
        if later.seq <= earlier.seq:
            yield f"change {later.seq} comes after {earlier.seq}"
    finished = [change.run for change in history.feed if change.name is ChangeName.RUN_FINISHED]
    told = Counter((run.task_id, run.token) for run in finished if run is not None)
    yield from _differences(told, Counter((run.task_id, run.token) for run in history.runs))
    kept = {(run.task_id, run.token): run for run in history.runs}
    last: dict[TaskId, int] = {}
    for run in finished:
        if run is None or run != kept.get((run.task_id, run.token), run):
            yield f"{run} is told, {run and kept[run.task_id, run.token]} is kept"
        elif run.token < last.get(run.task_id, 0):
            yield f"{_name(run)}: token {run.token} is told after {last[run.task_id]}"
        else:
            last[run.task_id] = run.token
    created = Counter(change.task_id for change in history.feed if change.name is ChangeName.TASK_CREATED)
    yield from _differences(created, Counter(status.id for status in history.tasks))


def _overheard(history: History) -> Iterator[str]:
    finished = [
        (change.seq, change.run.task_id, change.run.token)
        for change in history.feed
        if change.name is ChangeName.RUN_FINISHED and change.run is not None
    ]
    if list(history.heard) != finished:
        yield from (f"{run} was never heard of" for run in set(finished) - set(history.heard))
        yield from (f"{run} was heard of, and is not there" for run in set(history.heard) - set(finished))
        yield f"{len(history.heard)} runs were heard of, not in this order or not this often: {len(finished)}"


# --- what executors saw -------------------------------------------------------------------------------------------


def _invented(history: History) -> Iterator[str]:
    executed: dict[tuple[TaskId, int], Execution] = {}
    for each in history.executions:
        if (each.task_id, each.token) in executed:
            yield f"{each.task_id} was executed twice under token {each.token}"
        executed[each.task_id, each.token] = each
    for run in history.runs:
        if run.ending is Ending.SUCCEEDED:
            execution = executed.get((run.task_id, run.token))
            if execution is None or execution.how != "succeeded":
                yield f"{_name(run)}: token {run.token} succeeded; its execution: {execution}"
            elif run.result != [run.token, execution.process]:
                yield f"{_name(run)}: token {run.token} has the result {run.result} of another"


def _beside(history: History) -> Iterator[str]:
    slack = _SLACK.total_seconds()
    of: dict[TaskId, list[Execution]] = defaultdict(list)
    for each in sorted(history.executions, key=lambda each: each.token):
        of[each.task_id].append(each)
    for task_id, executions in of.items():
        for earlier, later in pairwise(executions):
            if earlier.until > later.started + slack:
                yield f"{task_id}: token {earlier.token} was executed until {earlier.until}, and beside it {later}"


def _over_caps(history: History) -> Iterator[str]:
    recorded = {(run.task_id, run.token) for run in history.runs}
    tasks = {status.id: status for status in history.tasks}
    marks: dict[TenantId | Kind, list[tuple[float, int, str]]] = defaultdict(list)
    for each in history.executions:
        status = tasks.get(each.task_id)
        until = each.until
        if (each.task_id, each.token) not in recorded:
            lease = (each.lease_until - each.claimed_at).total_seconds()
            until = min(until, each.started + lease * _PROMPTLY)
        for of in (status.tenant, status.kind) if status is not None else ():
            if of in history.caps:
                marks[of] += [(each.started, 1, each.task_id), (until, -1, each.task_id)]
    for of, moves in marks.items():
        running = 0
        for at, change, task_id in sorted(moves):  # at one instant ends come first
            running += change
            if change > 0 and running > history.caps[of]:
                yield f"{running} tasks of {of} run at {at}, among them {task_id}; its cap is {history.caps[of]}"


RULES: Final[dict[str, Rule]] = {
    "no task is lost": _missing_tasks,
    "every slot ran or is counted": _uncovered,
    "a one-off succeeds once": _undone,
    "no slot succeeds twice": _succeeding_twice,
    "no slot is settled twice": _settled_twice,
    "no two leases overlap": _overlapping,
    "tokens grow": _stagnant,
    "no claim vanishes": _vanished,
    "no task is stuck": _stuck,
    "rollups equal a recount": _miscounted,
    "the feed tells each run once, in order": _told_wrongly,
    "a reader of the feed misses nothing": _overheard,
    "what succeeded was executed": _invented,
    "no run goes on beside a later one": _beside,
    "caps hold": _over_caps,
}
