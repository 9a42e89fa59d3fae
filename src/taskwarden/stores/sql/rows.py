"""Rows of tables as values of the core, and back."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.decision import Activity, IntervalState
from taskwarden.core.health import encode
from taskwarden.core.instant import FAR_PAST, at_micros, micros
from taskwarden.core.lifecycle import State
from taskwarden.core.task import Priority, TaskRecord
from taskwarden.errors import InvalidValue, TaskNotFound
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId
from taskwarden.policies.intervals.plain import from_data, to_data
from taskwarden.stores.moves import Stored, ready

if TYPE_CHECKING:
    from taskwarden.core.health import Health
    from taskwarden.core.protocols import IntervalPolicy

__all__ = [
    "LARGEST_KEY",
    "Row",
    "activity_of",
    "check_figure",
    "cleaned",
    "due_values",
    "instant",
    "number_of",
    "number_or_none",
    "numbered",
    "schedule_text",
    "stored",
    "task_id",
    "whole",
]

LARGEST_KEY: Final = 2**63 - 1
"""The greatest that a key, or a token, can become."""
LARGEST_FIGURE: Final = 2**31 - 1
"""The greatest weight, cap or version of a payload."""
_STATES: Final = {state.value: state for state in State}
_PRIORITIES: Final = {int(priority): priority for priority in Priority}


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
    return numbered("task", name)


def number_of(tenant: TenantId, name: TaskId) -> int:
    """
    Return the key that *name* tells, also of a task that is gone.

    Raises:
        TaskNotFound: No task of this store has such an id.
    """
    number = numbered("task", name)
    if number is None:
        raise TaskNotFound(tenant, name)
    return number


def numbered(what: str, name: str) -> int | None:
    """Return the key within an id of *what*; None: it is none."""
    prefix, _, digits = name.partition("-")
    if prefix != what or not digits.isascii() or not digits.isdecimal() or len(digits) > 19 or digits[0] == "0":
        return None
    number = int(digits)
    return number if number <= LARGEST_KEY else None


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


def check_figure(name: str, value: int) -> None:
    """
    Check that a figure fits into its column.

    Raises:
        InvalidValue: It is too large; nothing was changed.
    """
    if not -LARGEST_FIGURE <= value <= LARGEST_FIGURE:
        raise InvalidValue(name, value, f"must be at most {LARGEST_FIGURE}")


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
