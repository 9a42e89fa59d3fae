"""``jittered``: slots moved apart, in their order."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import IntervalState
from taskwarden.core.hashing import seed
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.core.outcome import Outcome
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import Cron, Every, between, cron, every, jittered, once
from taskwarden.testing.schedules import crons, everys, instants
from taskwarden.testing.strategies import outcomes

MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)

seeds = st.integers(0, 2**63 - 1)


def slots(policy: Every | Cron, start: datetime, number: int, of: int) -> list[datetime]:
    found: list[datetime] = []
    at = policy.after(start, of)
    while at is not None and len(found) < number:
        found.append(at)
        at = policy.after(at, of)
    return found


@given(everys() | crons(), st.floats(0, 1), seeds, instants(), st.lists(outcomes(), max_size=10))
def test_each_slot_of_the_base_moves_later_by_less_than_the_span_and_keeps_its_place(
    base: Every | Cron, share: float, of: int, start: datetime, history: list[Outcome]
) -> None:
    within = max(base.shortest * share, MICROSECOND)
    policy = jittered(base, within)
    expected = slots(base, start, len(history) + 2, of)

    at = policy.after(expected[0] - MICROSECOND, of)
    for earlier, slot, outcome in zip(expected, expected[1:], history, strict=False):
        assert at is not None
        assert earlier <= at < min(earlier + within, slot)
        at = policy.next(at, IntervalState(seed=of), outcome, at).at


@given(everys(timedelta(minutes=1)) | crons(), seeds, instants(), st.timedeltas(timedelta(0), timedelta(hours=20)))
def test_the_number_of_moved_slots_is_that_of_a_walk_over_them(
    base: Every | Cron, of: int, start: datetime, span: timedelta
) -> None:
    policy = jittered(base, base.shortest)

    walked, at = 0, policy.after(start, of)
    while at is not None and at <= start + span:
        walked, at = walked + 1, policy.after(at, of)

    assert policy.count(start, start + span, of) == walked


def test_a_slot_whose_moved_time_lies_ahead_is_not_lost_when_the_run_before_it_ends_late() -> None:
    policy = jittered(every(minutes=1, anchor=MIDNIGHT), timedelta(minutes=1))
    start = MIDNIGHT
    for _ in range(200):
        at = policy.after(start, 5)
        assert at is not None
        beyond = policy.after(at, 5)
        assert beyond is not None

        planned = policy.next(at, IntervalState(seed=5), None, beyond - MICROSECOND)

        assert (planned.at, planned.coalesced) == (beyond, 0)
        start = at


def test_slots_that_a_jump_of_the_clock_brings_together_keep_their_order() -> None:
    """On that day 02:30 is run at 03:00, half an hour before the next one instead of an hour."""
    base = cron("30 2,3 * * *", "Europe/Berlin")
    jump = datetime(2026, 3, 29, 1, tzinfo=UTC)
    policy = jittered(base, HOUR)
    for of in range(50):
        first = policy.after(jump - MICROSECOND, of)

        assert first is not None
        assert jump <= first < jump + HOUR / 2
        assert policy.next(first, IntervalState(seed=of), None, first).period is not None
        assert policy.count(jump - MICROSECOND, jump + HOUR / 2 - MICROSECOND, of) == 1


def test_a_thousand_tasks_at_midnight_are_spread_over_the_span() -> None:
    policy = jittered(cron("0 0 * * *"), HOUR)
    starts = [policy.next(None, IntervalState(seed=seed("task", number)), None, MIDNIGHT).at for number in range(1_000)]

    a_minute = Counter((start - MIDNIGHT) // timedelta(minutes=1) for start in starts if start is not None)

    assert max(a_minute.values()) <= 40
    assert len(a_minute) == 60


def test_the_same_task_moves_differently_on_different_days() -> None:
    found = slots(cron("0 0 * * *"), MIDNIGHT, 10, 0)

    moved = {jittered(cron("0 0 * * *"), HOUR).after(day - MICROSECOND, 9) for day in found}

    assert len({at - day for at, day in zip(sorted(filter(None, moved)), found, strict=True)}) == 10


def test_a_slot_moved_beyond_the_calendar_is_none() -> None:
    policy = jittered(every(days=1, anchor=FAR_FUTURE), timedelta(days=1))

    assert policy.after(FAR_FUTURE - MICROSECOND, 5) is None
    assert policy.count(FAR_FUTURE - timedelta(days=3), FAR_FUTURE, 5) == policy.count(
        FAR_FUTURE - timedelta(days=3), FAR_FUTURE - MICROSECOND, 5
    )


def test_the_reason_names_both_the_schedule_and_the_span() -> None:
    policy = jittered(cron("0 0 * * *"), HOUR)

    assert policy.next(None, IntervalState(), None, MIDNIGHT).reason == "cron 0 0 * * * (UTC), moved by less than 1 h"


@pytest.mark.parametrize("policy", [once(MIDNIGHT), between(), jittered(every(hours=1), HOUR), Every, "hourly", None])
def test_what_has_no_grid_or_is_jittered_already_is_refused(policy: object) -> None:
    with pytest.raises(InvalidValue, match="policy must"):
        jittered(policy, HOUR)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "longest"),
    [
        (every(minutes=5), timedelta(minutes=5)),
        (cron("0 9,17 * * *"), timedelta(hours=8)),
        (cron("50 23 * * *"), timedelta(days=1)),
        (cron("0,50 0-23 * * *"), timedelta(minutes=10)),
    ],
)
def test_a_span_beyond_the_smallest_distance_of_slots_is_refused(policy: Every | Cron, longest: timedelta) -> None:
    assert jittered(policy, longest).within == longest
    with pytest.raises(InvalidValue, match="overtake"):
        jittered(policy, longest + MICROSECOND)


@pytest.mark.parametrize("within", [timedelta(0), -HOUR, 60])
def test_a_span_of_zero_or_less_is_refused(within: object) -> None:
    with pytest.raises(InvalidValue, match="within must be"):
        jittered(every(hours=1), within)  # type: ignore[arg-type]
