"""
A thread that notices an executor which blocks the event loop.

While the loop is blocked nothing in it can renew a lease or even say so. The thread can: one log line while it lasts,
and an incident once the loop is free again. By then another runner may have taken the task over; the store refuses the
late outcome if so.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.decision import Level, OpenIncident

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskwarden.core.claim import Claim

__all__ = ["Watchdog", "blocked_incident"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_LOOKS: Final = 4
"""Looks within the limit."""


@attrs.define(eq=False)
class Watchdog:
    """
    Looks at what has the event loop, from outside of it.

    Args:
        stepping: Tells whose code has the event loop just now, and which step of all that is.
        limit: Seconds from which on it is worth an alarm: the lease.
    """

    stepping: Callable[[], tuple[Claim | None, int]]
    limit: float
    blocked: deque[Claim] = attrs.field(factory=deque, init=False)
    """Claims whose executor blocked the loop; the loop takes them out when it is free again."""
    _end: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Begin to look, in a daemon thread."""
        self._thread = threading.Thread(target=self._look, name="taskwarden watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more. Does not wait for the thread, which ends by itself at once."""
        self._end.set()

    def _look(self) -> None:
        suspect: int | None = None
        looks = 0
        told: Claim | None = None
        while not self._end.wait(self.limit / _LOOKS):
            claim, step = self.stepping()
            seen = None if claim is None else step
            looks = looks + 1 if seen is not None and seen == suspect else 0
            suspect = seen
            if claim is not None and looks >= _LOOKS and claim is not told:
                told = claim
                task = claim.task
                _LOG.error(
                    "task %s (%s of %s): its executor has blocked the event loop for more than %.0f s; its lease ends",
                    *(task.id, task.kind, task.tenant, self.limit),
                )
                self.blocked.append(claim)


def blocked_incident(claim: Claim) -> OpenIncident:
    """Return the incident of an executor that blocked the event loop."""
    title = f"The executor of kind {claim.task.kind} blocked the event loop for longer than its lease"
    return OpenIncident(f"blocked:{claim.task.kind}", "unknown.blocked_loop", title, Level.ERROR)
