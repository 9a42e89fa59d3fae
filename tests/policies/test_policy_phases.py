"""The table of phases, exhaustively, and that what is decided follows it."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.decision import Resumed, RevisionChanged, Silent, Trigger
from taskwarden.core.health import Health, Phase, Trouble
from taskwarden.core.outcome import Interrupted, Lost, Skipped, Snoozed
from taskwarden.errors import IllegalTransition
from taskwarden.policies import TRANSITIONS, Consecutive, TaskPolicy, park
from taskwarden.policies.transitions import Due, Signal, apply
from tests.policies.cases import DAY, MINUTE, NOON, OK, REVOKED, TIMEOUT, failed, ran

ABSENT = {
    *((phase, Signal.PROBED) for phase in Phase if phase is not Phase.COOLING_OFF),
    *((phase, Signal.RECOVERED) for phase in (Phase.HEALTHY, Phase.BACKING_OFF)),
    *((Phase.COOLING_OFF, signal) for signal in (Signal.FAILED, Signal.TRIPPED, Signal.PARKED, Signal.CONFIRMED)),
}
NEUTRAL = {
    Signal.SKIPPED: Due.PLANNED,
    Signal.SNOOZED: Due.UNTIL,
    Signal.INTERRUPTED: Due.NOW,
    Signal.LOST: Due.SOON,
    Signal.FAULTED: Due.SOON,
    Signal.SILENT: Due.KEPT,
}


def test_every_phase_answers_every_signal_that_can_reach_it() -> None:
    assert {(phase, signal) for phase in Phase for signal in Signal} - set(TRANSITIONS) == ABSENT


@pytest.mark.parametrize(("phase", "signal"), sorted(ABSENT))
def test_a_move_that_is_not_in_the_table_is_refused(phase: Phase, signal: Signal) -> None:
    with pytest.raises(IllegalTransition, match=signal):
        apply(phase, signal)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("signal", NEUTRAL)
def test_neutral_signals_keep_the_phase_and_have_one_time_each(phase: Phase, signal: Signal) -> None:
    assert apply(phase, signal) == (phase, NEUTRAL[signal])


@pytest.mark.parametrize("phase", Phase)
def test_a_confirmed_definitive_failure_leads_from_every_phase_to_intervention(phase: Phase) -> None:
    probing = apply(phase, Signal.PROBED).to if phase is Phase.COOLING_OFF else phase

    assert apply(probing, Signal.CONFIRMED) == (Phase.NEEDS_INTERVENTION, Due.COURTESY)


@pytest.mark.parametrize("phase", Phase)
def test_no_phase_is_a_dead_end(phase: Phase) -> None:
    reached = {phase}
    for _ in Phase:
        reached |= {move.to for (start, _), move in TRANSITIONS.items() if start in reached}

    assert Phase.HEALTHY in reached
    assert apply(phase, Signal.RESUMED).due is Due.NOW
    assert apply(phase, Signal.RESUMED).to in (Phase.HEALTHY, Phase.PROBING)


def test_only_recovery_or_an_operator_leads_out_of_intervention() -> None:
    out = {signal for (phase, signal), move in TRANSITIONS.items() if phase is Phase.NEEDS_INTERVENTION is not move.to}

    assert out == {Signal.RECOVERED, Signal.RESUMED}


def health_in(phase: Phase, **named: Any) -> Health:
    """Return a task in *phase* whose next run is due at noon."""
    return Health(phase=phase, next_at=NOON, last_token=4, high_water=NOON - MINUTE, step=3, streak=2, **named)


TWO = TaskPolicy(Consecutive(5) | park(Consecutive(7)))
FAILING = {"consecutive(5,0s)": (4, 0), "consecutive(7,0s)": (4, 0)}
PARKING = {"consecutive(5,0s)": (5, 0), "consecutive(7,0s)": (6, 0)}
SUSPECT = Trouble(since=NOON - DAY, suspect_at=NOON - DAY)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(
    ("signal", "outcome", "detectors"),
    [
        (Signal.FAILED, TIMEOUT, {}),
        (Signal.TRIPPED, TIMEOUT, FAILING),
        (Signal.PARKED, TIMEOUT, PARKING),
        (Signal.SUCCEEDED, OK, FAILING),
        (Signal.SKIPPED, Skipped(), FAILING),
        (Signal.SNOOZED, Snoozed(NOON + DAY), FAILING),
        (Signal.INTERRUPTED, Interrupted(), FAILING),
        (Signal.LOST, Lost(), FAILING),
        (Signal.FAULTED, failed("unknown.internal_db"), FAILING),
    ],
)
def test_what_a_scheduled_run_leads_to_is_what_the_table_says(
    phase: Phase, signal: Signal, outcome: Any, detectors: Any
) -> None:
    health = health_in(phase, detectors=detectors)
    counted = signal in (Signal.FAILED, Signal.TRIPPED, Signal.PARKED, Signal.SUCCEEDED)
    start = apply(phase, Signal.PROBED).to if counted and phase is Phase.COOLING_OFF else phase
    move = apply(start, signal)

    decision = TWO.decide(health, ran(outcome, health, NOON), NOON)

    assert decision.health.phase is move.to
    expected = {
        Due.PLANNED: None,
        Due.NOW: NOON,
        Due.SOON: NOON + 5 * MINUTE,
        Due.UNTIL: NOON + DAY,
    }
    if move.due in expected:
        assert decision.next_at == expected[move.due]
    else:
        assert decision.next_at is not None
        nominal = 5 * MINUTE * 2 ** (decision.health.step - 1)
        assert decision.health.step == (1 if phase is Phase.HEALTHY else 4)
        assert nominal * 3 // 4 <= decision.next_at - NOON <= nominal


@pytest.mark.parametrize("phase", Phase)
def test_recovery_is_what_the_table_says(phase: Phase) -> None:
    health = health_in(phase, trouble=Trouble(successes=1))

    decision = TWO.decide(health, ran(OK, health, NOON), NOON)

    assert decision.health.phase is Phase.HEALTHY
    assert decision.next_at is None
    assert decision.settles


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", [Resumed("eve"), RevisionChanged("2"), Silent(NOON - DAY)])
def test_words_beside_the_schedule_are_what_the_table_says(phase: Phase, event: Any) -> None:
    signal = Signal.SILENT if isinstance(event, Silent) else Signal.RESUMED
    move = apply(phase, signal)

    decision = TWO.decide(health_in(phase), event, NOON)

    assert decision.health.phase is move.to
    assert decision.next_at == (None if move.due is Due.KEPT else NOON)
    assert not decision.settles


@pytest.mark.parametrize("phase", Phase)
@given(outcome=st.sampled_from([TIMEOUT, REVOKED, Lost(), Interrupted(), Skipped(), Snoozed(NOON)]))
def test_a_manual_run_that_does_not_succeed_counts_nothing(phase: Phase, outcome: Any) -> None:
    health = health_in(phase, detectors=FAILING, trouble=SUSPECT)

    decision = TWO.decide(health, ran(outcome, health, NOON, trigger=Trigger.MANUAL), NOON)

    assert decision.health == attrs.evolve(health, last_token=health.last_token + 1, high_water=NOON)
    assert (decision.next_at, decision.settles, decision.counts_attempt) == (None, False, False)
    assert decision.effects == ()


@pytest.mark.parametrize("phase", Phase)
def test_manual_successes_are_evidence_of_recovery_and_free_the_kept_slot(phase: Phase) -> None:
    health, answers = health_in(phase), []
    for _ in range(2):
        decision = TWO.decide(health, ran(OK, health, NOON, trigger=Trigger.MANUAL, planned_at=None), NOON)
        answers.append((decision.health.phase, decision.next_at, decision.settles))
        health = decision.health

    recovered = (Phase.HEALTHY, NOON, False)
    expected = {
        Phase.HEALTHY: [(Phase.HEALTHY, None, False)] * 2,
        Phase.BACKING_OFF: [recovered, (Phase.HEALTHY, None, False)],
    }
    assert answers == expected.get(phase, [(phase, None, False), recovered])


def test_a_manual_success_does_not_shorten_a_floor() -> None:
    health = health_in(Phase.BACKING_OFF, floor=NOON + DAY)

    assert TWO.decide(health, ran(OK, health, NOON, trigger=Trigger.MANUAL), NOON).next_at == NOON + DAY


def test_a_task_that_cools_off_shows_as_probing_once_its_probe_is_due() -> None:
    health = health_in(Phase.COOLING_OFF)

    assert health.view(NOON - MINUTE) is Phase.COOLING_OFF
    assert health.view(NOON) is Phase.PROBING
    assert Health(phase=Phase.COOLING_OFF).view(NOON) is Phase.COOLING_OFF


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.COOLING_OFF])
def test_other_phases_show_as_they_are(phase: Phase) -> None:
    assert health_in(phase).view(NOON + DAY) is phase
