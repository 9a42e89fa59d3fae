"""Rows of tables as values of the core, and back."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.decision import Activity, IntervalState, Level, Notify, Trigger
from taskwarden.core.health import Phase, encode
from taskwarden.core.instant import FAR_PAST, at_micros, micros
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Failed, Interrupted, Lost, Outcome, Skipped, Snoozed, Succeeded
from taskwarden.core.record import Ending, Incident, Run
from taskwarden.core.task import Priority, TaskRecord
from taskwarden.errors import InvalidValue, TaskNotFound
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
from taskwarden.policies.intervals.plain import from_data, to_data
from taskwarden.stores.moves import Stored, ready

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taskwarden.core.claim import Completion
    from taskwarden.core.health import Health
    from taskwarden.core.protocols import IntervalPolicy

__all__ = [
    "ENDINGS",
    "Row",
    "activity_of",
    "cleaned",
    "code_of",
    "due_values",
    "incident_of",
    "instant",
    "number_of",
    "number_of_run",
    "number_or_none",
    "run_of",
    "run_values",
    "schedule_text",
    "stored",
    "subject_of",
    "subject_text",
    "task_id",
    "whole",
]

_LARGEST: Final = 2**63 - 1
_STATES: Final = {state.value: state for state in State}
_PRIORITIES: Final = {int(priority): priority for priority in Priority}
_ENDING: Final[dict[type[Outcome], Ending]] = {
    Succeeded: Ending.SUCCEEDED,
    Failed: Ending.FAILED,
    Snoozed: Ending.SNOOZED,
    Skipped: Ending.SKIPPED,
    Interrupted: Ending.INTERRUPTED,
    Lost: Ending.LOST,
}
ENDINGS: Final = {outcome: ending.value for outcome, ending in _ENDING.items()}
"""An outcome's name in history and statistics."""


@attrs.define(eq=False)
class Row(Stored):
    """
    A task, as its rows in ``task`` and ``due`` say.

    Args:
        number: The key of both.
        lane_id: The key of its row in ``lane``.
        last_token: Of its last run in the history; 0: there is none.
        has_dependants: Some task may depend on it.
    """

    number: int = attrs.field(kw_only=True)
    lane_id: int = attrs.field(kw_only=True)
    last_token: int = attrs.field(default=0, kw_only=True)
    has_dependants: bool = attrs.field(default=False, kw_only=True)


# --- ids and instants -------------------------------------------------------------------------------------------


def task_id(number: int) -> TaskId:
    """Return the id of the task with that key."""
    return TaskId(f"task-{number}")


def number_or_none(name: TaskId) -> int | None:
    """Return the key that *name* tells; None: no task of this store can have such an id."""
    return _numbered("task", name)


def number_of(tenant: TenantId, name: TaskId) -> int:
    """
    Return the key that *name* tells, also of a task that is gone.

    Raises:
        TaskNotFound: No task of this store has such an id.
    """
    number = _numbered("task", name)
    if number is None:
        raise TaskNotFound(tenant, name)
    return number


def number_of_run(name: RunId) -> int:
    """
    Return the key within *name*.

    Raises:
        InvalidValue: No run of this store has such an id.
    """
    number = _numbered("run", name)
    if number is None:
        raise InvalidValue("before", name, "must be the id of a run", "take it from the page before")
    return number


def _numbered(what: str, name: str) -> int | None:
    prefix, _, digits = name.partition("-")
    if prefix != what or not digits.isascii() or not digits.isdecimal() or len(digits) > 19:
        return None
    number = int(digits)
    return number if number <= _LARGEST else None


def instant(value: int | None) -> datetime | None:
    """Return the instant of a column."""
    return None if value is None else at_micros(value)


def whole(value: datetime | None) -> int | None:
    """Return the value of a column for an instant."""
    return None if value is None else micros(value)


def cleaned(text: str) -> str:
    """Return *text* as every database takes it: what no UTF-8 has, and NUL, which PostgreSQL refuses, are replaced."""
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


# --- tasks ------------------------------------------------------------------------------------------------------


def stored(due: Any, record: TaskRecord[Any], digest: str, health: Health, interval: IntervalState) -> Row:
    """Return what the row *due* says of the task *record*."""
    return Row(
        task=record,
        digest=digest,
        interval=interval,
        slot_at=instant(due.slot_at),
        next_run_at=instant(due.next_run_at),
        decided_at=at_micros(due.decided_at),
        plan_reason=due.plan_reason,
        health=health,
        state=_STATES[due.state],
        attempt=due.attempt,
        paused=bool(due.paused),
        urgent=bool(due.urgent),
        manual_at=instant(due.manual_at),
        asked_at=FAR_PAST if due.asked_at is None else at_micros(due.asked_at),
        deferred_until=instant(due.deferred_until),
        deferred_why=due.deferred_why,
        token=due.token,
        runner=None if due.runner is None else RunnerId(due.runner),
        lease_until=instant(due.lease_until),
        claimed_at=instant(due.claimed_at),
        manual_slot=instant(due.manual_slot),
        held_at=FAR_PAST if due.held_at is None else at_micros(due.held_at),
        rest=_STATES[due.rest],
        moved=bool(due.moved),
        succeeded_from=instant(due.succeeded_from),
        succeeded_at=instant(due.succeeded_at),
        done_by_success=bool(due.done_by_success),
        number=due.task_id,
        lane_id=due.lane_id,
        last_token=due.last_token,
        has_dependants=bool(due.has_dependants),
    )


def due_values(row: Row) -> dict[str, Any]:
    """Return the columns of ``due`` that say what *row* says."""
    at, health, claimable = row.task, row.health, ready(row)
    return {
        "task_id": row.number,
        "tenant": at.tenant,
        "kind": at.kind,
        "lane_id": row.lane_id,
        "version": at.version,
        "priority": int(at.priority),
        "place": int(at.priority if claimable is None else claimable[1]),
        "ready_at": None if claimable is None else micros(claimable[0]),
        "lease_until": whole(row.lease_until),
        "token": row.token,
        "epoch": health.epoch,
        "state": row.state.value,
        "rest": row.rest.value,
        "paused": row.paused,
        "urgent": row.urgent,
        "moved": row.moved,
        "done_by_success": row.done_by_success,
        "has_dependants": row.has_dependants,
        "attempt": row.attempt,
        "slot_at": whole(row.slot_at),
        "next_run_at": whole(row.next_run_at),
        "decided_at": micros(row.decided_at),
        "manual_at": whole(row.manual_at),
        "asked_at": None if row.asked_at is FAR_PAST else micros(row.asked_at),
        "manual_slot": whole(row.manual_slot),
        "deferred_until": whole(row.deferred_until),
        "deferred_why": cleaned(row.deferred_why),
        "runner": row.runner,
        "held_at": None if row.held_at is FAR_PAST else micros(row.held_at),
        "claimed_at": whole(row.claimed_at),
        "last_token": row.last_token,
        "succeeded_from": whole(row.succeeded_from),
        "succeeded_at": whole(row.succeeded_at),
        "phase": health.phase.value,
        "health": encode(health),
        "memory": cleaned(row.interval.memory),
        "plan_reason": cleaned(row.plan_reason),
    }


def record_of(task: Any, depends_on: tuple[TaskId, ...]) -> TaskRecord[Any]:
    """Return the definition that the row *task* holds."""
    return TaskRecord(
        id=task_id(task.id),
        tenant=TenantId(task.tenant),
        kind=Kind(task.kind),
        key=task.key,
        payload=json.loads(task.payload),
        payload_version=task.payload_version,
        priority=_PRIORITIES[task.priority],
        schedule=None if task.schedule is None else from_data(json.loads(task.schedule)),
        depends_on=depends_on,
        created_at=at_micros(task.created_at),
        version=task.version,
    )


def schedule_text(schedule: IntervalPolicy | None) -> str | None:
    """
    Return a task's own schedule as it is stored.

    Raises:
        InvalidValue: It is a policy of the host's own, which only its executor can bring.
    """
    return None if schedule is None else json.dumps(to_data(schedule), separators=(",", ":"))


def activity_of(weight: int | None, until: int | None) -> Activity | None:
    """Return what was last reported."""
    return None if weight is None or until is None else Activity(weight, at_micros(until))


# --- runs -------------------------------------------------------------------------------------------------------


def code_of(outcome: Outcome) -> str:
    """Return the failure's code; empty: it did not fail."""
    return outcome.failure.code if isinstance(outcome, Failed) else ""


def run_values(done: Completion, number: int, runner: str, overruled: Phase | None) -> dict[str, Any]:
    """
    Return the columns of ``run`` for *done*.

    Args:
        number: The key of the task.
        overruled: The phase in which the operator's word had put the task; None: the decision counted.
    """
    claim, outcome = done.claim, done.outcome
    task = claim.task
    if type(outcome) is Succeeded:
        code = message = ""
    elif isinstance(outcome, Failed):
        code, message = outcome.failure.code, cleaned(outcome.failure.message)
    else:
        code, message = "", cleaned(outcome.reason)  # type: ignore[union-attr]
    return {
        "task_id": number,
        "token": claim.token,
        "tenant": task.tenant,
        "kind": task.kind,
        "key": task.key,
        "attempt": claim.attempt,
        "trigger": claim.trigger.value,
        "slot_at": micros(claim.slot_at),
        "due_at": micros(claim.due_at),
        "claimed_at": micros(claim.claimed_at),
        "started_at": micros(done.started_at),
        "finished_at": micros(done.finished_at),
        "ending": ENDINGS[type(outcome)],
        "settled": done.settles,
        "coalesced": done.coalesced,
        "code": code,
        "message": message,
        "result": None if done.result is None else cleaned(done.result),
        "phase": (done.health.phase if overruled is None else overruled).value,
        "next_run_at": whole(done.next_run_at),
        "why": "" if not done.why else cleaned(json.dumps(done.why)),
        "runner": runner,
        "counted": overruled is None,
    }


def run_of(row: Any) -> Run:
    """Return the run of a row of ``run``."""
    return Run(
        id=RunId(f"run-{row.id}"),
        task_id=task_id(row.task_id),
        tenant=TenantId(row.tenant),
        kind=Kind(row.kind),
        key=row.key,
        token=row.token,
        attempt=row.attempt,
        trigger=Trigger(row.trigger),
        slot_at=at_micros(row.slot_at),
        due_at=at_micros(row.due_at),
        claimed_at=at_micros(row.claimed_at),
        started_at=at_micros(row.started_at),
        finished_at=at_micros(row.finished_at),
        ending=Ending(row.ending),
        settled=bool(row.settled),
        coalesced=row.coalesced,
        code=row.code,
        message=row.message,
        result=None if row.result is None else json.loads(row.result),
        phase=Phase(row.phase),
        next_run_at=instant(row.next_run_at),
        why=tuple(json.loads(row.why)) if row.why else (),
        runner=RunnerId(row.runner),
        counted=bool(row.counted),
    )


# --- incidents and notices --------------------------------------------------------------------------------------


def incident_of(row: Mapping[str, Any]) -> Incident:
    """Return the incident of a row of ``incident``, or of its copy in the feed."""
    return Incident(
        tenant=TenantId(row["tenant"]),
        key=row["key"],
        code=row["code"],
        title=row["title"],
        level=Level(row["level"]),
        opened_at=at_micros(row["opened_at"]),
        last_seen_at=at_micros(row["last_seen_at"]),
        sightings=row["sightings"],
        task_ids=tuple(TaskId(name) for name in json.loads(row["task_ids"])),
        resolved_at=instant(row["resolved_at"]),
    )


def subject_text(subject: Mapping[str, Any] | Notify) -> str:
    """Return an incident's row or a notice as it is kept in the feed."""
    if isinstance(subject, Notify):
        kept: object = {"level": subject.level.value, "code": subject.code, "message": cleaned(subject.message)}
    else:
        kept = dict(subject)
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False)


def subject_of(text: str | None) -> Incident | Notify | None:
    """Return what ``subject_text`` has kept."""
    if text is None:
        return None
    kept = json.loads(text)
    if "message" in kept:
        return Notify(Level(kept["level"]), kept["code"], kept["message"])
    return incident_of(kept)
