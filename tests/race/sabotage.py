"""
One broken promise in a history that keeps all of them, for each way to break one.

A sabotage takes the history and a ``pick`` that draws from a sequence (and gives the example up where there is nothing
to draw from), and returns the history broken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.lifecycle import State
from taskwarden.core.record import Ending, Run, TaskStatus
from taskwarden.policies.intervals import Every
from tests.race.history import Execution, History
from tests.race.tales import CAPPED, LEASE

__all__ = ["SABOTAGES", "Pick", "Sabotage"]

T = TypeVar("T")
HOUR: Final = timedelta(hours=1)


class Pick:
    """Draws one of several."""

    def __init__(self, draw: Callable[[Sequence[Any]], Any]) -> None:
        self._draw = draw

    def __call__(self, among: Sequence[T]) -> T:
        drawn: T = self._draw(among)
        return drawn


Sabotage = Callable[[History, Pick], History]

# --- parts --------------------------------------------------------------------------------------------------------


def _replaced(items: Sequence[T], old: T, *new: T) -> list[T]:
    """Return *items* with *new* in the place of *old*."""
    place = next(index for index, item in enumerate(items) if item is old)
    return [*items[:place], *new, *items[place + 1 :]]


def _with_run(history: History, old: Run, *new: Run) -> History:
    """Return *history* with *new* in the place of the run *old*, in runs and feed."""
    told = next(change for change in history.feed if change.run is old)
    changes = [attrs.evolve(told, run=run) for run in new]
    return attrs.evolve(history, runs=_replaced(history.runs, old, *new), feed=_replaced(history.feed, told, *changes))


def _with_task(history: History, old: TaskStatus, **fields: Any) -> History:
    return attrs.evolve(history, tasks=_replaced(history.tasks, old, attrs.evolve(old, **fields)))


def _recurring(history: History) -> list[TaskStatus]:
    return [status for status in history.tasks if isinstance(status.task.schedule, Every)]


def _one_offs(history: History) -> list[TaskStatus]:
    return [status for status in history.tasks if not isinstance(status.task.schedule, Every)]


def _successes(history: History) -> list[Run]:
    return [run for run in history.runs if run.ending is Ending.SUCCEEDED]


def _of(history: History, statuses: Sequence[TaskStatus]) -> list[Run]:
    ids = {status.id for status in statuses}
    return [run for run in history.runs if run.task_id in ids]


def _doubled(history: History, run: Run) -> History:
    """Let *run* have happened once more, an hour later."""
    last = max(each.token for each in history.runs if each.task_id == run.task_id)
    later = attrs.evolve(
        run, token=last + 1, claimed_at=run.claimed_at + HOUR, started_at=run.started_at + HOUR,
        finished_at=run.finished_at + HOUR,
    )  # fmt: skip
    return _with_run(history, run, run, later)


def _pairs(history: History) -> list[tuple[Run, Run]]:
    """Return the runs that follow one another under neighbouring tokens of one task."""
    return [
        (earlier, later)
        for earlier in history.runs
        for later in history.runs
        if earlier.task_id == later.task_id and earlier.token + 1 == later.token
    ]


# --- tasks and slots ----------------------------------------------------------------------------------------------


def lose_a_task(history: History, pick: Pick) -> History:
    return attrs.evolve(history, tasks=_replaced(history.tasks, pick(history.tasks)))


def make_a_task_twice(history: History, pick: Pick) -> History:
    return attrs.evolve(history, tasks=[*history.tasks, pick(history.tasks)])


def make_a_task_that_nobody_wanted(history: History, pick: Pick) -> History:
    return attrs.evolve(history, made=history.made - {pick(sorted(history.made))})


def count_a_slot_too_many(history: History, pick: Pick) -> History:
    run = pick([run for run in _of(history, _recurring(history)) if run.settled])
    return _with_run(history, run, attrs.evolve(run, coalesced=run.coalesced + 1))


def forget_to_count_a_slot(history: History, pick: Pick) -> History:
    run = pick([run for run in history.runs if run.coalesced])
    return _with_run(history, run, attrs.evolve(run, coalesced=run.coalesced - 1))


def leave_the_grid(history: History, pick: Pick) -> History:
    run = pick(_of(history, _recurring(history)))
    return _with_run(history, run, attrs.evolve(run, slot_at=run.slot_at + timedelta(microseconds=1)))


def leave_a_slot_out_at_the_end(history: History, pick: Pick) -> History:
    status = pick(_recurring(history))
    assert isinstance(status.task.schedule, Every)
    assert status.slot_at is not None
    return _with_task(history, status, slot_at=status.slot_at + status.task.schedule.period)


def leave_slots_out_at_the_beginning(history: History, pick: Pick) -> History:
    status = pick(_recurring(history))
    return _with_task(history, status, task=attrs.evolve(status.task, created_at=status.task.created_at - HOUR))


def drop_a_run_that_settled(history: History, pick: Pick) -> History:
    return _with_run(history, pick([run for run in _of(history, _recurring(history)) if run.settled]))


def never_finish_a_one_off(history: History, pick: Pick) -> History:
    status = pick(_one_offs(history))
    return _with_task(history, status, state=State.SCHEDULED, next_run_at=history.stopped_at)


def finish_a_one_off_without_success(history: History, pick: Pick) -> History:
    run = pick([run for run in _of(history, _one_offs(history)) if run.ending is Ending.SUCCEEDED])
    return _with_run(history, run, attrs.evolve(run, ending=Ending.SKIPPED))


def succeed_again(history: History, pick: Pick) -> History:
    return _doubled(history, pick(_successes(history)))


def settle_again(history: History, pick: Pick) -> History:
    return _doubled(history, pick([run for run in history.runs if run.settled]))


# --- leases and tokens --------------------------------------------------------------------------------------------


def claim_what_still_runs(history: History, pick: Pick) -> History:
    earlier, later = pick(_pairs(history))
    return _with_run(history, later, attrs.evolve(later, claimed_at=earlier.finished_at - timedelta(microseconds=1)))


def take_over_before_the_lease_ends(history: History, pick: Pick) -> History:
    recorded = {(run.task_id, run.token) for run in history.runs}
    lost = pick([each for each in history.executions if (each.task_id, each.token) not in recorded])
    longer = attrs.evolve(lost, lease_until=lost.lease_until + HOUR)
    return attrs.evolve(history, executions=_replaced(history.executions, lost, longer))


def claim_at_two_times(history: History, pick: Pick) -> History:
    recorded = {(run.task_id, run.token) for run in history.runs}
    each = pick([each for each in history.executions if (each.task_id, each.token) in recorded])
    other = attrs.evolve(each, claimed_at=each.claimed_at - timedelta(microseconds=1))
    return attrs.evolve(history, executions=_replaced(history.executions, each, other))


def give_a_token_twice(history: History, pick: Pick) -> History:
    earlier, later = pick(_pairs(history))
    return _with_run(history, later, attrs.evolve(later, token=earlier.token))


def let_tokens_fall(history: History, pick: Pick) -> History:
    earlier, later = pick(_pairs(history))
    swapped = _with_run(history, earlier, attrs.evolve(earlier, token=later.token))
    return _with_run(swapped, later, attrs.evolve(later, token=earlier.token))


def drop_a_run_that_settled_nothing(history: History, pick: Pick) -> History:
    pairs = [pair for pair in _pairs(history) if _were_executed(history, pair[0]) and pair[1].ending is not Ending.LOST]
    return _with_run(history, pick([run for run, _ in pairs if not run.settled]))


def forget_what_was_lost(history: History, pick: Pick) -> History:
    executed = {(each.task_id, each.token + 1) for each in history.executions}
    lost = [run for run in history.runs if run.ending is Ending.LOST and (run.task_id, run.token) in executed]
    run = pick(lost)
    return _with_run(history, run, attrs.evolve(run, ending=Ending.INTERRUPTED))


def forget_the_last_claim(history: History, pick: Pick) -> History:
    last = pick(history.executions)
    token = 1 + max(run.token for run in history.runs if run.task_id == last.task_id)
    more = attrs.evolve(last, token=token, claimed_at=history.stopped_at, lease_until=history.stopped_at + LEASE)
    return attrs.evolve(history, executions=[*history.executions, more])


def die_with_a_task(history: History, pick: Pick) -> History:
    at = pick([-HOUR, timedelta(seconds=1)])
    status = pick(history.tasks)
    return _with_task(history, status, state=State.RUNNING, lease_until=history.stopped_at + at)


def leave_what_is_due(history: History, pick: Pick) -> History:
    return _with_task(history, pick(_recurring(history)), next_run_at=history.stopped_at - HOUR)


def plan_nothing(history: History, pick: Pick) -> History:
    return _with_task(history, pick(_recurring(history)), next_run_at=None)


def wait_for_ever(history: History, pick: Pick) -> History:
    return _with_task(history, pick(_recurring(history)), next_run_at=history.stopped_at + 24 * HOUR)


def block_a_task(history: History, pick: Pick) -> History:
    return _with_task(history, pick(_recurring(history)), state=State.BLOCKED)


def finish_a_recurring_task(history: History, pick: Pick) -> History:
    return _with_task(history, pick(_recurring(history)), state=State.DONE)


# --- what is told -------------------------------------------------------------------------------------------------


def count_a_run_too_many(history: History, pick: Pick) -> History:
    tally = pick(history.tallies)
    more = attrs.evolve(tally, runs=tally.runs + pick([-1, 1]))
    return attrs.evolve(history, tallies=_replaced(history.tallies, tally, more))


def forget_a_tally(history: History, pick: Pick) -> History:
    return attrs.evolve(history, tallies=_replaced(history.tallies, pick(history.tallies)))


def count_under_another_code(history: History, pick: Pick) -> History:
    tally = pick(history.tallies)
    return attrs.evolve(history, tallies=_replaced(history.tallies, tally, attrs.evolve(tally, code="unknown.bug")))


def keep_a_change_to_oneself(history: History, pick: Pick) -> History:
    return attrs.evolve(history, feed=_replaced(history.feed, pick([history.feed[0], *_finished(history)])))


def tell_a_change_twice(history: History, pick: Pick) -> History:
    change = pick(_finished(history))
    again = attrs.evolve(change, seq=history.feed[-1].seq + 1)
    return attrs.evolve(history, feed=[*history.feed, again])


def tell_in_the_wrong_order(history: History, pick: Pick) -> History:
    earlier, later = pick(_pairs(history))
    places = {id(change.run): change for change in history.feed}
    one, other = places[id(earlier)], places[id(later)]
    swapped = {id(one): attrs.evolve(one, run=later), id(other): attrs.evolve(other, run=earlier)}
    return attrs.evolve(history, feed=[swapped.get(id(change), change) for change in history.feed])


def number_changes_backwards(history: History, pick: Pick) -> History:
    change = pick(history.feed[1:])
    return attrs.evolve(history, feed=_replaced(history.feed, change, attrs.evolve(change, seq=1)))


def tell_another_story(history: History, pick: Pick) -> History:
    change = pick(_finished(history))
    assert change.run is not None
    other = attrs.evolve(change, run=attrs.evolve(change.run, message="otherwise"))
    return attrs.evolve(history, feed=_replaced(history.feed, change, other))


def _finished(history: History) -> list[Any]:
    return [change for change in history.feed if change.name is ChangeName.RUN_FINISHED]


def miss_a_change(history: History, pick: Pick) -> History:
    return attrs.evolve(history, heard=_replaced(history.heard, pick(history.heard)))


def hear_a_change_twice(history: History, pick: Pick) -> History:
    return attrs.evolve(history, heard=[*history.heard, pick(history.heard)])


def hear_in_the_wrong_order(history: History, pick: Pick) -> History:
    first = pick(history.heard[:-1])
    return attrs.evolve(history, heard=[*_replaced(history.heard, first), first])


# --- what executors saw -------------------------------------------------------------------------------------------


def _executed(history: History, run: Run) -> Execution:
    return next(each for each in history.executions if (each.task_id, each.token) == (run.task_id, run.token))


def invent_a_success(history: History, pick: Pick) -> History:
    execution = _executed(history, pick(_successes(history)))
    return attrs.evolve(history, executions=_replaced(history.executions, execution))


def turn_a_failure_into_a_success(history: History, pick: Pick) -> History:
    execution = _executed(history, pick(_successes(history)))
    failed = attrs.evolve(execution, how="failed")
    return attrs.evolve(history, executions=_replaced(history.executions, execution, failed))


def keep_the_result_of_another(history: History, pick: Pick) -> History:
    run = pick(_successes(history))
    return _with_run(history, run, attrs.evolve(run, result=[run.token, 0]))


def execute_twice(history: History, pick: Pick) -> History:
    return attrs.evolve(history, executions=[*history.executions, pick(history.executions)])


def go_on_beside_a_later_run(history: History, pick: Pick) -> History:
    earlier, later = pick([pair for pair in _pairs(history) if _were_executed(history, *pair)])
    execution = _executed(history, earlier)
    longer = attrs.evolve(execution, ended=_executed(history, later).started + 60)
    return attrs.evolve(history, executions=_replaced(history.executions, execution, longer))


def _were_executed(history: History, *runs: Run) -> bool:
    executed = {(each.task_id, each.token) for each in history.executions}
    return all((run.task_id, run.token) in executed for run in runs)


def exceed_a_cap(history: History, pick: Pick) -> History:
    capped = [each for each in history.executions if history.tasks[int(each.task_id[5:])].tenant == CAPPED]
    one = pick(capped)
    other = pick([each for each in capped if each.task_id != one.task_id])
    middle = (one.started + one.until) / 2
    moved = attrs.evolve(other, started=middle, ended=middle + 1)
    return attrs.evolve(history, executions=_replaced(history.executions, other, moved))


SABOTAGES: Final[dict[Sabotage, str]] = {
    lose_a_task: "no task is lost",
    make_a_task_twice: "no task is lost",
    make_a_task_that_nobody_wanted: "no task is lost",
    count_a_slot_too_many: "every slot ran or is counted",
    forget_to_count_a_slot: "every slot ran or is counted",
    leave_the_grid: "every slot ran or is counted",
    leave_a_slot_out_at_the_end: "every slot ran or is counted",
    leave_slots_out_at_the_beginning: "every slot ran or is counted",
    drop_a_run_that_settled: "every slot ran or is counted",
    never_finish_a_one_off: "a one-off succeeds once",
    finish_a_one_off_without_success: "a one-off succeeds once",
    succeed_again: "no slot succeeds twice",
    settle_again: "no slot is settled twice",
    claim_what_still_runs: "no two leases overlap",
    take_over_before_the_lease_ends: "no two leases overlap",
    claim_at_two_times: "no two leases overlap",
    give_a_token_twice: "tokens grow",
    let_tokens_fall: "tokens grow",
    drop_a_run_that_settled_nothing: "no claim vanishes",
    forget_what_was_lost: "no claim vanishes",
    forget_the_last_claim: "no claim vanishes",
    die_with_a_task: "no task is stuck",
    leave_what_is_due: "no task is stuck",
    plan_nothing: "no task is stuck",
    wait_for_ever: "no task is stuck",
    block_a_task: "no task is stuck",
    finish_a_recurring_task: "no task is stuck",
    count_a_run_too_many: "rollups equal a recount",
    forget_a_tally: "rollups equal a recount",
    count_under_another_code: "rollups equal a recount",
    keep_a_change_to_oneself: "the feed tells each run once, in order",
    tell_a_change_twice: "the feed tells each run once, in order",
    tell_in_the_wrong_order: "the feed tells each run once, in order",
    number_changes_backwards: "the feed tells each run once, in order",
    tell_another_story: "the feed tells each run once, in order",
    miss_a_change: "a reader of the feed misses nothing",
    hear_a_change_twice: "a reader of the feed misses nothing",
    hear_in_the_wrong_order: "a reader of the feed misses nothing",
    invent_a_success: "what succeeded was executed",
    turn_a_failure_into_a_success: "what succeeded was executed",
    keep_the_result_of_another: "what succeeded was executed",
    execute_twice: "what succeeded was executed",
    go_on_beside_a_later_run: "no run goes on beside a later one",
    exceed_a_cap: "caps hold",
}
"""Each sabotage, and the rule that it breaks, perhaps among others."""
