"""A counted failure: what it adds to the memory, whether it trips, and whom to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from taskwarden.core.decision import Level, Notify, OpenIncident
from taskwarden.core.hashing import seed
from taskwarden.core.health import Phase
from taskwarden.core.instant import at_micros, micros
from taskwarden.policies.backoff import STEP_LIMIT, curve_of
from taskwarden.policies.draft import MOST_STREAK
from taskwarden.policies.due import concluded, raise_floor
from taskwarden.policies.transitions import Due, Signal, apply
from taskwarden.policies.verdict import Facts

if TYPE_CHECKING:
    from taskwarden.core.decision import Decision, Ran
    from taskwarden.core.failure import Failure
    from taskwarden.policies.draft import Draft
    from taskwarden.policies.policy import TaskPolicy

__all__ = ["HOST_FAULT", "failed", "incident_key"]

HOST_FAULT: Final = "unknown.internal"
"""Failures whose code begins with it are the host's own: they count against no task."""

_SIGNALS: Final = (Signal.FAILED, Signal.FAILED, Signal.TRIPPED, Signal.PARKED, Signal.PARKED)
"""What a severity is to the table of phases."""
# An enum's members, by a global name: looking one up on its class takes ten times as long.
_HEALTHY, _COOLING, _NEEDS = Phase.HEALTHY, Phase.COOLING_OFF, Phase.NEEDS_INTERVENTION
_WARNING, _ERROR, _PROBED = Level.WARNING, Level.ERROR, Signal.PROBED
_NAMES: Final = {due: due.value for due in Due}


def incident_key(what: str, key: int) -> str:
    """Return the key of the incident *what* of the task with seed *key*."""
    return f"{what}:{key}"


def failed(policy: TaskPolicy, draft: Draft, event: Ran, failure: Failure) -> Decision:
    """Count *failure* and return what follows."""
    came_from = draft.phase
    if came_from is _COOLING:
        draft.phase = apply(came_from, _PROBED).to
    facts = _counted(policy, draft, failure)
    if failure.retry_after:
        raise_floor(draft, failure, event)
    (severity, earliest), why, shadow = policy.judge(facts)
    signal = _SIGNALS[severity]
    if failure.definitive:
        confirmed = _confirmed(policy, draft, failure)
        why = ("definitive.confirmed" if confirmed else "definitive.unconfirmed", *why)
        if confirmed:
            draft.definitive, signal = True, Signal.CONFIRMED
    move = apply(draft.phase, signal)
    _tell(draft, event, failure, came_from, move.to)
    return concluded(
        policy,
        draft,
        event,
        move,
        (*why, _NAMES[move.due]),
        counts=True,
        failure=failure,
        earliest=at_micros(earliest) if earliest else None,
        shadow=shadow,
    )


def _counted(policy: TaskPolicy, draft: Draft, failure: Failure) -> Facts:
    """Write down that *failure* counts, and return the facts to judge it by."""
    at = micros(draft.at)
    if draft.streak < MOST_STREAK:
        draft.streak += 1
    if draft.since is None:
        draft.since = draft.at
    draft.successes = 0
    if draft.phase is _HEALTHY:  # a relapse goes on where half the delays had been
        draft.step, draft.relapse_step, draft.relapse_until = draft.relapse_step, 0, None
    if draft.step < STEP_LIMIT:
        draft.step += 1
    draft.detectors, tripped = policy.failed(draft.detectors, at)
    return Facts(failure, at, tripped)


def _confirmed(policy: TaskPolicy, draft: Draft, failure: Failure) -> bool:
    """Tell whether a definitive failure has been seen before, long enough ago; else remember when it was first seen."""
    cause = seed(failure.cause)
    if draft.suspect == cause and draft.suspect_at is not None:
        return draft.at - draft.suspect_at >= policy.confirm_after
    draft.suspect, draft.suspect_at = cause, draft.at
    return False


def _tell(draft: Draft, event: Ran, failure: Failure, came_from: Phase, to: Phase) -> None:
    """Open an incident where the task is first held, raise it where it is given up, and tell people when it is time."""
    if to is _NEEDS:
        if came_from is not _NEEDS:
            draft.told = True
            _open(draft, event, failure, _ERROR, "Needs intervention")
        return
    if to is _COOLING and came_from in _RUNNING:
        _open(draft, event, failure, _WARNING, "Cooling off")
    if not draft.told and draft.since is not None and draft.at - draft.since >= curve_of(failure.code).tell_after:
        draft.told = True
        message = f"Failing since {draft.since.isoformat()}: {_title(draft, failure)}"
        draft.effects.append(Notify(_ERROR, failure.code, message))


def _open(draft: Draft, event: Ran, failure: Failure, level: Level, what: str) -> None:
    text = f"{what}: {_title(draft, failure)}"
    draft.effects += (
        OpenIncident(incident_key("task", event.key), failure.code, text, level),
        Notify(level, failure.code, text),
    )


def _title(draft: Draft, failure: Failure) -> str:
    times = "1 failure" if draft.streak == 1 else f"{draft.streak} failures in a row"
    return f"{failure.code}, {times}: {failure.message[:400]}" if failure.message else f"{failure.code}, {times}"


_RUNNING: Final = frozenset({Phase.HEALTHY, Phase.BACKING_OFF})
