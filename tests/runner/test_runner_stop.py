"""Promise 10: drain within the grace period, then cancel; interrupted runs burn no attempt and are due at once."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.task import Task
from taskwarden.errors import Closed, InvalidValue
from taskwarden.policies.intervals import once
from taskwarden.runner import Runner
from taskwarden.testing.clock import VirtualClock
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


class Slow(TaskExecutor[Any]):
    """Takes as many seconds as its payload says."""

    kind = "slow"
    timeout = None

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.begun = 0

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        self.begun += 1
        await self.clock.sleep(timedelta(seconds=task.payload))


async def slow(world: World, seconds: int, key: str = "a") -> Any:
    for executor in world.executors:
        executor.clock = world.clock  # type: ignore[attr-defined]
    return await world.task("slow", key, payload=seconds, schedule=once(world.clock.now()))


async def test_leaving_the_block_lets_runs_finish_within_the_grace_period() -> None:
    async with World.of(Slow()) as world:
        await slow(world, 20)
        async with world.clock.autojump(), world.warden.runner(grace=30 * SECOND):
            await world.clock.advance(SECOND)
        (run,) = await world.runs()

    assert (run.ending, run.duration) == ("succeeded", 20 * SECOND)


async def test_after_the_grace_period_runs_are_interrupted_burn_no_attempt_and_are_due_at_once() -> None:
    async with World.of(Slow()) as world:
        task = await slow(world, 3600)
        async with world.clock.autojump(), world.warden.runner(grace=30 * SECOND):
            await world.clock.advance(SECOND)
        (run,) = await world.runs()
        after = await world.now(task)

    assert (run.ending, run.settled, run.duration) == ("interrupted", False, 31 * SECOND)
    assert (after.attempt, after.phase, after.status) == (1, "healthy", "scheduled")
    assert after.next_run_at is not None
    assert after.next_run_at <= world.clock.now()


async def test_a_cancelled_host_does_not_wait_and_its_runs_are_interrupted() -> None:
    async with World.of(Slow()) as world:
        await slow(world, 3600)
        with anyio.CancelScope() as scope:
            async with world.clock.autojump(), world.warden.runner():
                await world.clock.advance(SECOND)
                scope.cancel()
                await anyio.sleep_forever()
        (run,) = await world.runs()

    assert (run.ending, run.duration) == ("interrupted", SECOND)


async def test_a_cancelled_host_is_not_held_up_by_a_run_that_ignores_it() -> None:
    class Clings(TaskExecutor[Any]):
        kind = "clings"
        lost = False

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            while True:
                try:
                    await world.clock.wait(anyio.Event(), None)
                except GeneratorExit:
                    self.lost = context.lost
                    raise
                except BaseException:
                    # Time passes for one that clings to the loop; virtual time must be told so.
                    world.clock._reach(world.clock.monotonic() + 1.0)

    executor = Clings()
    async with World.of(executor) as world:
        await world.task("clings", schedule=once(world.clock.now()))
        with anyio.CancelScope() as scope:
            async with world.clock.autojump(), world.warden.runner():
                await world.clock.advance(SECOND)
                scope.cancel()
                await anyio.sleep_forever()
        (run,) = await world.runs()

    assert (run.ending, executor.lost) == ("interrupted", True)
    assert run.duration <= 12 * SECOND


async def test_what_was_claimed_and_not_begun_is_given_back() -> None:
    async with World.of(Slow()) as world:
        tasks = [await slow(world, 1, f"t{number}") for number in range(10)]
        runner = world.warden.runner(concurrency=10)
        original = world.store.claim

        async def claim_then_stop(**named: Any) -> Any:
            claims = await original(**named)
            runner.stop()
            return claims

        world.store.claim = claim_then_stop  # type: ignore[method-assign]  # the stop arrives just then
        async with world.clock.autojump():
            await runner.run()
        after = [await world.now(task) for task in tasks]
        executor = world.executors[0]

    assert executor.begun <= 10  # type: ignore[attr-defined]
    assert all(task.status in {"scheduled", "done"} for task in after)
    assert all(task.runner is None and task.attempt == 1 for task in after)


@pytest.mark.parametrize("turns", range(40))
async def test_a_cancellation_at_any_moment_leaves_no_task_held(turns: int) -> None:
    async with World.of(Slow()) as world:
        tasks = [await slow(world, number % 3, f"t{number}") for number in range(5)]
        async with anyio.create_task_group() as tg:
            tg.start_soon(world.warden.runner(concurrency=2).run)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            tg.cancel_scope.cancel()
        after = [await world.now(task) for task in tasks]

    assert [task.runner for task in after] == [None] * 5
    assert {task.status for task in after} <= {"scheduled", "done"}


async def test_stop_before_the_start_ends_it_as_soon_as_it_starts() -> None:
    async with World.of(Slow()) as world:
        await slow(world, 0)
        runner = world.warden.runner()
        runner.stop()
        runner.stop()
        await runner.run()

        assert await world.runs() == []


async def test_stop_during_the_start_ends_it() -> None:
    async with World.of(Slow()) as world:
        runner = world.warden.runner()
        async with anyio.create_task_group() as tg:
            tg.start_soon(runner.run)
            runner.stop()


async def test_a_runner_serves_once() -> None:
    async with World.of(Slow()) as world:
        runner = world.warden.runner()
        async with runner:
            pass
        with pytest.raises(Closed, match="is closed"):
            await runner.run()


async def test_a_store_closed_under_a_runner_ends_it_with_closed() -> None:
    async with World.of(Slow()) as world:
        runner = world.warden.runner()
        async with anyio.create_task_group() as tg:

            async def run() -> None:
                with pytest.raises(Closed):
                    await runner.run()

            tg.start_soon(run)
            await world.clock.settle()
            await world.store.close()
            await world.clock.settle()
            runner._poll.hint()  # type: ignore[union-attr]  # anything that makes it look


async def test_outcomes_that_a_closed_store_cannot_take_are_counted_in_a_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Closes(TaskExecutor[Any]):
        kind = "closes"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            await world.store.close()

    async with World.of(Closes()) as world:
        await world.task("closes", schedule=once(world.clock.now()))
        with pytest.raises(Closed):
            await world.warden.runner().run()
    messages = [record.getMessage() for record in caplog.records]

    assert sum("closed before all outcomes were written" in message for message in messages) == 1
    assert sum("ended with 1 outcomes not written" in message for message in messages) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("concurrency", 0),
        ("concurrency", 1.5),
        ("lease", timedelta(0)),
        ("lease", timedelta(days=400)),
        ("lease", 60),
        ("grace", timedelta(seconds=-1)),
        ("name", ""),
        ("name", "a\nb"),
    ],
)
async def test_a_wrong_option_is_refused_when_the_runner_is_made(option: str, value: Any) -> None:
    async with World.of(Slow()) as world:
        with pytest.raises(InvalidValue, match=option):
            Runner(world.store, world.warden.registry, **{option: value})
