"""
Histories that keep every promise, for any tale that Hypothesis tells: what happened to each of a few tasks, in turn.

One thing happens after another, so that a cap of 1 holds. A killed process is replaced by one with another number.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import attrs
from hypothesis import strategies as st

from taskwarden.core.change import Change, ChangeName
from taskwarden.core.decision import IntervalState, Trigger
from taskwarden.core.health import HEALTHY
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import JSON
from taskwarden.core.record import Ending, Run, Tally, TaskStatus
from taskwarden.core.task import TaskRecord
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
from taskwarden.policies.intervals import every, once
from tests.race.history import Execution, Heard, History

__all__ = ["BEGINNING", "CAPPED", "LEASE", "ONCE", "TICK", "histories"]

BEGINNING: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEASE: Final = timedelta(seconds=3)
ONCE, TICK = Kind("race.once"), Kind("race.tick")
CAPPED: Final = TenantId("capped")
TENANTS: Final = (CAPPED, TenantId("free"))
MILLISECOND: Final = timedelta(milliseconds=1)

What = Literal["success", "failure", "skip", "interruption", "deferral", "kill", "kill before it starts", "two kills"]
WHATS: Final[tuple[What, ...]] = (
    *("success", "failure", "skip", "interruption", "deferral"),
    *("kill", "kill before it starts", "two kills"),
)


@attrs.frozen
class Step:
    """One claim of a task: what becomes of it, how late it is taken, how long it takes; milliseconds."""

    what: What
    late: int
    lasts: int


@attrs.frozen
class Tale:
    """One task. At its end it succeeds."""

    tenant: TenantId
    period: int | None
    steps: tuple[Step, ...]


@attrs.define(eq=False)
class Teller:
    """Tells tales, and writes down the history that they make."""

    now: datetime = BEGINNING
    process: int = 1
    runs: list[Run] = attrs.field(factory=list)
    feed: list[Change] = attrs.field(factory=list)
    executions: list[Execution] = attrs.field(factory=list)

    def tell(self, name: ChangeName, task: TaskRecord[Any], run: Run | None = None) -> None:
        gap = len(self.feed) % 3 == 0
        seq = (self.feed[-1].seq if self.feed else 0) + 1 + gap
        self.feed.append(
            Change(seq=seq, at=self.now, name=name, tenant=task.tenant, task_id=task.id, kind=task.kind, run=run)
        )

    def history(self, lives: list[Life]) -> History:
        tallies = Counter((run.tenant, run.kind, run.ending, run.code) for run in self.runs)
        heard: list[Heard] = [(it.seq, it.run.task_id, it.run.token) for it in self.feed if it.run is not None]
        return History(
            made=frozenset((life.task.tenant, life.task.kind, life.task.key) for life in lives),
            tasks=[life.status(self.now) for life in lives],
            runs=list(self.runs),
            tallies=[Tally(*key, runs) for key, runs in tallies.items()],
            feed=list(self.feed),
            heard=heard,
            executions=list(self.executions),
            caps={CAPPED: 1},
            stopped_at=self.now,
        )


@attrs.define(eq=False)
class Life:
    """A task, and where it stands."""

    teller: Teller
    task: TaskRecord[Any]
    period: timedelta | None
    slot_at: datetime | None
    next_at: datetime
    token: int = 0

    def take(self, step: Step) -> None:
        """Let *step* happen, after whatever has happened before."""
        teller = self.teller
        teller.now = max(teller.now + MILLISECOND, self.next_at) + step.late * MILLISECOND
        self.token += 1
        claimed_at, until = teller.now, teller.now + LEASE
        if step.what not in {"kill before it starts", "deferral"}:
            self._execute(step, claimed_at)
        match step.what:
            case "deferral":
                self.next_at = teller.now + step.lasts * MILLISECOND
                teller.tell(ChangeName.TASK_DEFERRED, self.task)
            case "kill" | "kill before it starts" | "two kills":
                teller.process += 1
                if step.what == "two kills":
                    self.token += 1
                    until += LEASE
                self.token += 1
                teller.now = until + step.late * MILLISECOND
                self._end(Ending.LOST, teller.now, wait=step.lasts)
            case "success":
                self._end(Ending.SUCCEEDED, claimed_at, settled=True, result=[self.token, teller.process])
            case "skip":
                self._end(Ending.SKIPPED, claimed_at, settled=self.period is not None)
            case "failure":
                self._end(Ending.FAILED, claimed_at, code="network_error.refused", wait=step.lasts)
            case "interruption":
                self._end(Ending.INTERRUPTED, claimed_at)

    def status(self, now: datetime) -> TaskStatus:
        return TaskStatus(
            task=self.task,
            as_of=now,
            state=State.DONE if self.slot_at is None else State.SCHEDULED,
            health=HEALTHY,
            interval=IntervalState(),
            paused=False,
            attempt=1,
            next_run_at=None if self.slot_at is None else self.next_at,
            slot_at=self.slot_at,
        )

    def _execute(self, step: Step, claimed_at: datetime) -> None:
        teller = self.teller
        started = _monotonic(teller.now)
        teller.now += step.lasts * MILLISECOND
        killed = step.what in {"kill", "two kills"}
        how = {"success": "succeeded", "failure": "failed", "skip": "skipped"}.get(step.what, "cancelled")
        teller.executions.append(
            Execution(
                task_id=self.task.id,
                token=self.token,
                process=teller.process,
                started=started,
                ended=None if killed else _monotonic(teller.now),
                alive_until=_monotonic(teller.now) if killed else None,
                how="" if killed else how,
                claimed_at=claimed_at,
                lease_until=claimed_at + LEASE,
            )
        )

    def _end(
        self,
        ending: Ending,
        claimed_at: datetime,
        *,
        settled: bool = False,
        result: JSON = None,
        code: str = "",
        wait: int = 0,
    ) -> None:
        teller, slot, now = self.teller, self.slot_at, self.teller.now
        assert slot is not None
        coalesced = 0
        self.next_at = now + wait * MILLISECOND
        if settled and self.period is None:
            self.slot_at = None
        elif settled and self.period is not None:
            coalesced = max((now - slot) // self.period, 0)
            self.slot_at = self.next_at = slot + (coalesced + 1) * self.period
        run = Run(
            id=RunId(f"run-{len(teller.runs)}"),
            task_id=self.task.id,
            tenant=self.task.tenant,
            kind=self.task.kind,
            key=self.task.key,
            token=self.token,
            attempt=1,
            trigger=Trigger.SCHEDULED,
            slot_at=slot,
            due_at=slot,
            claimed_at=claimed_at,
            started_at=claimed_at,
            finished_at=now,
            ending=ending,
            settled=settled,
            coalesced=coalesced,
            code=code,
            result=result,
            runner=RunnerId(f"runner-{teller.process}"),
        )
        teller.runs.append(run)
        teller.tell(ChangeName.RUN_FINISHED, self.task, run)


def _monotonic(instant: datetime) -> float:
    return 1000 + (instant - BEGINNING).total_seconds()


def _life(teller: Teller, place: int, tale: Tale) -> Life:
    first = BEGINNING + place * MILLISECOND
    period = None if tale.period is None else tale.period * MILLISECOND
    schedule = once(first) if tale.period is None else every(seconds=tale.period / 1000, anchor=first)
    task: TaskRecord[Any] = TaskRecord(
        id=TaskId(f"task-{place}"),
        tenant=tale.tenant,
        kind=ONCE if tale.period is None else TICK,
        key=f"k{place}",
        payload=None,
        schedule=schedule,
        created_at=BEGINNING,
    )
    teller.tell(ChangeName.TASK_CREATED, task)
    return Life(teller, task, period, first, first)


def _told(tales: tuple[Tale, ...]) -> History:
    teller = Teller()
    lives = [_life(teller, place, tale) for place, tale in enumerate(tales)]
    for number in range(max(len(tale.steps) for tale in tales)):
        for life, tale in zip(lives, tales, strict=True):
            if number < len(tale.steps):
                step = tale.steps[number]
                # A one-off ends with its success.
                life.take(step if life.period or step.what != "success" else attrs.evolve(step, what="interruption"))
    for life in lives:
        life.take(Step("success", 0, 1))
    return teller.history(lives)


def histories() -> st.SearchStrategy[History]:
    """Return histories of two to six tasks, one-off and recurring ones, with some runs in a capped tenant."""
    steps = st.builds(Step, st.sampled_from(WHATS), st.integers(0, 5_000), st.integers(1, 900))
    several = st.lists(steps, min_size=1, max_size=5).map(tuple)
    one_off = st.builds(Tale, st.sampled_from(TENANTS), st.none(), several)
    recurring = st.builds(Tale, st.sampled_from(TENANTS), st.integers(1_000, 4_000), several)
    some = st.tuples(st.lists(one_off, min_size=1, max_size=3), st.lists(recurring, min_size=1, max_size=3))
    return some.map(lambda both: _told((*both[0], *both[1])))
