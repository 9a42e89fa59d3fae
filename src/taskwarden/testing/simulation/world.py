"""The world outside: providers that misbehave on a script drawn from the seed, and executors that call them."""

from __future__ import annotations

import enum
from bisect import bisect_right
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Final

import anyio

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.failure import TaskFailure
from taskwarden.core.hashing import seed as mixed
from taskwarden.core.outcome import JSON, Outcome, Skipped, Snoozed, Succeeded
from taskwarden.policies.intervals import every
from taskwarden.testing.simulation.wording import named

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from taskwarden.core.claim import Claim
    from taskwarden.core.task import Task
    from taskwarden.ids import Kind
    from taskwarden.testing.simulation.process import Process
    from taskwarden.testing.simulation.recorder import Recorder

__all__ = ["PERIODS", "Condition", "Provider", "World", "executors"]


class Condition(enum.Enum):
    """How a provider is just now."""

    UP = "up"
    DOWN = "down"
    LIMITED = "limited"
    SLOW = "slow"
    REVOKED = "revoked"
    BROKEN = "broken"


_WEIGHTS: Final = {
    Condition.UP: 6,
    Condition.DOWN: 2,
    Condition.LIMITED: 2,
    Condition.SLOW: 1,
    Condition.REVOKED: 1,
    Condition.BROKEN: 1,
}


class Provider:
    """Somebody else's API. Each answer depends on the seed, the instant and the run alone, not on who asked before."""

    def __init__(self, name: str, seed: int, length: timedelta) -> None:
        rng = Random(f"{seed}:provider:{name}")
        self.seed = mixed(seed, name)
        self._begins, self._conditions = [0.0], [Condition.UP]
        while self._begins[-1] < length.total_seconds():
            self._begins.append(self._begins[-1] + rng.expovariate(1 / 7_200))
            self._conditions.append(rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0])
        self._revoked = rng.randrange(3)

    def heal(self) -> None:
        """Be up from now on."""
        self._begins, self._conditions = [0.0], [Condition.UP]

    def condition(self, elapsed: float, tenant: str) -> Condition:
        """Return how it is for *tenant*; a revoked token is one tenant's trouble alone."""
        condition = self._conditions[bisect_right(self._begins, elapsed) - 1]
        if condition is Condition.REVOKED and not tenant.endswith(str(self._revoked)):
            return Condition.UP
        return condition

    async def answer(self, claim: Claim, process: Process) -> Outcome | None:
        """Answer one run: at once, late, or not at all."""
        drawn = Random(mixed(self.seed, named(claim)))
        condition = self.condition(process.base.monotonic(), claim.task.tenant)
        slowest = 300.0 if condition is Condition.SLOW else 2.0
        if drawn.random() < 0.5 or condition is Condition.SLOW:
            await process.base.sleep(timedelta(seconds=drawn.uniform(0, slowest)))
            await process.awake()
        match condition:
            case Condition.DOWN:
                raise ConnectionError("connection refused")
            case Condition.LIMITED:
                wait = timedelta(seconds=drawn.randrange(1, 7_200))
                raise TaskFailure("api_limit.rate", "slow down", retry_after=wait)
            case Condition.REVOKED:
                raise TaskFailure("auth_error.revoked", "the user disconnected", definitive=True)
            case Condition.BROKEN:
                raise RuntimeError("unexpected field in answer")
            case Condition.UP | Condition.SLOW:
                return _success(drawn, claim)


def _success(drawn: Random, claim: Claim) -> Outcome | None:
    kind = drawn.random()
    if kind < 0.02:
        return Snoozed(claim.claimed_at + timedelta(minutes=5), "the report is not ready")
    if kind < 0.04:
        return Skipped("nothing new")
    return Succeeded({"rows": drawn.randrange(1_000)}) if kind < 0.5 else None


class World:
    """All providers, and the tasks that exist because people want them."""

    def __init__(self, seed: int, length: timedelta, recorder: Recorder) -> None:
        self.providers = {name: Provider(name, seed, length) for name in ("search", "social")}
        self.recorder = recorder
        self.meddle: Callable[[Claim], Awaitable[None]] | None = None
        """What an operator does to a task that runs."""

    def heal(self) -> None:
        """Every provider is up from now on."""
        for provider in self.providers.values():
            provider.heal()


class _Calling(TaskExecutor[JSON]):
    """Calls a provider; its process may die or stand still meanwhile."""

    provider: ClassVar[str]
    timeout = timedelta(minutes=4)

    def __init__(self, world: World, process: Process) -> None:
        self._world, self._process = world, process

    async def execute(self, task: Task[JSON], context: RunContext) -> Outcome | None:
        process, claim = self._process, context.claim
        await process.awake()
        if not process.alive:
            await anyio.sleep_forever()  # until the cancellation that is on its way arrives
        self._world.recorder.executed(process.name, claim)
        process.trace.add(process.name, f"execute {named(claim)}")
        if process.chance(process.faults.crash_in_run):
            process.crash("in a run")
        if self._world.meddle is not None and process.chance(process.faults.meddling):
            await self._world.meddle(claim)
        outcome = await self._world.providers[self.provider].answer(claim, process)
        if process.chance(process.faults.crash_in_run):
            process.crash("at the end of a run")
        return outcome


class _Search(_Calling):
    kind = "search.poll"
    provider = "search"
    schedule = every(minutes=30)


class _Social(_Calling):
    kind = "social.sync"
    provider = "social"
    schedule = every(hours=1)
    max_running = 2


class _Digest(_Calling):
    """The kind whose schedule operators change, and that waits for another task."""

    kind = "digest.send"
    provider = "search"
    schedule = every(hours=4)


class _Import(_Calling):
    """The kind of one-off tasks: each brings its instant along."""

    kind = "import.once"
    provider = "social"


_KINDS: Final = (_Search, _Social, _Digest, _Import)
PERIODS: Final[dict[Kind, timedelta]] = {_Search.kind: timedelta(minutes=30), _Social.kind: timedelta(hours=1)}  # type: ignore[dict-item]  # checked when registered
"""The kinds whose tasks never get another schedule."""


def executors(world: World, process: Process) -> list[TaskExecutor[Any]]:
    """Return the executors of one process."""
    return [kind(world, process) for kind in _KINDS]
