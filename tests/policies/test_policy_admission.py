"""Step 2b: admission by the task's own health, and of several scopes together."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import Trigger
from taskwarden.core.health import CLOCK_FAULT, HEALTHY, Health, Phase
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.policies import Admission, Admit, Defer, Deny, admit, strictest
from taskwarden.testing.strategies import instants
from tests.policies.cases import DAY, HOUR, MICROSECOND, NOON

admissions: st.SearchStrategy[Admission] = st.one_of(
    st.just(Admit()), st.builds(Defer, instants(), st.just("busy")), st.just(Deny("closed"))
)
unforced = [Trigger.SCHEDULED, Trigger.RETRY, Trigger.PROBE]
held_phases = sorted(set(Phase) - {Phase.HEALTHY})


@pytest.mark.parametrize("trigger", Trigger)
def test_a_healthy_task_is_admitted(trigger: Trigger) -> None:
    assert admit(HEALTHY, trigger, NOON) == Admit()
    assert admit(Health(next_at=NOON + DAY), trigger, NOON) == Admit()


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("phase", Phase)
def test_a_floor_defers_every_trigger_to_its_end(trigger: Trigger, phase: Phase) -> None:
    health = Health(phase=phase, floor=NOON + HOUR, next_at=NOON)

    assert admit(health, trigger, NOON) == Defer(NOON + HOUR, "retry_after")
    assert admit(health, trigger, NOON + HOUR) == Admit()


@pytest.mark.parametrize("phase", held_phases)
def test_a_hold_defers_all_but_manual_runs_to_its_end(phase: Phase) -> None:
    health = Health(phase=phase, next_at=NOON)

    for trigger in unforced:
        assert admit(health, trigger, NOON - MICROSECOND) == Defer(NOON, phase.value)
        assert admit(health, trigger, NOON) == Admit()
    assert admit(health, Trigger.MANUAL, NOON - DAY) == Admit()
    assert admit(Health(phase=phase), Trigger.PROBE, NOON) == Admit()


@pytest.mark.parametrize("trigger", unforced)
def test_a_task_that_is_never_probed_is_denied(trigger: Trigger) -> None:
    health = Health(phase=Phase.NEEDS_INTERVENTION, next_at=FAR_FUTURE)

    assert admit(health, trigger, NOON) == Deny("needs_intervention")
    assert admit(health, Trigger.MANUAL, NOON) == Admit()


def test_a_clock_that_is_a_little_behind_is_read_as_the_high_water_mark() -> None:
    health = Health(phase=Phase.BACKING_OFF, high_water=NOON, next_at=NOON)

    assert admit(health, Trigger.RETRY, NOON - CLOCK_FAULT) == Admit()


def test_times_that_were_decided_by_a_wrong_clock_hold_nothing_back() -> None:
    health = Health(phase=Phase.COOLING_OFF, high_water=NOON, next_at=NOON + DAY, floor=NOON + DAY)

    assert admit(health, Trigger.PROBE, NOON - CLOCK_FAULT - timedelta(microseconds=1)) == Admit()
    assert admit(health, Trigger.PROBE, NOON - CLOCK_FAULT) == Defer(NOON + DAY, "retry_after")


@given(st.lists(admissions, max_size=6))
def test_scopes_admit_together_only_if_all_do_and_else_defer_to_the_latest(answers: list[Admission]) -> None:
    answer = strictest(*answers)

    if any(isinstance(each, Deny) for each in answers):
        assert isinstance(answer, Deny)
    elif deferrals := [each.until for each in answers if isinstance(each, Defer)]:
        assert isinstance(answer, Defer)
        assert answer.until == max(deferrals)
    else:
        assert answer == Admit()
