"""A call of the store is bounded, though no call has a cancel scope of its own."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.task import Task
from taskwarden.errors import StoreUnavailable
from taskwarden.policies.intervals import every, once
from taskwarden.runner import _poll, _writer
from taskwarden.runner._patience import Patience
from taskwarden.testing.clock import VirtualClock
from tests.runner.slow_store import SlowStore, slow
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)
SHORT = 0.3
"""Seconds of real time, which is all that a hanging call passes."""
LATE = 0.7
"""Seconds that a busy machine may add."""


class Nothing(TaskExecutor[Any]):
    """Does nothing."""

    kind = "nothing"

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        pass


class Hanging(SlowStore):
    """
    Tells of calls that never arrive.

    Attributes:
        hung: For how long, in seconds of real time, each of them was waited for.
        ended: Set once one of them was given up.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.hung: list[float] = []
        self.ended = anyio.Event()

    @asynccontextmanager
    async def wire(self, name: str, size: int) -> AsyncGenerator[None]:
        begun = time.monotonic()
        try:
            async with super().wire(name, size):
                yield
        except anyio.get_cancelled_exc_class():
            if name in self.hangs:
                self.hung.append(time.monotonic() - begun)
                self.ended.set()
            raise


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_poll, _writer):
        monkeypatch.setattr(module, "PATIENCE", SHORT)


async def test_each_call_of_many_is_given_its_time_and_no_more_and_the_deadline_seldom_moves() -> None:
    patience, moves = Patience(1.0), 0
    least, most = float("inf"), 0.0
    with patience.scope() as scope:
        deadline, begun = scope.deadline, time.monotonic()
        while moves < 4 and time.monotonic() < begun + 5:
            asked = anyio.current_time()
            patience.call()
            least, most = min(least, scope.deadline - asked), max(most, scope.deadline - anyio.current_time())
            moves, deadline = moves + (scope.deadline != deadline), scope.deadline
            await checkpoint()
    took = time.monotonic() - begun

    assert least >= 0.99 - 1e-6
    assert most <= 1.0
    assert moves == 4
    assert took >= 0.03


async def test_a_scope_has_no_deadline_until_a_call_begins_and_is_replaced_by_one_like_it() -> None:
    patience = Patience(0.01)
    for _ in range(2):
        with anyio.fail_after(5), patience.scope() as scope:
            assert scope.deadline == float("inf")

            assert patience.call() is scope
            await anyio.sleep_forever()

        assert patience.ran_out
    patience.scope()

    assert not patience.ran_out


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("call", ["claim", "complete", "limit_kind"])
async def test_a_call_that_hangs_is_given_up_said_once_and_made_again(
    call: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "taskwarden.runner")
    async with World.of(Nothing(), store_on=Hanging) as world:
        store = cast("Hanging", world.store)
        store.hangs = {call}
        task = await world.task("nothing", schedule=once(world.clock.now()))
        async with world.running():
            with anyio.fail_after(10):
                await store.ended.wait()
                store.hangs = set()
                await world.clock.advance(20 * SECOND)
        after = await world.now(task)
    messages = [record.getMessage() for record in caplog.records]

    assert after.status == "done"
    assert [SHORT * 0.98 <= hung <= SHORT + LATE for hung in store.hung] == [True]
    named = "claim" if call == "limit_kind" else call
    assert [f"{named}(): no answer within" in message for message in messages] == [True, False]
    assert "answers again" in messages[1]


@pytest.mark.usefixtures("short")
async def test_an_idle_runner_wakes_once_and_goes_on_waiting_for_what_it_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[float | None] = []
    original = VirtualClock.wait

    async def wait(self: VirtualClock, event: Any, until: float | None) -> bool:
        begun.append(until)
        return await original(self, event, until)

    monkeypatch.setattr(VirtualClock, "wait", wait)  # an end by cancellation is no wake-up of the clock
    async with World.of(Nothing()) as world:
        await world.task("nothing", schedule=every(seconds=60, immediately=True))
        async with world.warden.runner():
            await world.clock.advance(SECOND)
            begun.clear()
            await anyio.sleep(3 * SHORT)
            idle = len(begun)
            await world.clock.advance(60 * SECOND)
            runs = await world.runs()

    assert idle == 2  # the poll and the writer
    assert len(runs) == 2


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("call", ["claim", "complete"])
async def test_the_pause_between_two_tries_is_kept_though_the_scope_runs_out_in_it(call: str) -> None:
    tried: list[float] = []

    async def gone(*_: Any, **__: Any) -> Any:
        tried.append(world.clock.monotonic())
        raise StoreUnavailable("memory", "unplugged")

    async with World.of(Nothing()) as world:
        original = getattr(world.store, call)
        await world.task("nothing", schedule=once(world.clock.now()))
        setattr(world.store, call, gone)  # the fault itself
        async with world.warden.runner():
            await world.clock.settle()
            first = len(tried)
            await anyio.sleep(2 * SHORT)
            before = len(tried)
            await world.clock.advance(SECOND)
            setattr(world.store, call, original)
            await world.clock.advance(SECOND)
        runs = await world.runs()

    assert before == first
    assert len(tried) - before in {2, 3}  # at once once more, where a listener has come
    assert min(tried[before:]) > 0
    assert [run.ending for run in runs] == ["succeeded"]


async def test_a_cancellation_during_a_claim_comes_right_after_it_and_nothing_stays_held() -> None:
    async with World.of(Nothing(), store_on=slow(1)) as world:
        store = cast("SlowStore", world.store)
        tasks = [await world.task("nothing", f"{number}", schedule=once(world.clock.now())) for number in range(5)]
        async with world.clock.autojump(), anyio.create_task_group() as tg:
            await tg.start(world.warden.runner(concurrency=5).run)
            while not store.of("limit_kind"):
                await world.clock.advance(timedelta(milliseconds=10))
            await world.clock.advance(timedelta(milliseconds=100))  # the claim is on its way there: 0.5 s and more
            begun = time.monotonic()
            tg.cancel_scope.cancel()
        took = time.monotonic() - begun
        after = [await world.now(task) for task in tasks]

    assert [call.size for call in store.of("claim")] == [5]
    assert [task.runner for task in after] == [None] * 5
    assert took < 5  # its patience is not what ended it
