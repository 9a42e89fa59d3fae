"""
Step 2b: may a claimed task run now?

Between claimed and executed. A deferral writes a later ``next_run_at`` and nothing else: no failure, no attempt, no
run. The answers of several scopes join to one: a task runs only if all of them admit it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from taskwarden.core.decision import Trigger
from taskwarden.core.health import CLOCK_FAULT, Phase
from taskwarden.core.instant import FAR_FUTURE

if TYPE_CHECKING:
    from taskwarden.core.health import Health

__all__ = ["Admission", "Admit", "Defer", "Deny", "admit", "strictest"]


@attrs.frozen
class Admit:
    """Run it."""


@attrs.frozen
class Defer:
    """Not before *until*."""

    until: datetime
    why: str


@attrs.frozen
class Deny:
    """Not until somebody intervenes."""

    why: str


Admission: TypeAlias = Admit | Defer | Deny

_ADMIT: Final = Admit()


def admit(health: Health, trigger: Trigger, now: datetime) -> Admission:
    """
    Return whether the task's own health lets it run at *now*. Pure and total; changes nothing.

    A Retry-After floor holds for every trigger. A hold of the policy (any phase but healthy) holds for all but manual
    runs. Where the clock was wrong by more than a lease, the held times were never real, and the task runs.
    """
    mark = health.high_water
    if mark is not None and mark > now:
        if mark - now > CLOCK_FAULT:
            return _ADMIT
        now = mark
    if health.floor is not None and now < health.floor:
        return Defer(health.floor, "retry_after")
    if health.phase is Phase.HEALTHY or trigger is Trigger.MANUAL or health.next_at is None or health.next_at <= now:
        return _ADMIT
    if health.phase is Phase.NEEDS_INTERVENTION and health.next_at == FAR_FUTURE:
        return Deny(health.phase.value)
    return Defer(health.next_at, health.phase.value)


def strictest(*admissions: Admission) -> Admission:
    """Return the answer of all scopes together: denied if one denies, deferred to the latest, else admitted."""
    denied = next((each for each in admissions if isinstance(each, Deny)), None)
    deferred = (each for each in admissions if isinstance(each, Defer))
    return denied or max(deferred, key=lambda each: each.until, default=_ADMIT)
