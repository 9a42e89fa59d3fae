"""The presets keep their documented figures."""

from datetime import timedelta
from typing import Any

import pytest

from taskwarden.core.decision import Level, Notify, OpenIncident, ResolveIncident, Resumed
from taskwarden.core.health import HEALTHY, Phase
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.errors import InvalidValue
from taskwarden.policies import CURVES, Sequential, TaskPolicy, brief, curve_of, exponential, standard
from taskwarden.policies.backoff import bounds
from tests.policies.cases import (
    DAY,
    HOUR,
    MICROSECOND,
    MINUTE,
    NOON,
    OK,
    QUARTER,
    REVOKED,
    SECOND,
    TIMEOUT,
    Task,
    failed,
    ran,
)

WEEK = 7 * DAY


def test_standard_trips_at_the_third_failure_in_a_row_every_quarter_of_an_hour() -> None:
    task = Task(standard())

    assert [task.give(TIMEOUT).health.phase for _ in range(3)] == ["backing_off", "backing_off", "cooling_off"]


def test_standard_waits_for_ten_minutes_of_failures_however_fast_they_come() -> None:
    task = Task(standard(), period=MINUTE)
    times = []
    while task.phase is not Phase.COOLING_OFF:
        times.append(task.now)
        task.give(TIMEOUT)

    assert len(times) == 5
    assert times[-1] - times[0] >= 10 * MINUTE


def test_standard_parks_after_72_hours_and_six_failures_and_goes_on_probing_within_a_day() -> None:
    task = Task(standard())
    times = []
    while task.phase is not Phase.NEEDS_INTERVENTION:
        times.append(task.now - NOON)
        task.give(TIMEOUT)

    assert len(times) >= 6
    assert times[-2] < 72 * HOUR <= times[-1]
    assert 18 * HOUR <= task.now - NOON - times[-1] <= DAY


def test_standard_does_not_park_a_weekly_task_before_its_sixth_failure() -> None:
    task = Task(standard(), period=WEEK)
    task.now = NOON
    phases = []
    for _ in range(6):
        phases.append(task.give(TIMEOUT).health.phase)
        task.now += WEEK

    assert phases == ["backing_off", "backing_off", "cooling_off", "cooling_off", "cooling_off", "needs_intervention"]


def test_standard_notifies_at_the_trip_and_at_the_parking_and_not_between() -> None:
    task, told = Task(standard()), []
    for _ in range(14):
        task.give(TIMEOUT)
        told += [(task.phase, effect.level) for effect in task.last.effects if isinstance(effect, Notify)]

    assert told == [(Phase.COOLING_OFF, Level.WARNING), (Phase.NEEDS_INTERVENTION, Level.ERROR)]


def test_an_incident_is_one_per_task_and_is_resolved_by_recovery() -> None:
    task = Task(standard())
    task.give(*[TIMEOUT] * 14)
    keys = {effect.key for effect in task.give(OK, OK).effects if isinstance(effect, ResolveIncident)}
    other = Task(standard(), key=8)
    other.give(*[TIMEOUT] * 3)

    assert keys == {"task:7"}
    assert [effect.key for effect in other.last.effects if isinstance(effect, OpenIncident)] == ["task:8"]


def test_a_definitive_failure_is_confirmed_by_one_call_five_minutes_later() -> None:
    task = Task(standard())

    first = task.give(REVOKED)
    assert (task.phase, first.next_at, first.why[0]) == (Phase.BACKING_OFF, NOON + 5 * MINUTE, "definitive.unconfirmed")
    second = task.give(REVOKED)
    assert (task.phase, second.why) == (Phase.NEEDS_INTERVENTION, ("definitive.confirmed", "courtesy"))
    assert second.next_at == NOON + 5 * MINUTE + WEEK
    assert task.give(REVOKED).next_at == NOON + 5 * MINUTE + 2 * WEEK
    assert task.give(TIMEOUT).next_at == NOON + 5 * MINUTE + 3 * WEEK


def test_a_definitive_failure_seen_again_too_soon_is_not_confirmed() -> None:
    task = Task(standard())
    task.give(REVOKED)
    task.now -= MICROSECOND

    decision = task.give(REVOKED)

    assert (task.phase, decision.next_at) == (Phase.BACKING_OFF, NOON + 5 * MINUTE)


@pytest.mark.parametrize("between", [OK, failed("auth_error.revoked", definitive=True, fingerprint="other")])
def test_another_cause_or_a_success_refutes_a_suspicion(between: Any) -> None:
    task = Task(standard())
    task.give(REVOKED, between, REVOKED)

    assert task.phase is not Phase.NEEDS_INTERVENTION


def test_a_transient_failure_between_does_not_refute_a_suspicion() -> None:
    task = Task(standard())
    task.give(REVOKED, TIMEOUT, REVOKED)

    assert task.phase is Phase.NEEDS_INTERVENTION


def test_a_policy_may_leave_a_definitive_failure_alone_for_ever() -> None:
    task = Task(TaskPolicy(Sequential(), courtesy=None))

    assert task.give(REVOKED, REVOKED).next_at == FAR_FUTURE
    assert task.tell(Resumed("eve")).next_at == FAR_FUTURE  # the task's own clock stands at its next run


@pytest.mark.parametrize("strict", [False, True])
def test_brief_parks_at_three_in_a_row_for_seven_days_from_the_trip(strict: bool) -> None:
    task = Task(brief(strict=strict))
    task.give(TIMEOUT, TIMEOUT)
    tripped_at = task.now

    decision = task.give(TIMEOUT)

    assert (task.phase, decision.next_at) == (Phase.NEEDS_INTERVENTION, tripped_at + WEEK)
    assert [effect.level for effect in decision.effects] == [Level.ERROR, Level.ERROR]  # type: ignore[union-attr]
    assert task.give(TIMEOUT).next_at == tripped_at + 2 * WEEK


def spread(failing: int, *, passes_between: int, gap: timedelta) -> list[tuple[timedelta, Any]]:
    return ([(gap, TIMEOUT)] + [(gap, OK)] * passes_between) * failing


def phase_after(policy: TaskPolicy, runs: list[tuple[timedelta, Any]]) -> Phase:
    task = Task(policy)
    for gap, outcome in runs:
        task.now += gap
        task.tell(ran(outcome, task.health, task.now))
    return task.phase


def test_brief_strict_parks_at_the_fifth_failure_in_seven_days_and_not_at_the_fourth() -> None:
    runs = spread(5, passes_between=1, gap=HOUR)[:-1]

    assert phase_after(brief(strict=True), runs) is Phase.NEEDS_INTERVENTION
    assert phase_after(brief(strict=True), runs[:-1]) is Phase.HEALTHY
    assert (
        phase_after(brief(strict=True), spread(5, passes_between=1, gap=21 * HOUR + MICROSECOND)[:-1])
        is Phase.BACKING_OFF
    )
    assert phase_after(brief(strict=True), spread(5, passes_between=1, gap=21 * HOUR)[:-1]) is Phase.NEEDS_INTERVENTION


def test_brief_asks_that_a_quarter_of_the_last_twenty_runs_failed() -> None:
    noise, trouble = spread(5, passes_between=4, gap=HOUR)[:-4], spread(5, passes_between=3, gap=HOUR)[:-3]

    assert phase_after(brief(), noise) is Phase.BACKING_OFF  # 5 of the last 20 would be a quarter; 1 in 5 is 4
    assert phase_after(brief(), trouble) is Phase.NEEDS_INTERVENTION
    assert phase_after(brief(strict=True), noise) is Phase.NEEDS_INTERVENTION


def test_brief_asks_for_at_least_ten_runs() -> None:
    runs = spread(5, passes_between=1, gap=HOUR)[:-1]

    assert len(runs) == 9
    assert phase_after(brief(), runs) is Phase.BACKING_OFF
    assert phase_after(brief(), [(HOUR, OK), *runs]) is Phase.NEEDS_INTERVENTION


def test_a_healthy_task_with_background_noise_is_left_alone_by_the_gated_preset() -> None:
    runs = [(QUARTER, TIMEOUT if index % 100 == 0 else OK) for index in range(672 * 4)]

    assert phase_after(brief(), runs) is Phase.HEALTHY
    assert phase_after(standard(), runs) is Phase.HEALTHY
    assert phase_after(brief(strict=True), runs[:402]) is Phase.NEEDS_INTERVENTION


@pytest.mark.parametrize(
    ("code", "base", "cap"),
    [
        ("network_error.timeout", 5 * MINUTE, DAY),
        ("unknown", 5 * MINUTE, DAY),
        ("auth_error.expired", 5 * MINUTE, DAY),
        ("auth_error.client", HOUR, DAY),
        ("config_error.not_found", 5 * MINUTE, DAY),
        ("api_limit", MINUTE, HOUR),
        ("api_limit.rate", MINUTE, HOUR),
        ("api_limit.quota", 6 * HOUR, DAY),
        ("api_limit.quota_daily", 6 * HOUR, DAY),
        ("api_limit.quotation", MINUTE, HOUR),
        ("api_limit.billing", 6 * HOUR, DAY),
        ("no.such.reason", 5 * MINUTE, DAY),
    ],
)
def test_each_group_of_codes_has_its_base_and_cap(code: str, base: timedelta, cap: timedelta) -> None:
    assert bounds(code, QUARTER) == (base, cap)


def test_base_and_cap_follow_the_period() -> None:
    assert bounds("unknown", MINUTE) == (MINUTE, DAY)
    assert bounds("unknown", 30 * DAY) == (5 * MINUTE, 30 * DAY)
    assert bounds("unknown", None) == (5 * MINUTE, DAY)
    assert bounds("unknown", timedelta.max) == (5 * MINUTE, timedelta(days=3660))
    assert bounds("unknown", timedelta(0))[0] == MICROSECOND


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("api_limit.billing", timedelta(0)),
        ("api_limit.quota_daily", 3 * DAY),
        ("api_limit.rate", DAY),
        ("auth_error.client", timedelta(0)),
        ("auth_error.expired", 5 * MINUTE),
        ("config_error.not_found", 5 * MINUTE),
        ("network_error.timeout", 72 * HOUR),
        ("unknown.bug", DAY),
    ],
)
def test_people_are_told_once_after_the_span_of_what_fails(code: str, after: timedelta) -> None:
    task, told = Task(TaskPolicy(Sequential(arl=10**9, p0=0.4, p1=0.41))), list[timedelta]()
    for _ in range(40):
        now = task.now
        task.give(failed(code))
        told += [
            now - NOON for effect in task.last.effects if isinstance(effect, Notify) and effect.level is Level.ERROR
        ]

    assert len(told) == 1
    assert told[0] >= after
    assert curve_of(code).tell_after == after


@pytest.mark.parametrize(("code", "after"), [("api_limit.billing", timedelta(0)), ("unknown.bug", DAY)])
def test_people_are_told_exactly_when_the_span_is_over(code: str, after: timedelta) -> None:
    task = Task(TaskPolicy(Sequential(arl=10**9, p0=0.4, p1=0.41)))
    if after:
        task.give(failed(code))
        task.now = NOON + after - MICROSECOND
        assert task.tell(ran(failed(code), task.health, task.now)).effects == ()
    task.now = NOON + after

    assert [type(effect) for effect in task.tell(ran(failed(code), task.health, task.now)).effects] == [Notify]


def test_rate_limits_without_a_header_wait_a_minute_doubled_to_an_hour() -> None:
    task, waits = Task(standard()), []
    for _ in range(9):
        now = task.now
        waits.append(task.give(failed("api_limit.rate")).next_at - now)  # type: ignore[operator]

    assert all(0.75 * MINUTE * 2**step <= wait <= MINUTE * 2**step for step, wait in enumerate(waits[:6]))
    assert all(0.75 * HOUR <= wait <= HOUR for wait in waits[6:])


@pytest.mark.parametrize(
    ("step", "base", "cap", "name"), [(0, SECOND, DAY, "step"), (1, timedelta(0), DAY, "base"), (1, DAY, HOUR, "cap")]
)
def test_senseless_delays_are_refused_and_named(step: int, base: timedelta, cap: timedelta, name: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        exponential(step, base=base, cap=cap)

    assert caught.value.name == name


def test_a_delay_beyond_what_a_span_holds_is_the_cap() -> None:
    assert exponential(64, base=DAY, cap=timedelta.max) == timedelta.max
    assert exponential(10**9, base=MICROSECOND, cap=DAY) == DAY


def test_the_first_fitting_curve_is_taken_so_details_stand_before_reasons() -> None:
    codes = [curve.code for curve in CURVES]

    assert all(not later.startswith(f"{code}.") for index, code in enumerate(codes) for later in codes[index:])


@pytest.mark.parametrize("code", ["api_limit.rate", "api_limit.quota_daily", "api_limit.billing"])
def test_a_limit_that_says_when_it_ends_is_tried_then_and_not_when_the_delays_have_grown(code: str) -> None:
    asked = timedelta(minutes=30)
    event = ran(failed(code, retry_after=asked), HEALTHY, NOON)

    at = standard().decide(HEALTHY, event, NOON).next_at

    assert at is not None
    assert NOON + asked <= at <= NOON + asked + timedelta(minutes=1)
