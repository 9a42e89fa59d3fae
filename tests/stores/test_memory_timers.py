"""Timers: what is due comes out, once, whatever else is stored."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.stores.memory.row import Row
from taskwarden.stores.memory.timers import Timers

START = datetime(2026, 1, 1, tzinfo=UTC)

offsets = st.integers(-5_000_000, 5_000_000)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("push"), offsets),
        st.tuples(st.just("forget"), st.integers(0, 50)),
        st.tuples(st.just("pop"), offsets),
        st.tuples(st.just("sweep"), st.just(0)),
    ),
    max_size=60,
)


@attrs.define(eq=False)
class Holder:
    """As much of a row as timers look at."""

    entry: tuple[datetime, int, Row] | None = None


def pushed(timers: Timers, number: int, micros: int) -> Holder:
    holder = Holder()
    holder.entry = (START + timedelta(microseconds=micros), number, cast("Row", holder))
    timers.push(holder.entry)
    return holder


def instant(holder: Holder) -> datetime:
    assert holder.entry is not None
    return holder.entry[0]


@given(moves)
def test_timers_agree_with_a_list_that_is_searched(game: list[tuple[str, int]]) -> None:
    timers = Timers()
    plain: list[Holder] = []
    for number, (move, value) in enumerate(game):
        match move:
            case "push":
                plain.append(pushed(timers, number, value))
            case "forget" if plain:
                plain.pop(value % len(plain)).entry = None
            case "pop":
                now = START + timedelta(microseconds=value)
                popped = {entry[1] for entry in timers.pop_due(now)}
                due = [holder for holder in plain if instant(holder) <= now]
                assert popped == {cast("Any", holder.entry)[1] for holder in due}
                plain = [holder for holder in plain if instant(holder) > now]
            case _:
                timers.sweep()
        assert timers.earliest() == min(map(instant, plain), default=None)


def test_instants_before_1970_and_at_the_ends_of_the_calendar_are_instants_too() -> None:
    timers = Timers()
    ends = [datetime.min.replace(tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 5, tzinfo=UTC)]
    for number, at in enumerate([*ends, datetime.max.replace(tzinfo=UTC)]):
        holder = Holder()
        holder.entry = (at, number, cast("Row", holder))
        timers.push(holder.entry)

    assert sorted(entry[0] for entry in timers.pop_due(START)) == ends
    assert timers.earliest() == datetime.max.replace(tzinfo=UTC)
