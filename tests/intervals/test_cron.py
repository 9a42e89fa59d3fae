"""``cron``: what an expression means, away from jumps of the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import IntervalState
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import cron
from taskwarden.testing.schedules import any_instants, cron_expressions, instants

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday
STATE = IntervalState()
LAST = datetime(9999, 12, 30, tzinfo=UTC)


@given(cron_expressions(), instants(latest=datetime(2095, 1, 1, tzinfo=UTC)))
def test_in_utc_the_slots_are_those_that_cronsim_finds(expression: str, start: datetime) -> None:
    policy, oracle = cron(expression), CronSim(expression, start)

    at: datetime | None = start
    for _ in range(5):
        assert at is not None
        at = policy.after(at, 0)

        assert at == next(oracle)


@given(cron_expressions(), instants(), st.integers(1, 300))
def test_the_count_of_slots_is_that_of_a_walk_over_them(expression: str, start: datetime, number: int) -> None:
    policy = cron(expression)
    at: datetime | None = start
    for _ in range(number):
        assert at is not None
        at = policy.after(at, 0)

    assert at is not None
    assert policy.count(start, at, 0) == number
    assert policy.count(start, at - timedelta(microseconds=1), 0) == number - 1


@given(cron_expressions(), any_instants())
def test_p40_a_slot_lies_after_the_instant_that_it_follows_to_the_end_of_the_calendar(
    expression: str, start: datetime
) -> None:
    at = cron(expression).after(start, 0)

    assert (at is None) or start < at < LAST
    assert at is not None or start > datetime(9900, 1, 1, tzinfo=UTC)


def test_the_rarest_expression_fires_after_the_century_that_leaves_out_its_leap_day() -> None:
    policy = cron("0 0 29 2 */7")  # a Sunday, 29 February

    found = policy.after(datetime(2088, 3, 1, tzinfo=UTC), 0)

    assert found == datetime(2128, 2, 29, tzinfo=UTC)


def test_there_is_no_slot_beyond_the_last_year_that_has_one() -> None:
    policy = cron("0 0 29 2 *")

    assert policy.after(datetime(9996, 3, 1, tzinfo=UTC), 0) is None
    assert policy.count(datetime(9990, 1, 1, tzinfo=UTC), FAR_FUTURE, 0) == 2


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("30 9 * * *", "2026-11-25 09:30"),
        ("*/20 * * * *", "2026-11-24 12:20"),
        ("0 12 * * 2", "2026-12-01 12:00"),
        ("0 0 * * sun", "2026-11-29 00:00"),
        ("0 0 * * 7", "2026-11-29 00:00"),
        ("0 0 13 * FRI", "2026-11-27 00:00"),
        ("0 0 L * *", "2026-11-30 00:00"),
        ("0 0 * 2 MON#5", "2044-02-29 00:00"),
        ("5,10 8-17/4 1 JAN *", "2027-01-01 08:05"),
    ],
)
def test_an_expression_means_what_cron_users_know(expression: str, first: str) -> None:
    at = cron(expression).after(NOON, 0)

    assert at is not None
    assert f"{at:%Y-%m-%d %H:%M}" == first


@pytest.mark.parametrize("start", [NOON, NOON + timedelta(microseconds=1), NOON + timedelta(seconds=59.999999)])
def test_an_instant_within_a_minute_is_followed_by_the_next_one(start: datetime) -> None:
    assert cron("* * * * *").after(start, 0) == NOON + timedelta(minutes=1)
    assert cron("* * * * *").after(NOON - timedelta(microseconds=1), 0) == NOON


def test_the_answer_says_why_and_how_far_the_slot_after_it_is() -> None:
    friday = NOON + timedelta(days=3)

    planned = cron("0 9 * * MON-FRI", "Europe/Berlin").next(NOON, STATE, None, friday - timedelta(hours=12))

    assert planned.reason == "cron 0 9 * * MON-FRI (Europe/Berlin)"
    assert (planned.at, planned.period) == (friday.replace(hour=8), timedelta(days=3))


def test_ways_of_writing_one_expression_are_one_policy() -> None:
    assert repr(cron(" 0  9 * * mon ")) == repr(cron("0 9 * * MON"))


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("0 0 30 2 *", "day-of-month"),
        ("0 0 31 4,6,9,11 *", "day-of-month"),
        ("0 0 LW 2 */7", "must match some day"),
        ("60 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day-of-month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "day-of-week"),
        ("-1 * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("10-5 * * * *", "minute"),
        ("a * * * *", "minute"),
        ("0 0 * * 5L/2", "day-of-week"),
        ("0 0 * * MON#6", "day-of-week"),
        ("0 0 * *", "must have five fields, not 4"),
        ("0 0 0 * * *", "for seconds, use every"),
        ("@daily", "must have five fields, not 1"),
        ("", "must have five fields, not 0"),
        ("0 " * 1_000, "at most 256 characters"),
        ("\0 * * * *", "minute"),
        ("²  * * * *", "minute"),
        (None, "must be text"),
    ],
)
def test_an_expression_out_of_range_or_that_never_fires_is_refused_when_the_policy_is_made(
    expression: str, problem: str
) -> None:
    with pytest.raises(InvalidValue, match=problem) as refused:
        cron(expression)

    assert "write minute 0-59" in str(refused.value) or "no year has such a day" in str(refused.value)


@given(st.text(alphabet="0123456789*/,-#LWMONFRIJAN ", max_size=40))
def test_whatever_is_written_is_either_refused_or_fires(expression: str) -> None:
    try:
        policy = cron(expression)
    except InvalidValue:
        return

    assert policy.after(NOON, 0) is not None


@pytest.mark.parametrize(
    ("zone", "remedy"),
    [
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "did you mean 'Europe/Berlin'?"),
        ("Europe", "did you mean"),
        ("", "use a name such as 'Europe/Berlin', or upgrade tzdata"),
        ("../../etc/passwd", "use a name such as 'Europe/Berlin'"),
        ("/etc/localtime", "use a name such as 'Europe/Berlin'"),
        ("UTC\0", "did you mean 'UTC'?"),
        ("\ud800", "use a name such as"),
        (None, "for example 'Europe/Berlin'"),
        (UTC, "for example 'Europe/Berlin'"),
    ],
)
def test_a_zone_that_does_not_exist_is_refused_with_a_remedy(zone: str, remedy: str) -> None:
    with pytest.raises(InvalidValue, match="timezone must be") as refused:
        cron("0 0 * * *", zone)

    assert remedy in str(refused.value)
