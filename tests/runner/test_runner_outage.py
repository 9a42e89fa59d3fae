"""Promise 9: the store gone, the runner waits, says so once, keeps outcomes, and resumes by itself."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.protocols import Hint
from taskwarden.core.task import Task
from taskwarden.errors import StoreUnavailable
from taskwarden.policies.intervals import every, once
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


class Counts(TaskExecutor[Any]):
    """Counts its runs."""

    kind = "counts"
    runs = 0

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        self.runs += 1


def cut(world: World, *calls: str) -> dict[str, Any]:
    """Let *calls* of the store fail until restored."""
    kept = {call: getattr(world.store, call) for call in calls}

    async def gone(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("memory", "unplugged")

    for call in calls:
        setattr(world.store, call, gone)  # the fault itself
    return kept


def restore(world: World, kept: dict[str, Any]) -> None:
    for call, original in kept.items():
        setattr(world.store, call, original)


async def test_the_runner_waits_for_a_store_that_is_gone_says_so_once_and_resumes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "taskwarden.runner")
    async with World.of(Counts()) as world:
        await world.task("counts", schedule=every(seconds=10))
        async with world.running():
            await world.clock.advance(30 * SECOND)
            kept = cut(world, "claim", "complete", "renew")
            await world.clock.advance(120 * SECOND)
            during = len(await world.runs())
            restore(world, kept)
            await world.clock.advance(30 * SECOND)
            after = len(await world.runs())
    messages = [record.getMessage() for record in caplog.records]

    assert after >= during + 2
    assert sum("does not answer" in message for message in messages) == 1
    assert sum("answers again" in message for message in messages) == 1


@pytest.mark.parametrize("calls", [("complete",), ("renew",), ("renew", "complete"), ("claim",), ("defer",)])
async def test_while_one_call_fails_and_another_works_it_is_said_once_and_once_that_all_is_well(
    calls: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    class Long(TaskExecutor[Any]):
        kind = "long"
        timeout = None

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            await world.clock.sleep(25 * SECOND)

    caplog.set_level(logging.WARNING, "taskwarden.runner")
    async with World.of(Counts(), Long()) as world:
        await world.task("counts", schedule=every(seconds=1))
        await world.task("long", schedule=every(seconds=30))
        async with world.running():
            await world.clock.advance(30 * SECOND)
            kept = cut(world, *calls)
            await world.clock.advance(45 * SECOND)
            restore(world, kept)
            await world.clock.advance(60 * SECOND)
    messages = [record.getMessage() for record in caplog.records]
    times = 0 if calls == ("defer",) else 1  # of which there was none

    assert sum("does not answer" in message for message in messages) == times
    assert sum("answers again" in message for message in messages) == times
    assert all(any(f"{call}()" in message for call in calls) for message in messages if "does not answer" in message)


async def test_a_lease_that_could_not_be_renewed_is_forgotten_once_there_is_nothing_to_renew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Long(TaskExecutor[Any]):
        kind = "long"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            await world.clock.sleep(25 * SECOND)

    caplog.set_level(logging.WARNING, "taskwarden.runner")
    async with World.of(Long()) as world:
        await world.task("long", schedule=once(world.clock.now()))
        async with world.running():
            cut(world, "renew")
            await world.clock.advance(60 * SECOND)
        assert [run.ending for run in await world.runs()] == ["succeeded"]
    messages = [record.getMessage() for record in caplog.records]

    assert [sum(said in message for message in messages) for said in ("does not answer", "answers again")] == [1, 1]


async def test_a_listener_that_hears_again_ends_its_outage_and_one_that_falters_is_not_started_in_a_circle(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "taskwarden.runner")
    starts: list[float] = []
    async with World.of(Counts()) as world:

        async def listen(hint: Any) -> None:
            starts.append(world.clock.monotonic())
            if len(starts) <= 3:
                raise StoreUnavailable("memory", "no listeners now")
            hint(Hint.DUE)
            hint(Hint.CHANGED)
            lasts = 600 if len(starts) == 60 else 0.01
            await world.clock.sleep(timedelta(seconds=lasts))
            raise StoreUnavailable("memory", "it falters")

        world.store.listen = listen  # type: ignore[method-assign]  # the fault itself
        async with world.running():
            await world.clock.advance(timedelta(seconds=2))
            heard = [record.getMessage() for record in caplog.records]
            await world.clock.advance(timedelta(minutes=30))
    goes, returns = (sum(said in message for message in heard) for said in ("does not answer", "answers again"))

    assert goes - returns in {0, 1}
    assert "listen()" in heard[0]
    assert "answers again after 0." in heard[1]
    assert starts[59] - starts[0] >= 50 * 5
    assert starts[60] - starts[59] == pytest.approx(600.1)  # at once, after one that lasted


async def test_an_outcome_finished_during_an_outage_is_written_when_the_store_returns() -> None:
    executor = Counts()
    async with World.of(executor) as world:
        await world.task("counts", schedule=once(world.clock.now() + SECOND))
        async with world.running():
            kept = cut(world, "complete")
            await world.clock.advance(30 * SECOND)
            assert await world.runs() == []
            restore(world, kept)
            await world.clock.advance(10 * SECOND)
            (run,) = await world.runs()

    assert (run.ending, executor.runs) == ("succeeded", 1)


async def test_a_store_that_is_not_there_at_the_start_is_waited_for() -> None:
    async with World.of(Counts()) as world:
        await world.task("counts", schedule=once(world.clock.now()))
        kept = cut(world, "now")
        runner = world.warden.runner()
        async with world.clock.autojump():
            import anyio

            async with anyio.create_task_group() as tg:
                tg.start_soon(runner.run)
                await world.clock.advance(20 * SECOND)
                restore(world, kept)
                await world.clock.advance(20 * SECOND)
                runner.stop()
        assert len(await world.runs()) == 1


async def test_a_run_whose_lease_cannot_be_renewed_is_cancelled_before_the_lease_ends_and_interrupted() -> None:
    class Long(TaskExecutor[Any]):
        kind = "long"
        timeout = None

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            await world.clock.sleep(timedelta(hours=1))

    async with World.of(Long()) as world:
        task = await world.task("long", schedule=once(world.clock.now()))
        async with world.running():
            kept = cut(world, "renew", "claim")
            await world.clock.advance(51 * SECOND)
            (run,) = await world.runs()
            assert (run.ending, run.duration) == ("interrupted", 50 * SECOND)
            restore(world, kept)
            await world.clock.advance(10 * SECOND)
            assert (await world.now(task)).status == "running"


async def test_a_fault_of_the_hosts_own_holds_claims_back_and_counts_against_no_task() -> None:
    from taskwarden.core.failure import TaskFailure

    class Hosts(TaskExecutor[Any]):
        kind = "hosts"
        runs = 0

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            self.runs += 1
            raise TaskFailure("unknown.internal_db", "pool exhausted")

    executor = Hosts()
    async with World.of(executor) as world:
        tasks = [await world.task("hosts", f"t{n}", schedule=every(seconds=1)) for n in range(3)]
        await world.run_for(60 * SECOND, concurrency=1)
        phases = {(await world.now(task)).phase for task in tasks}

    assert executor.runs <= 8
    assert phases == {"healthy"}
