"""Tasks, runs and calls of a demo that never was: what the tests of its pure parts begin with."""

from datetime import UTC, datetime, timedelta

from taskwarden.cli.demo.executors import Site
from taskwarden.cli.demo.provider import Call
from taskwarden.cli.demo.script import WARDEN, Endpoint, Fault
from taskwarden.core.decision import IntervalState, Trigger
from taskwarden.core.health import Health, Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.record import Ending, Run, TaskStatus
from taskwarden.core.task import Priority, TaskRecord
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId

RISEN = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
"""When the curtain rose."""


def at(hours: float) -> datetime:
    return RISEN + timedelta(hours=hours)


def run(
    tenant: str = "acme",
    kind: str = "search.stats",
    *,
    started: float = 1.0,
    finished: float | None = None,
    late: float = 0.0,
    ending: Ending = Ending.SUCCEEDED,
    code: str = "",
    phase: Phase = Phase.HEALTHY,
    why: tuple[str, ...] = (),
) -> Run:
    finished = started + 0.004 if finished is None else finished
    return Run(
        id=RunId(f"{tenant}/{kind}/{started}"),
        task_id=TaskId(f"{tenant}/{kind}"),
        tenant=TenantId(tenant),
        kind=Kind(kind),
        key="home",
        token=1,
        attempt=1,
        trigger=Trigger.SCHEDULED,
        slot_at=at(started - late),
        due_at=at(started - late),
        claimed_at=at(started),
        started_at=at(started),
        finished_at=at(finished),
        ending=ending,
        settled=True,
        coalesced=0,
        code=code,
        phase=phase,
        why=why,
        runner=RunnerId("runner"),
    )


def failed(tenant: str = "acme", kind: str = "search.stats", *, started: float, phase: Phase, code: str = "") -> Run:
    code = code or "network_error.upstream"
    return run(tenant, kind, started=started, ending=Ending.FAILED, code=code, phase=phase, why=("sequential",))


def status(
    tenant: str = "acme",
    kind: str = "search.stats",
    *,
    now: float = 2.0,
    next_in: float | None = 3.0,
    state: State = State.SCHEDULED,
    phase: Phase = Phase.HEALTHY,
    last: Run | None = None,
    blocked_by: tuple[str, ...] = (),
    plan_reason: str = "every 15 min",
) -> TaskStatus:
    due_at = None if next_in is None else at(now + next_in)
    return TaskStatus(
        task=TaskRecord(
            id=TaskId(f"{tenant}/{kind}"),
            tenant=TenantId(tenant),
            kind=Kind(kind),
            key=f"www.{tenant}.example",
            payload=Site(tenant),
            priority=Priority.HIGH,
            created_at=RISEN,
        ),
        as_of=at(now),
        state=state,
        health=Health(phase=phase),
        interval=IntervalState(),
        paused=False,
        attempt=1,
        next_run_at=due_at,
        slot_at=due_at,
        plan_reason=plan_reason,
        blocked_by=tuple(map(TaskId, blocked_by)),
        last_run=last,
    )


def call(
    at: float,
    *,
    caller: str = WARDEN,
    tenant: str = "acme",
    endpoint: Endpoint = Endpoint.SEARCH,
    met: Fault | None = None,
) -> Call:
    return Call(at, caller, tenant, endpoint, met)
