"""An executor that leaves cancel scopes or task groups open harms its own run only."""

import asyncio  # noqa: TID251 - a host may know which loop it runs on
from collections.abc import AsyncGenerator
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any, cast

import anyio
import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.record import Run
from taskwarden.core.task import Task
from taskwarden.policies.intervals import once
from taskwarden.runner import _worker
from taskwarden.runner._soundness import probe
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


async def pages() -> AsyncGenerator[int]:
    """Hold a scope while yielding, as a client's paging may."""
    scope = anyio.CancelScope()
    scope.__enter__()
    try:
        for number in range(10):
            yield number
    finally:
        with suppress(RuntimeError):  # closed by the event loop, in another child task than the one that entered it
            scope.__exit__(None, None, None)


class Leaves(TaskExecutor[Any]):
    """Leaves open what its key names; sleeps as many seconds as its payload says where it is "fine"."""

    kind = "leaves"
    timeout = 30 * SECOND
    world: World

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.orphans = 0

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        match task.key:
            case "generator":
                kept = pages()
                self.kept.append(kept)
                async for _ in kept:
                    break
            case "scope" | "deadline" | "shield" | "cancelled" | "hit" | "raises" | "late":
                await self.enter(task.key)
            case "swallows":
                with suppress(anyio.get_cancelled_exc_class()):
                    await anyio.sleep_forever()
            case "group":
                group = anyio.create_task_group()
                self.kept.append(group)
                await group.__aenter__()
                group.start_soon(self.orphan)
                await anyio.lowlevel.checkpoint()
            case _:
                await self.world.clock.sleep(timedelta(seconds=task.payload or 0))

    async def enter(self, how: str) -> None:
        deadline = anyio.current_time() + 0.05 if how == "deadline" else float("inf")
        scope = anyio.CancelScope(deadline=deadline, shield=how == "shield")
        scope.__enter__()
        self.kept.append(scope)
        if how == "late":
            await self.world.clock.sleep(SECOND)
        if how in {"cancelled", "hit"}:
            scope.cancel()
        if how == "hit":
            await anyio.lowlevel.checkpoint()
        if how == "raises":
            raise ValueError("and left it open")

    async def orphan(self) -> None:
        self.orphans += 1
        try:
            await anyio.sleep_forever()
        finally:
            self.orphans -= 1


LEFT = ["generator", "scope", "deadline", "shield", "cancelled", "hit", "raises", "late", "group"]


async def after(world: World, *keys: str, **payloads: Any) -> dict[str, Run]:
    """Run *keys* one after another in one worker, then those with a payload; return the first run of each."""
    for executor in world.executors:
        executor.world = world  # type: ignore[attr-defined]
    for key in (*keys, *payloads):
        await world.task(world.executors[0].kind, key, payload=payloads.get(key), schedule=once(world.clock.now()))
        await world.clock.advance(timedelta(milliseconds=1))
    await world.run_for(timedelta(minutes=1, seconds=30), concurrency=1)
    return {run.key: run for run in await world.runs() if run.attempt == 1}


@pytest.mark.parametrize("left", LEFT)
async def test_what_an_executor_leaves_open_harms_its_own_run_only(left: str, caplog: pytest.LogCaptureFixture) -> None:
    executor = Leaves()
    async with World.of(executor) as world:
        runs = await after(world, left, fine=10, slow=60, last=1)
        incidents = await world.warden.tenant("alice").incidents()

    assert {key: run.ending for key, run in runs.items()} == {
        left: "failed" if left in {"hit", "raises"} else "succeeded",
        "fine": "succeeded",
        "slow": "failed",  # at its timeout: the worker's own scope is cancelled, and must still be the innermost
        "last": "succeeded",
    }
    assert [(incident.key, incident.code) for incident in incidents] == [("unsound:leaves", "unknown.scope_left_open")]
    assert any("left a cancel scope or task group open" in record.getMessage() for record in caplog.records)
    assert executor.orphans == 0


async def test_a_scope_left_open_and_cancelled_later_reaches_no_other_run() -> None:
    executor = Leaves()
    async with World.of(executor) as world:
        executor.world = world
        await world.task("leaves", "scope", schedule=once(world.clock.now()))
        async with world.running(concurrency=1):
            await world.clock.advance(SECOND)
            await world.task("leaves", "fine", payload=5, schedule=once(world.clock.now()))
            await world.clock.advance(SECOND)
            executor.kept[0].cancel()
            await world.clock.advance(10 * SECOND)
        endings = {run.key: run.ending for run in await world.runs()}

    assert endings == {"scope": "succeeded", "fine": "succeeded"}


async def test_many_unsound_runs_beside_sound_ones_cost_no_worker() -> None:
    executor = Leaves()
    async with World.of(executor) as world:
        executor.world = world
        for number in range(5):
            for left in LEFT:
                tasks = world.warden.tenant(f"t{number}").tasks
                await tasks.ensure("leaves", key=left, schedule=once(world.clock.now()))
        for number in range(10):
            await world.task("leaves", f"fine {number}", payload=2, schedule=once(world.clock.now()))
        await world.run_for(60 * SECOND, concurrency=4)
        fine = [run.ending for run in await world.runs()]
        ran = [(await world.warden.tenant(f"t{number}").statistics()).runs for number in range(5)]

    assert fine == ["succeeded"] * 10
    assert min(ran) >= len(LEFT)


async def test_a_stop_after_an_unsound_run_ends_the_runner_in_order() -> None:
    executor = Leaves()
    async with World.of(executor) as world:
        executor.world = world
        for left in LEFT:
            await world.task("leaves", left, schedule=once(world.clock.now()))
        tasks = await world.task("leaves", "fine", payload=20, schedule=once(world.clock.now()))
        async with world.clock.autojump(), world.warden.runner(concurrency=3, grace=30 * SECOND):
            await world.clock.advance(SECOND)

        assert (await world.now(tasks)).runner is None


@pytest.mark.parametrize("turns", range(0, 30, 3))
async def test_a_cancelled_host_with_unsound_runs_is_only_cancelled(turns: int) -> None:
    executor = Leaves()
    async with World.of(executor) as world:
        executor.world = world
        tasks = [await world.task("leaves", left, schedule=once(world.clock.now())) for left in LEFT]
        async with anyio.create_task_group() as tg:
            tg.start_soon(world.warden.runner(concurrency=2).run)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            tg.cancel_scope.cancel()

        assert [(await world.now(task)).runner for task in tasks] == [None] * len(tasks)


class Clings(TaskExecutor[Any]):
    """Ignores its cancellation within a task group, and needs some time even once it is dropped."""

    kind = "clings"
    timeout = SECOND

    def __init__(self) -> None:
        self.ended = False

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        if task.key == "fine":
            return
        try:
            async with anyio.create_task_group() as tg:
                tg.start_soon(self.child)
                await anyio.lowlevel.checkpoint()
                while True:
                    try:
                        await self.world.clock.wait(anyio.Event(), None)
                    except GeneratorExit:
                        raise
                    except BaseException:
                        # Time passes for one that clings to the loop; virtual time must be told so.
                        self.world.clock._reach(self.world.clock.monotonic() + 1.0)
        finally:
            self.ended = True

    async def child(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await self.world.clock.sleep(5 * SECOND)

    world: World


async def test_a_dropped_run_that_needs_time_to_end_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    executor = Clings()
    async with World.of(executor) as world:
        executor.world = world
        await world.task("clings", "evil", schedule=once(world.clock.now()))
        async with world.running(concurrency=1):
            await world.clock.advance(11 * SECOND)
            await world.task("clings", "fine", schedule=once(world.clock.now()))
            await world.clock.advance(SECOND)
            first = {run.key: run.ending for run in await world.runs()}
            await world.clock.advance(20 * SECOND)

    assert first == {"evil": "failed", "fine": "succeeded"}
    assert executor.ended
    assert any("ignored its cancellation and was dropped" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("lives", [2, 6])  # a sixth end comes from Python itself, and one that outlived that never ends
async def test_a_loop_that_ignores_even_its_end_is_dropped(lives: int) -> None:
    class Undead(TaskExecutor[Any]):
        kind = "undead"
        timeout = SECOND
        ends = 0

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            if task.key == "fine":
                return
            with anyio.CancelScope() if lives == 2 else nullcontext():
                while self.ends < lives:
                    try:
                        await world.clock.wait(anyio.Event(), None)
                    except GeneratorExit:
                        self.ends += 1
                    except BaseException:
                        world.clock._reach(world.clock.monotonic() + 1.0)

    async with World.of(Undead()) as world:
        await world.task("undead", "evil", schedule=once(world.clock.now()))
        async with world.running(concurrency=1):
            await world.clock.advance(60 * SECOND)
            await world.task("undead", "fine", schedule=once(world.clock.now()))
            await world.clock.advance(5 * SECOND)
        endings = {run.key: run.ending for run in await world.runs() if run.attempt == 1}

    assert endings == {"evil": "failed", "fine": "succeeded"}


async def test_neither_a_timeout_nor_the_hosts_cancellation_is_taken_for_damage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    executor = Leaves()
    async with World.of(executor) as world:
        await after(world, fine=10, slow=60)
        for number in range(3):
            await world.task("leaves", f"{number}", payload=20, schedule=once(world.clock.now()))
            await world.warden.tenant(f"{number}").tasks.ensure(
                "leaves", key="swallows", schedule=once(world.clock.now())
            )
        with anyio.CancelScope() as scope:
            async with world.running():
                await world.clock.advance(SECOND)
                scope.cancel()
                await anyio.sleep_forever()
        endings = [run.ending for run in await world.runs()]

        assert await world.warden.tenant("alice").incidents() == []
    assert [ending == "interrupted" for ending in endings].count(True) == 3
    assert not any("left" in record.getMessage() for record in caplog.records)


async def test_a_worker_that_cannot_be_looked_into_passes_for_sound() -> None:
    with anyio.CancelScope():
        await anyio.lowlevel.checkpoint()
        assert probe(cast("anyio.CancelScope", object()))()


@pytest.mark.parametrize("left", LEFT)
async def test_damage_that_nobody_noticed_ends_a_worker_and_not_the_runner(
    left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_worker, "probe", lambda _: lambda: True)  # as if anyio kept elsewhere what it looks at
    executor = Leaves()
    async with World.of(executor) as world:
        await after(world, left, slow=60, slower=60)
        async with world.running(concurrency=1):
            await world.task("leaves", "last", payload=1, schedule=once(world.clock.now()))
            await world.clock.advance(60 * SECOND)
        endings = {run.key: run.ending for run in await world.runs()}

    assert endings["last"] == "succeeded"


async def test_an_executor_that_cancels_the_child_task_it_runs_in_and_returns_harms_its_own_run_only() -> None:
    if anyio.get_cancelled_exc_class().__module__.startswith("trio"):
        pytest.skip("trio's child tasks cannot be cancelled by themselves")

    class Cancels(Leaves):
        kind = "cancels"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            if task.key != "evil":
                return await super().execute(task, context)
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
            return None

    executor = Cancels()
    async with World.of(executor) as world:
        executor.world = world
        for key in ("evil", "fine", "last"):
            await world.task("cancels", key, payload=5, schedule=once(world.clock.now()))
        await world.run_for(30 * SECOND, concurrency=3)
        endings = {run.key: run.ending for run in await world.runs()}

    assert endings == dict.fromkeys(("evil", "fine", "last"), "succeeded")
