"""Claim order, triggers, the one word shown, stable hashes."""

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.claim import AGING, Claim, trigger_of, urgency
from taskwarden.core.decision import Decision, IntervalState, Planned, Ran, Trigger
from taskwarden.core.executor import RunContext
from taskwarden.core.hashing import digest, seed
from taskwarden.core.health import HEALTHY, Health, Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Failed, Snoozed, Succeeded
from taskwarden.core.record import Status, TaskStatus
from taskwarden.core.task import Priority, TaskRecord
from taskwarden.errors import InvalidValue
from taskwarden.ids import Kind, TaskId, TenantId

NOW = datetime(2026, 3, 1, tzinfo=UTC)
dues = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
TASK: TaskRecord[Any] = TaskRecord(
    id=TaskId("t1"), tenant=TenantId("alice"), kind=Kind("k"), key="a", payload=None, created_at=NOW
)


@given(dues, st.sampled_from(Priority))
def test_a_higher_priority_goes_first_among_equally_late_tasks(due: datetime, priority: Priority) -> None:
    for lower in Priority:
        if lower > priority:
            assert urgency(due, priority) < urgency(due, lower)


@given(dues, st.sampled_from(Priority), st.sampled_from(Priority))
def test_five_minutes_of_waiting_outweigh_one_level(due: datetime, one: Priority, other: Priority) -> None:
    levels = int(one) - int(other)

    assert urgency(due - AGING * levels, one) == urgency(due, other)


@pytest.mark.parametrize(
    ("phase", "attempt", "trigger"),
    [
        (Phase.HEALTHY, 1, Trigger.SCHEDULED),
        (Phase.HEALTHY, 2, Trigger.RETRY),
        (Phase.BACKING_OFF, 2, Trigger.RETRY),
        (Phase.BACKING_OFF, 1, Trigger.SCHEDULED),
        (Phase.COOLING_OFF, 4, Trigger.PROBE),
        (Phase.PROBING, 1, Trigger.PROBE),
        (Phase.NEEDS_INTERVENTION, 9, Trigger.PROBE),
    ],
)
def test_why_a_task_runs_follows_from_its_health_and_attempt(phase: Phase, attempt: int, trigger: Trigger) -> None:
    health = Health(phase=phase)

    assert trigger_of(health, attempt, manual=False) is trigger
    assert trigger_of(health, attempt, manual=True) is Trigger.MANUAL


def status(**facts: Any) -> TaskStatus:
    base: dict[str, Any] = {
        "task": TASK,
        "as_of": NOW,
        "state": State.SCHEDULED,
        "health": HEALTHY,
        "interval": IntervalState(),
        "paused": False,
        "attempt": 1,
        "next_run_at": NOW,
        "slot_at": NOW,
    }
    return TaskStatus(**base | facts)


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({}, Status.SCHEDULED),
        ({"state": State.DONE, "next_run_at": None, "slot_at": None}, Status.DONE),
        ({"state": State.BLOCKED}, Status.BLOCKED),
        ({"deferred_until": NOW + timedelta(minutes=1), "state": State.BLOCKED}, Status.DEFERRED),
        ({"deferred_until": NOW}, Status.SCHEDULED),
        ({"health": Health(phase=Phase.BACKING_OFF), "state": State.BLOCKED}, Status.BACKING_OFF),
        ({"health": Health(phase=Phase.NEEDS_INTERVENTION)}, Status.NEEDS_INTERVENTION),
        ({"health": Health(phase=Phase.NEEDS_INTERVENTION), "state": State.RUNNING}, Status.RUNNING),
        ({"state": State.RUNNING, "paused": True}, Status.PAUSED),
    ],
)
def test_the_one_word_shown_is_the_first_that_applies(facts: dict[str, Any], word: Status) -> None:
    assert status(**facts).status is word


def test_a_status_reads_like_its_task() -> None:
    shown = status()

    assert (shown.id, shown.tenant, shown.kind, shown.key) == ("t1", "alice", "k", "a")
    assert shown.phase is Phase.HEALTHY


def test_a_seed_depends_on_its_parts_and_their_boundaries() -> None:
    assert seed("ab", "c") != seed("a", "bc")
    assert seed("a", 1) == seed("a", 1)
    assert 0 <= seed("a") < 2**63


def test_hashes_are_the_same_in_another_process() -> None:
    program = "from taskwarden.core.hashing import digest, seed; print(seed('alice', 'k', 'a'), digest((1, 'x')))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert printed.split() == [str(seed("alice", "k", "a")), digest((1, "x"))]


def test_instants_in_outcomes_must_be_aware() -> None:
    with pytest.raises(InvalidValue, match="until must be aware"):
        Snoozed(datetime(2026, 1, 1))
    with pytest.raises(InvalidValue, match="run_by must be aware"):
        Succeeded(run_by=datetime(2026, 1, 1))
    assert Succeeded(run_by=NOW).run_by == NOW


def test_what_an_interval_policy_remembers_is_bounded() -> None:
    assert IntervalState("x" * 256).memory
    with pytest.raises(InvalidValue, match="at most 256"):
        IntervalState("x" * 257)


async def _in_thread(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **kwargs)


def test_a_runs_log_lines_carry_whose_they_are(caplog: pytest.LogCaptureFixture) -> None:
    claim = Claim(
        task=TASK,
        token=1,
        health=HEALTHY,
        state=IntervalState(),
        trigger=Trigger.SCHEDULED,
        slot_at=NOW,
        due_at=NOW,
        attempt=2,
        claimed_at=NOW,
        lease_until=NOW,
    )
    context = RunContext(claim, None, _in_thread)
    with caplog.at_level(logging.INFO, "taskwarden.run"):
        context.log.info("hello")

    record = caplog.records[0]
    assert (record.tenant, record.kind, record.key, record.task, record.attempt) == ("alice", "k", "a", "t1", 2)  # type: ignore[attr-defined]
    assert (context.slot_at, context.attempt, context.lost) == (NOW, 2, False)
    context.mark_lost()
    assert context.lost


def test_values_are_frozen() -> None:
    ran = Ran(1, 0, Trigger.SCHEDULED, Succeeded(), NOW)
    for value in (TASK, status(), HEALTHY, Failed, Succeeded(), ran, Decision(HEALTHY), Planned(NOW)):
        if not isinstance(value, type):
            with pytest.raises(AttributeError):
                value.anything = 1  # type: ignore[union-attr]
