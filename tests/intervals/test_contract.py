"""What holds for every interval policy that ships."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import IntervalState, Planned
from taskwarden.core.instant import FAR_FUTURE, FAR_PAST
from taskwarden.core.outcome import Outcome
from taskwarden.core.protocols import IntervalPolicy
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import Every, Once, between, cron, every, jittered, once
from taskwarden.testing.schedules import any_instants, instants, interval_policies, interval_states
from taskwarden.testing.strategies import outcomes

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NAIVE = NOON.replace(tzinfo=None)
STATE = IntervalState(seed=7)
EACH: list[IntervalPolicy] = [
    every(minutes=15),
    cron("30 9 * * MON-FRI", "Europe/Berlin"),
    jittered(cron("0 0 * * *"), timedelta(hours=1)),
    between(),
    once(NOON),
]


@given(interval_policies(), st.none() | any_instants(), interval_states(), st.none() | outcomes(), any_instants())
def test_next_is_total_and_pure(
    policy: IntervalPolicy, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime
) -> None:
    planned = policy.next(slot, state, outcome, now)

    assert isinstance(planned, Planned)
    assert planned == policy.next(slot, state, outcome, now)
    assert planned.reason
    assert planned.coalesced >= 0
    assert planned.memory == ""
    assert planned.at is None or planned.at.tzinfo is UTC
    assert planned.period is None or planned.period > timedelta(0)


@given(interval_policies(), any_instants(), interval_states(), st.none() | outcomes(), any_instants())
def test_the_next_slot_lies_after_the_last_one_whatever_the_clock_says(
    policy: IntervalPolicy, slot: datetime, state: IntervalState, outcome: Outcome | None, now: datetime
) -> None:
    at = policy.next(slot, state, outcome, now).at

    assert at is None or at > slot


@given(interval_policies(), interval_states(), instants())
def test_the_first_slot_lies_ahead_but_where_it_was_asked_for_at_once(
    policy: IntervalPolicy, state: IntervalState, now: datetime
) -> None:
    at = policy.next(None, state, None, now).at

    assert at is not None
    if isinstance(policy, Once):
        assert at == policy.at
    elif isinstance(policy, Every) and policy.immediately:
        assert at == now
    else:
        assert at > now


@given(interval_policies(), interval_states(), st.none() | outcomes())
def test_after_the_last_instant_of_the_calendar_there_is_no_slot(
    policy: IntervalPolicy, state: IntervalState, outcome: Outcome | None
) -> None:
    assert policy.next(FAR_FUTURE, state, outcome, FAR_FUTURE).at is None


@pytest.mark.parametrize("policy", EACH[:4], ids=repr)
def test_a_schedule_begins_at_the_first_instant_of_the_calendar(policy: IntervalPolicy) -> None:
    at = policy.next(None, STATE, None, FAR_PAST).at

    assert at is not None
    assert at - FAR_PAST < timedelta(days=7)


@pytest.mark.parametrize("policy", EACH[:4], ids=repr)
@pytest.mark.parametrize(("slot", "now"), [(None, NAIVE), (NOON, NAIVE), (NAIVE, NOON)])
def test_naive_datetimes_are_refused(policy: IntervalPolicy, slot: datetime | None, now: datetime) -> None:
    with pytest.raises(InvalidValue, match="must be aware"):
        policy.next(slot, STATE, None, now)


@pytest.mark.parametrize("policy", EACH, ids=repr)
def test_every_policy_is_an_interval_policy(policy: IntervalPolicy) -> None:
    assert isinstance(policy, IntervalPolicy)
    assert policy.grace is None


def test_equal_policies_have_one_repr_in_every_process() -> None:
    program = """
from datetime import UTC, datetime, timedelta
from taskwarden.policies.intervals import between, cron, every, jittered, once
noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
print([every(minutes=15), cron(" 30 9 *  * mon-fri", "Europe/Berlin"), jittered(cron("0 0 * * *"), timedelta(hours=1)),
       between(), once(noon)], end="")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == repr(EACH)
