"""
The lifecycle of a task: one table, which stores obey and from which the docs and the property tests are made.

A state says where a task stands with the stores and runners; it is not its health. Two things are apart on
purpose. *Paused* is a flag, so that resuming finds everything as it was. The *phase* is what the failure policy
remembers (``core.health``), so that an operator's word never falsifies it.

Everything that changes a state lives in this file: ``apply`` is the only reader of the table, and a pair that is
not in it raises and changes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from taskwarden.errors import IllegalTransition

__all__ = ["TRANSITIONS", "Signal", "State", "apply"]


class State(enum.StrEnum):
    """Where a task stands."""

    SCHEDULED = "scheduled"
    """Has a next time; may be claimed from then on."""
    BLOCKED = "blocked"
    """Its slot waits for upstream tasks; only a manual run may claim it."""
    RUNNING = "running"
    """In a claim whose lease is live, or has expired and was not yet taken over."""
    DONE = "done"
    """No further slot; only a manual run, a retry or a reschedule moves it."""


class Signal(enum.StrEnum):
    """What happens to a task."""

    CLAIM = "claim"
    """A runner takes it: its slot is due, a manual run was asked for, or an expired lease is taken over."""
    RESCHEDULE = "reschedule"
    """A run is completed and there is a next time, or its claim is given back."""
    FINISH = "finish"
    """A run is completed and there is no further slot."""
    BLOCK = "block"
    """The slot waits for upstream tasks."""
    UNBLOCK = "unblock"
    """Each upstream task has succeeded since, or the edge was cut."""
    STEER = "steer"
    """An operator retried or rescheduled it; a run in progress goes on, and its decision will not count."""


_TABLE: Final = {
    (State.SCHEDULED, Signal.CLAIM): State.RUNNING,
    (State.SCHEDULED, Signal.BLOCK): State.BLOCKED,
    (State.SCHEDULED, Signal.STEER): State.SCHEDULED,
    (State.BLOCKED, Signal.CLAIM): State.RUNNING,
    (State.BLOCKED, Signal.UNBLOCK): State.SCHEDULED,
    (State.BLOCKED, Signal.STEER): State.BLOCKED,
    (State.RUNNING, Signal.CLAIM): State.RUNNING,
    (State.RUNNING, Signal.RESCHEDULE): State.SCHEDULED,
    (State.RUNNING, Signal.BLOCK): State.BLOCKED,
    (State.RUNNING, Signal.FINISH): State.DONE,
    (State.RUNNING, Signal.STEER): State.RUNNING,
    (State.DONE, Signal.CLAIM): State.RUNNING,
    (State.DONE, Signal.STEER): State.SCHEDULED,
}
TRANSITIONS: Final[Mapping[tuple[State, Signal], State]] = MappingProxyType(_TABLE)
"""The whole lifecycle: ``(state, signal) -> state``. What is not here cannot happen."""


def apply(state: State, signal: Signal) -> State:
    """
    Return the state after *signal*.

    Raises:
        IllegalTransition: The table has no such move; nothing was changed.
    """
    try:
        return _TABLE[state, signal]
    except KeyError:
        raise IllegalTransition(state, signal) from None
