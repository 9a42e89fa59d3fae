"""Claims that wait to be begun: a lease that is over before that is renewed, and the claim begun, not given up."""

from datetime import timedelta
from typing import Any

import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.task import Task
from taskwarden.errors import StoreUnavailable
from taskwarden.ids import RunnerId
from taskwarden.policies.intervals import once
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)
LEASE = SECOND


class Blocks(TaskExecutor[Any]):
    """Has the event loop for as many seconds as its payload says; what happens meanwhile is what a test adds."""

    kind = "blocks"
    world: World

    def __init__(self) -> None:
        self.begun: list[str] = []

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        self.begun.append(task.key)
        # Time passes for one that keeps the loop; virtual time must be told so.
        self.world.clock._reach(self.world.clock.monotonic() + (task.payload or 0))
        if task.payload:
            await self.meanwhile()

    async def meanwhile(self) -> None:
        """Nothing."""


async def filled(world: World, executor: Blocks) -> None:
    """Make one task that blocks longer than a lease, and nine that are due right after it."""
    executor.world = world
    for number in range(10):
        blocks = 1.2 if number == 0 else None
        await world.task("blocks", f"{number}", payload=blocks, schedule=once(world.clock.now()))


@pytest.mark.parametrize("concurrency", [1, 3, 10])
async def test_after_a_run_that_blocks_longer_than_a_lease_what_is_queued_is_run_and_not_interrupted(
    concurrency: int,
) -> None:
    executor = Blocks()
    async with World.of(executor) as world:
        await filled(world, executor)
        await world.run_for(60 * SECOND, concurrency=concurrency, lease=LEASE)
        runs = await world.runs()

    assert [run.ending for run in runs] == ["succeeded"] * 10
    assert sorted(executor.begun) == sorted(run.key for run in runs)


async def test_a_burst_of_blocking_runs_with_a_short_lease_interrupts_nobody() -> None:
    executor = Blocks()
    async with World.of(executor) as world:
        executor.world = world
        for number in range(40):
            await world.task("blocks", f"{number}", payload=0.3, schedule=once(world.clock.now()))
        await world.run_for(60 * SECOND, concurrency=40, lease=LEASE)
        endings = [run.ending for run in await world.runs()]

    assert endings == ["succeeded"] * 40


async def test_what_another_runner_took_over_meanwhile_is_not_begun() -> None:
    class Loses(Blocks):
        async def meanwhile(self) -> None:
            kinds = self.world.warden.registry.kinds
            taken = await self.world.store.claim(runner=RunnerId("other"), kinds=kinds, limit=4, lease=60 * SECOND)
            self.taken = {claim.task.key for claim in taken.claims}

    executor = Loses()
    async with World.of(executor) as world:
        await filled(world, executor)
        await world.run_for(30 * SECOND, concurrency=10, lease=LEASE)
        runs = await world.runs()

    others = executor.taken - {"0"}
    assert others
    assert sorted(executor.begun) == sorted({f"{number}" for number in range(10)} - others)
    assert {run.key for run in runs} == set(executor.begun) - executor.taken


async def test_while_leases_cannot_be_renewed_nothing_is_begun_and_afterwards_all_is() -> None:
    class Cuts(Blocks):
        async def meanwhile(self) -> None:
            renew = self.world.store.renew

            async def gone(**_: Any) -> Any:
                if self.world.clock.monotonic() < 10:
                    raise StoreUnavailable("memory", "unplugged")
                self.world.store.renew = renew  # type: ignore[method-assign]
                return await renew(**_)

            self.world.store.renew = gone  # type: ignore[method-assign]  # the fault itself

    executor = Cuts()
    async with World.of(executor) as world:
        await filled(world, executor)
        async with world.running(concurrency=10, lease=LEASE):
            await world.clock.advance(8 * SECOND)
            before = list(executor.begun)
            await world.clock.advance(30 * SECOND)
        runs = await world.runs()

    assert before == ["0"]
    assert [run.ending for run in runs] == ["succeeded"] * 10


async def test_a_stop_gives_back_what_waits_for_its_lease() -> None:
    class Stops(Blocks):
        async def meanwhile(self) -> None:
            async def gone(**_: Any) -> Any:
                raise StoreUnavailable("memory", "unplugged")

            self.world.store.renew = gone  # type: ignore[method-assign]  # the fault itself

    executor = Stops()
    async with World.of(executor) as world:
        await filled(world, executor)
        await world.run_for(5 * SECOND, concurrency=10, lease=LEASE)
        runs = {run.key: run.ending for run in await world.runs()}

    assert runs.pop("0") == "succeeded"
    assert runs == {f"{number}": "interrupted" for number in range(1, 10)}
