"""What a host's code does to its own run reaches neither the runner nor the next run."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

import anyio
import attrs
import pytest

from taskwarden.core.decision import IntervalState, Planned
from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.failure import Failure, TaskFailure
from taskwarden.core.outcome import Outcome, Succeeded
from taskwarden.core.registry import ExecutorRegistry
from taskwarden.core.task import Task
from taskwarden.manage import Warden
from taskwarden.policies.intervals import every, once
from taskwarden.runner import Runner
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.clock import VirtualClock
from tests.worlds import World

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


class Fatal(BaseException):
    """What no `except Exception` catches."""


@attrs.frozen
class Odd:
    """A schedule whose answers a test chooses."""

    grace: Any = None
    stuck: ClassVar[bool] = False

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        return Planned(slot if slot is not None and self.stuck else now + SECOND)


class Does(TaskExecutor[Any]):
    """Does what its key says."""

    kind = "does"
    schedule = every(seconds=1)
    seen: ClassVar[list[Any]] = []

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        match task.key:
            case "fatal":
                raise ValueError("classified")
            case "mutates":
                self.seen.append(list(task.payload["list"]))
                task.payload["list"].append(1)

    def classify(self, error: Exception) -> Failure | None:
        raise Fatal


async def test_what_the_block_raises_comes_out_as_itself_once_runs_have_ended() -> None:
    class Slow(TaskExecutor[Any]):
        kind = "slow"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            await world.clock.sleep(5 * SECOND)

    async with World.of(Slow()) as world:
        await world.task("slow", schedule=once(world.clock.now()))
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what is tested
            async with world.clock.autojump(), world.warden.runner():
                await world.clock.advance(SECOND)
                raise ZeroDivisionError
        (run,) = await world.runs()

    assert (run.ending, run.duration) == ("succeeded", 5 * SECOND)


@pytest.mark.parametrize("grace", [60, timedelta(seconds=-1), "1 min"])
async def test_a_grace_that_is_no_span_is_passed_over(grace: Any) -> None:
    async with World.of(Does()) as world:
        await world.task("does", schedule=every(seconds=1, immediately=True))
        task = await world.store.find(world.warden.tenant("alice").id, world.warden.registry.executor("does").kind, "a")  # type: ignore[arg-type]
        assert task is not None
        world.store._tables.rows[task.id].task = attrs.evolve(task.task, schedule=Odd(grace))  # as if it broke later
        await world.clock.advance(10 * SECOND)
        await world.run_for(SECOND)

        assert [run.ending for run in await world.runs()][:1] == ["succeeded"]


async def test_a_schedule_that_stays_where_it_is_does_not_run_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    async with World.of(Does()) as world:
        await world.task("does", schedule=Odd())
        monkeypatch.setattr(Odd, "stuck", True)
        await world.run_for(60 * SECOND)

        assert len(await world.runs()) == 1


async def test_a_classify_that_raises_what_nobody_catches_harms_its_own_run_only() -> None:
    async with World.of(Does()) as world:
        await world.task("does", "fatal", schedule=once(world.clock.now()))
        await world.task("does", "fine", schedule=once(world.clock.now()))
        await world.run_for(SECOND, concurrency=1)
        endings = {run.key: run.ending for run in await world.runs()}

    assert endings == {"fatal": "failed", "fine": "succeeded"}


async def test_what_an_executor_does_to_its_payload_is_not_seen_by_the_next_run() -> None:
    Does.seen.clear()
    async with World.of(Does()) as world:
        await world.task("does", "mutates", payload={"list": []}, schedule=every(seconds=1))
        await world.run_for(3 * SECOND)

    assert len(Does.seen) >= 2
    assert not any(Does.seen)


async def test_a_fault_of_the_hosts_own_is_forgotten_once_runs_succeed_again() -> None:
    class Faulty(TaskExecutor[Any]):
        kind = "faulty"
        faults: ClassVar[set[int]] = {1, 2, 3, 40}
        begun: ClassVar[list[datetime]] = []

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            self.begun.append(world.clock.now())
            if len(self.begun) in self.faults:
                raise TaskFailure("unknown.internal_db", "pool exhausted")

    async with World.of(Faulty()) as world:
        await world.task("faulty", schedule=every(seconds=60))
        await world.run_for(timedelta(hours=2), concurrency=1)
        gaps = [after - before for before, after in zip(Faulty.begun[39:], Faulty.begun[40:], strict=False)]

    assert gaps[0] <= timedelta(seconds=61)


async def test_a_listener_that_ends_is_started_again_and_does_not_spin() -> None:
    async with World.of(Does()) as world:
        calls = 0

        async def listen(_: Any) -> None:
            nonlocal calls
            calls += 1

        world.store.listen = listen  # type: ignore[assignment]  # the fault itself
        await world.task("does", schedule=once(world.clock.now()))
        await world.run_for(60 * SECOND)

        assert len(await world.runs()) == 1
    assert 2 <= calls <= 30


async def test_a_result_that_cannot_even_be_looked_at_fails_its_own_run_only() -> None:
    class Evil(dict[str, Any]):
        def items(self) -> Any:
            raise Fatal

        def __iter__(self) -> Any:
            raise ZeroDivisionError("result")

        keys = __iter__

    class Returns(TaskExecutor[Any]):
        kind = "returns"

        async def execute(self, task: Task[Any], context: RunContext) -> Outcome:
            return Succeeded(Evil(a=1) if task.key == "evil" else None)

    async with World.of(Returns()) as world:
        await world.task("returns", "evil", schedule=once(world.clock.now()))
        await world.task("returns", "fine", schedule=once(world.clock.now()))
        await world.run_for(SECOND, concurrency=1)
        endings = {run.key: run.ending for run in await world.runs()}

    assert endings == {"evil": "failed", "fine": "succeeded"}


async def test_a_kind_that_a_registry_names_and_does_not_know_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(ExecutorRegistry):
        def executor(self, kind: str) -> TaskExecutor[Any]:
            if kind == "forgotten":
                raise LookupError(kind)
            return super().executor(kind)

    class Forgotten(Does):
        kind = "forgotten"

    async with World.of(Does(), Forgotten()) as world:
        await world.task("forgotten", schedule=once(world.clock.now()))
        await world.task("does", "fine", schedule=every(seconds=1))
        registry = Forgetful(world.executors)
        async with world.clock.autojump(), Runner(world.store, registry, clock=world.clock):
            await world.clock.advance(10 * SECOND)
        runs = await world.runs()

    assert {run.kind for run in runs} == {"does"}
    assert sum("has no executor" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_keyboard_ends_the_host_and_the_run_it_fell_into_is_interrupted(waits: bool, backend: str) -> None:
    class Struck(TaskExecutor[Any]):
        kind = "struck"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            if waits:
                await anyio.lowlevel.checkpoint()
            raise KeyboardInterrupt

    clock = VirtualClock()
    store = MemoryStore(clock)

    async def host() -> None:
        async with Warden.open(store, executors=[Struck()], clock=clock) as warden:
            await warden.tenant("alice").tasks.ensure("struck", key="a", schedule=once(clock.now()))
            async with warden.runner():
                await anyio.sleep_forever()

    with pytest.raises(BaseException) as caught:  # noqa: PT011 - a group on trio
        anyio.run(host, backend=backend)
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    (row,) = store._tables.rows.values()

    assert isinstance(error, KeyboardInterrupt)
    assert (row.runner, row.state) == (None, "scheduled")
