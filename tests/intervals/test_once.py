"""``once``: one slot."""

from datetime import UTC, datetime, timedelta

import pytest

from taskwarden.core.decision import IntervalState
from taskwarden.core.outcome import Succeeded
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import once

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STATE = IntervalState()


@pytest.mark.parametrize("now", [NOON - DAY, NOON, NOON + DAY])
def test_the_one_slot_is_at_its_instant_even_if_that_is_past(now: datetime) -> None:
    assert once(NOON).next(None, STATE, None, now).at == NOON


@pytest.mark.parametrize("slot", [NOON - DAY, NOON, NOON + DAY])
def test_once_its_slot_is_settled_the_task_is_done_wherever_an_operator_had_moved_it(slot: datetime) -> None:
    assert once(NOON).next(slot, STATE, Succeeded(), slot).at is None


def test_its_grace_is_the_one_that_was_given() -> None:
    assert once(NOON, grace=DAY).grace == DAY


@pytest.mark.parametrize(
    ("at", "grace"), [(datetime(2026, 1, 1), None), ("tomorrow", None), (NOON, timedelta(0)), (NOON, 5)]
)
def test_a_naive_instant_and_a_grace_that_is_no_span_are_refused(at: object, grace: object) -> None:
    with pytest.raises(InvalidValue, match="must be"):
        once(at, grace=grace)  # type: ignore[arg-type]
