"""``between``: adaptive within bounds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import Activity, IntervalState
from taskwarden.core.outcome import Outcome
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import Between, between
from taskwarden.policies.intervals.activity import FULL_WEIGHT
from taskwarden.testing.schedules import any_instants, instants
from taskwarden.testing.strategies import outcomes

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


def active(weight: int, until: datetime = NOON + timedelta(days=1)) -> IntervalState:
    return IntervalState(seed=3, activity=Activity(weight, until))


@st.composite
def betweens(draw: st.DrawFn) -> Between:
    spans = st.timedeltas(timedelta(milliseconds=1), timedelta(days=30))
    return between(*sorted(draw(st.tuples(spans, spans))))


moments = st.tuples(
    st.none() | st.builds(Activity, st.integers(1, 10), any_instants()), outcomes(), st.floats(0, 0.99, allow_nan=False)
)


@given(betweens(), instants(), st.lists(moments, min_size=1, max_size=30))
def test_p39_the_distance_of_slots_keeps_its_bounds_exactly(
    policy: Between, start: datetime, history: list[tuple[Activity | None, Outcome, float]]
) -> None:
    slot = policy.next(None, IntervalState(seed=3), None, start).at
    for activity, outcome, late in history:
        assert slot is not None
        planned = policy.next(slot, IntervalState(seed=3, activity=activity), outcome, slot + policy.lo * late)

        assert planned.at is not None
        assert policy.lo <= planned.at - slot <= policy.hi
        assert planned.period == planned.at - slot
        slot = planned.at


@given(betweens(), st.integers(0, 10))
def test_p39_more_activity_never_means_a_longer_interval(policy: Between, weight: int) -> None:
    assert policy.lo <= policy.interval(weight + 1) <= policy.interval(weight) <= policy.hi


@given(betweens(), st.integers(0, 10), st.integers(1, 50))
def test_p39_bounds_in_another_unit_give_the_interval_in_that_unit(policy: Between, weight: int, unit: int) -> None:
    scaled = between(policy.lo * unit, policy.hi * unit).interval(weight)

    assert timedelta(0) <= scaled - policy.interval(weight) * unit < unit * MICROSECOND


@given(betweens())
def test_the_bounds_are_reached_when_quiet_and_when_fully_active(policy: Between) -> None:
    assert (policy.interval(0), policy.interval(FULL_WEIGHT)) == (policy.hi, policy.lo)


def test_the_defaults_are_an_hour_when_quiet_down_to_a_quarter_when_active() -> None:
    minutes = [round(between().interval(weight) / MINUTE, 1) for weight in range(6)]

    assert minutes == [60, 27.5, 20.6, 17.1, 15, 15]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (IntervalState(), "no activity: every 1 h"),
        (active(1), "activity of weight 1: every 27 min 31 s"),
        (active(9), "activity of weight 9: every 15 min"),
        (active(9, until=NOON), "no activity: every 1 h"),
        (active(9, until=NOON + MICROSECOND), "activity of weight 9: every 15 min"),
        (active(-3), "no activity: every 1 h"),
    ],
)
def test_the_reason_says_how_much_is_believed_to_go_on(state: IntervalState, reason: str) -> None:
    assert between().next(NOON, state, None, NOON).reason == reason


@given(betweens(), instants(), st.integers(0, 10), st.integers(0, 1_000), st.floats(0, 0.99))
def test_missed_slots_coalesce_and_are_counted(
    policy: Between, slot: datetime, weight: int, missed: int, late: float
) -> None:
    interval = policy.interval(weight)
    state = IntervalState(activity=Activity(weight, datetime(9000, 1, 1, tzinfo=UTC)))

    planned = policy.next(slot, state, None, slot + interval * missed + interval * late)

    assert (planned.at, planned.coalesced) == (slot + interval * (missed + 1), missed)


@given(betweens(), instants(), st.integers(0, 2**63 - 1))
def test_the_first_slot_lies_within_one_interval_at_the_phase_of_the_task(
    policy: Between, now: datetime, seed: int
) -> None:
    at = policy.next(None, IntervalState(seed=seed), None, now).at

    assert at is not None
    assert now < at <= now + policy.hi
    assert ((at - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND - seed) % (policy.hi // MICROSECOND) == 0


def test_one_slot_is_the_only_interval_if_the_bounds_are_one() -> None:
    assert [between(MINUTE, MINUTE).interval(weight) for weight in range(3)] == [MINUTE] * 3


@pytest.mark.parametrize(
    ("lo", "hi"),
    [(2 * MINUTE, MINUTE), (timedelta(0), MINUTE), (MINUTE, timedelta(days=4000)), (-MINUTE, MINUTE), (1, MINUTE)],
)
def test_bounds_that_are_crossed_zero_negative_or_absurd_are_refused(lo: timedelta, hi: timedelta) -> None:
    with pytest.raises(InvalidValue, match=r"(lo|hi) must be"):
        between(lo, hi)
