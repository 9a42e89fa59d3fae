"""P16 to P19 and P25 to P28: more failures never weigh less, floors hold, neutral is neutral, a resume is a resume."""

from datetime import datetime, timedelta
from typing import Any

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st

from taskwarden.core.decision import Ran, Resumed, RevisionChanged, Trigger
from taskwarden.core.health import HEALTHY, Health, Phase
from taskwarden.core.instant import later
from taskwarden.core.outcome import Failed, Interrupted, Outcome, Skipped, Snoozed
from taskwarden.policies import (
    Admit,
    Consecutive,
    Defer,
    Sequential,
    TaskPolicy,
    Window,
    admit,
    brief,
    exponential,
    fold,
    park,
    standard,
)
from taskwarden.policies.backoff import bounds, delay
from taskwarden.testing.strategies import (
    History,
    failures,
    gaps,
    histories,
    instants,
    outcomes,
    periods,
    policies,
    transient_failures,
)
from tests.policies.cases import (
    DAY,
    HELD,
    HOUR,
    MICROSECOND,
    MINUTE,
    NOON,
    OK,
    QUARTER,
    REVOKED,
    SEVERITY,
    TIMEOUT,
    Task,
    failed,
    held,
    ran,
)

monotone = st.sampled_from(
    [standard(), brief(), brief(strict=True), TaskPolicy(Consecutive(2) | park(Window(4, DAY) & Sequential()))]
)
tripping = st.sampled_from([standard(), brief(), TaskPolicy(Sequential() | park(Consecutive(5)), recovery=1)])
AT_ONCE = timedelta(0)


def severities(policy: TaskPolicy, runs: list[tuple[timedelta, bool]]) -> tuple[list[int], int]:
    """Return the severity after each run at fixed times, and how many runs there are up to the first recovery."""
    health, now, found, recovered = HEALTHY, NOON, list[int](), len(runs)
    for index, (gap, fails) in enumerate(runs):
        now += gap
        was_held = health.phase in HELD
        health = policy.decide(health, ran(TIMEOUT if fails else OK, health, now), now).health
        found.append(SEVERITY[health.phase])
        if was_held and health.phase is Phase.HEALTHY:
            recovered = min(recovered, index)
    return found, recovered


@given(monotone, st.lists(st.tuples(gaps(), st.booleans()), min_size=1, max_size=30), st.data())
def test_p16_one_more_failure_never_lowers_severity_until_the_first_recovery(
    policy: TaskPolicy, runs: list[tuple[timedelta, bool]], data: st.DataObject
) -> None:
    passed = [index for index, (_, fails) in enumerate(runs) if not fails]
    assume(passed)
    flipped = data.draw(st.sampled_from(passed))
    worse = [(gap, fails or index == flipped) for index, (gap, fails) in enumerate(runs)]

    before, recovered_before = severities(policy, runs)
    after, recovered_after = severities(policy, worse)

    until = min(recovered_before, recovered_after)
    assert all(a >= b for a, b in zip(after[:until], before[:until], strict=True))


spans = st.timedeltas(MICROSECOND, 300 * DAY)


@given(spans, spans, st.integers(1, 10**4))
def test_p17_the_nominal_delay_never_falls_never_more_than_doubles_and_keeps_the_cap(
    one: timedelta, other: timedelta, step: int
) -> None:
    base, cap = sorted((one, other))
    now, then = exponential(step, base=base, cap=cap), exponential(step + 1, base=base, cap=cap)

    assert base <= now <= then <= min(cap, 2 * now)


@given(periods(), st.integers(1, 64), st.integers(0, 2**63 - 1), st.integers(0, 9), transient_failures())
def test_p17_jitter_takes_off_less_than_a_quarter(
    period: timedelta | None, step: int, key: int, epoch: int, failure: Any
) -> None:
    base, cap = bounds(failure.code, period)
    nominal = exponential(step, base=base, cap=cap)
    waited = delay(failure.code, step, period=period, key=key, epoch=epoch)

    assert nominal * 3 // 4 <= waited <= nominal
    assert waited == delay(failure.code, step, period=period, key=key, epoch=epoch)


@given(st.integers(2, 30), periods())
def test_p17_within_a_run_of_failures_no_wait_is_longer_than_its_nominal_delay(
    count: int, period: timedelta | None
) -> None:
    task = Task(standard(), period=period)
    base, cap = bounds("network_error.timeout", period)
    for step in range(1, count):
        now = task.now
        nominal = exponential(step, base=base, cap=cap)

        assert nominal * 3 // 4 <= task.give(TIMEOUT).next_at - now <= nominal  # type: ignore[operator]


def test_jitter_spreads_a_thousand_tasks_evenly() -> None:
    waited = [delay("unknown", 1, period=None, key=key, epoch=0) for key in range(1000)]

    quarters = [sum(1 for each in waited if int((300 * 1 - each.total_seconds()) / 18.75) == part) for part in range(4)]
    assert min(quarters) > 200


never = TaskPolicy(Consecutive(10**6))


@given(st.lists(st.tuples(gaps(), transient_failures()), min_size=1, max_size=20), periods())
def test_p18_a_trip_makes_nothing_due_earlier_nor_later_than_without_it(
    runs: list[tuple[timedelta, Any]], period: timedelta | None
) -> None:
    tripping, plain = Task(standard(), period=period), Task(never, period=period)
    for gap, failure in runs:
        for task in (tripping, plain):
            task.tell(ran(Failed(failure), task.health, task.now, period=period))

        assert tripping.last.next_at == plain.last.next_at
        tripping.now = plain.now = tripping.now + gap


@given(policies(), histories(max_size=12), failures(), st.timedeltas(AT_ONCE, 8 * DAY), st.data())
def test_p19_nothing_is_due_before_a_retry_after(
    policy: TaskPolicy, history: History, failure: Any, asked: timedelta, data: st.DataObject
) -> None:
    task = Task(policy, health=fold(policy, history))
    task.now = max(task.now, task.health.high_water or NOON)
    limit = Failed(attrs.evolve(failure, retry_after=asked))
    trigger = data.draw(st.sampled_from([Trigger.SCHEDULED, Trigger.MANUAL]))
    task.tell(ran(limit, task.health, task.now, trigger=trigger))
    floor = later(task.now, limit.failure.retry_after or AT_ONCE)
    assert task.last.next_at is None or task.last.next_at >= floor
    if trigger is not Trigger.MANUAL:
        assert task.last.next_at is not None

    for outcome in data.draw(st.lists(outcomes(), max_size=5)):
        if task.now < floor:
            for other in Trigger:
                assert isinstance(admit(task.health, other, task.now), Defer)
        manual = data.draw(st.sampled_from([Trigger.SCHEDULED, Trigger.MANUAL]))
        decision = task.tell(ran(outcome, task.health, task.now, trigger=manual))

        assert decision.next_at is None or decision.next_at >= floor
        if decision.next_at is None and manual is not Trigger.MANUAL:
            assert task.now + QUARTER >= floor
        task.now += data.draw(gaps())


@given(st.timedeltas(MICROSECOND, 7 * DAY), st.integers(0, 2**63 - 1))
def test_p19_the_spread_after_a_retry_after_is_added_never_taken_off_and_small(asked: timedelta, key: int) -> None:
    health = (
        standard()
        .decide(HEALTHY, ran(failed("api_limit.rate", retry_after=asked), HEALTHY, NOON, key=key), NOON)
        .health
    )

    assert health.floor is not None
    assert asked <= health.floor - NOON <= asked + min(asked / 10, MINUTE)


def test_p19_a_manual_run_that_is_told_to_wait_holds_the_scheduled_one_back() -> None:
    task = Task(standard())
    task.give(OK)
    task.now = NOON + MINUTE

    decision = task.give(failed("api_limit.rate", retry_after=DAY), trigger=Trigger.MANUAL)

    assert decision.next_at == task.health.floor == task.health.next_at
    assert task.health.streak == 0


def test_an_earlier_floor_that_lasts_longer_stands() -> None:
    task = Task(standard())
    task.give(failed("api_limit.rate", retry_after=DAY))
    floor = task.health.floor
    task.now = NOON + HOUR

    task.give(failed("api_limit.rate", retry_after=MINUTE))

    assert task.health.floor == floor
    assert task.last.next_at == floor


def test_whatever_waits_for_a_floor_says_so() -> None:
    task = Task(standard())
    held_back = task.give(failed("api_limit.rate", retry_after=DAY))
    task.now = NOON + HOUR

    assert held_back.why == ("backoff", "retry_after")
    assert task.give(OK).why == ("success", "retry_after")
    task.now = NOON + 2 * HOUR
    assert (task.give(OK).why, task.last.next_at) == (("retry_after",), task.health.floor)


def test_a_floor_is_forgotten_once_it_has_passed() -> None:
    task = Task(standard())
    task.give(failed("api_limit.rate", retry_after=DAY))
    assert task.give(OK).health.floor is None


neutrals = st.sampled_from([Skipped(), Interrupted()]) | st.builds(Snoozed, instants())


@given(policies(), histories(), st.lists(neutrals, min_size=1, max_size=30), gaps())
def test_p25_neutral_outcomes_move_no_detector_no_streak_and_no_phase(
    policy: TaskPolicy, history: History, some: list[Outcome], gap: timedelta
) -> None:
    before = fold(policy, history)
    health, now = before, max(before.high_water or NOON, NOON)
    for neutral in some:
        now += gap
        decision = policy.decide(health, ran(neutral, health, now), now)
        health = decision.health

        assert not decision.counts_attempt
        assert decision.settles is isinstance(neutral, Skipped)
        assert [each for each in decision.effects if type(each).__name__ != "ResolveIncident"] == []
    kept = ("phase", "streak", "step", "epoch")
    assert [getattr(health, name) for name in kept] == [getattr(before, name) for name in kept]
    watched = {name: state for name, state in before.detectors.items() if name in policy.watched}
    assert health.detectors == watched


def test_p25_each_neutral_outcome_has_its_own_time() -> None:
    until = NOON + 3 * HOUR
    task = Task(standard(), now=NOON)

    assert Task(standard()).give(Interrupted()).next_at == NOON
    assert Task(standard()).give(Snoozed(until)).next_at == until
    assert Task(standard()).give(Skipped()).next_at is None
    assert task.give(Skipped()).settles


@given(policies(), histories(max_size=12), st.data())
def test_p26_a_deferral_is_no_event_and_changes_no_health(
    policy: TaskPolicy, history: History, data: st.DataObject
) -> None:
    health = plain = HEALTHY
    for now, event in history:
        for _ in range(data.draw(st.integers(0, 2))):
            admit(health, Trigger.SCHEDULED, now)
        health, plain = policy.decide(health, event, now).health, policy.decide(plain, event, now).health

        assert health == plain


@given(policies(), histories(), st.booleans(), instants(), periods())
def test_p27_one_resume_gives_an_admissible_run_now_and_one_failure_does_not_park_again(
    policy: TaskPolicy, history: History, force: bool, now: datetime, period: timedelta | None
) -> None:
    health = fold(policy, history)
    now = max(now, health.high_water or now)
    resumed = policy.decide(health, Resumed("eve", force=force), now)

    floor = health.floor if health.floor is not None and health.floor > now and not force else now
    assert resumed.next_at == floor
    assert resumed.health.epoch == health.epoch + 1
    assert isinstance(admit(resumed.health, Trigger.PROBE, floor), Admit)
    assert resumed.health.phase in (Phase.HEALTHY, Phase.PROBING)

    fresh = policy.decide(HEALTHY, ran(TIMEOUT, HEALTHY, floor, period=period), floor).health
    after = policy.decide(resumed.health, ran(TIMEOUT, resumed.health, floor, period=period), floor).health
    if fresh.phase is not Phase.NEEDS_INTERVENTION:  # a policy that parks at the first failure is its owner's will
        assert after.phase is not Phase.NEEDS_INTERVENTION


def test_p27_after_a_resume_one_definitive_failure_still_needs_confirmation() -> None:
    task = Task(standard())
    task.give(REVOKED, REVOKED)
    assert task.phase is Phase.NEEDS_INTERVENTION
    task.tell(Resumed("eve"))

    assert task.give(REVOKED).health.phase is Phase.COOLING_OFF
    assert task.give(REVOKED).health.phase is Phase.NEEDS_INTERVENTION


def test_a_new_revision_is_probed_at_once_but_never_before_the_floor() -> None:
    task = Task(standard())
    task.give(REVOKED, failed("auth_error.revoked", definitive=True, retry_after=2 * DAY))
    task.now = NOON + HOUR

    decision = task.tell(RevisionChanged("token-2", "google"))

    assert (task.phase, decision.why, decision.next_at) == (Phase.PROBING, ("revision",), task.health.floor)
    assert not decision.settles


@given(tripping, histories(), histories(max_size=12))
def test_p28_after_recovery_the_future_is_that_of_a_fresh_task(
    policy: TaskPolicy, history: History, future: History
) -> None:
    task = held(policy, history)
    task.give(*[OK] * policy.recovery)
    health, now = task.health, task.now
    assert health.phase is Phase.HEALTHY
    start = now + policy.relapse + MICROSECOND  # beyond the memory of relapses
    fresh = Health(epoch=health.epoch, last_token=health.last_token, next_at=health.next_at)

    shift = start - future[0][0] if future else AT_ONCE
    for then, event in future:
        moved = event
        if isinstance(event, Ran):
            moved = event._replace(token=health.last_token + 1, epoch=health.epoch)
        one, other = policy.decide(health, moved, then + shift), policy.decide(fresh, moved, then + shift)
        health, fresh = one.health, other.health

        assert (one.next_at, one.effects, one.why, one.settles) == (
            other.next_at,
            other.effects,
            other.why,
            other.settles,
        )
        assert (health.phase, health.streak, health.step, health.detectors) == (
            fresh.phase,
            fresh.streak,
            fresh.step,
            fresh.detectors,
        )


def test_p28_a_relapse_within_a_day_goes_on_from_half_the_delays() -> None:
    task = Task(standard())
    task.give(*[TIMEOUT] * 7, OK, OK)
    assert task.phase is Phase.HEALTHY
    soon, late = (
        Task(standard(), health=task.health, now=task.now),
        Task(standard(), health=task.health, now=task.now + DAY),
    )

    assert soon.give(TIMEOUT).health.step == 7 // 2 + 1
    assert late.give(TIMEOUT).health.step == 1


def test_p28_a_policy_without_memory_of_relapses_begins_anew() -> None:
    task = Task(TaskPolicy(Consecutive(3), relapse=AT_ONCE))
    task.give(*[TIMEOUT] * 7, OK, OK)

    assert task.give(TIMEOUT).health.step == 1


def test_p28_five_old_failures_a_recovery_and_one_failure_do_not_park_again() -> None:
    task = Task(brief(strict=True))
    task.give(*[TIMEOUT] * 5, OK, OK, TIMEOUT)

    assert task.phase is Phase.BACKING_OFF


def test_a_success_while_backing_off_is_no_amnesty_so_that_five_in_seven_days_can_trip() -> None:
    task = Task(brief(strict=True))
    for _ in range(4):
        assert task.give(TIMEOUT, OK).health.phase is Phase.HEALTHY
        assert task.health.step == 0

    assert task.give(TIMEOUT).health.phase is Phase.NEEDS_INTERVENTION
