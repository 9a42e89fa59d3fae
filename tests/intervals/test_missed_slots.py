"""What becomes of slots that nobody ran in time: the same for every policy on a grid."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import IntervalState
from taskwarden.core.outcome import Outcome, Skipped, Succeeded
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import Coalesce, Cron, Each, Every, Jittered, Missed, Skip, cron, every, jittered
from taskwarden.testing.schedules import cron_expressions, instants, zones

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
STATE = IntervalState(seed=1)
HOUR = timedelta(hours=1)

Gridded = Every | Cron | Jittered


@st.composite
def policies(draw: st.DrawFn, missed: st.SearchStrategy[Missed]) -> Gridded:
    """Draw a policy with slots at least a minute apart, so that an oracle can walk them."""
    choice = draw(missed)
    periods = st.timedeltas(timedelta(minutes=1), timedelta(days=3))
    policy = draw(
        st.builds(Every, periods, anchor=st.none() | instants(), missed=st.just(choice))
        | st.builds(Cron, cron_expressions(), timezone=zones(), missed=st.just(choice))
    )
    if draw(st.booleans()):
        return policy
    return Jittered(policy, draw(st.timedeltas(timedelta(microseconds=1), policy.shortest)))


def walked(policy: Gridded, slot: datetime, now: datetime) -> list[datetime]:
    """Return the slots after *slot* and not after *now*, one by one."""
    slots = []
    at = policy.after(slot, STATE.seed)
    while at is not None and at <= now:
        slots.append(at)
        at = policy.after(at, STATE.seed)
    return slots


downtimes = st.timedeltas(timedelta(0), timedelta(hours=30))


@given(policies(st.just(Coalesce())), instants(), downtimes)
def test_missed_slots_coalesce_into_one_run_and_are_counted(
    policy: Gridded, start: datetime, downtime: timedelta
) -> None:
    slot = policy.after(start, STATE.seed)
    assert slot is not None
    now = slot + downtime

    planned = policy.next(slot, STATE, Succeeded(), now)

    assert planned.coalesced == len(walked(policy, slot, now))
    assert planned.at == policy.after(now, STATE.seed)


@given(policies(st.builds(Each, st.integers(1, 100))), instants(), downtimes)
def test_each_catches_up_the_last_slots_one_by_one_and_counts_the_older_ones(
    policy: Gridded, start: datetime, downtime: timedelta
) -> None:
    slot = policy.after(start, STATE.seed)
    assert slot is not None
    assert isinstance(policy.missed, Each)
    now = slot + downtime
    missed = walked(policy, slot, now)

    run, coalesced = [], 0
    planned = policy.next(slot, STATE, Succeeded(), now)
    while planned.at is not None and planned.at <= now:
        run.append(planned.at)
        coalesced += planned.coalesced
        planned = policy.next(planned.at, STATE, Succeeded(), now)

    assert run == missed[-policy.missed.limit :]
    assert coalesced + len(run) == len(missed)


@given(policies(st.builds(Skip, st.timedeltas(timedelta(seconds=1), timedelta(hours=40)))), instants(), downtimes)
def test_skip_runs_at_most_one_missed_slot_the_latest_within_grace(
    policy: Gridded, start: datetime, downtime: timedelta
) -> None:
    """A runner that claims at *now*, again and again, skips what is later than the grace, and runs the rest."""
    slot = policy.after(start, STATE.seed)
    assert slot is not None
    assert policy.grace is not None
    now, grace = slot + downtime, policy.grace
    missed = walked(policy, slot, now)
    in_time = [each for each in (slot, *missed) if now - each <= grace]

    run, coalesced, settled = [], 0, 0
    at: datetime | None = slot
    while at is not None and at <= now:
        outcome: Outcome = Skipped("too late")
        if now - at <= grace:
            run.append(at)
            outcome = Succeeded()
        planned = policy.next(at, STATE, outcome, now)
        coalesced, settled, at = coalesced + planned.coalesced, settled + 1, planned.at

    assert len(run) == min(1, len(in_time))
    assert run in ([], [slot], in_time[-1:])
    assert coalesced + settled == len(missed) + 1


def test_a_weekly_task_is_not_lost_because_the_slot_of_last_week_was_too_late() -> None:
    weekly = every(days=7, anchor=NOON, missed=Skip(6 * HOUR))
    back = NOON + timedelta(days=14) + HOUR

    planned = weekly.next(NOON, STATE, Skipped("too late"), back)

    assert (planned.at, planned.coalesced) == (NOON + timedelta(days=14), 1)


def test_a_slot_exactly_as_late_as_the_grace_is_still_run() -> None:
    hourly = every(hours=1, anchor=NOON, missed=Skip(timedelta(minutes=10)))

    limit = NOON + HOUR + timedelta(minutes=10)

    at_the_limit = hourly.next(NOON, STATE, Skipped(), limit)
    beyond_it = hourly.next(NOON, STATE, Skipped(), limit + timedelta(microseconds=1))

    assert (at_the_limit.at, beyond_it.at) == (NOON + HOUR, NOON + 2 * HOUR)


def test_a_run_longer_than_its_period_stands_for_the_slots_meanwhile_although_they_are_within_grace() -> None:
    policy = every(minutes=1, anchor=NOON, missed=Skip(HOUR))

    planned = policy.next(NOON, STATE, Succeeded(), NOON + timedelta(minutes=3, seconds=10))

    assert (planned.at, planned.coalesced) == (NOON + timedelta(minutes=4), 3)


@pytest.mark.parametrize("policy", [every(seconds=1, missed=Each()), cron("* * * * *", missed=Each())])
def test_after_a_year_of_downtime_a_hundred_slots_are_caught_up_and_no_more(policy: Gridded) -> None:
    slot = policy.after(NOON, STATE.seed)
    assert slot is not None
    now = slot + timedelta(days=365)

    planned = policy.next(slot, STATE, Succeeded(), now)

    assert planned.at is not None
    assert policy.count(planned.at, now, STATE.seed) + 1 == 100
    assert planned.coalesced + 100 == policy.count(slot, now, STATE.seed)


@pytest.mark.parametrize("policy", [every(hours=1), cron("0 * * * *", "Asia/Gaza"), jittered(cron("0 * * * *"), HOUR)])
def test_a_clock_that_jumps_years_ahead_starts_one_run_and_no_more(policy: Gridded) -> None:
    slot = policy.after(NOON, STATE.seed)
    assert slot is not None
    now = NOON.replace(year=9000)

    planned = policy.next(slot, STATE, Succeeded(), now)

    assert planned.at is not None
    assert now < planned.at <= now + 2 * HOUR
    assert planned.coalesced == pytest.approx((now - slot) / HOUR, abs=2)


@pytest.mark.parametrize("policy", [every(hours=1), cron("0 0 * * *"), jittered(cron("0 0 * * *"), HOUR)])
def test_a_clock_that_goes_back_years_changes_nothing_in_the_order_of_slots(policy: Gridded) -> None:
    slot = policy.after(NOON, STATE.seed)
    assert slot is not None

    planned = policy.next(slot, STATE, Succeeded(), NOON.replace(year=1999))

    assert (planned.at, planned.coalesced) == (policy.after(slot, STATE.seed), 0)


@pytest.mark.parametrize("limit", [0, -1, 101, 1.0, True, None])
def test_catching_up_is_bounded_by_a_hundred_slots(limit: object) -> None:
    with pytest.raises(InvalidValue, match="limit must be a whole number from 1 to 100"):
        Each(limit)


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(seconds=-1), timedelta(days=367), 60])
def test_a_grace_of_zero_negative_or_absurd_is_refused(grace: object) -> None:
    with pytest.raises(InvalidValue, match="grace must be"):
        Skip(grace)


def test_only_skip_has_a_grace() -> None:
    choices: list[Missed] = [Coalesce(), Each(5), Skip(HOUR)]

    assert [every(minutes=1, missed=choice).grace for choice in choices] == [None, None, HOUR]
