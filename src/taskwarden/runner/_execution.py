"""
One execution, driven step by step.

Theory. Runs are executed by long-lived workers, not by one child task each: starting a child task costs more than
everything else that a run needs. Three things that a child task would give are therefore given here.

*A context of its own.* A coroutine is a generator; whoever drives it chooses the ``contextvars`` context of each step.
``drive`` runs every step of the executor in a fresh copy, so that a variable set by one run is not seen by the next.

*Cancellation alone.* A worker has one cancel scope for many runs. It is cancelled for the run that is in it, and
replaced before the next one: see ``_worker``.

*Concurrency.* A worker that waits is a worker that cannot take the next claim. The first time an executor really
waits, ``drive`` says so, and another worker is woken. An executor that never waits is done before anybody had to be
woken at all, which is why short runs cost so little.
"""

from __future__ import annotations

import enum
import types
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    import anyio

    from taskwarden.core.claim import Claim
    from taskwarden.core.executor import RunContext
    from taskwarden.core.protocols import Clock

T = TypeVar("T")

__all__ = ["CLEANUP", "Cause", "Execution", "GaveUp", "Stage", "drive"]

CLEANUP: Final = 10.0
"""Seconds that a cancelled run may take to clean up. One that still runs code then is dropped as it stands."""


class Cause(enum.Enum):
    """Why a run was cancelled."""

    TIMEOUT = enum.auto()
    """It took longer than its executor's timeout."""
    LEASE = enum.auto()
    """Its lease could not be renewed in time; the outcome is Interrupted."""
    LOST = enum.auto()
    """Another claim superseded it, or the task was deleted: no outcome would be taken."""
    STOP = enum.auto()
    """The grace period of a stop is over."""


class GaveUp(BaseException):
    """An executor went on after it was cancelled, and after its time to clean up; it was dropped."""


@attrs.define(eq=False)
class Execution:
    """A claim that is being executed."""

    claim: Claim
    context: RunContext
    scope: anyio.CancelScope
    timeout_at: float
    """Monotonic; infinite without a timeout."""
    lease_at: float
    """Monotonic, a margin before the lease ends: the run is cancelled then, unless the lease is renewed."""
    cause: Cause | None = None
    give_up_at: float | None = None
    steps: int = 0
    """How often its code was resumed."""

    def cancel(self, cause: Cause, now: float) -> None:
        """Cancel this run alone; the first cause stands."""
        if self.cause is None:
            self.cause = cause
            self.give_up_at = now + CLEANUP
            self.context.mark_lost()
            self.scope.cancel()


class Stage(Protocol):
    """Where executions take turns: one event loop's workers."""

    clock: Clock
    stepping: Execution | None
    """Whose code has the event loop just now; the watchdog looks at it from its thread."""

    def wake(self) -> None:
        """Let another worker go on with the queue."""


@types.coroutine
def drive(coroutine: Coroutine[Any, Any, T], execution: Execution, stage: Stage) -> Generator[Any, Any, T]:
    """
    Run *coroutine* to its end in a context of its own, and return what it returns.

    Raises:
        GaveUp: It was cancelled, and still went on when its time to clean up was over; it was closed where it stood.
        BaseException: What the coroutine raised.
    """
    step = copy_context().run
    resume: Callable[[Any], Any] = coroutine.send
    sent: Any = None
    while True:
        stage.stepping = execution
        execution.steps += 1
        try:
            trap = step(resume, sent)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]  # the coroutine's own value
        finally:
            stage.stepping = None
        if execution.steps == 1:
            stage.wake()
        try:
            sent = yield trap
            resume = coroutine.send
        except BaseException as error:  # whatever the event loop throws in is the coroutine's to handle
            sent, resume = error, coroutine.throw
        if execution.give_up_at is not None and stage.clock.monotonic() >= execution.give_up_at:
            _close(coroutine, step)
            raise GaveUp


def _close(coroutine: Coroutine[Any, Any, Any], step: Callable[..., Any]) -> None:
    with suppress(BaseException):  # one that ignores even GeneratorExit: there is nothing more to ask of it
        step(coroutine.close)
