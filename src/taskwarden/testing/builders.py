"""
Short ways to say what stores are told: specs, completions, deferrals and steers with unsurprising defaults.

Each makes one immutable value; what a test is about, it says by keyword.

Example::

    ensured = await store.ensure(tenant, spec("site.check", "home", at=now))
    (claim,) = (await store.claim(runner=runner, kinds=["site.check"], limit=1, lease=minute)).claims
    await store.complete([completed(claim, Succeeded(), next_run_at=now + hour)])
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Claim, Completion, Deferral
from taskwarden.core.decision import Planned, Trigger
from taskwarden.core.failure import Failure
from taskwarden.core.health import Health, Phase
from taskwarden.core.outcome import Failed, Skipped, Succeeded
from taskwarden.core.protocols import Steer, TaskSpec
from taskwarden.core.task import Priority
from taskwarden.ids import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taskwarden.core.outcome import JSON, Outcome
    from taskwarden.core.protocols import IntervalPolicy
    from taskwarden.core.record import TaskStatus
    from taskwarden.ids import TaskId

__all__ = ["EVERY_FIELD", "completed", "deferred", "failed", "retried", "spec"]

EVERY_FIELD: Final = frozenset({"payload", "priority", "schedule", "depends_on"})
"""What ``TaskSpec.named`` may hold."""
PERIOD: Final = timedelta(hours=1)
"""How far the next slot lies from the last, where a test does not say."""


def spec(  # the fields of a TaskSpec, each with a default
    kind: str,
    key: str,
    *,
    at: datetime | None,
    payload: JSON = None,
    payload_version: int = 1,
    priority: Priority = Priority.MEDIUM,
    schedule: IntervalPolicy | None = None,
    digest: str = "hourly",
    depends_on: Iterable[TaskId] = (),
    reason: str = "",
    memory: str = "",
    named: Iterable[str] = EVERY_FIELD,
) -> TaskSpec:
    """Return what to make true of the task (*kind*, *key*), whose first slot is *at*. Every field is named."""
    return TaskSpec(
        kind=Kind(kind),
        key=key,
        payload=payload,
        payload_version=payload_version,
        priority=priority,
        schedule=schedule,
        schedule_digest=digest,
        depends_on=tuple(depends_on),
        first=Planned(at, reason, memory),
        named=frozenset(named),
    )


def failed(code: str = "network_error.timeout", message: str = "no answer") -> Failed:
    """Return a failure as a classifier might have found it."""
    return Failed(Failure(code, message))


def completed(
    claim: Claim,
    outcome: Outcome | None = None,
    *,
    next_run_at: datetime | None = None,
    slot_at: datetime | None = None,
    settles: bool | None = None,
    last: bool = False,
    phase: Phase | None = None,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
    **others: Any,
) -> Completion:
    """
    Return what became of *claim*: a success, if *outcome* is None.

    A success or a skip settles the slot, and the next one lies an hour after it; other outcomes keep the slot, to be
    run again after a minute (a failure as the next attempt). A manual run settles nothing and leaves the schedule
    as it is, unless *next_run_at* is given.

    Args:
        next_run_at: When the next run may start; the next slot's time, if None and the slot is settled.
        slot_at: The next slot, where the slot is settled; *next_run_at* if None.
        settles: Says otherwise than the outcome does.
        last: There is no further slot.
        phase: The health's new phase; None: as it was.
        started_at, finished_at: The instant of the claim, if None.
        others: Further fields of the ``Completion``.
    """
    outcome = Succeeded() if outcome is None else outcome
    manual = claim.trigger is Trigger.MANUAL
    if settles is None:
        settles = isinstance(outcome, Succeeded | Skipped) and not manual
    if settles:
        next_run_at = next_run_at or slot_at or claim.slot_at + PERIOD
        slot_at, attempt = slot_at or next_run_at, 1
    else:
        if not manual:
            next_run_at = next_run_at or claim.claimed_at + timedelta(minutes=1)
        slot_at, attempt = claim.slot_at, claim.attempt + isinstance(outcome, Failed)
    health = attrs.evolve(claim.health, last_token=claim.token, phase=phase or claim.health.phase)
    fields: dict[str, Any] = {
        "started_at": started_at or claim.claimed_at,
        "finished_at": finished_at or started_at or claim.claimed_at,
        "health": health,
        "settles": settles,
        "slot_at": None if last else slot_at,
        "next_run_at": None if last else next_run_at,
        "attempt": attempt,
    }
    return Completion(claim=claim, outcome=outcome, **fields | others)


def deferred(claim: Claim, until: datetime, why: str = "a breaker is open") -> Deferral:
    """Return *claim* given back unrun until *until*."""
    return Deferral(claim=claim, until=until, why=why)


def retried(status: TaskStatus, at: datetime, *, name: ChangeName = ChangeName.TASK_RETRIED, **others: Any) -> Steer:
    """Return an operator's word that the task runs at *at*: probing, fenced by the epoch that *status* shows."""
    epoch = status.health.epoch
    health = Health(phase=Phase.PROBING, epoch=epoch + 1, last_token=status.health.last_token)
    return Steer(name=name, epoch=epoch, health=health, next_run_at=at, **others)
