"""
History: what runs ended with, the newest for each task and tenant first.

A run is kept as a plain tuple of strings, numbers and instants, and becomes a ``Run`` only when somebody reads it.
That is not only quick to write. The garbage collector looks at every object that may hold others, over and over, for as
long as it lives, but not at such a tuple; and with the completion gone, what it held is freed at once. With a history
of objects, whole collections stopped the event loop for a quarter of a second.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from taskwarden.core.decision import Trigger
from taskwarden.core.health import Phase
from taskwarden.core.outcome import Failed, Interrupted, Lost, Outcome, Skipped, Snoozed, Succeeded
from taskwarden.core.record import Ending, Run
from taskwarden.errors import InvalidValue
from taskwarden.ids import RunId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from taskwarden.core.claim import Completion
    from taskwarden.ids import RunnerId

__all__ = ["ENDINGS", "Facts", "History", "code_of", "facts_of", "run_of"]

ENDINGS: Final[dict[type[Outcome], Ending]] = {
    Succeeded: Ending.SUCCEEDED,
    Failed: Ending.FAILED,
    Snoozed: Ending.SNOOZED,
    Skipped: Ending.SKIPPED,
    Interrupted: Ending.INTERRUPTED,
    Lost: Ending.LOST,
}
Facts: TypeAlias = tuple[Any, ...]
"""One run, in the order of ``facts_of``: its number, who, when it was written, the rest, and the two runs before it."""

# Members of enumerations are objects that the collector looks at; their values are not.
_TRIGGERS: Final = {trigger: trigger.value for trigger in Trigger}
_PHASES: Final = {phase: phase.value for phase in Phase}
_ENDINGS: Final = {outcome: ending.value for outcome, ending in ENDINGS.items()}


def facts_of(
    done: Completion, runner: RunnerId, overruled: Phase | None, at: datetime, places: tuple[int, int, int]
) -> Facts:
    """
    Return the facts of a run.

    Args:
        overruled: The phase in which the operator's word had put the task; None: the decision counted.
        places: Its number, and those of the runs before it, of the same task and of the same tenant; 0: there is none.
    """
    claim, outcome = done.claim, done.outcome
    task, kind = claim.task, type(outcome)
    code, message = ("", "") if kind is Succeeded else (code_of(outcome), _message(outcome))
    number, older, older_of_tenant = places
    return (
        number,
        task.id,
        task.tenant,
        at,
        task.kind,
        task.key,
        claim.token,
        claim.attempt,
        _TRIGGERS[claim.trigger],
        claim.slot_at,
        claim.due_at,
        claim.claimed_at,
        done.started_at,
        done.finished_at,
        _ENDINGS[kind],
        done.settles,
        done.coalesced,
        code,
        message,
        done.result,
        _PHASES[done.health.phase if overruled is None else overruled],
        done.next_run_at,
        done.why,
        runner,
        overruled is None,
        older,
        older_of_tenant,
    )


def run_of(facts: Facts) -> Run:
    """Return a run as it is told."""
    number, task_id, tenant, _, kind, key, token, attempt, trigger, slot_at, due_at, claimed_at = facts[:12]
    started_at, finished_at, ending, settled, coalesced, code, message, result, phase, next_run_at = facts[12:22]
    why, runner, counted = facts[22:25]
    return Run(
        id=RunId(f"run-{number}"),
        task_id=task_id,
        tenant=tenant,
        kind=kind,
        key=key,
        token=token,
        attempt=attempt,
        trigger=Trigger(trigger),
        slot_at=slot_at,
        due_at=due_at,
        claimed_at=claimed_at,
        started_at=started_at,
        finished_at=finished_at,
        ending=Ending(ending),
        settled=settled,
        coalesced=coalesced,
        code=code,
        message=message,
        result=None if result is None else json.loads(result),
        phase=Phase(phase),
        next_run_at=next_run_at,
        why=why,
        runner=runner,
        counted=counted,
    )


def code_of(outcome: Outcome) -> str:
    """Return the failure's code; empty: it did not fail."""
    return outcome.failure.code if isinstance(outcome, Failed) else ""


def _message(outcome: Outcome) -> str:
    return outcome.failure.message if isinstance(outcome, Failed) else outcome.reason  # type: ignore[union-attr]


@attrs.define(eq=False)
class History:
    """
    The newest *kept* runs. Of each task the last run is kept besides, for as long as the task is there.

    A run costs one step to write. Reading walks from the newest run of the task or tenant to the wanted page.
    """

    kept: int
    written: int = attrs.field(default=0, init=False)
    _runs: list[Facts] = attrs.field(factory=list, init=False)
    _trimmed: int = attrs.field(default=0, init=False)

    def add(self, facts: Facts) -> None:
        """Keep a run, whose number is ``written`` + 1, and now and then let go of those that are too many."""
        self.written += 1
        runs = self._runs
        runs.append(facts)
        surplus = len(runs) - self.kept
        if surplus > self.kept // 16:  # in pieces, as the front of a list is not cut for free
            del runs[:surplus]
            self._trimmed += surplus

    def of_task(self, last: int) -> Iterator[Facts]:
        """Yield the runs of the task whose last one has the number *last*, newest first."""
        return self._from(last, -2)

    def of_tenant(self, last: int) -> Iterator[Facts]:
        """Yield the runs of the tenant whose last one has the number *last*, newest first."""
        return self._from(last, -1)

    def _from(self, number: int, older: int) -> Iterator[Facts]:
        while number > max(self._trimmed, self.written - self.kept):
            facts = self._runs[number - self._trimmed - 1]
            yield facts
            number = facts[older]


def number_of(run_id: RunId) -> int:
    """
    Return the number within *run_id*.

    Raises:
        InvalidValue: No run of this store has such an id.
    """
    prefix, _, number = run_id.partition("-")
    if prefix != "run" or not number.isdecimal():
        raise InvalidValue("before", run_id, "must be the id of a run", "take it from the page before")
    return int(number)
