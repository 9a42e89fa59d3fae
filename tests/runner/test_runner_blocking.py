"""Blocking executors run in threads; one that blocks the event loop is noticed. On the real clock."""

import threading
from datetime import timedelta
from typing import Any

import anyio
import pytest

from taskwarden.core.executor import BlockingTaskExecutor, RunContext, TaskExecutor
from taskwarden.core.outcome import Outcome, Succeeded
from taskwarden.core.task import Task
from taskwarden.policies.intervals import once
from taskwarden.runner import Runner, SystemClock
from taskwarden.runner._threads import _Call
from tests.worlds import World

pytestmark = pytest.mark.anyio


class InThread(BlockingTaskExecutor[Any]):
    """Tells which thread it ran in."""

    kind = "in.thread"

    def run(self, task: Task[Any], context: RunContext) -> Outcome:
        return Succeeded(threading.current_thread() is threading.main_thread())


class Waits(BlockingTaskExecutor[Any]):
    """Blocks until it learns that its outcome no longer counts."""

    kind = "waits"
    timeout = timedelta(milliseconds=50)

    def __init__(self) -> None:
        self.told = threading.Event()
        self.go_on = threading.Event()

    def run(self, task: Task[Any], context: RunContext) -> None:
        while not context.lost and not self.go_on.wait(0.001):
            pass
        self.told.set()


async def until(world: World, count: int) -> None:
    """Wait for *count* runs, by the feed's hints."""
    async with world.warden.events(after=0) as events:
        async for change in events:
            count -= change.name == "run.finished"
            if count == 0:
                return


async def test_a_blocking_executor_runs_in_a_worker_thread() -> None:
    async with World.of(InThread()) as world:
        await world.task("in.thread", schedule=once(world.clock.now()))
        await world.run_for(timedelta(seconds=1))
        (run,) = await world.runs()

    assert (run.ending, run.result) == ("succeeded", False)


async def test_a_blocking_run_ends_at_its_timeout_and_its_thread_learns_that_it_is_lost() -> None:
    executor = Waits()
    async with World.of(executor) as world:
        await world.task("waits", schedule=once(world.clock.now()))
        with anyio.fail_after(20):
            async with Runner(world.store, world.warden.registry, clock=SystemClock()):
                await until(world, 1)
                await anyio.to_thread.run_sync(executor.told.wait)
        run = (await world.runs())[0]

    assert run.code == "network_error.timeout"


class Holds(BlockingTaskExecutor[Any]):
    """Holds its thread until it is let go, whatever becomes of its run."""

    kind = "holds"
    timeout = timedelta(milliseconds=100)

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()

    def run(self, task: Task[Any], context: RunContext) -> None:
        self.begun.append(task.key)
        if task.key == "holds":
            self.go_on.wait()


async def test_a_thread_that_goes_on_after_its_run_was_given_up_counts_until_it_ends() -> None:
    executor = Holds()
    async with World.of(executor) as world:
        await world.task("holds", "holds", schedule=once(world.clock.now()))
        try:
            with anyio.fail_after(20):
                async with Runner(world.store, world.warden.registry, clock=SystemClock(), threads=1):
                    await until(world, 1)
                    await world.task("holds", "waits", schedule=once(world.clock.now()))
                    await until(world, 2)
                    assert executor.begun == ["holds"]
                    executor.go_on.set()
                    await world.task("holds", "after", schedule=once(world.clock.now()))
                    await until(world, 3)
        finally:
            executor.go_on.set()
        runs = {run.key: run for run in await world.runs() if run.attempt == 1}

    assert [runs[key].ending for key in ("holds", "waits", "after")] == ["failed", "failed", "succeeded"]
    assert executor.begun == ["holds", "after"]


async def test_the_watchdogs_thread_ends_with_its_runner() -> None:
    async with World.of() as world, Runner(world.store, world.warden.registry, lease=timedelta(seconds=1)):
        (watchdog,) = (thread for thread in threading.enumerate() if thread.name == "taskwarden watchdog")

    await anyio.to_thread.run_sync(watchdog.join, 20)

    assert not watchdog.is_alive()


async def test_a_call_that_was_given_up_before_a_thread_took_it_is_not_made() -> None:
    called = []
    call = _Call(lambda: called.append(1))

    assert call.leave()
    assert call.run() is None
    assert called == []


async def test_more_threads_than_anyio_would_give_may_run_at_once() -> None:
    class Meets(BlockingTaskExecutor[Any]):
        kind = "meets"

        def run(self, task: Task[Any], context: RunContext) -> None:
            barrier.wait(20)

    barrier = threading.Barrier(50)
    async with World.of(Meets()) as world:
        for number in range(50):
            await world.task("meets", f"{number}", schedule=once(world.clock.now()))
        with anyio.fail_after(20):
            async with Runner(world.store, world.warden.registry, clock=SystemClock(), threads=50):
                await until(world, 50)

        assert {run.ending for run in await world.runs()} == {"succeeded"}


async def test_an_executor_that_blocks_the_event_loop_longer_than_its_lease_is_named_and_becomes_an_incident(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Blocks(TaskExecutor[Any]):
        kind = "blocks"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            while not any("blocked the event loop" in record.getMessage() for record in caplog.records):
                pass

    async with World.of(Blocks()) as world:
        task = await world.task("blocks", schedule=once(world.clock.now()))
        with anyio.fail_after(20):
            async with Runner(world.store, world.warden.registry, lease=timedelta(milliseconds=200)):
                await until(world, 1)
        incidents = await world.warden.tenant("alice").incidents()

    assert any(task.id in record.getMessage() for record in caplog.records)
    assert [(incident.code, incident.task_ids) for incident in incidents] == [("unknown.blocked_loop", (task.id,))]
