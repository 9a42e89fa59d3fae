"""Rows of the history, of incidents and of the feed as values of the core, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from taskwarden.core.decision import Level, Notify, Trigger
from taskwarden.core.health import Phase
from taskwarden.core.instant import at_micros, micros
from taskwarden.core.outcome import Failed, Interrupted, Lost, Outcome, Skipped, Snoozed, Succeeded
from taskwarden.core.record import Ending, Incident, Run
from taskwarden.errors import InvalidValue
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
from taskwarden.stores.sql.rows import cleaned, instant, numbered, task_id, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from taskwarden.core.claim import Completion

__all__ = [
    "ENDINGS",
    "code_of",
    "incident_of",
    "number_of_run",
    "run_of",
    "run_values",
    "subject_of",
    "subject_text",
]

LONGEST_CODE: Final = 100
"""Most characters of a failure's code in the history."""
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


def number_of_run(name: RunId) -> int:
    """
    Return the key within *name*.

    Raises:
        InvalidValue: No run of this store has such an id.
    """
    number = numbered("run", name)
    if number is None:
        raise InvalidValue("before", name, "must be the id of a run", "take it from the page before")
    return number


# --- runs -------------------------------------------------------------------------------------------------------


def code_of(outcome: Outcome) -> str:
    """Return the failure's code as it is counted; empty: it did not fail."""
    # MariaDB and MySQL would count two that differ in blanks at their end as one.
    return cleaned(outcome.failure.code[:LONGEST_CODE]).rstrip(" ") if isinstance(outcome, Failed) else ""


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
        code, message = code_of(outcome), cleaned(outcome.failure.message)
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
        kept: object = {
            "level": subject.level.value,
            "code": cleaned(subject.code),
            "message": cleaned(subject.message),
        }
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
