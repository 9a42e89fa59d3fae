"""
History: what runs ended with, the newest for each task and tenant first.

A completion is kept as it came and becomes a ``Run`` only when somebody reads it: writing is the hot path.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.outcome import Failed, Interrupted, Lost, Outcome, Skipped, Snoozed, Succeeded
from taskwarden.core.record import Ending, Run
from taskwarden.errors import InvalidValue
from taskwarden.ids import RunId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from taskwarden.core.claim import Completion
    from taskwarden.core.health import Phase
    from taskwarden.ids import RunnerId

__all__ = ["ENDINGS", "History", "Record"]

ENDINGS: Final[dict[type[Outcome], Ending]] = {
    Succeeded: Ending.SUCCEEDED,
    Failed: Ending.FAILED,
    Snoozed: Ending.SNOOZED,
    Skipped: Ending.SKIPPED,
    Interrupted: Ending.INTERRUPTED,
    Lost: Ending.LOST,
}


@attrs.define(eq=False)
class Record:
    """
    One run, as it was written.

    Args:
        overruled: The phase in which the operator's word had put the task; None: the decision counted.
        older, older_of_tenant: The run before it, of the same task and of the same tenant.
    """

    number: int
    completion: Completion
    runner: RunnerId
    overruled: Phase | None
    older: Record | None
    older_of_tenant: Record | None

    def run(self) -> Run:
        """Return it as it is told."""
        done = self.completion
        claim, outcome = done.claim, done.outcome
        task = claim.task
        code, message = code_of(outcome), ""
        if isinstance(outcome, Failed):
            message = outcome.failure.message
        elif not isinstance(outcome, Succeeded):
            message = outcome.reason
        return Run(
            id=RunId(f"run-{self.number}"),
            task_id=task.id,
            tenant=task.tenant,
            kind=task.kind,
            key=task.key,
            token=claim.token,
            attempt=claim.attempt,
            trigger=claim.trigger,
            slot_at=claim.slot_at,
            due_at=claim.due_at,
            claimed_at=claim.claimed_at,
            started_at=done.started_at,
            finished_at=done.finished_at,
            ending=ENDINGS[type(outcome)],
            settled=done.settles,
            coalesced=done.coalesced,
            code=code,
            message=message,
            result=None if done.result is None else json.loads(done.result),
            phase=done.health.phase if self.overruled is None else self.overruled,
            next_run_at=done.next_run_at,
            why=done.why,
            runner=self.runner,
            counted=self.overruled is None,
        )


def code_of(outcome: Outcome) -> str:
    """Return the failure's code; empty: it did not fail."""
    return outcome.failure.code if isinstance(outcome, Failed) else ""


@attrs.define(eq=False)
class History:
    """
    The newest *kept* runs. Of each task the last run is kept besides, for as long as the task is there.

    A run costs one step to write. Reading walks from the newest run of the task or tenant to the wanted page.
    """

    kept: int
    written: int = attrs.field(default=0, init=False)
    _records: deque[Record] = attrs.field(factory=deque, init=False)

    def add(self, record: Record) -> None:
        """Keep *record*, whose number is ``written`` + 1, and let go of the oldest if there are too many."""
        self.written += 1
        records = self._records
        records.append(record)
        if len(records) > self.kept:
            # Nothing older is kept, so the chain ends here: what only it led to is freed.
            oldest = records.popleft()
            oldest.older = oldest.older_of_tenant = None

    def of_task(self, last: Record | None) -> Iterator[Record]:
        """Yield the runs of the task whose last one is *last*, newest first."""
        while last is not None and last.number > self.written - self.kept:
            yield last
            last = last.older

    def of_tenant(self, last: Record | None) -> Iterator[Record]:
        """Yield the runs of the tenant whose last one is *last*, newest first."""
        while last is not None and last.number > self.written - self.kept:
            yield last
            last = last.older_of_tenant


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
