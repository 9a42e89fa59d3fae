"""One process of a host: it has its own clock, reaches the store over its own link, and may die at any step."""

from __future__ import annotations

from math import inf, nextafter
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio

from taskwarden.errors import StoreUnavailable
from taskwarden.ids import RunnerId
from taskwarden.testing.simulation.faults import CALM, Faults, drawn
from taskwarden.testing.simulation.interception import Call, Interceptor
from taskwarden.testing.simulation.wording import worded

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from taskwarden.core.protocols import Clock, Signalled
    from taskwarden.core.store import Hint, Store
    from taskwarden.testing.clock import VirtualClock
    from taskwarden.testing.simulation.trace import Trace

__all__ = ["Crashed", "Livelock", "Process"]

_MOST_CALLS_AT_ONCE: Final = 5_000
"""Store calls of one process while time stands still; more is a loop that nothing but time would end."""


class Crashed(BaseException):
    """The process is dead: what still runs of it reaches nobody."""


class Livelock(AssertionError):
    """A runner calls the store again and again without letting time pass."""


class Process:
    """
    One life of a runner's process.

    Args:
        name: Of the host and the incarnation; the runner's id.
        seed: What its own faults are drawn from.
        outage: Tells whether the store is away for everybody.
    """

    def __init__(
        self,
        name: str,
        *,
        seed: str,
        store: Store,
        clock: VirtualClock,
        faults: Faults,
        trace: Trace,
        outage: Callable[[], bool],
    ) -> None:
        self.name = RunnerId(name)
        self.faults = faults
        self.alive = True
        self.stop: Callable[[], None] = lambda: None
        self.scope = anyio.CancelScope()
        self.partitioned = False
        self.base, self.trace, self.outage = clock, trace, outage
        self.rng = Random(f"{seed}:{name}")
        self.clock: Clock = _ProcessClock(self)
        self.store = _Link(store, self).store
        self._thaw: anyio.Event | None = None

    def crash(self, where: str) -> None:
        """Die, here and now."""
        if self.alive:
            self.trace.add(self.name, f"dies {where}")
            self.alive = False
            self.scope.cancel()
            self.thaw()

    def freeze(self) -> None:
        """Stand still until ``thaw``: no timer ends and no call returns, while leases run out."""
        if self._thaw is None:
            self._thaw = anyio.Event()

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        if self._thaw is not None:
            self._thaw.set()
            self._thaw = None

    async def awake(self) -> None:
        """Wait while the process stands still."""
        while self._thaw is not None:
            await self._thaw.wait()

    def chance(self, probability: float) -> bool:
        """Draw from the process's own faults; the dead draw nothing, for the order in which they end is not fixed."""
        return self.alive and probability > 0 and self.rng.random() < probability

    def heal(self) -> None:
        """From now on nothing goes wrong."""
        self.faults = CALM
        self.partitioned = False
        self.thaw()


class _ProcessClock:
    """The monotonic clock of one machine: it began at an arbitrary reading, and runs too fast or too slow."""

    def __init__(self, process: Process) -> None:
        rng, faults = process.rng, process.faults
        self._process, self._base = process, process.base
        self._rate = 1 + faults.drift * rng.uniform(-1, 1)
        self._begin = rng.uniform(0, 100_000) if faults.drift else 0.0
        self._skew: timedelta = faults.skew * rng.uniform(-1, 1)

    def now(self) -> datetime:
        return self._base.now() + self._skew

    def monotonic(self) -> float:
        return self._begin + self._base.monotonic() * self._rate

    async def wait(self, event: Signalled, until: float | None) -> bool:
        ends = until
        if until is not None:
            ends = (until - self._begin) / self._rate
            while self._begin + ends * self._rate < until:
                ends = nextafter(ends, inf)
        await self._base.wait(event, ends)
        await self._process.awake()
        return event.is_set()


class _Link(Interceptor):
    """What lies between a process and the store."""

    def __init__(self, store: Store, process: Process) -> None:
        super().__init__(store)
        self._process = process
        self._calls, self._instant = 0, -1.0

    async def around(self, call: Call) -> Any:
        process, faults = self._process, self._process.faults
        await self._travel()
        if process.chance(faults.crash):
            process.crash(f"before {call.name}")
        self._check(call.name)
        if call.name == "listen":
            return await self._listen(call.argument(0, "hint"))
        answer = await call.perform()
        process.trace.add(process.name, worded(call, answer))
        if process.chance(faults.crash):
            process.crash(f"after {call.name}")
        if process.chance(faults.ambiguous):
            raise StoreUnavailable("simulated", "the connection was lost, and nobody knows when")
        await self._travel()
        self._check("")
        return answer

    async def _travel(self) -> None:
        process = self._process
        if process.chance(process.faults.latency):
            await process.base.sleep(drawn(process.rng, process.faults.longest_latency))
        await process.awake()

    def _check(self, name: str) -> None:
        """Let nothing through of the dead, and no request *name* while the store is away."""
        process = self._process
        if not process.alive:
            raise Crashed(process.name)
        now = process.base.monotonic()
        self._calls, self._instant = (self._calls + 1 if now == self._instant else 0), now
        if self._calls > _MOST_CALLS_AT_ONCE:
            raise Livelock(f"{process.name} made {self._calls} store calls at one instant, the last is {name}")
        if name and (process.partitioned or process.outage()):
            raise StoreUnavailable("simulated", "a scripted outage")

    async def _listen(self, hint: Callable[[Hint], None]) -> None:
        process = self._process

        def heard(what: Hint) -> None:
            if process.alive and not process.partitioned and not process.chance(process.faults.lost_hint):
                hint(what)

        await self._inner.listen(heard)
