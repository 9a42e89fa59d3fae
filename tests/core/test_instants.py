"""Instants are aware UTC, exact, and saturate at the calendar's ends."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.instant import EPOCH, FAR_FUTURE, FAR_PAST, at_micros, later, micros, span, utc
from taskwarden.errors import InvalidValue

aware = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize("value", [datetime(2026, 1, 1), None, 0, "2026-01-01", 1.5])
def test_a_naive_or_foreign_instant_is_refused_with_the_remedy(value: object) -> None:
    with pytest.raises(InvalidValue, match="aware"):
        utc(value, "at")


@given(st.datetimes(timezones=st.timezones()))
def test_any_aware_instant_becomes_the_same_instant_in_utc(value: datetime) -> None:
    converted = utc(value)

    assert converted.tzinfo is UTC
    assert FAR_PAST <= converted <= FAR_FUTURE
    if converted not in {FAR_PAST, FAR_FUTURE}:
        offset = value.utcoffset()
        assert offset is not None
        # Not compared as aware instants: Python calls one that its zone has twice unequal to any in another zone.
        assert converted.replace(tzinfo=None, fold=0) == value.replace(tzinfo=None, fold=0) - offset


def test_an_instant_beyond_the_calendar_in_utc_is_held_at_its_end() -> None:
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))

    assert utc(datetime(1, 1, 1, tzinfo=east)) == FAR_PAST
    assert utc(datetime(9999, 12, 31, 23, tzinfo=west)) == FAR_FUTURE


@given(aware)
def test_microseconds_are_exact_both_ways(value: datetime) -> None:
    assert at_micros(micros(value)) == value


@given(st.integers(-(10**30), 10**30))
def test_any_count_of_microseconds_is_an_instant(value: int) -> None:
    assert FAR_PAST <= at_micros(value) <= FAR_FUTURE


@given(aware, st.timedeltas())
def test_moving_an_instant_never_raises_and_is_exact_within_the_calendar(value: datetime, by: timedelta) -> None:
    moved = later(value, by)

    try:
        assert moved == value + by
    except OverflowError:
        assert moved == (FAR_FUTURE if by > timedelta(0) else FAR_PAST)


@pytest.mark.parametrize("value", [timedelta(0), timedelta(seconds=-1), 60, None, "1h"])
def test_a_span_that_is_not_positive_is_refused(value: object) -> None:
    with pytest.raises(InvalidValue, match="^lease must"):
        span(value, "lease")


def test_a_span_above_its_bound_is_refused_and_both_bounds_are_named() -> None:
    with pytest.raises(InvalidValue, match=r"at least 0:00:00.000001 and at most 1 day"):
        span(timedelta(days=2), "lease", hi=timedelta(days=1))
    assert span(timedelta(days=1), "lease", hi=timedelta(days=1)) == timedelta(days=1)


def test_the_epoch_is_zero() -> None:
    assert micros(EPOCH) == 0
