"""
The small seams of taskwarden: what a host may implement anew. The docstrings are the contract.

``Store`` is the large one, and has a file of its own, ``core.store``; it is exported from here as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from taskwarden.core.registry import Registry
from taskwarden.core.store import Ensured, EnsuredAs, Hint, Steer, Store, TaskSpec, TenantState

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from taskwarden.core.decision import Decision, Event, IntervalState, Planned
    from taskwarden.core.health import Health
    from taskwarden.core.outcome import Outcome

__all__ = [
    "Clock",
    "Ensured",
    "EnsuredAs",
    "FailurePolicy",
    "Hint",
    "IntervalPolicy",
    "Registry",
    "Signalled",
    "Steer",
    "Store",
    "TaskSpec",
    "TenantState",
]


@runtime_checkable
class FailurePolicy(Protocol):
    """
    What follows an outcome: one pure method of an immutable value.

    Equal policies have an equal ``repr``, the same in every process. A policy that raises harms its own run only: the
    default policy decides instead, and an incident names it.
    """

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        """
        Return what follows *event*.

        Pure and total: no clock, no randomness, no I/O; the same arguments give an equal decision tomorrow, in any
        process. *now* is aware UTC and may lie before an earlier one. An event whose token is not greater than the
        health's last, or whose epoch is older, changes nothing.
        """


@runtime_checkable
class IntervalPolicy(Protocol):
    """
    When a task's slots are: one pure method of an immutable value.

    Equal policies have an equal ``repr``, the same in every process: by it a store knows whether a schedule changed.
    """

    @property
    def grace(self) -> timedelta | None:
        """A slot claimed later than this after its time is skipped instead of run; None: run it however late."""

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        """
        Return the slot after *slot*.

        Pure and total. *slot* None: the task is new, or its schedule has changed; return the first slot. Otherwise the
        answer lies after *slot*, and after *now* but where the policy catches up slot by slot. Called with the outcome
        that settles *slot*; with None where a slot is planned without one.
        """


class Signalled(Protocol):
    """The half of ``anyio.Event`` on which one waits."""

    async def wait(self) -> None:
        """Return once the event is set."""

    def is_set(self) -> bool:
        """Tell whether it is."""


class Clock(Protocol):
    """
    Time for one process.

    ``taskwarden.runner.SystemClock`` is the real one, ``taskwarden.testing.VirtualClock`` the other.
    """

    def now(self) -> datetime:
        """Return the wall clock, aware UTC. Only stores read it; it may jump either way."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""

    async def wait(self, event: Signalled, until: float | None) -> bool:
        """
        Wait for *event*, or until ``monotonic()`` reaches *until* (None: for ever).

        Returns:
            Whether the event is set. Passes cancellation on.
        """
