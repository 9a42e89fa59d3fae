"""What an operator's word makes of a task's health and next time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from taskwarden.core.change import ChangeName
from taskwarden.core.protocols import Steer

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.decision import Decision
    from taskwarden.core.record import TaskStatus

__all__ = ["not_before_floor", "rescheduled", "retried"]


def retried(status: TaskStatus, decision: Decision, *, actor: str, force: bool) -> Steer:
    """
    Return what clears the policy's hold, as *decision* on the event ``Resumed`` says.

    Where it names no time, the task is due now.
    """
    at = decision.next_at or status.as_of
    return Steer(
        name=ChangeName.TASK_RETRIED,
        epoch=status.health.epoch,
        health=attrs.evolve(decision.health, epoch=max(decision.health.epoch, status.health.epoch + 1)),
        # A host's own policy may have forgotten the floor.
        next_run_at=at if force else not_before_floor(at, status),
        effects=decision.effects,
        actor=actor,
        detail="forced: a Retry-After floor was overridden" if force else "",
    )


def rescheduled(status: TaskStatus, at: datetime, *, actor: str) -> Steer:
    """Return what moves the next slot to *at*, or to the Retry-After floor if that is later. The phase stays."""
    health, runs_at = status.health, not_before_floor(at, status)
    return Steer(
        name=ChangeName.TASK_RESCHEDULED,
        epoch=health.epoch,
        health=attrs.evolve(health, epoch=health.epoch + 1, next_at=runs_at),
        next_run_at=runs_at,
        slot_at=runs_at,
        actor=actor,
        detail=f"to {runs_at.isoformat()}",
    )


def not_before_floor(at: datetime, status: TaskStatus) -> datetime:
    """Return *at*, or the instant before which a provider asked not to be called, if that is later."""
    floor = status.health.floor_at(status.as_of)
    return at if floor is None else max(at, floor)
