"""What bounds a run: timeout, lease, and the end of patience with code that ignores its cancellation."""

from datetime import timedelta
from typing import Any, ClassVar

import anyio
import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.health import Health
from taskwarden.core.outcome import Outcome, Succeeded
from taskwarden.core.store import Steer
from taskwarden.core.task import Task
from taskwarden.policies.intervals import once
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


class Slow(TaskExecutor[Any]):
    """Takes as many seconds as its payload says."""

    kind = "slow"
    timeout: ClassVar[timedelta | None] = timedelta(seconds=5)

    def __init__(self) -> None:
        self.lost: list[bool] = []

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        try:
            await self.world.clock.sleep(timedelta(seconds=task.payload))
        finally:
            self.lost.append(context.lost)

    world: World


class Long(Slow):
    """The same, without a timeout."""

    kind = "long"
    timeout = None


async def test_a_run_is_cancelled_at_its_timeout_and_that_is_a_failure() -> None:
    executor = Slow()
    async with World.of(executor) as world:
        executor.world = world
        await world.task("slow", "late", payload=60, schedule=once(world.clock.now()))
        await world.task("slow", "in time", payload=4, schedule=once(world.clock.now()))
        await world.run_for(10 * SECOND)
        runs = {run.key: run for run in await world.runs()}

    assert (runs["late"].code, runs["late"].duration) == ("network_error.timeout", 5 * SECOND)
    assert runs["in time"].ending == "succeeded"
    assert executor.lost == [False, True]


async def test_many_timeouts_in_one_worker_leave_it_sound() -> None:
    executor = Slow()
    async with World.of(executor) as world:
        executor.world = world
        for number in range(6):
            await world.task("slow", f"{number}", payload=60 * (number % 2), schedule=once(world.clock.now()))
        await world.run_for(30 * SECOND, concurrency=1)
        first = [run for run in await world.runs() if run.attempt == 1]

    assert sorted(run.key for run in first if run.ending == "succeeded") == ["0", "2", "4"]
    assert sorted(run.key for run in first if run.ending == "failed") == ["1", "3", "5"]


async def test_a_run_longer_than_the_lease_keeps_it_by_heartbeats() -> None:
    executor = Long()
    async with World.of(executor) as world:
        executor.world = world
        await world.task("long", payload=600, schedule=once(world.clock.now()))
        async with world.running(), world.warden.runner():
            await world.clock.advance(timedelta(minutes=11))
        (run,) = await world.runs()

    assert (run.ending, run.token, run.duration) == ("succeeded", 1, timedelta(minutes=10))


class Stubborn(TaskExecutor[Any]):
    """Swallows its cancellation: once, or for ever."""

    kind = "stubborn"
    timeout = SECOND
    world: World

    async def execute(self, task: Task[Any], context: RunContext) -> Outcome:
        while True:
            try:
                await self.world.clock.sleep(60 * SECOND)
            except BaseException:
                if task.key == "once":
                    return Succeeded("done all the same")


async def test_an_executor_that_finishes_in_spite_of_its_cancellation_has_finished() -> None:
    executor = Stubborn()
    async with World.of(executor) as world:
        executor.world = world
        await world.task("stubborn", "once", schedule=once(world.clock.now()))
        await world.run_for(10 * SECOND)
        (run,) = await world.runs()

    assert (run.ending, run.result) == ("succeeded", "done all the same")


async def test_a_lost_lease_cancels_the_run_and_its_outcome_is_not_recorded() -> None:
    executor = Long()
    async with World.of(executor) as world:
        executor.world = world
        task = await world.task("long", payload=300, schedule=once(world.clock.now()))
        async with world.running():
            await world.clock.advance(SECOND)
            await world.warden.tenant("alice").tasks.delete(task.id)
            await world.clock.advance(timedelta(seconds=30))
            assert executor.lost == [True]
        assert await world.runs() == []


async def test_an_idle_runner_never_wakes() -> None:
    executor = Slow()
    async with World.of(executor) as world:
        executor.world = world
        await world.task("slow", payload=0, schedule=once(world.clock.now() + timedelta(hours=2)))
        async with world.warden.runner():
            await world.clock.settle()
            before = world.clock.wakeups
            await world.clock.advance(timedelta(hours=1))
            assert world.clock.wakeups == before


async def test_a_loop_that_spins_after_its_cancellation_is_dropped_and_the_worker_goes_on() -> None:
    class Spins(TaskExecutor[Any]):
        kind = "spins"
        timeout = SECOND

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            if task.key == "fine":
                return
            while True:
                try:
                    await world.clock.wait(anyio.Event(), None)
                except GeneratorExit:
                    raise
                except BaseException:
                    # Time passes for one that clings to the loop; virtual time must be told so.
                    world.clock._reach(world.clock.monotonic() + 1.0)

    async with World.of(Spins()) as world:
        await world.task("spins", "evil", schedule=once(world.clock.now()))
        async with world.running(concurrency=1):
            await world.clock.advance(60 * SECOND)
            await world.task("spins", "fine", schedule=once(world.clock.now()))
            await world.clock.advance(5 * SECOND)
        endings = {run.key: run.ending for run in await world.runs() if run.attempt == 1}

    assert endings == {"evil": "failed", "fine": "succeeded"}


async def test_a_claim_before_its_retry_after_floor_is_given_back_unrun_and_counts_nothing() -> None:
    executor = Slow()
    async with World.of(executor) as world:
        executor.world = world
        task = await world.task("slow", payload=0, schedule=once(world.clock.now()))
        floor = world.clock.now() + timedelta(hours=1)
        held = Health(epoch=task.health.epoch + 1, floor=floor, next_at=floor)
        steer = Steer(name="task.rescheduled", epoch=task.health.epoch, health=held, next_run_at=world.clock.now())
        await world.store.steer(task.task.tenant, task.id, steer)  # a time that no warden would have given it
        async with world.running():
            await world.clock.advance(timedelta(minutes=30))
            after = await world.now(task)
            assert (after.status, after.attempt, after.next_run_at, await world.runs()) == ("deferred", 1, floor, [])
            await world.clock.advance(timedelta(minutes=31))
            (run,) = await world.runs()

    assert (run.ending, run.started_at, run.attempt) == ("succeeded", floor, 1)
