"""The checker judges histories in which a promise is broken on purpose, and the same histories unbroken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from taskwarden.core.change import Change, ChangeName
from taskwarden.core.claim import Claim, Completion, Deferral, Receipt
from taskwarden.core.decision import IntervalState, Trigger
from taskwarden.core.failure import Failure
from taskwarden.core.health import HEALTHY, Health, Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Failed, Interrupted, Outcome
from taskwarden.core.record import Ending, Run, Tally, TaskStatus
from taskwarden.core.task import TaskRecord
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
from taskwarden.testing import builders
from taskwarden.testing.simulation import check_recovery, check_safety
from taskwarden.testing.simulation.history import (
    Capped,
    Claimed,
    Completed,
    Deferred,
    Deleted,
    Ended,
    Entry,
    Executed,
    Jumped,
    Renewed,
    Steered,
    Trespassed,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
POLL = Kind("poll")
ALICE, BOB = TenantId("alice"), TenantId("bob")
HERE, THERE = RunnerId("here"), RunnerId("there")


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


def claim(
    token: int = 1,
    minutes: float = 0,
    *,
    id: str = "t",
    tenant: TenantId = ALICE,
    slot: float = 0,
    trigger: Trigger = Trigger.SCHEDULED,
    lost_by: RunnerId | None = None,
) -> Claim:
    return Claim(
        task=TaskRecord(id=TaskId(id), tenant=tenant, kind=POLL, key="k", payload=None, created_at=NOON),
        token=token,
        health=HEALTHY,
        state=IntervalState(),
        trigger=trigger,
        slot_at=at(slot),
        due_at=at(slot),
        attempt=1,
        claimed_at=at(minutes),
        lease_until=at(minutes + 1),
        lost_by=lost_by,
    )


def claimed(*claims: Claim, runner: RunnerId = HERE) -> Claimed:
    return Claimed(at=claims[0].claimed_at, runner=runner, claims=claims)


def completed(
    of: Claim,
    outcome: Outcome | None = None,
    *,
    next_slot: float = 60,
    receipt: Receipt = Receipt.RECORDED,
    **others: Any,
) -> Completed:
    done = builders.completed(of, outcome, slot_at=at(next_slot), **others)
    return Completed(at=of.claimed_at, completions=(done,), receipts=(receipt,))


def status(**fields: Any) -> TaskStatus:
    task = claim().task
    standing: dict[str, Any] = {
        "task": task,
        "as_of": at(120),
        "state": State.SCHEDULED,
        "health": HEALTHY,
        "interval": IntervalState(),
        "paused": False,
        "attempt": 1,
        "next_run_at": at(121),
        "slot_at": at(121),
    }
    return TaskStatus(**standing | fields)


def run_of(done: Completion, id: str = "r1") -> Run:
    it = done.claim
    return Run(
        id=RunId(id),
        task_id=it.task.id,
        tenant=it.task.tenant,
        kind=it.task.kind,
        key=it.task.key,
        token=it.token,
        attempt=1,
        trigger=it.trigger,
        slot_at=it.slot_at,
        due_at=it.due_at,
        claimed_at=it.claimed_at,
        started_at=it.claimed_at,
        finished_at=it.claimed_at,
        ending=Ending.SUCCEEDED,
        settled=True,
        coalesced=0,
        runner=HERE,
    )


def ended(*runs: Run, **others: Any) -> Ended:
    told = [
        Change(seq=n, at=NOON, name=ChangeName.RUN_FINISHED, tenant=it.tenant, run=it) for n, it in enumerate(runs, 1)
    ]
    held: dict[str, Any] = {
        "tasks": {ALICE: [status()]},
        "runs": {ALICE: list(runs)},
        "tallies": {ALICE: [Tally(ALICE, POLL, Ending.SUCCEEDED, "", len(runs))] if runs else []},
        "feed": told,
    }
    return Ended(at=at(120), **held | others)


def broken(*history: Entry, periods: bool = False) -> set[str]:
    return {found.rule for found in check_safety(history, periods={POLL: HOUR} if periods else None)}


ONE = claim()
DONE = completed(ONE)
RUN = run_of(DONE.completions[0])
GOOD: Sequence[Entry] = (
    Capped(at=NOON, tenant=ALICE, most=1),
    claimed(ONE),
    Executed(at=NOON, runner=HERE, task_id=ONE.task.id, token=1),
    Renewed(at=at(0.5), runner=HERE, holds={ONE.task.id: 1}, lease_until=at(1.5), lost=frozenset()),
    DONE,
    Trespassed(at=at(1), tenant=BOB, task_id=ONE.task.id, answer=None),
    ended(RUN),
)


def test_a_history_that_keeps_all_promises_is_accepted() -> None:
    assert broken(*GOOD, periods=True) == set()


def test_a_claim_within_anothers_lease_is_found() -> None:
    assert broken(claimed(ONE), claimed(claim(2, 0.9), runner=THERE)) == {"at most one live lease"}


def test_a_claim_within_a_renewed_lease_is_found() -> None:
    renewed = Renewed(at=at(0.5), runner=HERE, holds={ONE.task.id: 1}, lease_until=at(1.5), lost=frozenset())

    assert broken(claimed(ONE), renewed, claimed(claim(2, 1.2))) == {"at most one live lease"}


@pytest.mark.parametrize(
    "between",
    [
        (),
        (DONE,),
        (Renewed(at=NOON, runner=HERE, holds={ONE.task.id: 1}, lease_until=at(9), lost=frozenset({ONE.task.id})),),
    ],
    ids=["expired", "completed", "renewal refused"],
)
def test_a_claim_after_the_lease_is_accepted(between: tuple[Entry, ...]) -> None:
    later = claim(2, 61, slot=60) if between == (DONE,) else claim(2, 1)

    assert broken(claimed(ONE), *between, claimed(later)) == set()


def test_a_lease_that_reaches_into_an_unreal_future_may_end_one_lease_after_the_jump() -> None:
    jump = Jumped(at=at(-600), by=-600 * MINUTE)

    assert broken(claimed(ONE), jump, claimed(claim(2, -599))) == set()
    assert broken(claimed(ONE), jump, claimed(claim(2, -599.5))) == {"at most one live lease"}


def test_a_claim_given_back_unrun_frees_its_task() -> None:
    back = Deferred(at=NOON, deferrals=(Deferral(claim=ONE, until=at(1), why="busy"),), receipts=(Receipt.RECORDED,))

    assert broken(claimed(ONE), back, claimed(claim(2, 0.9))) == set()


def test_a_token_that_does_not_grow_is_found() -> None:
    assert "tokens grow" in broken(claimed(ONE), claimed(claim(1, 2)))


def test_an_accepted_stale_completion_is_found() -> None:
    assert broken(claimed(ONE), claimed(claim(2, 2)), DONE) == {"only the current token writes"}


def test_a_refused_stale_completion_is_accepted() -> None:
    refused = attrs.evolve(DONE, receipts=(Receipt.REFUSED,))

    assert broken(claimed(ONE), claimed(claim(2, 2)), refused) == set()


def test_a_completion_accepted_twice_is_found() -> None:
    assert broken(claimed(ONE), DONE, DONE) == {"only the current token writes", "a slot is settled once"}


def test_a_stale_lease_that_is_renewed_is_found() -> None:
    renewed = Renewed(at=at(2), runner=HERE, holds={ONE.task.id: 1}, lease_until=at(3), lost=frozenset())

    assert broken(claimed(ONE), claimed(claim(2, 2)), renewed) == {"only the current token writes"}


@pytest.mark.parametrize(
    "history",
    [
        [Executed(at=NOON, runner=HERE, task_id=ONE.task.id, token=1)],
        [claimed(ONE), Executed(at=NOON, runner=THERE, task_id=ONE.task.id, token=1)],
        [claimed(ONE), *[Executed(at=NOON, runner=HERE, task_id=ONE.task.id, token=1)] * 2],
        [claimed(claim(lost_by=THERE)), Executed(at=NOON, runner=HERE, task_id=ONE.task.id, token=1)],
    ],
    ids=["unclaimed", "another's claim", "twice", "a lost run's claim"],
)
def test_an_execution_without_a_claim_of_its_own_is_found(history: Sequence[Entry]) -> None:
    assert broken(*history) == {"only what is claimed is executed, once"}


def test_a_slot_settled_by_two_runs_is_found() -> None:
    again = claim(2, 5)

    assert broken(claimed(ONE), DONE, claimed(again), completed(again)) == {"a slot is settled once"}


def test_a_slot_may_be_settled_again_after_the_clock_went_back() -> None:
    again = claim(2, 5)
    jump = Jumped(at=at(-60), by=-HOUR)

    assert broken(claimed(ONE), DONE, jump, claimed(again), completed(again)) == set()
    assert broken(claimed(ONE), DONE, attrs.evolve(jump, by=HOUR), claimed(again), completed(again)) == {
        "a slot is settled once"
    }


def test_a_manual_run_that_settles_a_slot_is_found() -> None:
    manual = claim(trigger=Trigger.MANUAL)

    assert broken(claimed(manual), completed(manual, settles=True)) == {"a slot is settled once"}


@pytest.mark.parametrize(("counted", "rules"), [(2, set()), (1, {"every slot runs or is counted"})])
def test_slots_that_were_passed_over_and_not_counted_are_found(counted: int, rules: set[str]) -> None:
    late = completed(ONE, next_slot=180, coalesced=counted)

    assert broken(claimed(ONE), late, periods=True) == rules


def test_a_run_off_the_grid_passes_over_every_slot_up_to_it() -> None:
    probe = completed(ONE, next_slot=90, coalesced=1)

    assert broken(claimed(ONE), probe, periods=True) == set()


@pytest.mark.parametrize(
    ("between", "rules"),
    [
        ((), {"every slot runs or is counted"}),
        ((Steered(at=NOON, task_id=ONE.task.id),), set()),
        ((Jumped(at=NOON, by=HOUR),), set()),
    ],
    ids=["nobody", "an operator", "the clock"],
)
def test_a_claim_of_another_slot_than_planned_is_found_unless_somebody_moved_it(
    between: tuple[Entry, ...], rules: set[str]
) -> None:
    other = claimed(claim(2, 121, slot=120))

    assert broken(claimed(ONE), DONE, *between, other, periods=True) == rules


@pytest.mark.parametrize("of", [{"tenant": ALICE}, {"kind": POLL}])
def test_more_running_tasks_than_a_cap_are_found(of: dict[str, Any]) -> None:
    cap, two = Capped(at=NOON, most=1, **of), claim(id="u")

    assert broken(cap, claimed(ONE), claimed(two)) == {"caps hold"}
    assert broken(cap, claimed(ONE), DONE, claimed(two)) == set()
    assert broken(cap, claimed(ONE), Deleted(at=NOON, task_id=ONE.task.id), claimed(two)) == set()
    assert broken(cap, claimed(ONE), attrs.evolve(cap, most=None), claimed(two)) == set()


def test_what_runs_already_when_a_cap_is_set_may_go_on_and_be_taken_over() -> None:
    cap = Capped(at=NOON, tenant=ALICE, most=1)
    taken_over = claim(2, 2, lost_by=HERE)

    assert broken(claimed(ONE, claim(id="u")), cap, claimed(taken_over)) == set()


def test_a_tenant_that_reaches_anothers_task_is_found() -> None:
    reached = Trespassed(at=NOON, tenant=BOB, task_id=ONE.task.id, answer="get -> the task")

    assert broken(reached) == {"tenants are apart"}


@pytest.mark.parametrize("what", ["tasks", "runs", "tallies"])
def test_a_tenant_that_reads_anothers_rows_is_found(what: str) -> None:
    rows = {"tasks": status(), "runs": RUN, "tallies": Tally(ALICE, POLL, Ending.SUCCEEDED, "", 1)}
    read = {ALICE: [], BOB: [rows[what]]}

    assert "tenants are apart" in broken(claimed(ONE), DONE, ended(RUN, **{what: read}))


@pytest.mark.parametrize("what", ["runs", "tallies", "feed"])
def test_a_completion_that_left_no_trace_is_found(what: str) -> None:
    nothing = ended(RUN, **{what: [] if what == "feed" else {ALICE: []}})

    assert broken(claimed(ONE), DONE, nothing) == {"what is counted is what happened"}


def test_a_run_in_history_that_never_was_is_found() -> None:
    assert broken(ended(RUN)) == {"what is counted is what happened"}


def test_a_feed_out_of_order_is_found() -> None:
    change = Change(seq=2, at=NOON, name=ChangeName.TASK_CREATED, tenant=ALICE)

    assert broken(ended(feed=[change, attrs.evolve(change, seq=2)])) == {"the feed is in order"}


@pytest.mark.parametrize(
    ("minutes", "trigger", "between", "rules"),
    [
        (9, Trigger.RETRY, (), {"no Retry-After is ignored"}),
        (9, Trigger.MANUAL, (), {"no Retry-After is ignored"}),
        (10, Trigger.RETRY, (), set()),
        (9, Trigger.RETRY, (Steered(at=NOON, task_id=ONE.task.id),), set()),
    ],
)
def test_a_claim_before_the_instant_that_a_provider_asked_for_is_found(
    minutes: float, trigger: Trigger, between: tuple[Entry, ...], rules: set[str]
) -> None:
    told = completed(ONE, Failed(Failure("api_limit.rate", retry_after=10 * MINUTE)))

    assert broken(claimed(ONE), told, *between, claimed(claim(2, minutes, trigger=trigger))) == rules


# --- recovery ------------------------------------------------------------------------------------------


def stuck(*history: Entry, **standing: Any) -> list[str]:
    last = ended(RUN, tasks={ALICE: [status(**standing)]})
    found = check_recovery([*history, last], healed_at=NOON, slack=MINUTE, horizon=HOUR)
    return [each.what for each in found]


def test_a_task_that_is_back_is_accepted() -> None:
    assert stuck(claimed(ONE), DONE) == []


@pytest.mark.parametrize(
    ("standing", "word"),
    [
        ({"health": Health(phase=Phase.COOLING_OFF)}, "cooling_off"),
        ({"paused": True}, "paused"),
        ({"next_run_at": at(118)}, "scheduled"),
        ({"next_run_at": at(181)}, "scheduled"),
        ({"state": State.BLOCKED, "next_run_at": at(100)}, "blocked"),
        ({"state": State.RUNNING, "lease_until": at(118)}, "running"),
    ],
)
def test_a_task_that_is_not_back_is_named_with_the_reason(standing: dict[str, Any], word: str) -> None:
    (found,) = stuck(claimed(ONE), DONE, **standing)

    assert found.startswith("poll k of alice is ")
    assert word in found


@pytest.mark.parametrize("history", [(), (claimed(ONE), completed(ONE, Interrupted()))])
def test_a_task_without_a_success_since_is_named(history: tuple[Entry, ...]) -> None:
    assert stuck(*history) == ["poll k of alice has had no success since the faults ended"]


def test_a_task_that_is_done_need_not_succeed_again() -> None:
    assert stuck(state=State.DONE, next_run_at=None) == []


def test_a_history_without_an_end_is_no_recovery() -> None:
    (found,) = check_recovery([claimed(ONE)], healed_at=NOON, slack=MINUTE, horizon=HOUR)

    assert "does not end" in found.what
