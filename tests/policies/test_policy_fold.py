"""P1 to P12: deciding is a pure, total fold with a compact state."""

from __future__ import annotations

import builtins
import datetime as dt
import os
import random
import time
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import Decision, Event, OpenIncident, Ran, Resumed, Trigger
from taskwarden.core.failure import Failure
from taskwarden.core.health import CALM, CLOCK_FAULT, HEALTHY, LARGEST_HEALTH, Health, Phase, Trouble, decode, encode
from taskwarden.core.instant import micros
from taskwarden.core.outcome import Failed, Interrupted, Lost, Skipped, Succeeded
from taskwarden.policies import (
    Consecutive,
    Duration,
    Flapping,
    Rule,
    Sequential,
    TaskPolicy,
    Window,
    admit,
    any_of,
    decide,
    fold,
    park,
    standard,
)
from taskwarden.testing.schedules import any_instants
from taskwarden.testing.strategies import History, disturbed, gaps, healths, histories, instants, outcomes, policies
from tests.policies.cases import MINUTE, NOON, OK, SECOND, TIMEOUT, Task, decisions, ran
from tests.policies.oracle import Oracle, Spec

CLOCK_WAS_AHEAD = "The clock was ahead: times decided by it lay in a future that was never real, and were corrected"
RUBBISH = st.none() | st.integers() | st.text() | st.builds(object)


class Raising:
    """A policy whose ``decide`` raises."""

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        raise LookupError("the host's own mistake")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


class Returning:
    def __init__(self, what: Any) -> None:
        self.what = what

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what  # type: ignore[no-any-return]


@given(policies(), histories(max_size=5), RUBBISH, RUBBISH, any_instants())
def test_p1_decide_is_total_over_rubbish(
    policy: TaskPolicy, history: History, event: Any, outcome: Any, now: datetime
) -> None:
    health = fold(policy, history)

    for strange in (event, ran(outcome, health, NOON), ran(OK, health, NOON, trigger=outcome)):
        assert isinstance(decide(policy, health, strange, now), Decision)
        assert isinstance(policy.decide(health, strange, now), Decision)
    without_time = decide(policy, health, ran(TIMEOUT, health, NOON), event)
    assert (without_time.health, without_time.settles, without_time.why) == (health, False, ("policy_raised",))


@given(policies(), histories(max_size=8), any_instants(), outcomes())
def test_p1_decide_and_admit_are_total_over_the_whole_calendar(
    policy: TaskPolicy, history: History, now: datetime, outcome: Any
) -> None:
    health = fold(policy, history)
    event = ran(outcome, health, NOON, planned_at=now, period=timedelta(days=999_999_999))

    decision = policy.decide(health, event, now)

    admit(decision.health, Trigger.PROBE, now)
    assert decision.health.last_token == event.token


def test_an_unknown_event_changes_nothing() -> None:
    assert standard().decide(HEALTHY, "tick", NOON) == Decision(HEALTHY, None, settles=False, why=("unknown_event",))  # type: ignore[arg-type]


def test_a_rubbish_outcome_is_the_hosts_fault_and_not_the_tasks() -> None:
    decision = standard().decide(HEALTHY, ran(None, HEALTHY, NOON), NOON)  # type: ignore[arg-type]

    assert (decision.health.streak, decision.settles, decision.why) == (0, False, ("faulted",))
    assert decision.next_at == NOON + 5 * MINUTE


@pytest.mark.parametrize("policy", [Raising(), Returning(None), Returning(Unspeakable())])
def test_a_policy_that_raises_is_replaced_by_the_default_and_an_incident_names_it(policy: Any) -> None:
    event = ran(TIMEOUT, HEALTHY, NOON)

    decision = decide(policy, HEALTHY, event, NOON)

    by_default = standard().decide(HEALTHY, event, NOON)
    assert (decision.health, decision.next_at) == (by_default.health, by_default.next_at)
    incident = decision.effects[-1]
    assert isinstance(incident, OpenIncident)
    assert type(policy).__name__ in incident.title
    assert decision.why == ("policy_raised", *by_default.why)


def test_the_incident_of_a_policy_that_raises_says_what_it_raised() -> None:
    incident = decide(Raising(), HEALTHY, ran(OK, HEALTHY, NOON), NOON).effects[-1]

    assert isinstance(incident, OpenIncident)
    assert "LookupError: the host's own mistake" in incident.title


@given(policies(), histories())
def test_p2_equal_arguments_give_equal_decisions(policy: TaskPolicy, history: History) -> None:
    assert decisions(policy, history) == decisions(policy, history)


def test_p2_decide_reads_no_clock_no_randomness_and_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object, **__: object) -> None:
        raise AssertionError("decide looked outside")

    class Frozen(dt.datetime):
        now = utcnow = today = explode  # type: ignore[assignment]

    event, broken = ran(TIMEOUT, HEALTHY, NOON), Task(standard(), health=HEALTHY)
    expected = standard().decide(HEALTHY, event, NOON)
    # Exploding stand-ins are the point of the test: purity is that nobody calls them.
    for module, names in ((time, ("time", "monotonic", "perf_counter")), (random, ("random",)), (os, ("urandom",))):
        for name in names:
            monkeypatch.setattr(module, name, explode)
    monkeypatch.setattr(builtins, "open", explode)
    monkeypatch.setattr(dt, "datetime", Frozen)
    broken.give(TIMEOUT, TIMEOUT, TIMEOUT, OK, OK)
    decision = standard().decide(HEALTHY, event, NOON)
    monkeypatch.undo()

    assert decision == expected


WEEK = 7 * 24 * 3600 * 1_000_000
SPECS = {
    "standard": ([Spec("sequential", (600_000_000,), False), Spec("duration", (6, 259_200_000_000), True)], None),
    "brief": ([Spec("consecutive", (3, 0), True), Spec("gated", (5, WEEK, 20, 25, 10), True)], WEEK),
    "strict": ([Spec("consecutive", (3, 0), True), Spec("window", (5, WEEK), True)], WEEK),
    "flapping": ([Spec("flapping", (), False), Spec("consecutive", (4, 60_000_000), True)], None),
}


def built(spec: Spec) -> Rule:
    match spec:
        case Spec("consecutive", (n, span)):
            rule: Rule = Consecutive(n, min_span=timedelta(microseconds=span))
        case Spec("duration", (attempts, span)):
            rule = Duration(timedelta(microseconds=span), attempts)
        case Spec("window", (k, within)):
            rule = Window(k, timedelta(microseconds=within))
        case Spec("gated", (k, within, of_last, percent, least)):
            share = f"{percent}/100"
            rule = Window(k, timedelta(microseconds=within), min_ratio=share, of_last=of_last, min_runs=least)
        case Spec("sequential", (span,)):
            rule = Sequential(min_span=timedelta(microseconds=span))
        case _:
            rule = Flapping()
    return park(rule) if spec.parks else rule


@pytest.mark.parametrize("name", SPECS)
@given(data=st.data())
def test_p3_the_fold_agrees_with_an_oracle_that_reads_the_whole_log(name: str, data: st.DataObject) -> None:
    specs, hold = SPECS[name]
    policy = TaskPolicy(
        any_of(*(built(spec) for spec in specs)), hold=None if hold is None else timedelta(microseconds=hold)
    )
    log = data.draw(histories(max_size=40).flatmap(disturbed))
    health = HEALTHY
    for length, (now, event) in enumerate(log, start=1):
        expected = Oracle(specs, hold=hold).walk(log[:length])
        decision = policy.decide(health, event, now)
        health = decision.health

        found = (health.phase, health.epoch, health.streak, health.step, decision.settles, decision.counts_attempt)
        assert found == (*expected[:4], expected.settles, expected.counts)
        if expected.due is not None:
            assert isinstance(event, Ran | Resumed) or decision.next_at is not None
            next_at = decision.next_at or getattr(event, "planned_at", None)
            assert next_at is not None
            assert expected.due[0] <= micros(next_at) <= expected.due[1]


@given(policies(), histories(max_size=12), histories(max_size=12), st.data())
def test_p4_histories_that_end_in_equal_healths_have_equal_futures(
    policy: TaskPolicy, history: History, future: History, data: st.DataObject
) -> None:
    health = fold(policy, history)
    # Another history to the same health: with everything delivered twice, and through the store's text.
    twice = [entry for now, event in history for entry in ((now, event), (now, event)) if isinstance(event, Ran)]
    runs_only = [entry for entry in history if isinstance(entry[1], Ran)]
    other = decode(encode(fold(policy, twice)))
    same = fold(policy, runs_only)
    assert other == same

    token, start = health.last_token + 100, (health.high_water or NOON) + MINUTE
    later = [
        (
            start + (now - future[0][0]),
            event._replace(token=token + event.token) if isinstance(event, Ran) else event,
        )
        for now, event in future
    ]
    assert decisions(policy, later, other) == decisions(policy, later, same)
    assert decisions(policy, later, decode(encode(health))) == decisions(policy, later, health)


@given(policies(), histories())
def test_p5_a_health_survives_its_text_and_decides_as_before(policy: TaskPolicy, history: History) -> None:
    health = restored = HEALTHY
    for now, event in history:
        decision, again = policy.decide(health, event, now), policy.decide(restored, event, now)

        assert again == decision
        health, restored = decision.health, decode(encode(again.health))
        assert restored == health


@given(policies(), histories(max_size=60))
def test_p6_a_health_is_at_most_a_kibibyte_after_any_history(policy: TaskPolicy, history: History) -> None:
    assert len(encode(fold(policy, history)).encode()) <= LARGEST_HEALTH


@given(
    policies(),
    healths(standard()),
    st.dictionaries(st.sampled_from(["zz", "zy"]), st.integers() | st.text()),
    outcomes(),
)
def test_p7_fields_of_a_newer_version_are_carried_through_every_decision(
    policy: TaskPolicy, health: Health, extra: dict[str, Any], outcome: Any
) -> None:
    health = attrs.evolve(health, extra=extra)

    decided = policy.decide(health, ran(outcome, health, NOON), NOON).health

    assert decode(encode(decided)).extra == extra


@given(policies(), histories(), st.data())
def test_p8_an_outcome_delivered_again_changes_nothing(
    policy: TaskPolicy, history: History, data: st.DataObject
) -> None:
    health = HEALTHY
    seen: list[Ran] = []
    for now, event in history:
        health = policy.decide(health, event, now).health
        if isinstance(event, Ran):
            seen.append(event)
        if seen:
            again = data.draw(st.sampled_from(seen))
            assert policy.decide(health, again, now + data.draw(gaps())).health is health


@given(policies(), histories(max_size=8), outcomes(), instants(), st.integers(1, 5))
def test_p9_an_outcome_of_an_older_epoch_or_token_counts_for_nothing(
    policy: TaskPolicy, history: History, outcome: Any, now: datetime, older: int
) -> None:
    health = policy.decide(fold(policy, history), Resumed(), now).health
    stale = ran(outcome, health, now, epoch=health.epoch - older)
    foreign = ran(outcome, health, now, token=health.last_token + 1 - older)

    assert policy.decide(health, stale, now).health is health
    assert policy.decide(health, stale, now).settles is isinstance(outcome, Succeeded | Skipped)
    assert policy.decide(health, stale, now).effects == ()
    assert policy.decide(health, foreign, now).health is health
    assert policy.decide(health, foreign, now).why == ("fenced.token",)


@given(histories(manual=False, operators=False).flatmap(disturbed))
def test_p10_each_failed_run_is_counted_exactly_once(log: History) -> None:
    counter = Consecutive(1_000)
    health, counted = HEALTHY, set[int]()
    for now, event in log:
        assert isinstance(event, Ran)
        decision = TaskPolicy(counter).decide(health, event, now)
        if decision.counts_attempt and decision.why[0] not in ("lost", "faulted"):
            assert event.token not in counted
            counted.add(event.token)
        if isinstance(event.outcome, Succeeded) and decision.health is not health:
            counted.clear()
        health = decision.health

        assert health.streak == len(counted)
        assert health.detectors.get(counter.name, (0, 0))[0] == len(counted)


@given(policies(), histories().flatmap(disturbed))
def test_p11_the_high_water_mark_never_goes_back(policy: TaskPolicy, history: History) -> None:
    health = HEALTHY
    for now, event in history:
        after = policy.decide(health, event, now).health
        if health.high_water is not None:
            assert after.high_water is not None
            # A mark that was more than a lease ahead was never real.
            assert after.high_water >= health.high_water or health.high_water - now > CLOCK_FAULT
        health = after


@given(policies(), histories(max_size=8), outcomes(), st.timedeltas(timedelta(0), CLOCK_FAULT))
def test_p11_a_clock_that_steps_back_a_little_makes_nothing_due_earlier(
    policy: TaskPolicy, history: History, outcome: Any, back: timedelta
) -> None:
    health = fold(policy, [*history, (history[-1][0] if history else NOON, Resumed())])
    mark = health.high_water
    assert mark is not None
    event = ran(outcome, health, mark)

    assert policy.decide(health, event, mark - back) == policy.decide(health, event, mark)


@given(
    st.sampled_from([TIMEOUT, OK, Lost()]), st.timedeltas(CLOCK_FAULT + timedelta(microseconds=1), timedelta(days=3660))
)
def test_p11_a_mark_far_ahead_is_a_clock_fault_and_times_are_derived_anew(outcome: Any, ahead: timedelta) -> None:
    policy = standard() | park(Window(3, timedelta(days=1)))
    task = Task(policy, now=NOON + ahead)
    task.give(TIMEOUT, Failed(Failure("api_limit.rate", retry_after=timedelta(hours=1))))
    asked = task.health.floor
    assert asked is not None
    mark = task.health.high_water
    assert mark is not None

    decision = policy.decide(task.health, ran(outcome, task.health, NOON), NOON)

    assert decision.health.high_water == NOON
    assert decision.effects[0] == OpenIncident("clock_fault", "unknown.internal_clock", CLOCK_WAS_AHEAD)
    assert decision.health.floor == NOON + (asked - mark)
    assert decision.next_at is not None
    assert decision.next_at <= NOON + timedelta(days=1)
    times = [at for state in decision.health.detectors.values() for at in state if at > 10**12]
    assert max(times, default=0) <= micros(NOON)


@given(st.integers(0, 3_660))
def test_p11_a_jump_ahead_by_years_neither_loses_nor_multiplies_runs(days: int) -> None:
    task = Task(standard())
    task.give(TIMEOUT)
    task.now += timedelta(days=days)

    assert task.give(OK).settles
    assert task.last.next_at is None


@given(policies(), histories(max_size=10), st.randoms())
def test_p12_a_batch_of_one_instant_folds_to_one_health_whatever_its_order(
    policy: TaskPolicy, history: History, rng: random.Random
) -> None:
    batch = [(NOON, event) for _, event in history]
    shuffled = rng.sample(batch, len(batch))

    assert fold(policy, shuffled) == fold(policy, batch)


def test_p12_a_batch_folds_in_the_order_of_tokens_so_that_no_outcome_is_fenced_by_a_later_one() -> None:
    first, second = ran(TIMEOUT, HEALTHY, NOON), ran(TIMEOUT, HEALTHY, NOON, token=2)

    assert fold(standard(), [(NOON, second), (NOON, first)]).streak == 2
    assert fold(standard(), [(NOON, Resumed()), (NOON, first)]).epoch == 1
    assert fold(standard(), [(NOON, Resumed()), (NOON, first)]).last_token == 1


def test_two_lost_runs_in_a_row_count_as_one_failure_and_each_further_one_as_another() -> None:
    task = Task(standard())

    assert (task.give(Lost()).why, task.health.streak) == (("lost",), 0)
    assert (task.give(Lost()).why, task.health.streak) == (("backoff",), 1)
    assert (task.give(Lost()).health.streak, task.phase) == (2, "backing_off")


def test_lost_runs_that_are_not_in_a_row_count_nothing() -> None:
    task = Task(standard())
    task.give(Lost(), Interrupted(), Lost(), OK, Lost())

    assert (task.phase, task.health.streak) == ("healthy", 0)


def test_the_first_lost_run_is_due_again_after_the_base_delay_in_its_slot() -> None:
    decision = Task(standard()).give(Lost())

    assert (decision.next_at, decision.settles, decision.counts_attempt) == (NOON + 5 * MINUTE, False, True)


def test_the_hosts_own_fault_touches_no_health_and_is_tried_again_after_the_base_delay() -> None:
    task = Task(standard(), period=30 * SECOND)
    task.give(TIMEOUT)
    before, now = task.health, task.now

    decision = task.give(Failed(Failure("unknown.internal_db")))

    assert (decision.next_at, decision.counts_attempt) == (now + 30 * SECOND, True)
    kept = ("phase", "streak", "step", "detectors")
    assert [getattr(task.health, name) for name in kept] == [getattr(before, name) for name in kept]


@given(st.sampled_from([standard(), TaskPolicy(Window(3, min_ratio=0.5) | Flapping())]), histories(max_size=12))
def test_the_short_way_of_a_success_in_good_health_comes_to_what_the_long_way_does(
    policy: TaskPolicy, history: History
) -> None:
    health = attrs.evolve(fold(policy, history), phase=Phase.HEALTHY, trouble=CALM, floor=None, step=0, streak=0)
    apart = attrs.evolve(health, trouble=Trouble())  # equal, but not the very object by which the short way knows
    now = health.high_water or NOON

    assert policy.decide(health, ran(OK, health, now), now) == policy.decide(apart, ran(OK, apart, now), now)


def test_a_success_in_good_health_keeps_the_detectors_very_mapping() -> None:
    task = Task(standard())
    task.give(OK)
    before = task.health

    assert task.give(OK).health.detectors is before.detectors
    assert task.last == Decision(task.health)
    assert task.health.next_at == task.now


def test_a_streak_and_the_steps_of_the_delays_are_held_at_their_limits() -> None:
    longest = Health(Phase.BACKING_OFF, streak=999_999, step=64, trouble=Trouble(since=NOON))

    after = standard().decide(longest, ran(TIMEOUT, longest, NOON), NOON).health

    assert (after.streak, after.step) == (999_999, 64)
