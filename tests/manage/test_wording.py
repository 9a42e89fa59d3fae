"""How instants, spans and counts read in explanations."""

from datetime import UTC, datetime, timedelta

import pytest

from taskwarden.manage.wording import moment, quantity

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        (timedelta(days=400, hours=23, minutes=59), "in 400 d 23 h"),
        (timedelta(days=1, minutes=59), "in 1 d"),
        (timedelta(hours=2, minutes=32, seconds=16), "in 2 h 32 min"),
        (timedelta(minutes=15), "in 15 min"),
        (timedelta(seconds=59.9), "in 59 s"),
        (timedelta(microseconds=1), "in less than 1 s"),
        (timedelta(0), "less than 1 s ago"),
        (timedelta(seconds=-90), "1 min 30 s ago"),
    ],
)
def test_an_instant_comes_with_its_distance_in_at_most_two_units(apart: timedelta, words: str) -> None:
    assert moment(NOW + apart, NOW).endswith(f" UTC ({words})")


def test_an_instant_is_shown_to_the_second() -> None:
    assert moment(NOW + timedelta(milliseconds=1_500), NOW).startswith("2026-01-01 12:00:01 UTC")


@pytest.mark.parametrize(("number", "words"), [(0, "0 tasks"), (1, "1 task"), (12_345, "12,345 tasks")])
def test_a_noun_agrees_with_its_number(number: int, words: str) -> None:
    assert quantity(number, "task") == words
