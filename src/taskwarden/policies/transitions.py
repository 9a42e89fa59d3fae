"""
The phases of a task: one table, from which the docs and the property tests are made.

``apply`` is its only reader, and nothing else chooses a phase. A row says where a signal leads and by which rule the
next run is due; which signal it is, ``policies.decision`` finds out from the event. A pair that is not here cannot
happen: ``apply`` raises, and nothing is changed.

A task that cools off becomes *probing* when its next run is due: the claim of that run is the probe, and a success or
failure of it arrives as ``PROBED`` followed by what it was. Only manual runs bring a success while it still cools off;
their failures count nothing, and they move no schedule but when they end the trouble.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from taskwarden.core.health import Phase
from taskwarden.errors import IllegalTransition

__all__ = ["TRANSITIONS", "Due", "Move", "Signal", "apply"]


class Signal(enum.StrEnum):
    """What happened, as far as phases are concerned."""

    PROBED = "probed"
    """The run of a task that cooled off has ended: it was a probe."""
    SUCCEEDED = "succeeded"
    """A success, not yet enough of them to recover."""
    RECOVERED = "recovered"
    """Enough successes in a row."""
    FAILED = "failed"
    """A counted failure; no rule trips."""
    TRIPPED = "tripped"
    """A counted failure, at which a rule says: cool off."""
    PARKED = "parked"
    """A counted failure, at which a rule says: needs intervention."""
    CONFIRMED = "confirmed"
    """A definitive failure, seen before with the same cause long enough ago."""
    SKIPPED = "skipped"
    SNOOZED = "snoozed"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    FAULTED = "faulted"
    """The host's own fault: nobody's failure."""
    RESUMED = "resumed"
    """An operator clears the hold, or a revision gives reason to."""
    SILENT = "silent"
    """No outcome for too long."""


class Due(enum.StrEnum):
    """When the next run is due; never before a Retry-After floor."""

    PLANNED = "planned"
    """As the interval policy planned."""
    NOW = "now"
    SOON = "soon"
    """After the base delay."""
    UNTIL = "until"
    """When the outcome says."""
    BACKOFF = "backoff"
    """After this step's delay, or to confirm a definitive failure, or later where a rule says so."""
    HELD = "held"
    """After the hold of one that needs intervention; without one, as BACKOFF."""
    COURTESY = "courtesy"
    """After the courtesy span of a definitive failure."""
    KEPT = "kept"
    """As it was."""


class Move(NamedTuple):
    """Where a signal leads, and when the next run is due."""

    to: Phase
    due: Due


_HEALTHY, _BACKING, _COOLING = Phase.HEALTHY, Phase.BACKING_OFF, Phase.COOLING_OFF
_PROBING, _NEEDS = Phase.PROBING, Phase.NEEDS_INTERVENTION

_TABLE: Final = {
    (_HEALTHY, Signal.SUCCEEDED): Move(_HEALTHY, Due.PLANNED),
    (_HEALTHY, Signal.FAILED): Move(_BACKING, Due.BACKOFF),
    (_HEALTHY, Signal.TRIPPED): Move(_COOLING, Due.BACKOFF),
    (_HEALTHY, Signal.PARKED): Move(_NEEDS, Due.HELD),
    (_HEALTHY, Signal.CONFIRMED): Move(_NEEDS, Due.COURTESY),
    (_HEALTHY, Signal.SKIPPED): Move(_HEALTHY, Due.PLANNED),
    (_HEALTHY, Signal.SNOOZED): Move(_HEALTHY, Due.UNTIL),
    (_HEALTHY, Signal.INTERRUPTED): Move(_HEALTHY, Due.NOW),
    (_HEALTHY, Signal.LOST): Move(_HEALTHY, Due.SOON),
    (_HEALTHY, Signal.FAULTED): Move(_HEALTHY, Due.SOON),
    (_HEALTHY, Signal.RESUMED): Move(_HEALTHY, Due.NOW),
    (_HEALTHY, Signal.SILENT): Move(_HEALTHY, Due.KEPT),
    (_BACKING, Signal.SUCCEEDED): Move(_HEALTHY, Due.PLANNED),
    (_BACKING, Signal.FAILED): Move(_BACKING, Due.BACKOFF),
    (_BACKING, Signal.TRIPPED): Move(_COOLING, Due.BACKOFF),
    (_BACKING, Signal.PARKED): Move(_NEEDS, Due.HELD),
    (_BACKING, Signal.CONFIRMED): Move(_NEEDS, Due.COURTESY),
    (_BACKING, Signal.SKIPPED): Move(_BACKING, Due.PLANNED),
    (_BACKING, Signal.SNOOZED): Move(_BACKING, Due.UNTIL),
    (_BACKING, Signal.INTERRUPTED): Move(_BACKING, Due.NOW),
    (_BACKING, Signal.LOST): Move(_BACKING, Due.SOON),
    (_BACKING, Signal.FAULTED): Move(_BACKING, Due.SOON),
    (_BACKING, Signal.RESUMED): Move(_HEALTHY, Due.NOW),
    (_BACKING, Signal.SILENT): Move(_BACKING, Due.KEPT),
    (_COOLING, Signal.PROBED): Move(_PROBING, Due.KEPT),
    (_COOLING, Signal.SUCCEEDED): Move(_COOLING, Due.KEPT),
    (_COOLING, Signal.RECOVERED): Move(_HEALTHY, Due.NOW),
    (_COOLING, Signal.SKIPPED): Move(_COOLING, Due.PLANNED),
    (_COOLING, Signal.SNOOZED): Move(_COOLING, Due.UNTIL),
    (_COOLING, Signal.INTERRUPTED): Move(_COOLING, Due.NOW),
    (_COOLING, Signal.LOST): Move(_COOLING, Due.SOON),
    (_COOLING, Signal.FAULTED): Move(_COOLING, Due.SOON),
    (_COOLING, Signal.RESUMED): Move(_PROBING, Due.NOW),
    (_COOLING, Signal.SILENT): Move(_COOLING, Due.KEPT),
    (_PROBING, Signal.SUCCEEDED): Move(_PROBING, Due.SOON),
    (_PROBING, Signal.RECOVERED): Move(_HEALTHY, Due.PLANNED),
    (_PROBING, Signal.FAILED): Move(_COOLING, Due.BACKOFF),
    (_PROBING, Signal.TRIPPED): Move(_COOLING, Due.BACKOFF),
    (_PROBING, Signal.PARKED): Move(_NEEDS, Due.HELD),
    (_PROBING, Signal.CONFIRMED): Move(_NEEDS, Due.COURTESY),
    (_PROBING, Signal.SKIPPED): Move(_PROBING, Due.PLANNED),
    (_PROBING, Signal.SNOOZED): Move(_PROBING, Due.UNTIL),
    (_PROBING, Signal.INTERRUPTED): Move(_PROBING, Due.NOW),
    (_PROBING, Signal.LOST): Move(_PROBING, Due.SOON),
    (_PROBING, Signal.FAULTED): Move(_PROBING, Due.SOON),
    (_PROBING, Signal.RESUMED): Move(_PROBING, Due.NOW),
    (_PROBING, Signal.SILENT): Move(_PROBING, Due.KEPT),
    (_NEEDS, Signal.SUCCEEDED): Move(_NEEDS, Due.SOON),
    (_NEEDS, Signal.RECOVERED): Move(_HEALTHY, Due.PLANNED),
    (_NEEDS, Signal.FAILED): Move(_NEEDS, Due.HELD),
    (_NEEDS, Signal.TRIPPED): Move(_NEEDS, Due.HELD),
    (_NEEDS, Signal.PARKED): Move(_NEEDS, Due.HELD),
    (_NEEDS, Signal.CONFIRMED): Move(_NEEDS, Due.COURTESY),
    (_NEEDS, Signal.SKIPPED): Move(_NEEDS, Due.PLANNED),
    (_NEEDS, Signal.SNOOZED): Move(_NEEDS, Due.UNTIL),
    (_NEEDS, Signal.INTERRUPTED): Move(_NEEDS, Due.NOW),
    (_NEEDS, Signal.LOST): Move(_NEEDS, Due.SOON),
    (_NEEDS, Signal.FAULTED): Move(_NEEDS, Due.SOON),
    (_NEEDS, Signal.RESUMED): Move(_PROBING, Due.NOW),
    (_NEEDS, Signal.SILENT): Move(_NEEDS, Due.KEPT),
}
TRANSITIONS: Final[Mapping[tuple[Phase, Signal], Move]] = MappingProxyType(_TABLE)
"""All phases: ``(phase, signal) -> (phase, due)``. What is not here cannot happen."""


def apply(phase: Phase, signal: Signal) -> Move:
    """
    Return where *signal* leads from *phase*, and when the next run is due.

    Raises:
        IllegalTransition: The table has no such move; nothing was changed.
    """
    try:
        return _TABLE[phase, signal]
    except KeyError:
        raise IllegalTransition(phase, signal) from None
