"""
Step 5, the failure policy's half: from a health and an event to a decision. A fold: the history is not needed.

An event becomes a signal, the table of ``transitions`` says what follows, and the parts here, in ``failing`` and in
``due`` work out the rest: what counts, when the next run is due, whom to tell, and why. What every path keeps to:

* an outcome whose token is not greater than the last, or whose epoch is older, changes nothing;
* neutral outcomes and the host's own faults touch no detector; failures of manual runs count nothing;
* no next time lies before a Retry-After floor, whatever led to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from taskwarden.core.decision import (
    Decision,
    Level,
    Notify,
    OpenIncident,
    Ran,
    ResolveIncident,
    Resumed,
    RevisionChanged,
    Silent,
    Trigger,
)
from taskwarden.core.failure import Failure
from taskwarden.core.health import Phase
from taskwarden.core.instant import later, micros
from taskwarden.core.outcome import Failed, Interrupted, Lost, Skipped, Snoozed, Succeeded
from taskwarden.policies.detectors import Silence
from taskwarden.policies.draft import Draft
from taskwarden.policies.due import concluded, raise_floor
from taskwarden.policies.failing import HOST_FAULT, failed, incident_key
from taskwarden.policies.transitions import Signal, apply
from taskwarden.policies.verdict import Facts

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.decision import Event
    from taskwarden.core.health import Health
    from taskwarden.policies.policy import TaskPolicy

__all__ = ["decided"]

_LOST: Final = Failure("unknown.lost", "the runner vanished with the run, twice in a row")
_MISSED: Final = Failure("unknown.missed", "no outcome for too long")
_SETTLING: Final = (Succeeded, Skipped)
# An enum's members, by a global name: looking one up on its class takes ten times as long.
_MANUAL, _SUCCEEDED, _COOLING = Trigger.MANUAL, Signal.SUCCEEDED, Phase.COOLING_OFF
_ON_PROBATION: Final = frozenset({Phase.COOLING_OFF, Phase.PROBING, Phase.NEEDS_INTERVENTION})
"""The phases that end by recovery, with amnesty."""


def decided(policy: TaskPolicy, health: Health, event: Event, now: datetime) -> Decision:
    """Return what *policy* makes of *event*. Total over the events; anything else is answered by "unchanged"."""
    match event:
        case Ran():
            return _ran(policy, health, event, now)
        case Resumed() | RevisionChanged():
            return _resumed(Draft(policy, health, now), event)
        case Silent():
            return _silent(policy, health, event, now)
        case _:  # a newer version's, or rubbish
            return Decision(health, settles=False, why=("unknown_event",))  # type: ignore[unreachable]  # what types promise, data may break


def _ran(policy: TaskPolicy, health: Health, event: Ran, now: datetime) -> Decision:
    manual = event.trigger is _MANUAL
    if event.epoch < health.epoch:
        settles = isinstance(event.outcome, _SETTLING) and not manual
        return Decision(health, health.next_at, settles=settles, why=("fenced.epoch",))
    if event.token <= health.last_token:
        return Decision(health, health.next_at, settles=False, why=("fenced.token",))
    draft = Draft(policy, health, now)
    draft.last_token = event.token
    if draft.fault:
        title = "The clock was ahead: times decided by it lay in a future that was never real, and were corrected"
        draft.effects.append(OpenIncident("clock_fault", "unknown.internal_clock", title))
    if draft.silent_since is not None:
        draft.silent_since = None
        draft.effects.append(ResolveIncident(incident_key("silent", event.key)))
    return _manual(policy, draft, event) if manual else _scheduled(policy, draft, event)


def _scheduled(policy: TaskPolicy, draft: Draft, event: Ran) -> Decision:
    outcome = event.outcome
    lost, draft.lost = draft.lost, 0
    match outcome:
        case Succeeded():
            return _succeeded(policy, draft, event)
        case Failed() if not outcome.failure.code.startswith(HOST_FAULT):
            return failed(policy, draft, event, outcome.failure)
        case Failed():
            raise_floor(draft, outcome.failure, event)
            return _neutral(policy, draft, event, Signal.FAULTED, counts=True)
        case Lost():
            draft.lost = min(lost + 1, 2)
            if draft.lost == 2:
                return failed(policy, draft, event, _LOST)
            return _neutral(policy, draft, event, Signal.LOST, counts=True)
        case Skipped():
            return _neutral(policy, draft, event, Signal.SKIPPED, settles=True)
        case Snoozed():
            return _neutral(policy, draft, event, Signal.SNOOZED)
        case Interrupted():
            return _neutral(policy, draft, event, Signal.INTERRUPTED)
        case _:  # rubbish is the host's fault, not the task's
            return _neutral(policy, draft, event, Signal.FAULTED)  # type: ignore[unreachable]  # likewise


def _neutral(
    policy: TaskPolicy, draft: Draft, event: Ran, signal: Signal, *, settles: bool = False, counts: bool = False
) -> Decision:
    move = apply(draft.phase, signal)
    return concluded(policy, draft, event, move, (signal.value,), settles=settles, counts=counts)


def _succeeded(policy: TaskPolicy, draft: Draft, event: Ran) -> Decision:
    came_from = draft.phase
    signal = _success(policy, draft, event)
    why = _WHY_SUCCEEDED.get((came_from, signal), ())
    return concluded(policy, draft, event, apply(draft.phase, signal), why, settles=True)


_WHY_SUCCEEDED: Final = {
    (Phase.BACKING_OFF, Signal.SUCCEEDED): ("success",),
    (Phase.COOLING_OFF, Signal.SUCCEEDED): ("recovering",),
    (Phase.PROBING, Signal.SUCCEEDED): ("recovering",),
    (Phase.NEEDS_INTERVENTION, Signal.SUCCEEDED): ("recovering",),
    (Phase.COOLING_OFF, Signal.RECOVERED): ("recovered",),
    (Phase.PROBING, Signal.RECOVERED): ("recovered",),
    (Phase.NEEDS_INTERVENTION, Signal.RECOVERED): ("self_healed",),
}


def _success(policy: TaskPolicy, draft: Draft, event: Ran) -> Signal:
    """Write down a success, of whatever trigger, and return the signal that it is."""
    manual = event.trigger is _MANUAL
    draft.streak = draft.suspect = 0
    draft.since = draft.suspect_at = None
    if draft.phase not in _ON_PROBATION:
        draft.step, draft.told = 0, False
        draft.detectors = policy.passed(draft.detectors)
        return _SUCCEEDED
    draft.successes += 1
    if draft.phase is _COOLING and not manual:
        draft.phase = apply(draft.phase, Signal.PROBED).to
    # A task with no further slot will bring no second success: its work is done.
    if draft.successes < policy.recovery and (manual or event.planned_at is not None):
        draft.detectors = policy.passed(draft.detectors)
        return _SUCCEEDED
    _recover(policy, draft, event)
    return Signal.RECOVERED


def _recover(policy: TaskPolicy, draft: Draft, event: Ran) -> None:
    draft.effects.append(ResolveIncident(incident_key("task", event.key)))
    if draft.phase is Phase.NEEDS_INTERVENTION:
        draft.effects.append(Notify(Level.INFO, "recovered", f"Runs again after {draft.successes} successes in a row"))
    step = draft.step // 2
    draft.forgive()
    if step and policy.relapse:
        draft.relapse_until, draft.relapse_step = later(draft.at, policy.relapse), step


def _manual(policy: TaskPolicy, draft: Draft, event: Ran) -> Decision:
    """A run beside the schedule: its success is evidence of recovery, anything else counts nothing."""
    next_at: datetime | None = None
    came_from = draft.phase
    if isinstance(event.outcome, Succeeded):
        draft.phase = apply(draft.phase, _success(policy, draft, event)).to
        if draft.phase is Phase.HEALTHY and came_from is not Phase.HEALTHY:
            next_at = draft.floored(draft.at)  # the slot that was kept back is due
    elif isinstance(event.outcome, Failed):
        raise_floor(draft, event.outcome.failure, event)
        if draft.next_at is not None and draft.next_at != draft.floored(draft.next_at):
            next_at = draft.floor
    draft.next_at = next_at or draft.next_at
    return _beside(draft, next_at, ("manual",))


def _resumed(draft: Draft, event: Resumed | RevisionChanged) -> Decision:
    force = isinstance(event, Resumed) and event.force
    draft.epoch += 1
    draft.forgive()
    draft.phase = apply(draft.phase, Signal.RESUMED).to  # due now, by the table
    if force:
        draft.floor = None
    draft.next_at = draft.floored(draft.at)
    why = "resumed" if isinstance(event, Resumed) else "revision"
    return _beside(draft, draft.next_at, (f"{why}.forced" if force else why,))


def _silent(policy: TaskPolicy, health: Health, event: Silent, now: datetime) -> Decision:
    if event.epoch < health.epoch:
        return Decision(health, settles=False, why=("fenced.epoch",))
    draft = Draft(policy, health, now)
    silences = (each for each in policy.watched.values() if isinstance(each, Silence))
    exceeded = frozenset(each.name for each in silences if each.exceeded(draft.at - event.since))
    facts = Facts(_MISSED, micros(draft.at), exceeded)
    opinion = policy.rules.judge(facts)
    why = tuple(name for name in opinion.why if name in exceeded)
    if why and draft.silent_since is None:
        draft.silent_since = event.since
        title = f"No outcome since {event.since.isoformat()}"
        draft.effects += (
            OpenIncident(incident_key("silent", event.key), _MISSED.code, title),
            Notify(Level.WARNING, _MISSED.code, title),
        )
    draft.phase = apply(draft.phase, Signal.SILENT).to
    return _beside(draft, None, why, opinion.shadow)


def _beside(draft: Draft, next_at: datetime | None, why: tuple[str, ...], shadow: tuple[str, ...] = ()) -> Decision:
    """Return a decision beside the schedule: it settles no slot and uses up no attempt."""
    return Decision(draft.health(), next_at, settles=False, effects=tuple(draft.effects), why=why, shadow=shadow)
