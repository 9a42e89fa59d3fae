"""
One execution that waits, driven step by step.

Theory. Runs are executed by long-lived workers, not by one child task each: starting a child task costs more than
everything else that a run needs. Three things that a child task would give are therefore given here and in ``_worker``.

*A context of its own.* A coroutine is a generator; whoever drives it chooses the ``contextvars`` context of each step.
Every step of an executor is run in one fresh copy, so that a variable set by one run is not seen by the next.

*Cancellation alone.* A worker has one cancel scope for many runs. It is cancelled for the run that is in it, and
replaced before the next one: see ``_worker``.

*Concurrency.* A worker that waits is a worker that cannot take the next claim. A worker takes the first step of each
run itself; where that ends the run, nothing more is needed, which is why short runs cost so little. The first time an
executor really waits it becomes an ``Execution``, another worker is woken, and ``drive`` takes the steps from there on.
"""

from __future__ import annotations

import enum
import types
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from datetime import datetime

    import anyio

    from taskwarden.core.claim import Claim
    from taskwarden.core.executor import RunContext
    from taskwarden.runner._kind import KindRules

__all__ = ["CLEANUP", "Cause", "Execution", "GaveUp", "Stage", "drive"]

CLEANUP: Final = 10.0
"""Seconds that a cancelled run may take to clean up. One that still runs code then is dropped as it stands."""
_ENDS: Final = 5
"""How often one that is dropped may go on all the same before it is let lie."""


class Cause(enum.Enum):
    """Why a run was cancelled."""

    TIMEOUT = enum.auto()
    """It took longer than its executor's timeout."""
    LEASE = enum.auto()
    """Its lease could not be renewed in time; the outcome is Interrupted."""
    LOST = enum.auto()
    """Another claim superseded it, or the task was deleted: no outcome would be taken."""
    STOP = enum.auto()
    """The grace period of a stop is over, or the host cancelled the runner."""


class GaveUp(BaseException):
    """An executor went on after it was cancelled, and after its time to clean up; it was dropped."""


@attrs.define(eq=False)
class Execution:
    """A claim whose executor waits. One that does not is over before anybody could look at it."""

    claim: Claim
    rules: KindRules
    context: RunContext
    scope: anyio.CancelScope
    started_at: datetime
    timeout_at: float
    """Monotonic; infinite without a timeout."""
    lease_at: float
    """Monotonic, a margin before the lease ends: the run is cancelled then, unless the lease is renewed."""
    coroutine: Coroutine[Any, Any, Any]
    step: Callable[..., Any]
    """Calls a function in the run's own ``contextvars`` context."""
    trap: Any
    """What the event loop is asked for first."""
    limited: bool = False
    """Whether *timeout_at* is when its transaction must have ended."""
    cause: Cause | None = None
    give_up_at: float | None = None
    dropped: bool = False
    """Its outcome was delivered though it has not ended."""

    def cancel(self, cause: Cause, now: float) -> None:
        """Cancel this run alone; the first cause stands."""
        if self.cause is None:
            self.cause = cause
            self.give_up_at = now + CLEANUP
            self.context.mark_lost()
            self.scope.cancel()


class Stage(Protocol):
    """Where executions take turns: one event loop's workers."""

    stepping: Claim | None
    """Whose code has the event loop just now; the watchdog looks at it from its thread."""
    steps: int
    """How many steps were begun, of all executions."""


@types.coroutine
def drive(
    execution: Execution, stage: Stage, monotonic: Callable[[], float], drop: Callable[[Execution], None]
) -> Generator[Any, Any, Any]:
    """
    Take *execution* from its first wait to its end, and return what it returns.

    One that goes on when its time to clean up is over is closed where it stands. If it needs to wait even for that (for
    the children of its task groups, say), it is handed to *drop*, so that nobody waits for it but this worker: to leave
    it there would leave the event loop with somebody to wake who is not waiting.

    Raises:
        GaveUp: It was dropped.
        BaseException: What the coroutine raised.
    """
    coroutine, step, claim, trap = execution.coroutine, execution.step, execution.claim, execution.trap
    ends = 0
    while True:
        resume: Callable[[Any], Any] = coroutine.send
        thrown = False
        try:
            sent = yield trap
        except BaseException as error:  # whatever the event loop throws in is the coroutine's to handle
            sent, resume, thrown = error, coroutine.throw, True
        if execution.give_up_at is not None:
            now = monotonic()
            if now >= execution.give_up_at or (ends and thrown):
                if ends == _ENDS:
                    raise GaveUp
                ends += 1
                execution.give_up_at = now + CLEANUP
                sent, resume = GeneratorExit(), coroutine.throw
        stage.stepping = claim
        stage.steps += 1
        try:
            trap = step(resume, sent)
        except StopIteration as stop:
            if ends:
                raise GaveUp from None
            return stop.value
        except BaseException:
            if ends:
                raise GaveUp from None
            raise
        finally:
            stage.stepping = None
        if ends and not execution.dropped:
            execution.dropped = True
            drop(execution)
