"""P20 to P24: the closed loop wastes little, recovers soon, and never sticks."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskwarden.core.decision import Ran, Trigger
from taskwarden.core.failure import LONGEST_RETRY_AFTER
from taskwarden.core.health import HEALTHY, Phase
from taskwarden.core.instant import FAR_PAST
from taskwarden.core.outcome import Interrupted, Lost, Skipped, Snoozed
from taskwarden.policies import (
    Admit,
    Code,
    Consecutive,
    Defer,
    Rule,
    Sequential,
    Severity,
    TaskPolicy,
    admit,
    brief,
    cap,
    fold,
    park,
    standard,
    when,
)
from taskwarden.policies.backoff import bounds, exponential
from taskwarden.testing.strategies import History, histories, outcomes, policies
from tests.policies.cases import (
    DAY,
    HELD,
    HOUR,
    MICROSECOND,
    MINUTE,
    NOON,
    OK,
    QUARTER,
    TIMEOUT,
    Task,
    failed,
    held,
    ran,
)
from tests.policies.loops import Outages, calls, failing_runs

JITTER = 0.25
SLACK = 1 + 1e-9
tripping = st.sampled_from([standard(), brief(), TaskPolicy(Sequential() | park(Consecutive(5)), recovery=1)])
task_periods = st.sampled_from([MINUTE, QUARTER, HOUR, DAY, 7 * DAY]) | st.timedeltas(MINUTE, 14 * DAY)


@st.composite
def outages(draw: st.DrawFn) -> Outages:
    ends = sorted(draw(st.lists(st.timedeltas(timedelta(0), 20 * DAY), min_size=2, max_size=8, unique=True)))
    return list(zip(ends[::2], ends[1::2], strict=False))


@given(outages(), task_periods, st.integers(0, 2**63 - 1))
def test_p20_an_outage_wastes_at_most_the_stated_number_of_calls(down: Outages, period: timedelta, key: int) -> None:
    made = calls(standard(), down, until=45 * DAY, period=period, key=key)
    base, cap = bounds("network_error.timeout", period)
    for run in failing_runs(made):
        wasted, lasted = len(run) - 1, _end_of(down, run[-2].at - NOON) - (run[0].at - NOON)
        before_cap = 2 + math.log2(1 + lasted / ((1 - JITTER) * base))

        assert wasted <= (before_cap + lasted / ((1 - JITTER) * cap)) * SLACK


@given(outages(), task_periods, st.integers(0, 2**63 - 1))
def test_p21_recovery_lags_behind_an_outage_by_at_most_the_stated_span(
    down: Outages, period: timedelta, key: int
) -> None:
    made = calls(standard(), down, until=45 * DAY, period=period, key=key)
    base, cap = bounds("network_error.timeout", period)
    for run in failing_runs(made):
        end = _end_of(down, run[-2].at - NOON)
        lag, lasted = (run[-1].at - NOON) - end, end - (run[0].at - NOON)
        # A relapse, or a failed probe after one that succeeded, goes on with longer delays than the base.
        first = exponential(run[0].after.step, base=base, cap=cap)

        assert lag <= min(cap, lasted / (1 - JITTER) + first) * SLACK


def _end_of(down: Outages, at: timedelta) -> timedelta:
    """Return the end of the outage that *at* lies in."""
    return next(end for start, end in down if start <= at < end)


def test_p20_and_p21_keep_the_example_of_the_docs() -> None:
    made = calls(standard(), [(timedelta(0), 12 * HOUR)], until=2 * DAY, period=QUARTER)

    wasted = sum(call.failed for call in made)
    assert wasted <= 9
    assert made[wasted].at - NOON <= 12 * HOUR + 12 * HOUR / 0.75 + 5 * MINUTE


@given(policies(final=False), histories(), task_periods)
@example(TaskPolicy(cap(Consecutive(1), Severity.RETRY_AT)), [], MINUTE)
def test_p22_the_next_run_is_never_further_than_cap_floor_interval_or_hold(
    policy: TaskPolicy, history: History, period: timedelta
) -> None:
    task = Task(policy, health=fold(policy, history), period=period)
    task.now = max(NOON, task.health.high_water or NOON)

    decision = task.tell(ran(TIMEOUT, task.health, task.now, period=period))

    assert decision.next_at is not None
    assert decision.next_at - task.now <= max(period, LONGEST_RETRY_AFTER + MINUTE)  # cap and holds are not longer
    assert isinstance(admit(task.health, Trigger.PROBE, decision.next_at), Admit)


@given(histories(max_size=15), task_periods)
def test_p22_once_the_world_heals_every_task_is_healthy_within_the_bound(history: History, period: timedelta) -> None:
    health = fold(standard(), history)
    start = health.high_water or NOON
    task = Task(standard(), health=health, now=max(start, health.next_at or start), period=period)
    waited = task.now - start

    for _ in range(2):
        task.give(OK)

    assert task.phase is Phase.HEALTHY
    snoozes = [
        event.outcome.until for _, event in history if isinstance(event, Ran) and isinstance(event.outcome, Snoozed)
    ]
    assert waited <= max(31 * DAY, max(snoozes, default=start) - start) + MINUTE  # cap, hold and floor are not longer
    assert task.last.next_at is None or task.last.next_at == task.health.floor


@given(policies(), st.lists(st.tuples(outcomes(), st.integers(1, 12)), max_size=20))
def test_p23_of_outcomes_in_any_interleaving_only_those_with_a_growing_token_count(
    policy: TaskPolicy, arrivals: list[tuple[Any, int]]
) -> None:
    health, alone, highest = HEALTHY, HEALTHY, 0
    for outcome, token in arrivals:
        event = ran(outcome, health, NOON, token=token)
        health = policy.decide(health, event, NOON).health
        if token > highest:
            highest, alone = token, policy.decide(alone, event, NOON).health

        assert health == alone
        assert health.last_token == highest


unforced = st.sampled_from([Trigger.SCHEDULED, Trigger.RETRY, Trigger.PROBE])


@given(tripping, histories(), unforced)
def test_p23_no_run_is_admitted_before_the_hold_ends(policy: TaskPolicy, history: History, trigger: Trigger) -> None:
    task = held(policy, history)

    assert isinstance(admit(task.health, trigger, task.now - MICROSECOND), Defer)
    assert isinstance(admit(task.health, trigger, task.now), Admit)


@given(tripping, histories(), st.sampled_from([Lost(), Interrupted(), Snoozed(FAR_PAST), Skipped()]))
def test_p24_a_probe_that_brings_no_verdict_is_followed_by_another_soon(
    policy: TaskPolicy, history: History, neutral: Any
) -> None:
    task = held(policy, history)
    before, now = task.phase, task.now

    due = task.give(neutral).next_at or now + QUARTER

    assert due <= now + QUARTER
    assert task.phase is before
    assert isinstance(admit(task.health, Trigger.PROBE, due), Admit)


def test_p24_a_probing_task_whose_probe_is_lost_probes_again_after_the_base_delay() -> None:
    task = Task(TaskPolicy(Sequential(min_span=timedelta(0))))
    task.give(TIMEOUT, TIMEOUT, TIMEOUT)
    now = task.now

    assert task.give(Lost()).next_at == now + 5 * MINUTE
    assert task.health.view(task.now) is Phase.PROBING
    assert task.give(OK).health.phase is Phase.PROBING
    assert task.give(OK).health.phase is Phase.HEALTHY


@pytest.mark.parametrize("policy", [standard(), brief()])
def test_a_one_off_task_recovers_with_its_one_success(policy: TaskPolicy) -> None:
    task = Task(policy, period=None)
    task.give(*[TIMEOUT] * 5)
    assert task.phase in HELD

    decision = task.give(OK)

    assert (task.phase, decision.next_at, decision.settles) == (Phase.HEALTHY, None, True)


@given(st.integers(1, 5), st.integers(0, 3))
def test_recovery_takes_exactly_the_stated_number_of_successes_in_a_row(recovery: int, short: int) -> None:
    task = Task(TaskPolicy(Sequential(min_span=timedelta(0)), recovery=recovery))
    task.give(*[TIMEOUT] * 3)
    task.give(*[OK] * min(short, recovery - 1), TIMEOUT)

    phases = [task.phase, *(task.give(OK).health.phase for _ in range(recovery))]

    assert phases == [Phase.COOLING_OFF, *[Phase.PROBING] * (recovery - 1), Phase.HEALTHY]


def test_a_recovering_probe_comes_after_the_base_delay_and_settles_its_slot() -> None:
    task = Task(standard())
    task.give(*[TIMEOUT] * 4)
    now = task.now

    decision = task.give(OK)

    assert (decision.next_at, decision.settles, decision.why) == (now + 5 * MINUTE, True, ("recovering",))


def guarded() -> Rule:
    return Sequential() | when(Code("auth_error"), park(Sequential()))


@given(st.booleans())
def test_a_task_that_needs_intervention_heals_by_itself_when_its_probes_succeed(revoked: bool) -> None:
    task = Task(TaskPolicy(guarded()))
    outcome = failed("auth_error.revoked", definitive=revoked)
    task.give(*[outcome] * 4)
    assert task.phase is Phase.NEEDS_INTERVENTION
    assert task.give(OK).why == ("recovering",)
    assert task.phase is Phase.NEEDS_INTERVENTION

    decision = task.give(OK)

    assert (task.phase, decision.why) == (Phase.HEALTHY, ("self_healed",))
    assert [type(effect).__name__ for effect in decision.effects] == ["ResolveIncident", "Notify"]
