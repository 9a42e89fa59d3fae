"""What a runner consists of while it runs, and the one task group that it all lives in."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from taskwarden.core.protocols import Hint
from taskwarden.errors import Closed, StoreUnavailable
from taskwarden.runner._clock import StoreTime, SystemClock
from taskwarden.runner._execution import CLEANUP, Cause
from taskwarden.runner._kind import Kinds
from taskwarden.runner._lease import Deadlines, Heartbeat
from taskwarden.runner._outage import Outage
from taskwarden.runner._poll import Poll
from taskwarden.runner._watchdog import Watchdog, blocked_incident
from taskwarden.runner._worker import Workers
from taskwarden.runner._writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from datetime import datetime, timedelta

    from anyio.abc import TaskGroup

    from taskwarden.core.claim import Claim, Completion, Deferral
    from taskwarden.core.executor import InThread
    from taskwarden.runner._execution import Execution
    from taskwarden.runner._runner import Runner

__all__ = ["Parts", "assembled"]

_LOG: Final = logging.getLogger("taskwarden.runner")


@asynccontextmanager
async def assembled(runner: Runner, now: datetime) -> AsyncGenerator[Parts]:
    """
    Put a runner's parts together and run them beside the block.

    However the block ends, every run has ended and every outcome is written, or known not to be, when this is left.
    """
    parts = Parts(runner, now)
    try:
        async with anyio.create_task_group() as tg:
            parts.start(tg)
            try:
                yield parts
            finally:
                tg.cancel_scope.cancel()
    finally:
        parts.watchdog.stop()
        parts.workers.give_back("the runner stopped")
        await parts.writer.finish()


class Parts:
    """What a runner consists of; each part is told here of what the others do."""

    def __init__(self, runner: Runner, now: datetime) -> None:
        clock, store, name, lease = runner.clock, runner.store, runner.name, runner.lease
        self.runner, self.clock = runner, clock
        self.time = StoreTime(clock, now, clock.monotonic())
        outage = Outage(clock, name)
        self.workers = Workers(
            clock=clock,
            time=self.time,
            kinds=Kinds(runner.registry, runner.policy),
            capacity=runner.concurrency,
            # A virtual clock must see that a thread is busy, and can see that of anyio's default limiter only.
            in_thread=_in_thread(anyio.CapacityLimiter(runner.threads) if isinstance(clock, SystemClock) else None),
            deliver=self._deliver,
            defer=self._defer,
            freed=self._freed,
            watch=self._watch,
        )
        self.writer = Writer(store, clock, outage, self._written)
        self.poll = Poll(store, clock, self.time, outage, self.workers, lambda: self.writer.pending, name, lease)
        self.deadlines = Deadlines(clock, self.workers)
        self.heartbeat = Heartbeat(store, clock, outage, self.workers, self.writer, name, lease)
        self.watchdog = Watchdog(lambda: self.workers.stepping, lease.total_seconds())
        self._ended = anyio.Event()
        self._draining = False
        self._tg: TaskGroup | None = None

    def start(self, tg: TaskGroup) -> None:
        """Start everything that runs beside the poll."""
        self._tg = tg
        self.workers.open(tg)
        tg.start_soon(self.writer.run, name="taskwarden writer")
        tg.start_soon(self.deadlines.run, name="taskwarden deadlines")
        tg.start_soon(self.heartbeat.run, name="taskwarden heartbeat")
        tg.start_soon(self._listen, name="taskwarden listener")
        if isinstance(self.clock, SystemClock):
            self.watchdog.start()

    async def drain(self, grace: timedelta) -> None:
        """Let runs finish within *grace*, then cancel them and wait for their ends."""
        self._draining = True
        self.workers.give_back("the runner stopped")
        await self._until_idle(self.clock.monotonic() + grace.total_seconds())
        now = self.clock.monotonic()
        for execution in list(self.workers.running.values()):
            execution.cancel(Cause.STOP, now)
        await self._until_idle(now + CLEANUP)
        for task in [it.claim.task for it in self.workers.running.values()]:
            _LOG.error("task %s (%s of %s): shields itself from cancellation; waiting", task.id, task.kind, task.tenant)
        await self._until_idle(None)

    async def _until_idle(self, until: float | None) -> None:
        while self.workers.running:
            self._ended = anyio.Event()
            if not await self.clock.wait(self._ended, until):
                return

    def _deliver(self, completion: Completion) -> None:
        self.writer.deliver(completion)
        self.poll.look(completion)

    def _defer(self, deferral: Deferral) -> None:
        self.writer.defer(deferral)

    def _freed(self) -> None:
        self.poll.freed()
        if self._draining:
            self._ended.set()
        if self.watchdog.blocked and self._tg is not None:
            self._tg.start_soon(self._report, self.watchdog.blocked.popleft())

    def _watch(self, execution: Execution) -> None:
        self.deadlines.watch(execution)
        self.heartbeat.watch()

    def _written(self, earliest: datetime | None) -> None:
        self.poll.written(earliest)

    async def _report(self, claim: Claim) -> None:
        try:
            await self.runner.store.open_incident(claim.task.tenant, blocked_incident(claim), claim.task.id)
        except Exception:
            _LOG.exception("task %s: the incident of its blocked event loop was not recorded", claim.task.id)

    async def _listen(self) -> None:
        """Listen for the store's hints; a listener that fails is started again, for hints are only hints."""
        outage = Outage(self.clock, f"{self.runner.name} (listener)")
        while True:
            problem: Exception = StoreUnavailable("listener", "listen() returned, which it never should")
            try:
                await self.runner.store.listen(self._hint)
            except Closed:
                raise
            except Exception as error:  # whatever a store raises, the host lives
                problem = error
            await self.clock.wait(anyio.Event(), outage.failed(problem))
            self.poll.hint()

    def _hint(self, hint: Hint) -> None:
        if hint is Hint.DUE:
            self.poll.hint()


def _in_thread(limiter: anyio.CapacityLimiter | None) -> InThread:
    async def in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        call = partial(function, *args, **kwargs)
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=limiter)

    return in_thread
