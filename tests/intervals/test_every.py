"""``every``: a grid that nothing moves."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import IntervalState
from taskwarden.core.hashing import seed
from taskwarden.core.instant import later, micros
from taskwarden.core.outcome import Outcome
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import Every, every
from taskwarden.policies.intervals.grid import planned
from taskwarden.testing.schedules import any_instants, everys, instants, interval_states
from taskwarden.testing.strategies import outcomes

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
STATE = IntervalState(seed=seed("alice", "site.check", "home"))


def on_grid(policy: Every, at: datetime, state: IntervalState) -> bool:
    origin = state.seed if policy.anchor is None else micros(policy.anchor)
    return (micros(at) - origin) % round(policy.period / timedelta(microseconds=1)) == 0


def test_the_slots_of_an_anchored_policy_are_the_anchor_and_whole_periods_from_it() -> None:
    policy = every(minutes=15, anchor=NOON)

    slots = [NOON - timedelta(hours=1)]
    for _ in range(3):
        slots.append(policy.next(slots[-1], STATE, None, slots[-1]).at or NOON)

    assert [slot.strftime("%H:%M") for slot in slots] == ["11:00", "11:15", "11:30", "11:45"]


def test_the_answer_says_why_and_how_far_apart_slots_are() -> None:
    first = every(hours=1, minutes=30).next(None, STATE, None, NOON)

    assert (first.reason, first.period) == ("every 1 h 30 min", timedelta(minutes=90))


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (every(seconds=1), "every 1 s"),
        (every(seconds=0.25), "every 0.25 s"),
        (every(days=1, seconds=5), "every 1 d 5 s"),
        (every(minutes=15, immediately=True), "at once, then every 15 min"),
    ],
)
def test_the_reason_names_the_period_in_its_units(policy: Every, reason: str) -> None:
    assert policy.next(None, STATE, None, NOON).reason == reason


def test_the_first_slot_is_now_if_asked_for_and_then_the_grid_holds() -> None:
    policy = every(hours=1, anchor=NOON, immediately=True)
    now = NOON + timedelta(minutes=20)

    first = policy.next(None, STATE, None, now).at
    second = policy.next(first, STATE, None, now).at

    assert (first, second) == (now, NOON + timedelta(hours=1))


histories = st.lists(st.tuples(outcomes(), st.floats(0, 0.99)), min_size=1, max_size=20)


@given(everys(), interval_states(), histories, instants())
def test_no_outcome_and_no_lateness_moves_the_grid(
    policy: Every, state: IntervalState, history: list[tuple[Outcome, float]], start: datetime
) -> None:
    slot = policy.after(start, state.seed)
    for outcome, late in history:
        assert slot is not None
        following = policy.next(slot, state, outcome, slot + policy.period * late)

        assert following.at == slot + policy.period
        assert following.coalesced == 0
        slot = following.at


@given(everys(), interval_states(), instants(), instants())
def test_a_slot_that_was_moved_returns_to_the_grid(
    policy: Every, state: IntervalState, slot: datetime, now: datetime
) -> None:
    at = policy.next(slot, state, None, now).at

    assert at is not None
    assert on_grid(policy, at, state)


@given(everys(), interval_states(), outcomes(), instants(), st.booleans(), st.floats(-3, 30))
def test_the_paths_that_are_written_out_come_to_the_same_as_the_general_one(
    policy: Every, state: IntervalState, outcome: Outcome, slot: datetime, on: bool, late: float
) -> None:
    if on:
        slot = policy.after(slot, state.seed) or slot
    now = later(slot, policy.period * late)

    assert policy.next(slot, state, outcome, now) == planned(policy, slot, state.seed, outcome, now)


@given(everys(), interval_states(), outcomes(), any_instants(), any_instants())
def test_at_the_ends_of_the_calendar_they_come_to_the_same_too(
    policy: Every, state: IntervalState, outcome: Outcome, slot: datetime, now: datetime
) -> None:
    assert policy.next(slot, state, outcome, now) == planned(policy, slot, state.seed, outcome, now)


@given(everys(), interval_states(), any_instants())
def test_no_slot_lies_between_an_instant_and_the_slot_after_it(
    policy: Every, state: IntervalState, instant: datetime
) -> None:
    at = policy.after(instant, state.seed)

    if at is not None:
        assert timedelta(0) < at - instant <= policy.period
        assert on_grid(policy, at, state)
        assert policy.count(instant, at, state.seed) == 1


def test_a_thousand_daily_tasks_do_not_start_in_one_second() -> None:
    policy = every(days=1)
    starts = [policy.next(None, IntervalState(seed=seed("task", number)), None, NOON).at for number in range(1_000)]

    a_second = Counter(start.replace(microsecond=0) for start in starts if start is not None)
    an_hour = Counter(start.hour for start in starts if start is not None)

    assert max(a_second.values()) <= 3
    assert set(an_hour) == set(range(24))


def test_with_an_anchor_all_tasks_share_their_slots() -> None:
    policy = every(days=1, anchor=NOON)
    starts = {policy.next(None, IntervalState(seed=number), None, NOON).at for number in range(100)}

    assert starts == {NOON + timedelta(days=1)}


def test_an_anchor_in_another_zone_is_the_same_policy() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))

    assert repr(every(days=1, anchor=elsewhere)) == repr(every(days=1, anchor=NOON))


def test_slots_in_another_zone_are_answered_in_utc() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))

    planned = every(minutes=15, anchor=NOON).next(elsewhere, STATE, None, elsewhere)

    assert planned.at == NOON + timedelta(minutes=15)
    assert planned.at.tzinfo is UTC


@pytest.mark.parametrize(
    "period",
    [timedelta(0), timedelta(microseconds=999), timedelta(seconds=-5), timedelta(days=3661), 900, None],
)
def test_a_period_of_zero_negative_or_absurd_is_refused_when_the_policy_is_made(period: object) -> None:
    with pytest.raises(InvalidValue, match="period must be"):
        Every(period)


@pytest.mark.parametrize("minutes", [float("nan"), float("inf"), 1e300, "15", None])
def test_units_that_are_no_finite_numbers_are_refused(minutes: object) -> None:
    with pytest.raises(InvalidValue, match="finite numbers"):
        every(minutes=minutes)  # type: ignore[arg-type]


def test_no_units_at_all_are_refused() -> None:
    with pytest.raises(InvalidValue, match="at least"):
        every()


@pytest.mark.parametrize(
    ("argument", "value"),
    [("anchor", datetime(2026, 1, 1)), ("anchor", "2026"), ("immediately", 1), ("missed", "coalesce")],
)
def test_an_argument_of_the_wrong_kind_is_refused_by_name(argument: str, value: object) -> None:
    with pytest.raises(InvalidValue, match=argument):
        every(minutes=15, **{argument: value})  # type: ignore[arg-type]
