"""All workers of one runner, and the queue that they serve: the only place that starts workers."""

from __future__ import annotations

import logging
from collections import deque
from itertools import repeat
from math import inf
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import attrs

from taskwarden.core.outcome import Interrupted
from taskwarden.errors import UsageError
from taskwarden.runner._attempt import complete
from taskwarden.runner._execution import Cause
from taskwarden.runner._worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from taskwarden.core.claim import Claim, Completion, Deferral, Holds, Receipt
    from taskwarden.core.executor import InThread
    from taskwarden.core.failure import Failure
    from taskwarden.core.protocols import Clock
    from taskwarden.core.session import SessionOpener
    from taskwarden.ids import Kind, TaskId
    from taskwarden.runner._clock import StoreTime
    from taskwarden.runner._execution import Execution
    from taskwarden.runner._kind import KindRules, Kinds

__all__ = ["Workers"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_PAUSE: Final = 1.0
"""Seconds until a worker that ended for no known reason is replaced."""


@attrs.define(eq=False)
class Workers:
    """
    The workers of one runner.

    What is called for every run is an attribute here, not a method of somebody else: a call costs more than most of
    what is to be done.

    Args:
        capacity: Most runs at the same time.
        deliver, defer: Take each completion, and each claim given back unrun, at once and without waiting.
        failed: Told of each failure.
        freed: Called once when there is more room, where that is *awaited*.
        fed: Called when there are claims to keep, with until when they are trusted.
        watch: Called with an execution that waits and is to be cancelled sooner than *bound*.
        hasten: Called when leases must be renewed at once.
        turned: Called now and then, when workers let others have the event loop.
        settled: Told of each completion that was written in the run's own transaction, and its receipt.
        sessions: Opens sessions on the store's database for runs.
    """

    clock: Clock
    time: StoreTime
    kinds: Kinds
    capacity: int
    in_thread: InThread
    deliver: Callable[[Completion], None]
    defer: Callable[[Deferral], None]
    failed: Callable[[Failure], None]
    freed: Callable[[], None]
    fed: Callable[[float], None]
    watch: Callable[[Execution], None]
    hasten: Callable[[], None]
    turned: Callable[[], None]
    settled: Callable[[Completion, Receipt], None]
    sessions: SessionOpener
    rules: dict[Kind, KindRules] = attrs.field(init=False)
    """Those of ``kinds`` that were asked for before."""
    queue: deque[tuple[Claim, float]] = attrs.field(factory=deque, init=False)
    """Claims to begin, each with when (monotonic) its lease is trusted no more."""
    running: dict[TaskId, Execution] = attrs.field(factory=dict, init=False)
    """What waits within its executor. What does not wait is over before anybody could look."""
    stepping: Claim | None = attrs.field(default=None, init=False)
    """Whose code has the event loop just now; the watchdog looks at it from its thread."""
    steps: int = attrs.field(default=0, init=False)
    awaited: bool = attrs.field(default=False, init=False)
    """Whether somebody waits for a run to end."""
    succeeded: bool = attrs.field(default=False, init=False)
    """Whether a run has succeeded since somebody last looked."""
    bound: float = attrs.field(default=inf, init=False)
    """When (monotonic) something that runs is to be cancelled next, as far as somebody looks out for it."""
    since: float = attrs.field(default=0.0, init=False)
    """When workers last let others have the event loop."""
    monotonic: Callable[[], float] = attrs.field(init=False)
    _overdue: dict[TaskId, Claim] = attrs.field(factory=dict, init=False)
    """Claims whose lease was over before they were begun."""
    _idle: list[anyio.Event] = attrs.field(factory=list, init=False)
    _count: int = attrs.field(default=0, init=False)
    _closed: str | None = attrs.field(default=None, init=False)
    _tg: anyio.abc.TaskGroup | None = attrs.field(default=None, init=False)

    @monotonic.default
    def _default_monotonic(self) -> Callable[[], float]:
        return self.clock.monotonic

    @rules.default
    def _default_rules(self) -> dict[Kind, KindRules]:
        return self.kinds.known

    @property
    def free(self) -> int:
        """How many more claims can be started at once."""
        return self.capacity - len(self.running) - len(self.queue) - len(self._overdue)

    def held(self) -> dict[TaskId, int]:
        """Return task and token of what runs or is about to, so that its leases are kept."""
        queued = {claim.task.id: claim.token for claim, _ in self.queue}
        overdue = {id_: claim.token for id_, claim in self._overdue.items()}
        running = {id_: it.claim.token for id_, it in self.running.items() if it.cause is not Cause.LOST}
        return queued | overdue | running

    def open(self, tg: anyio.abc.TaskGroup) -> None:
        """Start workers in *tg* from now on."""
        self._tg = tg

    def feed(self, claims: Sequence[Claim], lease_at: float) -> None:
        """Begin *claims*, whose runs are cancelled at *lease_at* (monotonic) unless the lease is renewed."""
        self.queue.extend(zip(claims, repeat(lease_at)))
        if self._closed is not None:
            self.give_back(self._closed)
            return
        self.fed(lease_at)
        self.wake()

    def set_aside(self, claim: Claim) -> None:
        """Keep *claim*, whose lease is over, until it is renewed: nobody else may have it yet."""
        self._overdue[claim.task.id] = claim
        self.hasten()

    def prolong(self, holds: Holds, lost: Collection[TaskId], lease_at: float) -> None:
        """Take note that the leases of *holds* were renewed, but for the *lost* ones, which are cancelled."""
        waiting = [(claim, lease_at) for id_, claim in self._overdue.items() if holds.get(id_) == claim.token]
        for claim, _ in waiting:
            del self._overdue[claim.task.id]
        queue, queued = self.queue, [*waiting, *self.queue]
        queue.clear()  # the same object, as workers hold it
        for claim, until in queued:
            id_ = claim.task.id
            if holds.get(id_) != claim.token:
                queue.append((claim, until))
            elif id_ in lost:
                _tell_lost(claim)
            else:
                queue.append((claim, lease_at))
        for id_, execution in list(self.running.items()):
            if holds.get(id_) != execution.claim.token:
                continue
            if id_ in lost:
                execution.cancel(Cause.LOST, self.monotonic())
            else:
                execution.lease_at = lease_at
        self.wake()
        self.ended()

    def give_back(self, reason: str) -> None:
        """Complete what is queued and not begun as Interrupted."""
        queued = [claim for claim, _ in self.queue] + list(self._overdue.values())
        self.queue.clear()
        self._overdue.clear()
        for claim in queued:
            now = self.time.now()
            self.deliver(complete(claim, self.kinds.rules(claim.task.kind), Interrupted(reason), now, now))

    def close(self, reason: str) -> None:
        """Begin nothing more: what is queued, and what still comes, is given back. Cancel what runs."""
        self._closed = reason
        self.give_back(reason)
        self.cancel(self.monotonic())

    def cancel(self, now: float) -> None:
        """Cancel what runs: its time is over."""
        for execution in list(self.running.values()):
            execution.cancel(Cause.STOP, now)

    def wake(self) -> None:
        """Let another worker go on with the queue, if there is something in it."""
        if not self.queue:
            return
        if self._idle:
            self._idle.pop().set()
        elif self._count < self.capacity and self._tg is not None:
            self._count += 1
            self._tg.start_soon(self._guard, name=f"taskwarden worker {self._count}")

    async def rest(self) -> None:
        """Wait to be woken."""
        turn = anyio.Event()
        self._idle.append(turn)
        try:
            await turn.wait()
        finally:
            if turn in self._idle:
                self._idle.remove(turn)

    def begin(self, execution: Execution) -> None:
        """Take note that *execution* waits, so that its worker can take nothing else."""
        self.running[execution.claim.task.id] = execution
        if execution.timeout_at < self.bound or execution.lease_at < self.bound:
            self.watch(execution)
        if self.queue:
            self.wake()
        elif self.awaited and len(self.running) < self.capacity:
            self.ended()

    def end(self, execution: Execution) -> None:
        """Take note that *execution* has ended."""
        id_ = execution.claim.task.id
        if self.running.get(id_) is execution:
            del self.running[id_]

    def ended(self) -> None:
        """There is more room than there was, or leases are good again: tell whoever waits for that."""
        if self.awaited:
            self.awaited = False
            self.freed()

    def dismiss(self, worker: Worker) -> None:
        """Count on *worker* no more; another may take its place."""
        if worker.counted:
            worker.counted = False
            self._count -= 1

    async def _guard(self) -> None:
        """
        Keep one worker until it is cancelled, or unsound and replaced.

        It has a task group of its own, so that what an executor has left open in it breaks nothing but that.
        """
        worker = Worker(self)
        problem: BaseException | None = None
        try:
            async with anyio.create_task_group() as tg:
                tg.start_soon(worker.serve, name="taskwarden worker")
        except BaseExceptionGroup as group:
            problem, other = group.split(Exception)
            if problem is None or problem.split(UsageError)[0] is not None:
                raise
            if other is not None:  # the host's word, or the keyboard's
                raise other from None
        await anyio.lowlevel.checkpoint_if_cancelled()
        if not worker.spent:
            _LOG.error("a worker was left unsound by an executor and is replaced: %r", problem)
            # Nobody knows which run it was, so it may have been taken for interrupted, and be due again at once.
            await self.clock.wait(anyio.Event(), self.monotonic() + _PAUSE)
        self.dismiss(worker)
        self.wake()


def _tell_lost(claim: Claim) -> None:
    task = claim.task
    _LOG.warning(
        "task %s (%s of %s): its claim (token %d) is no longer current; it is not begun here",
        *(task.id, task.kind, task.tenant, claim.token),
    )
