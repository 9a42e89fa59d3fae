"""A store whose calls really wait, or fail: nothing is held up by it, and nothing is lost."""

import time
from datetime import timedelta
from itertools import pairwise, product
from random import Random
from typing import Any, cast

import anyio
import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.health import Health
from taskwarden.core.record import Run
from taskwarden.core.registry import ExecutorRegistry
from taskwarden.core.store import Steer
from taskwarden.core.task import Task
from taskwarden.policies.intervals import every, once
from taskwarden.runner import _poll, _writer
from tests.runner.slow_store import SlowStore, slow
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


class Slow(TaskExecutor[Any]):
    """Takes as many seconds as its payload says."""

    kind = "slow"
    timeout = None
    world: World

    def __init__(self) -> None:
        self.ended = 0

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        if task.payload:
            await self.world.clock.sleep(timedelta(seconds=task.payload))
        self.ended += 1


async def filled(world: World, count: int, payload: float = 0, **named: Any) -> SlowStore:
    """Make *count* tasks that are due, of ten tenants."""
    for executor in world.executors:
        executor.world = world  # type: ignore[attr-defined]
    named.setdefault("schedule", once(world.clock.now()))
    for number in range(count):
        tasks = world.warden.tenant(f"t{number % 10}").tasks
        await tasks.ensure("slow", key=f"{number}", payload=payload, **named)
    return cast("SlowStore", world.store)


async def all_runs(world: World) -> list[Run]:
    found: list[Run] = []
    for number in range(10):
        tenant = world.warden.tenant(f"t{number}").id
        found += await world.store.runs(tenant, task_id=None, before=None, limit=10_000)
    return found


async def held(world: World) -> list[str]:
    """Return the keys of tasks that somebody still holds."""
    rows = world.store._tables.rows.values()
    return [row.task.key for row in rows if row.runner is not None]


async def test_claims_writes_and_renewals_are_under_way_at_the_same_time() -> None:
    async with World.of(Slow(), store_on=slow(0.005)) as world:
        store = await filled(world, 400, 0.02)
        async with world.running(lease=timedelta(milliseconds=100), concurrency=50):
            await world.clock.advance(2 * SECOND)
        claims, writes, renewals = store.of("claim"), store.of("complete"), store.of("renew")

        assert len(await all_runs(world)) == 400
    for one, other in ((claims, writes), (claims, renewals), (writes, renewals)):
        assert any(a.beside(b) for a, b in product(one, other))
    assert not any(a.beside(b) for calls in (claims, writes, renewals) for a, b in pairwise(calls))


async def test_under_load_outcomes_gather_while_a_write_is_under_way() -> None:
    async with World.of(Slow(), store_on=slow(0.004)) as world:
        store = await filled(world, 2_000)
        await world.run_for(5 * SECOND, concurrency=100)
        claims, writes = store.of("claim"), store.of("complete")

        assert len(await all_runs(world)) == 2_000
    assert max(len(claims), len(writes)) <= 36  # of at most 100 each; to ask for what little room there is takes more
    assert max(call.ended for call in writes) <= 0.3


async def test_with_a_slow_store_a_run_is_written_before_long_and_seems_no_shorter_than_it_was() -> None:
    async with World.of(Slow(), store_on=slow(0.02)) as world:
        await filled(world, 100, 0.03, schedule=every(seconds=1))
        await world.run_for(20 * SECOND)
        runs = await all_runs(world)

    assert len(runs) >= 100 * 19
    assert min(run.duration for run in runs if run.ending == "succeeded") >= timedelta(milliseconds=30)
    assert max(run.finished_at - run.slot_at for run in runs) <= timedelta(milliseconds=200)


@pytest.mark.parametrize("turns", range(0, 60, 2))
async def test_a_cancellation_at_any_moment_of_a_call_leaves_no_task_held(turns: int) -> None:
    async with World.of(Slow(), store_on=slow()) as world:
        await filled(world, 20)
        async with anyio.create_task_group() as tg:
            tg.start_soon(world.warden.runner(concurrency=3).run)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            tg.cancel_scope.cancel()

        assert await held(world) == []


@pytest.mark.parametrize("turns", range(0, 60, 2))
async def test_a_host_whose_loop_cancels_it_at_any_moment_of_a_call_leaves_no_task_held(turns: int) -> None:
    loop: Any = anyio.lowlevel.current_token().native_token
    if not hasattr(loop, "create_task"):
        pytest.skip("trio's child tasks cannot be cancelled by themselves")
    async with World.of(Slow(), store_on=slow()) as world:
        await filled(world, 20)
        hosts = loop.create_task(world.warden.runner(concurrency=3).run())
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        hosts.cancel()
        for _ in range(3):  # a host that insists
            await anyio.lowlevel.checkpoint()
            hosts.cancel()
        with pytest.raises(anyio.get_cancelled_exc_class()):
            await hosts

        assert await held(world) == []


@pytest.mark.parametrize("hangs", [{"complete"}, {"claim"}, {"complete", "claim"}])
async def test_a_cancelled_runner_waits_for_a_store_that_hangs_no_longer_than_its_patience(
    hangs: set[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_writer, "PATIENCE", 1.0)  # of real time, which is all that a hanging call passes
    monkeypatch.setattr(_poll, "PATIENCE", 1.0)
    async with World.of(Slow(), store_on=slow()) as world:
        store = await filled(world, 3)
        store.hangs = hangs
        async with anyio.create_task_group() as tg:
            await tg.start(world.warden.runner().run)
            await anyio.sleep(0.1)
            begun = time.monotonic()
            tg.cancel_scope.cancel()
        took = time.monotonic() - begun
        left = await held(world)

    assert took < 1.7
    lost = "complete" in hangs and "claim" not in hangs
    assert bool(left) == lost
    assert any("ended with 3 outcomes not written" in record.getMessage() for record in caplog.records) == lost


@pytest.mark.parametrize("seed", range(12))
async def test_a_store_that_is_slow_and_fails_at_random_loses_no_slot(seed: int) -> None:
    executor = Slow()
    random = Random(seed)
    store_on = slow(random.choice((0.001, 0.02, 0.2)), fails=0.3, late=0.2, random=random)
    async with World.of(executor, store_on=store_on) as world:
        store = await filled(world, 60, random.choice((0, 0.05, 3)))
        async with world.running(concurrency=random.choice((3, 30)), lease=10 * SECOND):
            await world.clock.advance(240 * SECOND)
            store.fails = store.late = 0.0
            await world.clock.advance(30 * SECOND)
        runs = await all_runs(world)

        assert await held(world) == []
    assert sorted(run.key for run in runs if run.ending == "succeeded") == sorted(str(number) for number in range(60))
    assert min(run.duration for run in runs) >= timedelta(0)


async def test_a_stop_while_a_claim_is_under_way_gives_its_tasks_back() -> None:
    executor = Slow()
    async with World.of(executor, store_on=slow(1)) as world:
        await filled(world, 20)
        async with world.clock.autojump():
            runner = world.warden.runner()
            async with anyio.create_task_group() as tg:
                await tg.start(runner.run)
                await world.clock.advance(timedelta(milliseconds=100))
                runner.stop()
        runs = await all_runs(world)

        assert await held(world) == []
    assert executor.ended + sum(run.ending == "interrupted" for run in runs) == 20
    assert all(run.ending in {"interrupted", "succeeded"} for run in runs)


async def test_claims_given_back_unrun_are_written_though_outcomes_keep_coming() -> None:
    async with World.of(Slow(), store_on=slow(0.005, slower={"complete": 10})) as world:
        await filled(world, 50, schedule=every(seconds=0.1))
        async with world.running(concurrency=10):
            await world.clock.advance(SECOND)
            now, task = world.clock.now(), await world.task("slow", schedule=once(world.clock.now() + 60 * SECOND))
            floor = now + timedelta(hours=1)
            held_back = Health(epoch=task.health.epoch + 1, floor=floor, next_at=floor)
            steer = Steer(name="task.rescheduled", epoch=task.health.epoch, health=held_back, next_run_at=now)
            await world.store.steer(task.task.tenant, task.id, steer)  # a time that no warden would have given it
            await world.clock.advance(3 * SECOND)
            after = await world.now(task)

    assert (after.status, after.runner) == ("deferred", None)


async def test_a_claim_that_took_longer_than_a_lease_is_renewed_at_once_and_begun() -> None:
    async with World.of(Slow(), store_on=slow(0.01, slower={"claim": 90})) as world:
        store = await filled(world, 5)
        await world.run_for(20 * SECOND, lease=SECOND)
        runs = await all_runs(world)
        claimed, renewed = store.of("claim")[0], store.of("renew")[0]

    assert [(run.ending, run.token) for run in runs] == [("succeeded", 1)] * 5
    assert renewed.begun == claimed.ended


async def test_what_begins_to_wait_makes_way_for_the_next_claim() -> None:
    async with World.of(Slow()) as world:
        await filled(world, 0)
        for number in range(6):
            await world.task("slow", f"{number}", payload=3600 if number else 0, schedule=once(world.clock.now()))
        async with world.running(concurrency=5) as runner:
            await world.clock.advance(SECOND)

            assert runner.running == 5


async def test_a_kind_that_comes_while_the_runner_runs_has_its_cap_from_the_first_claim_on() -> None:
    class Capped(TaskExecutor[Any]):
        kind = "capped"
        max_running = 1
        running = most = runs = 0

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            self.running += 1
            self.most = max(self.most, self.running)
            await world.clock.sleep(SECOND)
            self.running -= 1
            self.runs += 1

    for store_on in (slow(0.005), slow(0.005, fails=0.5)):
        executor = Capped()
        async with World.of(Slow(), store_on=store_on) as world, world.running():
            await world.clock.advance(SECOND)
            cast("ExecutorRegistry", world.warden.registry).add(executor)
            for key in "abcde":
                await world.task("capped", key, schedule=once(world.clock.now()))
            await world.clock.advance(60 * SECOND)

        assert (executor.most, executor.runs) == (1, 5)
