"""
Steps 1 and 2: wait until something is due, claim it, hand it to the workers.

Idle, this sleeps until the next time that the store named, or until something says that there may be work sooner: a
hint of the store, a completion that was written, a run that ended while due work was left behind. It never looks at
the store at fixed intervals by itself; a store that can lose hints bounds ``Claims.next_due`` instead.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from taskwarden.errors import Closed, UsageError
from taskwarden.runner._lease import kept
from taskwarden.runner._patience import Patience
from taskwarden.runner._writer import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from taskwarden.core.failure import Failure
    from taskwarden.core.protocols import Clock, Store
    from taskwarden.ids import RunnerId
    from taskwarden.runner._clock import StoreTime
    from taskwarden.runner._outage import Line
    from taskwarden.runner._workers import Workers

__all__ = ["Poll"]

_BATCH: Final = 200
"""Most tasks in one claim."""
_HOLD: Final = (5.0, 300.0)
"""Seconds without claims after a failure of the host itself: doubling from the first to the second."""


@attrs.define(eq=False)
class Poll:
    """Claims for one runner."""

    store: Store
    clock: Clock
    time: StoreTime
    line: Line
    workers: Workers
    pending: Callable[[], int]
    """How many outcomes wait to be written."""
    overdue: Callable[[], bool]
    """Whether a lease that is held may be over."""
    name: RunnerId
    lease: timedelta
    until: float = attrs.field(default=0.0, init=False)
    """Monotonic: when to claim next, if nothing happens before."""
    _stopping: bool = attrs.field(default=False, init=False)
    _full: bool = attrs.field(default=False, init=False)
    _woken: bool = attrs.field(default=False, init=False)
    _wake: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _hold: float = attrs.field(default=_HOLD[0], init=False)
    _held_until: float = attrs.field(default=-inf, init=False)
    _patience: Patience = attrs.field(factory=lambda: Patience(PATIENCE), init=False)

    def stop(self) -> None:
        """Claim no more."""
        self._stopping = True
        self._rouse()

    def hint(self) -> None:
        """Something may be due."""
        self.until = 0.0
        self._rouse()

    def freed(self) -> None:
        """A run has ended: there is room for another. That is news if there was none."""
        if self._full:
            self._rouse()

    def written(self, earliest: datetime | None) -> None:
        """Completions were written; the earliest next time among them is *earliest*."""
        if self._full:
            self._rouse()
        if earliest is not None:
            at = self.time.monotonic(earliest)
            if at < self.until:
                self.until = at
                self._rouse()

    def failed(self, failure: Failure) -> None:
        """Hold claims back after a fault of the host's own: it would fail every task alike."""
        ours = failure.code.startswith("unknown.internal")
        if self.workers.succeeded or not ours:
            self.workers.succeeded = False
            self._hold = _HOLD[0]
        now = self.clock.monotonic()
        if ours and now >= self._held_until:
            self._held_until, self._hold = now + self._hold, min(self._hold * 2, _HOLD[1])

    async def run(self) -> None:
        """Claim until stopped."""
        while not self._stopping:
            with self._patience.scope():
                await self._claim_while_patient()

    async def _claim_while_patient(self) -> None:
        """Claim until stopped, or until the scope has run out; to be called again then: nothing is forgotten."""
        while not (self._stopping or self._patience.ran_out):
            now = self.clock.monotonic()
            begin = max(self.until, self._held_until)
            room = self._room()
            if room > 0 and now >= begin:
                await self._claim(room, now)
                continue
            # Full, it waits for room, however soon something is due; with room, for the next time.
            self._full = self.workers.awaited = room <= 0
            try:
                await self.clock.wait(self._wake, None if self._full or begin == inf else begin)
            finally:
                self._full = self._woken = False
                self._wake = anyio.Event()

    def _room(self) -> int:
        """Return for how many claims there is room; not above 0: for none, or it is not the time to ask."""
        workers = self.workers
        # Outcomes that cannot be written must not pile up: what is claimed would only add to them.
        room = min(workers.free, _BATCH, 2 * workers.capacity - self.pending())
        # A claim that has just come in is about to be begun, and much of it may be over at once. To ask for what little
        # room there was meanwhile would make every other claim that small, for ever.
        return 0 if room < len(workers.queue) or self.overdue() else room

    def _rouse(self) -> None:
        # Asked for by every run that ends: a flag is cheaper than an event that is set already.
        if not self._woken:
            self._woken = True
            self._wake.set()

    async def _claim(self, room: int, now: float) -> None:
        self.until = inf
        # Shielded, and bounded: cancelled in mid-claim, we would hold leases that we do not know of.
        scope = self._patience.call()
        scope.shield = True
        try:
            await self.workers.kinds.cap(self.store)
            kinds = self.workers.kinds.capped.keys()
            claims = await self.store.claim(runner=self.name, kinds=kinds, limit=room, lease=self.lease)
        except (Closed, UsageError):
            raise
        except Exception as error:  # whatever a store raises, the loop is armed again and the host lives
            self.until = self.line.failed(error)
            return
        except BaseException:
            if self._patience.ran_out:
                self.until = self.line.failed(TimeoutError(f"no answer within {PATIENCE} s"))
            raise
        finally:
            scope.shield = False  # what came meanwhile, for the host, comes now
        self.line.answered()
        self.time.told(claims.now, now)
        if claims.next_due is not None:
            self.until = min(self.until, self.time.monotonic(claims.next_due))
        if claims.claims:
            self.workers.feed(claims.claims, now + kept(self.lease))
