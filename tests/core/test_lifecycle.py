"""One table holds every state: nothing else moves a task."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.lifecycle import TRANSITIONS, Signal, State, apply
from taskwarden.errors import IllegalTransition

SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize(("state", "signal"), list(product(State, Signal)))
def test_a_pair_of_the_table_moves_and_any_other_is_refused_by_name(state: State, signal: Signal) -> None:
    if (state, signal) in TRANSITIONS:
        assert apply(state, signal) is TRANSITIONS[state, signal]
    else:
        with pytest.raises(IllegalTransition, match=f"{state}.*{signal}"):
            apply(state, signal)


def test_every_state_can_be_left_and_reached() -> None:
    left = {state for state, _ in TRANSITIONS}
    reached = set(TRANSITIONS.values())

    assert left == reached == set(State)


@given(st.lists(st.sampled_from(Signal), max_size=40))
def test_no_sequence_of_signals_leads_out_of_the_table(signals: list[Signal]) -> None:
    state = State.SCHEDULED
    for signal in signals:
        try:
            state = apply(state, signal)
        except IllegalTransition:
            assert (state, signal) not in TRANSITIONS
    assert state in State


def test_the_operators_word_never_takes_a_lease_away() -> None:
    assert TRANSITIONS[State.RUNNING, Signal.STEER] is State.RUNNING


def test_only_the_lifecycle_reads_its_table_and_what_tests_are_made_from() -> None:
    reads = re.compile(r"lifecycle import .*\bTRANSITIONS\b|lifecycle\.TRANSITIONS")
    library = [path for path in SOURCE.rglob("*.py") if "testing" not in path.parts and path.name != "lifecycle.py"]

    assert [path for path in library if reads.search(path.read_text())] == []
