"""
What bounds a run: its timeout, and its lease.

Theory. A lease is a promise of the store that nobody else takes the task before an instant. The runner renews all
its leases with one call, three times within a lease, by its monotonic clock. Should renewing fail, it must be silent
before the store's promise ends, by its own clock and without asking anybody: runs are cancelled a margin before the
lease ends, counted from when the claim was *sent*, so that clocks and networks can only make it too early. A runner
that was stopped for longer (a suspended machine, an executor that blocks the event loop) finds out at the next renewal
that its token is stale; whatever its executor did meanwhile, the store refuses its outcome.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from taskwarden.errors import Closed
from taskwarden.runner._execution import Cause
from taskwarden.runner._writer import PATIENCE

if TYPE_CHECKING:
    from datetime import timedelta

    from taskwarden.core.claim import Renewal
    from taskwarden.core.protocols import Clock, Store
    from taskwarden.ids import RunnerId, TaskId
    from taskwarden.runner._execution import Execution
    from taskwarden.runner._outage import Line
    from taskwarden.runner._workers import Workers
    from taskwarden.runner._writer import Writer

__all__ = ["Deadlines", "Heartbeat", "kept"]

_RENEWALS: Final = 3
"""Renewals within one lease."""


def kept(lease: timedelta) -> float:
    """Return for how many seconds a runner trusts a lease that it cannot renew: 50 of 60."""
    return lease.total_seconds() * 5 / 6


@attrs.define(eq=False)
class Deadlines:
    """Cancels runs at their timeout or the end of their lease. Wakes once for many runs, and never when idle."""

    clock: Clock
    workers: Workers
    _sooner: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def watch(self, execution: Execution) -> None:
        """Bound *execution*, which waits, and is to be cancelled sooner than all others."""
        self.workers.bound = min(execution.timeout_at, execution.lease_at)
        self._sooner.set()

    async def run(self) -> None:
        """Cancel what is overdue, until cancelled."""
        workers = self.workers
        while True:
            await self.clock.wait(self._sooner, None if workers.bound == inf else workers.bound)
            self._sooner = anyio.Event()
            now = self.clock.monotonic()
            following = inf
            for execution in list(workers.running.values()):
                if execution.cause is not None:
                    continue
                if execution.timeout_at <= now:
                    execution.cancel(Cause.TIMEOUT, now)
                elif execution.lease_at <= now:
                    execution.cancel(Cause.LEASE, now)
                else:
                    following = min(following, execution.timeout_at, execution.lease_at)
            workers.bound = following


@attrs.define(eq=False)
class Heartbeat:
    """Renews the leases of what runs and of what waits to be written."""

    store: Store
    clock: Clock
    line: Line
    workers: Workers
    writer: Writer
    name: RunnerId
    lease: timedelta
    _armed: bool = attrs.field(default=False, init=False)
    _arm: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _haste: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _until: float = attrs.field(default=inf, init=False)
    """Until when (monotonic) every lease that is held is trusted."""

    def overdue(self) -> bool:
        """
        Tell whether a lease that is held may be over.

        Nothing should be claimed then: that would take over, as lost, what is only late (the loop was blocked, say).
        """
        return self.clock.monotonic() >= self._until

    def fed(self, lease_at: float) -> None:
        """There are claims, trusted until *lease_at*: there is something to renew."""
        self._until = min(self._until, lease_at)
        if not self._armed:
            self._armed = True
            self._arm.set()

    def hasten(self) -> None:
        """Renew at once: a lease is over that is still wanted. A store that does not answer is given its time."""
        self._haste.set()

    async def run(self) -> None:
        """Renew three times a lease while anything is held, until cancelled."""
        period = self.lease.total_seconds() / _RENEWALS
        while True:
            await self.clock.wait(self._arm, None)
            self._arm, self._haste = anyio.Event(), anyio.Event()
            begin = self.clock.monotonic() + period
            while True:
                await self.clock.wait(anyio.Event() if self.line.is_down else self._haste, begin)
                self._haste = anyio.Event()
                holds = self.writer.held() | self.workers.held()
                if not holds:
                    break
                begin = await self._renew(holds, period)
            self._armed, self._until = False, inf
            self.line.answered()
            self.workers.ended()

    async def _renew(self, holds: dict[TaskId, int], period: float) -> float:
        """Renew *holds*; return when to do so next."""
        sent = self.clock.monotonic()
        before, self._until = self._until, inf  # what is claimed meanwhile is not renewed by this
        renewal: Renewal | None = None
        problem: Exception = TimeoutError(f"no answer within {PATIENCE} s")
        try:
            with anyio.move_on_after(PATIENCE):
                renewal = await self.store.renew(runner=self.name, holds=holds, lease=self.lease)
        except Closed:
            raise
        except Exception as error:  # whatever a store raises, the heart goes on beating
            problem = error
        if renewal is None:
            self._until = min(self._until, before)
            return self.line.failed(problem)
        self.line.answered()
        lease_at = sent + kept(self.lease)
        self._until = min(self._until, lease_at)
        self.workers.prolong(holds, renewal.lost, lease_at)
        return sent + period
