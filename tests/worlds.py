"""A world for tests of runners: a memory store, a virtual clock that moves by itself, a warden."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs

from taskwarden.core.executor import TaskExecutor
from taskwarden.core.record import Run, TaskStatus
from taskwarden.manage import Warden
from taskwarden.policies.intervals import every
from taskwarden.runner import Runner
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.clock import VirtualClock


class Unpluggable(MemoryStore):
    """A memory store whose calls a test may replace, to inject faults."""


@attrs.define(eq=False)
class World:
    """One store, one virtual clock, one tenant; runners are made as a test needs them."""

    executors: Sequence[TaskExecutor[Any]]
    clock: VirtualClock
    store: MemoryStore
    warden: Warden

    @classmethod
    @asynccontextmanager
    async def of(
        cls, *executors: TaskExecutor[Any], store_on: Callable[[VirtualClock], MemoryStore] = Unpluggable
    ) -> AsyncGenerator["World"]:
        clock = VirtualClock()
        store = store_on(clock)
        async with Warden.open(store, executors=executors, clock=clock) as warden:
            yield cls(executors, clock, store, warden)

    async def task(self, kind: str, key: str = "a", **named: Any) -> TaskStatus:
        """Ensure a task of alice that is due at once, then every minute unless it says otherwise."""
        named.setdefault("schedule", every(minutes=1, immediately=True))
        return (await self.warden.tenant("alice").tasks.ensure(kind, key=key, **named)).status

    async def now(self, task: TaskStatus) -> TaskStatus:
        """Return *task* as it stands."""
        return await self.warden.tenant("alice").tasks.get(task.id)

    async def runs(self) -> list[Run]:
        """Return all of alice's runs, oldest first."""
        found = await self.store.runs(self.warden.tenant("alice").id, task_id=None, before=None, limit=1000)
        return list(reversed(found))

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncGenerator[Runner]:
        """Run a runner while time is moved by hand."""
        async with self.clock.autojump(), self.warden.runner(**options) as runner:
            yield runner

    async def run_for(self, by: timedelta, **options: Any) -> None:
        """Run a runner for *by* of virtual time, then stop it."""
        async with self.running(**options):
            await self.clock.advance(by)
