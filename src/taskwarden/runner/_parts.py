"""What a runner consists of while it runs, and the one task group that it all lives in."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

from taskwarden.classify import shipped
from taskwarden.core.protocols import Hint
from taskwarden.errors import Closed, StoreUnavailable
from taskwarden.runner._clock import StoreTime, SystemClock
from taskwarden.runner._execution import CLEANUP
from taskwarden.runner._kind import Kinds
from taskwarden.runner._lease import Deadlines, Heartbeat
from taskwarden.runner._outage import Outage
from taskwarden.runner._poll import Poll
from taskwarden.runner._sessions import Sessions
from taskwarden.runner._threads import Threads
from taskwarden.runner._watchdog import Watchdog, blocked_incident
from taskwarden.runner._workers import Workers
from taskwarden.runner._writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime, timedelta

    from anyio.abc import TaskGroup

    from taskwarden.core.claim import Claim
    from taskwarden.core.failure import Failure
    from taskwarden.ids import TaskId
    from taskwarden.runner._execution import Execution
    from taskwarden.runner._runner import Runner

__all__ = ["Parts", "assembled"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_STEADY: Final = 5.0
"""Seconds that a listener must have lasted to be started again at once when it fails."""


@asynccontextmanager
async def assembled(runner: Runner, now: datetime) -> AsyncGenerator[Parts]:
    """
    Put a runner's parts together and run them beside the block.

    However the block ends, every run has ended and every outcome is written, or known not to be, when this is left.

    What must not be cut off, a claim and a write, goes on in child tasks of its own: they are shielded from scopes, and
    what the host's loop may do to the host's child task (``Task.cancel()`` on asyncio) does not reach them.
    """
    parts = Parts(runner, now)
    shipped()  # its tables take a moment to make: not when the first run has failed
    try:
        async with anyio.create_task_group() as outer:
            outer.start_soon(parts.writer.run, name="taskwarden writer")
            outer.start_soon(parts.claim, name="taskwarden poll")
            try:
                async with anyio.create_task_group() as inner:
                    parts.start(inner)
                    try:
                        yield parts
                    finally:
                        parts.poll.stop()  # or it would claim what is given back, from one shield into the next
                        parts.workers.close("the runner stopped")
                        inner.cancel_scope.cancel()
            finally:
                parts.watchdog.stop()
                parts.writer.hurry()
                parts.source_ended()
                outer.cancel_scope.cancel()
    finally:
        await parts.writer.finish()


class Parts:
    """What a runner consists of; each part is told here of what the others do."""

    def __init__(self, runner: Runner, now: datetime) -> None:
        clock, store, name, lease = runner.clock, runner.store, runner.name, runner.lease
        self.runner, self.clock = runner, clock
        self.time = StoreTime(clock, now, clock.monotonic())
        self.outage = Outage(clock, name)
        self.writer = Writer(store, clock, self.outage.line("complete"), self._written)
        self.workers = Workers(
            clock=clock,
            time=self.time,
            kinds=Kinds(runner.registry, runner.policy),
            capacity=runner.concurrency,
            in_thread=Threads(runner.threads, shared=not isinstance(clock, SystemClock)),
            deliver=self.writer.deliver,
            defer=self.writer.defer,
            failed=self._failed,
            freed=self._freed,
            fed=self._fed,
            watch=self._watch,
            hasten=self._hasten,
            turned=self._turned,
            settled=self.writer.settled,
            sessions=Sessions(store, self._bound),
        )
        self.deadlines = Deadlines(clock, self.workers)
        self.heartbeat = Heartbeat(store, clock, self.outage.line("renew"), self.workers, self.writer, name, lease)
        self.poll = Poll(
            *(store, clock, self.time, self.outage.line("claim"), self.workers),
            pending=lambda: self.writer.pending,
            overdue=self.heartbeat.overdue,
            name=name,
            lease=lease,
        )
        self.watchdog = Watchdog(lambda: (self.workers.stepping, self.workers.steps), lease.total_seconds())
        self.begun = anyio.Event()
        """Set when the first claim is about to be made."""
        self.stopped = anyio.Event()
        """Set once no more is claimed."""
        self._ended = anyio.Event()
        self._sources = 2  # of outcomes: the workers, and claims that come too late for them
        self._tg: TaskGroup | None = None

    def start(self, tg: TaskGroup) -> None:
        """Start everything that ends with the runs."""
        self._tg = tg
        self.workers.open(tg)
        tg.start_soon(self.deadlines.run, name="taskwarden deadlines")
        tg.start_soon(self.heartbeat.run, name="taskwarden heartbeat")
        tg.start_soon(self._listen, name="taskwarden listener")
        if isinstance(self.clock, SystemClock):
            self.watchdog.start()

    async def claim(self) -> None:
        """Claim until stopped or cancelled."""
        self.begun.set()
        try:
            await self.poll.run()
        finally:
            self.stopped.set()
            self.source_ended()

    def source_ended(self) -> None:
        """One of those that deliver outcomes delivers no more."""
        self._sources -= 1
        if not self._sources:
            self.writer.close()

    async def drain(self, grace: timedelta) -> None:
        """Let runs finish within *grace*, then cancel them and wait for their ends."""
        self.workers.give_back("the runner stopped")
        await self._until_idle(self.clock.monotonic() + grace.total_seconds())
        now = self.clock.monotonic()
        self.workers.cancel(now)
        await self._until_idle(now + CLEANUP)
        for task in [it.claim.task for it in self.workers.running.values()]:
            _LOG.error("task %s (%s of %s): shields itself from cancellation; waiting", task.id, task.kind, task.tenant)
        await self._until_idle(None)

    async def _until_idle(self, until: float | None) -> None:
        while self.workers.running:
            self._ended, self.workers.awaited = anyio.Event(), True
            if not await self.clock.wait(self._ended, until):
                return

    def _failed(self, failure: Failure) -> None:
        self.poll.failed(failure)

    def _fed(self, lease_at: float) -> None:
        self.heartbeat.fed(lease_at)

    def _watch(self, execution: Execution) -> None:
        self.deadlines.watch(execution)

    def _bound(self, task: TaskId, limit: float) -> None:
        execution = self.workers.running.get(task)
        at = self.clock.monotonic() + limit
        if execution is not None and at < execution.timeout_at:
            execution.timeout_at, execution.limited = at, True
            self.deadlines.watch(execution)

    def _hasten(self) -> None:
        self.heartbeat.hasten()

    def _freed(self) -> None:
        self.poll.freed()
        self._ended.set()

    def _turned(self) -> None:
        if self.watchdog.blocked and self._tg is not None:
            self._tg.start_soon(self._report, self.watchdog.blocked.popleft())

    def _written(self, earliest: datetime | None) -> None:
        self.poll.written(earliest)

    async def _report(self, claim: Claim) -> None:
        try:
            await self.runner.store.open_incident(claim.task.tenant, blocked_incident(claim), claim.task.id)
        except Exception:
            _LOG.exception("task %s: the incident of its blocked event loop was not recorded", claim.task.id)

    async def _listen(self) -> None:
        """Listen for the store's hints; a listener that fails is started again, for hints are only hints."""
        line = self.outage.line("listen", steady=_STEADY)

        def hint(hint: Hint) -> None:
            line.answered()
            if hint is Hint.DUE:
                self.poll.hint()

        while True:
            problem: Exception = StoreUnavailable("listener", "listen() returned, which it never should")
            try:
                await self.runner.store.listen(hint)
            except Closed:
                raise
            except Exception as error:  # whatever a store raises, the host lives
                problem = error
            await self.clock.wait(anyio.Event(), line.failed(problem))
            self.poll.hint()
