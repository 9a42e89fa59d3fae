"""
Step 3 at work: long-lived workers that take claims from one queue and execute them, each isolated and bounded.

A worker keeps one cancel scope while its runs end by themselves. A run is cancelled through that scope, after which the
worker leaves it and opens another, so that the next run cannot be hit by what was meant for the last.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final, assert_never

import anyio
import anyio.lowlevel
import attrs

from taskwarden.classify import classify
from taskwarden.core.claim import Deferral
from taskwarden.core.decision import Level, OpenIncident
from taskwarden.core.executor import RunContext
from taskwarden.core.failure import Confidence, Failure, TaskFailure
from taskwarden.core.instant import later
from taskwarden.core.outcome import Failed, Interrupted, Skipped, Snoozed, Succeeded
from taskwarden.core.payload import to_json_text
from taskwarden.errors import InvalidValue, UsageError, shown
from taskwarden.runner._attempt import complete, unrun
from taskwarden.runner._execution import Cause, Execution, GaveUp, drive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from taskwarden.core.claim import Claim, Completion, Holds
    from taskwarden.core.decision import Effect
    from taskwarden.core.executor import InThread
    from taskwarden.core.outcome import Outcome
    from taskwarden.core.protocols import Clock
    from taskwarden.ids import TaskId
    from taskwarden.runner._clock import StoreTime
    from taskwarden.runner._kind import KindRules, Kinds

__all__ = ["Workers"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_TURN: Final = (64, 0.005)
"""After so many runs that end without waiting, or so many seconds of them, a worker lets others have the event loop."""


@attrs.define(eq=False)
class Workers:
    """
    The workers of one runner.

    Args:
        capacity: Most runs at the same time.
        deliver, defer: Take each completion, and each claim given back unrun, at once and without waiting.
        freed: Called when a run has ended.
        watch: Called with each execution that begins.
    """

    clock: Clock
    time: StoreTime
    kinds: Kinds
    capacity: int
    in_thread: InThread
    deliver: Callable[[Completion], None]
    defer: Callable[[Deferral], None]
    freed: Callable[[], None]
    watch: Callable[[Execution], None]
    running: dict[TaskId, Execution] = attrs.field(factory=dict, init=False)
    stepping: Execution | None = attrs.field(default=None, init=False)
    """Whose code has the event loop just now; the watchdog looks at it from its thread."""
    _queue: deque[tuple[Claim, float]] = attrs.field(factory=deque, init=False)
    _idle: list[anyio.Event] = attrs.field(factory=list, init=False)
    _count: int = attrs.field(default=0, init=False)
    _since: float = attrs.field(default=0.0, init=False)
    """When workers last let others have the event loop."""
    _tg: anyio.abc.TaskGroup | None = attrs.field(default=None, init=False)

    @property
    def free(self) -> int:
        """How many more claims can be started at once."""
        return self.capacity - len(self.running) - len(self._queue)

    def held(self) -> dict[TaskId, int]:
        """Return task and token of what runs or is about to, so that its leases are kept."""
        queued = {claim.task.id: claim.token for claim, _ in self._queue}
        return queued | {id_: it.claim.token for id_, it in self.running.items() if it.cause is not Cause.LOST}

    def open(self, tg: anyio.abc.TaskGroup) -> None:
        """Start workers in *tg* from now on."""
        self._tg = tg

    def feed(self, claims: Sequence[Claim], lease_at: float) -> None:
        """Begin *claims*, whose runs are cancelled at *lease_at* (monotonic) unless the lease is renewed."""
        self._queue.extend((claim, lease_at) for claim in claims)
        self.wake()

    def prolong(self, holds: Holds, lost: Collection[TaskId], lease_at: float) -> None:
        """Take note that the leases of *holds* were renewed, but for the *lost* ones, which are cancelled."""
        self._queue = deque(
            (claim, lease_at if holds.get(claim.task.id) == claim.token else until) for claim, until in self._queue
        )
        for id_, execution in list(self.running.items()):
            if holds.get(id_) != execution.claim.token:
                continue
            if id_ in lost:
                execution.cancel(Cause.LOST, self.clock.monotonic())
            else:
                execution.lease_at = lease_at

    def give_back(self, reason: str) -> None:
        """Complete what is queued and not begun as Interrupted."""
        while self._queue:
            claim, _ = self._queue.popleft()
            now = self.time.now()
            self.deliver(complete(claim, self.kinds.rules(claim.task.kind), Interrupted(reason), now, now))

    def wake(self) -> None:
        """Let another worker go on with the queue, if there is something in it."""
        if not self._queue:
            return
        if self._idle:
            self._idle.pop().set()
        elif self._count < self.capacity and self._tg is not None:
            self._count += 1
            self._tg.start_soon(self._work, name=f"taskwarden worker {self._count}")

    async def _work(self) -> None:
        """Serve until cancelled. A worker that an executor has damaged is replaced, and harms no other run."""
        try:
            await self._serve()
        except (Exception, anyio.get_cancelled_exc_class()) as error:
            # An executor may have cancelled the task that it runs in, and returned: that is not the host's word.
            if isinstance(error, UsageError) or anyio.current_effective_deadline() == -inf:
                raise
            _LOG.error("a worker was left unsound by an executor and is replaced: %r", error)
        finally:
            self._count -= 1
        self.wake()

    async def _serve(self) -> None:
        monotonic = self.clock.monotonic
        runs = 0
        while True:
            with anyio.CancelScope() as scope:
                while not scope.cancel_called:
                    while not self._queue:
                        await self._rest()
                        runs, self._since = 0, monotonic()
                    claim, lease_at = self._queue.popleft()
                    await self._run(claim, lease_at, scope)
                    runs += 1
                    if runs >= _TURN[0] or monotonic() - self._since >= _TURN[1]:
                        await anyio.lowlevel.checkpoint()
                        runs, self._since = 0, monotonic()

    async def _rest(self) -> None:
        turn = anyio.Event()
        self._idle.append(turn)
        try:
            await turn.wait()
        finally:
            if turn in self._idle:
                self._idle.remove(turn)

    async def _run(self, claim: Claim, lease_at: float, scope: anyio.CancelScope) -> None:
        begun = self.clock.monotonic()
        started_at = self.time.at(begun)
        try:
            rules = self.kinds.rules(claim.task.kind)
        except Exception:
            task = claim.task
            _LOG.exception("task %s (%s of %s): no executor; its lease expires", task.id, task.kind, task.tenant)
            self.freed()
            return
        instead = unrun(claim, rules) if begun < lease_at else Interrupted("claimed too late: the lease was over")
        if instead is not None:
            if isinstance(instead, Deferral):
                self.defer(instead)
            else:
                self.deliver(complete(claim, rules, instead, started_at, started_at))
            self.freed()
            return
        timeout = rules.executor.timeout
        context = RunContext(claim, None if timeout is None else later(started_at, timeout), self.in_thread)
        execution = Execution(claim, context, scope, begun + rules.timeout, lease_at)
        self.running[claim.task.id] = execution
        self.watch(execution)
        effects: tuple[Effect, ...] = ()
        result: str | None = None
        leave: BaseException | None = None
        try:
            outcome = await self._execute(execution, rules)
            if type(outcome) is Succeeded and outcome.result is not None:
                result, effects = _kept(outcome, rules.executor.kind)
        except BaseException as error:  # an executor's error is an outcome; what is the host's goes on below
            leave = error if await _is_hosts(execution, error) else None
            outcome = _outcome(execution, rules, error, of_host=leave is not None)
        finally:
            if self.running.get(claim.task.id) is execution:
                del self.running[claim.task.id]
        if execution.cause is not Cause.LOST:
            completion = complete(claim, rules, outcome, started_at, self.time.now(), result, effects)
            self.deliver(completion)
        self.freed()
        if isinstance(leave, KeyboardInterrupt):
            raise leave
        if leave is not None:
            await anyio.lowlevel.checkpoint()  # raises the host's cancellation, pure, whatever the executor made of it

    async def _execute(self, execution: Execution, rules: KindRules) -> Outcome:
        executor = rules.executor
        task = rules.typed(execution.claim.task)
        value = await drive(executor.execute(task, execution.context), execution, self)
        if value is None:
            return _SUCCEEDED
        if type(value) in _OUTCOMES:
            return value
        raise TypeError(f"execute() returned {shown(value)}; return Succeeded(result), Skipped or Snoozed")


_SUCCEEDED: Final = Succeeded()
_OUTCOMES: Final = frozenset({Succeeded, Skipped, Snoozed})


async def _is_hosts(execution: Execution, error: BaseException) -> bool:
    """Tell whether *error* is not the executor's: the host cancels the runner, or the keyboard interrupts."""
    if isinstance(error, KeyboardInterrupt):
        return True
    if execution.cause is not None:
        return False
    if isinstance(error, anyio.get_cancelled_exc_class()):
        # The host's loop may be cancelling every child task by itself, and ours before the one that holds our scope.
        for _ in range(2):
            await anyio.lowlevel.cancel_shielded_checkpoint()
    return anyio.current_effective_deadline() == -inf


def _outcome(execution: Execution, rules: KindRules, error: BaseException, *, of_host: bool) -> Outcome:
    """Return what the exception that ended an execution means."""
    task = execution.claim.task
    if isinstance(error, GaveUp):
        _LOG.error("task %s (%s of %s): ignored its cancellation and was dropped", task.id, task.kind, task.tenant)
    match execution.cause:
        case Cause.TIMEOUT:
            message = f"cancelled after its timeout of {rules.executor.timeout}"
            return Failed(Failure("network_error.timeout", message, confidence=Confidence.EXPLICIT))
        case Cause.LEASE | Cause.LOST:
            return Interrupted("the lease could not be renewed in time")
        case Cause.STOP:
            return Interrupted("the runner stopped")
        case None:
            return Interrupted("the host stopped the runner") if of_host else Failed(_failure(rules, error))
        case _:
            assert_never(execution.cause)


def _failure(rules: KindRules, error: BaseException) -> Failure:
    try:
        if isinstance(error, Exception) and not isinstance(error, TaskFailure):
            named: object = rules.executor.classify(error)
            if isinstance(named, Failure):
                return named
    except KeyboardInterrupt:
        raise
    except BaseException as broken:  # the host's code harms its own run only
        _LOG.exception("kind %s: its classify() raised; the classifier decided", rules.executor.kind)
        error.add_note(f"classify() raised {broken!r}")
    return classify(error)


def _kept(outcome: Succeeded, kind: str) -> tuple[str | None, tuple[Effect, ...]]:
    """Return the result as text to keep; one that is no JSON or too large is dropped, and an incident says so."""
    try:
        return to_json_text(outcome.result, "result"), ()
    except InvalidValue as error:
        title = f"A result of kind {kind} was not kept: {error}"
        _LOG.warning("%s", title)
        incident = OpenIncident(f"result:{kind}", "config_error.result", title[:500], Level.WARNING)
        return json.dumps({"not_kept": error.rule[:200]}), (incident,)
