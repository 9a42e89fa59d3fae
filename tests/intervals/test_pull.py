"""``pulled``: a slot comes earlier where an outcome said by when to run again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import Planned
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import pulled
from taskwarden.testing.schedules import any_instants

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = Planned(NOON + HOUR, "every 1 h", "kept", 3, HOUR)


def test_the_slot_comes_after_nine_tenths_of_the_time_that_is_left() -> None:
    planned = pulled(HOURLY, NOON + timedelta(minutes=20), NOON)

    assert planned.at == NOON + timedelta(minutes=18)
    assert planned.reason == "to run by 2026-11-24 12:20:00 UTC; else every 1 h"
    assert (planned.memory, planned.coalesced, planned.period) == ("kept", 3, HOUR)


@pytest.mark.parametrize("run_by", [NOON + 2 * HOUR, FAR_FUTURE, NOON + HOUR * 10 / 9])
def test_a_slot_that_comes_early_enough_stays(run_by: datetime) -> None:
    assert pulled(HOURLY, run_by, NOON) == HOURLY


@pytest.mark.parametrize("run_by", [NOON, NOON - HOUR])
def test_a_deadline_that_has_passed_leaves_the_time_and_says_so(run_by: datetime) -> None:
    planned = pulled(HOURLY, run_by, NOON)

    assert planned.at == HOURLY.at
    assert planned.reason.startswith("every 1 h; run_by 2026-11-24 1")


def test_no_executor_makes_itself_run_in_a_circle() -> None:
    assert pulled(HOURLY, NOON + timedelta(microseconds=1), NOON).at == NOON + timedelta(seconds=1)


def test_a_task_that_is_done_stays_done() -> None:
    assert pulled(Planned(None, "once"), NOON + HOUR, NOON) == Planned(None, "once")


@given(st.builds(Planned, st.none() | any_instants(), st.just("planned")), any_instants(), any_instants())
def test_it_is_total_and_never_later_than_planned(planned: Planned, run_by: datetime, now: datetime) -> None:
    at = pulled(planned, run_by, now).at

    assert (at is None) == (planned.at is None)
    if at is not None and planned.at is not None:
        assert at <= planned.at
        assert at == planned.at or at > now


@pytest.mark.parametrize(("run_by", "now"), [(NOON.replace(tzinfo=None), NOON), (NOON, NOON.replace(tzinfo=None))])
def test_naive_deadlines_and_clocks_are_refused(run_by: datetime, now: datetime) -> None:
    with pytest.raises(InvalidValue, match="must be aware"):
        pulled(HOURLY, run_by, now)
