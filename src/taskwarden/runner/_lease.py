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
    from taskwarden.runner._outage import Outage
    from taskwarden.runner._worker import Workers
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
    _next: float = attrs.field(default=inf, init=False)
    _sooner: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def watch(self, execution: Execution) -> None:
        """Bound *execution*, which begins now."""
        if execution.timeout_at < self._next or execution.lease_at < self._next:
            self._next = min(execution.timeout_at, execution.lease_at)
            self._sooner.set()

    async def run(self) -> None:
        """Cancel what is overdue, until cancelled."""
        while True:
            await self.clock.wait(self._sooner, None if self._next == inf else self._next)
            self._sooner = anyio.Event()
            now = self.clock.monotonic()
            following = inf
            for execution in list(self.workers.running.values()):
                if execution.cause is not None:
                    continue
                if execution.timeout_at <= now:
                    execution.cancel(Cause.TIMEOUT, now)
                elif execution.lease_at <= now:
                    execution.cancel(Cause.LEASE, now)
                else:
                    following = min(following, execution.timeout_at, execution.lease_at)
            self._next = following


@attrs.define(eq=False)
class Heartbeat:
    """Renews the leases of what runs and of what waits to be written."""

    store: Store
    clock: Clock
    outage: Outage
    workers: Workers
    writer: Writer
    name: RunnerId
    lease: timedelta
    _armed: bool = attrs.field(default=False, init=False)
    _arm: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    def watch(self) -> None:
        """A run begins: there is something to renew."""
        if not self._armed:
            self._armed = True
            self._arm.set()

    async def run(self) -> None:
        """Renew three times a lease while anything is held, until cancelled."""
        period = self.lease.total_seconds() / _RENEWALS
        never = anyio.Event()
        while True:
            await self.clock.wait(self._arm, None)
            self._arm = anyio.Event()
            begin = self.clock.monotonic() + period
            while True:
                await self.clock.wait(never, begin)
                holds = self.writer.held() | self.workers.held()
                if not holds:
                    break
                begin = await self._renew(holds, period)
            self._armed = False

    async def _renew(self, holds: dict[TaskId, int], period: float) -> float:
        """Renew *holds*; return when to do so next."""
        sent = self.clock.monotonic()
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
            return self.outage.failed(problem)
        self.outage.answered()
        self.workers.prolong(holds, renewal.lost, sent + kept(self.lease))
        return sent + period
