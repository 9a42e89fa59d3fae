"""A small virtual world for hosts: their executors and policies, a warden, a runner, and time that a test moves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs

from taskwarden.manage import Warden
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.clock import VirtualClock

if TYPE_CHECKING:
    from taskwarden.core.executor import TaskExecutor
    from taskwarden.core.protocols import FailurePolicy
    from taskwarden.manage import TenantHandle

__all__ = ["SimulatedWorld", "simulated"]

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@attrs.frozen
class SimulatedWorld:
    """
    What ``simulated`` gives.

    Attributes:
        warden: Over a memory store of its own.
        clock: What an executor waits on to be slow: ``await world.clock.sleep(timedelta(seconds=3))``.
    """

    warden: Warden
    clock: VirtualClock

    @property
    def now(self) -> datetime:
        """The time of the store."""
        return self.clock.now()

    def tenant(self, tenant: str) -> TenantHandle:
        """Return the door to *tenant*, as ``Warden.tenant`` does."""
        return self.warden.tenant(tenant)

    async def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Let the sum of the units pass. Everything that falls due on the way runs, and has ended unless it waits."""
        await self.clock.advance(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))


@asynccontextmanager
async def simulated(
    *,
    executors: Iterable[TaskExecutor[Any]],
    policy: FailurePolicy | None = None,
    start: datetime = _START,
    concurrency: int = 100,
) -> AsyncGenerator[SimulatedWorld]:
    """
    Open a world in which *executors* run in virtual time, in this event loop, for the length of the block.

    Time stands still but in ``advance``. What the block raises comes out as it is. At the end the runner drains, for
    which time passes by itself.

    Args:
        executors: The host's own, one for each kind.
        policy: The failure policy of executors that bring none; None: ``standard()``.
        start: When it is at first, aware.
        concurrency: Most runs at the same time.
    """
    clock = VirtualClock(start)
    raised: Exception | None = None
    async with Warden.open(MemoryStore(clock), executors=executors, policy=policy, clock=clock) as warden:
        runner = warden.runner(name="simulated", concurrency=concurrency)
        async with anyio.create_task_group() as tg:
            await tg.start(runner.run)
            await clock.settle()  # until it listens, so that the first task of the block is heard of
            try:
                yield SimulatedWorld(warden, clock)
            except Exception as error:  # raised below, where no task group wraps it
                raised = error
            runner.stop()
            tg.start_soon(_drained, clock, runner.grace)
    if raised is not None:
        raise raised


async def _drained(clock: VirtualClock, grace: timedelta) -> None:
    await clock.advance(grace + timedelta(minutes=1))
