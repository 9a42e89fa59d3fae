"""The judge of a race names each promise that is broken on purpose, in histories that keep all the others or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.race.checker import RULES, check
from tests.race.history import History
from tests.race.sabotage import SABOTAGES, Pick, Sabotage
from tests.race.tales import histories


@given(history=histories())
def test_a_history_that_keeps_every_promise_is_acquitted(history: History) -> None:
    assert check(history) == ()


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.__name__)
@given(history=histories(), data=st.data())
def test_the_broken_promise_is_named(sabotage: Sabotage, history: History, data: st.DataObject) -> None:
    def draw(among: Sequence[Any]) -> Any:
        assume(among)
        return data.draw(st.sampled_from(among))

    broken = sabotage(history, Pick(draw))

    assert SABOTAGES[sabotage] in {violation.rule for violation in check(broken)}


def test_every_promise_is_broken_by_some_sabotage() -> None:
    assert set(SABOTAGES.values()) == set(RULES)
