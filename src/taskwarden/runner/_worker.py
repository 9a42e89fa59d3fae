"""
Step 3 at work: one long-lived worker, which executes one claim after another, each isolated and bounded.

A worker keeps one cancel scope while its runs end by themselves. A run is cancelled through that scope, after which the
worker leaves it and opens another, so that the next run cannot be hit by what was meant for the last. A worker that a
run has left unsound runs nothing more: see ``_soundness``.
"""

from __future__ import annotations

import logging
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import attrs

from taskwarden.core.claim import Deferral
from taskwarden.core.decision import Level, OpenIncident
from taskwarden.core.executor import RunContext
from taskwarden.core.instant import later
from taskwarden.core.outcome import Failed, Interrupted, Succeeded
from taskwarden.runner._attempt import complete, unrun
from taskwarden.runner._execution import Cause, Execution, GaveUp, drive
from taskwarden.runner._outcome import failed, interrupted, is_hosts, returned
from taskwarden.runner._soundness import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from taskwarden.core.claim import Claim
    from taskwarden.core.session import Progress
    from taskwarden.runner._kind import KindRules
    from taskwarden.runner._outcome import Ended
    from taskwarden.runner._workers import Workers

__all__ = ["Unsound", "Worker"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_TURN: Final = (64, 0.005)
"""After so many runs that end without waiting, or so many seconds of them, a worker lets others have the event loop."""
_INTERRUPTED: Final = Interrupted("the host stopped the runner")


class Unsound(Exception):
    """A worker ends: a run has left it unsound, or was dropped and has ended at last. All was told and delivered."""


@attrs.define(eq=False)
class Worker:
    """One worker. At most one run is in it at a time."""

    workers: Workers
    counted: bool = attrs.field(default=True, init=False)
    """Whether it is one of those that take claims; not so once it waits for a run that was dropped."""
    spent: bool = attrs.field(default=False, init=False)
    """Whether it ends because of what a run did, and that was told."""
    _scope: anyio.CancelScope = attrs.field(init=False)
    _sound: Callable[[], bool] = attrs.field(init=False)
    _now: float = attrs.field(init=False)
    """The monotonic clock when this worker last went on."""
    _at: datetime | None = attrs.field(default=None, init=False)
    """The same by the store's clock, where it is known: a run that follows another at once begins when that ended."""

    async def serve(self) -> None:
        """
        Execute what is queued, until cancelled.

        Raises:
            Unsound: This worker can execute nothing more.
        """
        workers = self.workers
        queue = workers.queue
        runs, workers.since = 0, self._look()
        while True:
            with anyio.CancelScope() as self._scope:
                self._sound = probe(self._scope)
                while not self._scope.cancel_called:
                    while not queue:
                        await workers.rest()
                        runs, workers.since = 0, self._look()
                    claim, lease_at = queue.popleft()
                    execution = self._begin(claim, lease_at)
                    if execution is not None:
                        await self._go_on(execution)
                    runs += 1
                    if runs >= _TURN[0] or self._now - workers.since >= _TURN[1]:
                        workers.turned()
                        await anyio.lowlevel.checkpoint()
                        runs, workers.since = 0, self._look()

    def _look(self) -> float:
        """Look at the clock; to be done whenever this worker has waited."""
        self._now, self._at = self.workers.monotonic(), None
        return self._now

    def _begin(self, claim: Claim, lease_at: float) -> Execution | None:
        """Take the first step of *claim*'s run; return what is to be gone on with, None where it is over."""
        workers, task = self.workers, claim.task
        now = self._now
        if now >= lease_at:
            workers.set_aside(claim)
            return None
        rules = workers.rules.get(task.kind) or self._rules(claim)
        if rules is None:
            workers.ended()
            return None
        started_at = self._at or workers.time.at(now)
        instead = unrun(claim, rules)
        if instead is not None:
            if isinstance(instead, Deferral):
                workers.defer(instead)
            else:
                workers.deliver(complete(claim, rules, instead, started_at, started_at))
            workers.ended()
            return None
        executor = rules.executor
        deadline = None if executor.timeout is None else later(started_at, executor.timeout)
        context = RunContext(claim, deadline, workers.in_thread, workers.sessions)
        coroutine = None
        workers.stepping = claim
        workers.steps += 1
        try:
            coroutine = executor.execute(rules.typed(task), context)
            step = copy_context().run
            trap = step(coroutine.send, None)
        except StopIteration as stop:
            ended = returned(rules, stop.value) if coroutine is not None else (failed(rules, stop), None, ())
        except KeyboardInterrupt as error:
            try:
                self._end(claim, rules, (_INTERRUPTED, None, ()), started_at)
            finally:
                raise error
        except BaseException as error:  # an executor's error is an outcome
            ended = (failed(rules, error), None, ())
        else:
            timeout_at = now + rules.timeout
            return Execution(
                *(claim, rules, context, self._scope, started_at, timeout_at, lease_at, coroutine, step, trap)
            )
        finally:
            workers.stepping = None
        self._end(claim, rules, ended, started_at)
        return None

    def _rules(self, claim: Claim) -> KindRules | None:
        """Return the rules of a kind that was not met before; None: a registry that does not know its own kinds."""
        task = claim.task
        try:
            return self.workers.kinds.rules(task.kind)
        except Exception:
            _LOG.exception("task %s (%s of %s): no executor; its lease expires", task.id, task.kind, task.tenant)
            return None

    async def _go_on(self, execution: Execution) -> None:
        """Take *execution*, which waits, to its end."""
        workers, claim, rules = self.workers, execution.claim, execution.rules
        leave: BaseException | None = None
        ended: Ended | None
        workers.begin(execution)
        try:
            value = await drive(execution, workers, workers.monotonic, self._drop)
            ended = returned(rules, value)
            if execution.context.progress is not None:
                ended = await self._settled(execution, execution.context.progress, ended)
        except BaseException as error:  # an executor's error is an outcome; what is the host's goes on below
            if execution.dropped:
                raise self._spent() from error
            leave = error if await is_hosts(execution, error, self._sound) else None
            if isinstance(error, GaveUp):
                _tell_dropped(claim)
            outcome = interrupted(execution) or (failed(rules, error) if leave is None else _INTERRUPTED)
            ended = (outcome, None, ())
        finally:
            if execution.context.progress is not None:
                await execution.context.progress.close()
            workers.end(execution)
        try:
            self._end(claim, rules, None if execution.cause is Cause.LOST else ended, execution.started_at)
        finally:
            if isinstance(leave, KeyboardInterrupt):
                raise leave
        if leave is not None:
            await anyio.lowlevel.checkpoint()  # raises the host's cancellation, pure, whatever the executor made of it

    async def _settled(self, execution: Execution, progress: Progress, ended: Ended) -> Ended | None:
        """
        Write how a run *ended* in its own transaction, and commit; None: that is done, or refused.

        Returns:
            What is to be written by itself, as what the run has written is rolled back.
        """
        workers, (outcome, result, effects) = self.workers, ended
        if execution.cause is not None:  # whatever the executor made of its cancellation, its transaction is gone
            instead = interrupted(execution)
            return ended if instead is None else (instead, None, ())
        if type(outcome) is Failed or not progress.pending:
            return ended
        now = workers.time.at(workers.monotonic())
        completion = complete(execution.claim, execution.rules, outcome, execution.started_at, now, result, effects)
        receipt = await progress.complete(completion)
        workers.settled(completion, receipt)
        if type(outcome) is Succeeded:
            workers.succeeded = True
        return None

    def _end(self, claim: Claim, rules: KindRules, ended: Ended | None, started_at: datetime) -> None:
        """
        Deliver how a run *ended*; None: its outcome would not be taken.

        Raises:
            Unsound: It has left this worker unsound, as an incident says that is delivered with it.
        """
        workers = self.workers
        self._now = now = workers.monotonic()
        self._at = at = workers.time.at(now)
        sound = self._sound()
        if not sound:
            _tell_unsound(claim)
        if ended is not None:
            outcome, result, effects = ended
            if not sound:
                effects = (*effects, _unsound_incident(claim))
            workers.deliver(complete(claim, rules, outcome, started_at, at, result, effects))
            if type(outcome) is Succeeded:
                workers.succeeded = True
            elif type(outcome) is Failed:
                workers.failed(outcome.failure)
        if workers.awaited:
            workers.ended()
        if not sound:
            raise self._spent()

    def _spent(self) -> Unsound:
        self.spent = True
        return Unsound()

    def _drop(self, execution: Execution) -> None:
        """Deliver the outcome of *execution*, which was given up, though it needs time to end; others go on."""
        workers = self.workers
        _tell_dropped(execution.claim)
        workers.end(execution)
        outcome = interrupted(execution)
        if outcome is not None and execution.cause is not Cause.LOST:
            now = workers.time.at(workers.monotonic())
            workers.deliver(complete(execution.claim, execution.rules, outcome, execution.started_at, now))
        workers.dismiss(self)
        workers.wake()
        workers.ended()


def _tell_dropped(claim: Claim) -> None:
    task = claim.task
    _LOG.error("task %s (%s of %s): ignored its cancellation and was dropped", task.id, task.kind, task.tenant)


def _tell_unsound(claim: Claim) -> None:
    task = claim.task
    _LOG.error(
        "task %s (%s of %s): its executor left a cancel scope or task group open; the worker that ran it is replaced",
        *(task.id, task.kind, task.tenant),
    )


def _unsound_incident(claim: Claim) -> OpenIncident:
    kind = claim.task.kind
    title = f"The executor of kind {kind} left a cancel scope or task group open, or cancelled its own child task"
    return OpenIncident(f"unsound:{kind}", "unknown.scope_left_open", title, Level.ERROR)
