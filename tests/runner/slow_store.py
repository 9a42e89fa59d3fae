"""A store whose calls take time, as those of a database do: memory behind a wire."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any

import anyio
import attrs
from anyio.lowlevel import checkpoint

from taskwarden.core.claim import Claims, Completion, Deferral, Holds, Receipt, Renewal
from taskwarden.errors import StoreUnavailable
from taskwarden.ids import Kind, RunnerId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.clock import VirtualClock


@attrs.frozen
class Call:
    """One call of the store: what was asked, how much at once, and from when until when it took."""

    name: str
    size: int
    begun: float
    ended: float

    def beside(self, other: "Call") -> bool:
        """Tell whether both were under way at the same time."""
        return self.begun < other.ended and other.begun < self.ended


class SlowStore(MemoryStore):
    """
    Each call that only runners make waits on its way there, happens, and waits on its way back.

    Attributes:
        takes: Seconds of virtual time that a way takes; None: some turns of the event loop, and no time.
        slower: How many times slower a call is than others.
        calls: What was called.
        hangs: Calls that never arrive.
        fails: How probable it is that a call fails on its way there; ``late``: on its way back, where it is repeatable.
    """

    takes: float | None = None
    fails = 0.0
    late = 0.0

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.real = clock
        self.calls: list[Call] = []
        self.hangs: set[str] = set()
        self.slower: dict[str, float] = {}
        self.random = Random(1)

    def of(self, name: str) -> list[Call]:
        """Return the calls of *name*."""
        return [call for call in self.calls if call.name == name]

    @asynccontextmanager
    async def wire(self, name: str, size: int) -> AsyncGenerator[None]:
        """Go there, let it happen, and come back."""
        begun = self.real.monotonic()
        await self.way(name)
        if self.random.random() < self.fails:
            raise StoreUnavailable("memory", "the wire broke")
        if name in self.hangs:
            await anyio.sleep_forever()
        yield
        await self.way(name)
        self.calls.append(Call(name, size, begun, self.real.monotonic()))
        if name != "claim" and self.random.random() < self.late:
            raise StoreUnavailable("memory", "the wire broke on the way back")

    async def way(self, name: str) -> None:
        if self.takes is None:
            for _ in range(3):
                await checkpoint()
        else:
            takes = self.takes * self.slower.get(name, 1) * self.random.uniform(0.5, 1.5)
            await self.real.sleep(timedelta(seconds=takes))

    async def claim(self, *, runner: RunnerId, kinds: Collection[Kind], limit: int, lease: timedelta) -> Claims:
        async with self.wire("claim", limit):
            return await super().claim(runner=runner, kinds=kinds, limit=limit, lease=lease)

    async def renew(self, *, runner: RunnerId, holds: Holds, lease: timedelta) -> Renewal:
        async with self.wire("renew", len(holds)):
            return await super().renew(runner=runner, holds=holds, lease=lease)

    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        async with self.wire("complete", len(completions)):
            return await super().complete(completions)

    async def defer(self, deferrals: Sequence[Deferral]) -> Sequence[Receipt]:
        async with self.wire("defer", len(deferrals)):
            return await super().defer(deferrals)

    async def limit_kind(self, kind: Kind, max_running: int | None) -> None:
        async with self.wire("limit_kind", 1):
            await super().limit_kind(kind, max_running)


def slow(takes: float | None = None, **named: Any) -> Any:
    """Return what makes a slow store on a clock."""

    def store_on(clock: VirtualClock) -> SlowStore:
        store = SlowStore(clock)
        store.takes = takes
        for name, value in named.items():
            setattr(store, name, value)
        return store

    return store_on
