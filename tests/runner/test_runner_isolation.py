"""Promise 8: a host's code that misbehaves harms its own run only, and is seen."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

import anyio
import attrs
import pytest

from taskwarden.core.decision import Decision, Event, IntervalState, Planned
from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.failure import Failure, TaskFailure
from taskwarden.core.health import Health
from taskwarden.core.outcome import Outcome, Succeeded
from taskwarden.core.task import Task
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import once
from tests.worlds import World

pytestmark = pytest.mark.anyio


class Fatal(BaseException):
    """What no `except Exception` catches."""


class Raises(TaskExecutor[Any]):
    """Raises what its key names; succeeds otherwise."""

    kind = "raises"
    errors = {
        "value": ValueError("no such thing"),
        "base": Fatal("bye"),
        "exit": SystemExit(3),
        "generator": GeneratorExit(),
        "group": ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
        "stop": StopIteration(1),
        "explicit": TaskFailure("auth_error.revoked", "disconnected", definitive=True),
    }

    async def execute(self, task: Task[Any], context: RunContext) -> Outcome | None:
        if task.key in self.errors:
            raise self.errors[task.key]
        if task.key == "cancelled":
            raise anyio.get_cancelled_exc_class()
        if task.key == "rubbish":
            return {"status": "ok"}  # type: ignore[return-value]
        if task.key == "flood":
            return Succeeded("x" * 100_000)
        if task.key == "no json":
            return Succeeded({1: object()})  # type: ignore[dict-item]
        return None


async def all_of(world: World, *keys: str) -> dict[str, Any]:
    for key in keys:
        await world.task("raises", key, schedule=once(world.clock.now()))
    await world.run_for(timedelta(seconds=1), concurrency=1)
    return {run.key: run for run in await world.runs() if run.attempt == 1}


@pytest.mark.parametrize("key", [*Raises.errors, "rubbish"])
async def test_whatever_an_executor_raises_or_returns_fails_its_own_run_only(key: str) -> None:
    async with World.of(Raises()) as world:
        runs = await all_of(world, key, "fine")

    assert runs[key].ending == "failed"
    assert runs["fine"].ending == "succeeded"


async def test_a_cancellation_of_the_executors_own_making_is_a_failure() -> None:
    if anyio.get_cancelled_exc_class().__module__.startswith("trio"):
        pytest.skip("trio's Cancelled cannot be raised by hand")
    async with World.of(Raises()) as world:
        runs = await all_of(world, "cancelled", "fine")

    assert runs["cancelled"].ending == "failed"
    assert runs["fine"].ending == "succeeded"


async def test_an_explicit_failure_keeps_its_code_and_rubbish_is_a_bug() -> None:
    async with World.of(Raises()) as world:
        runs = await all_of(world, "explicit", "rubbish")

    assert (runs["explicit"].code, runs["explicit"].message) == ("auth_error.revoked", "disconnected")
    assert runs["rubbish"].code == "unknown.bug"
    assert "{'status': 'ok'}" in runs["rubbish"].message


@pytest.mark.parametrize("key", ["flood", "no json"])
async def test_a_result_that_cannot_be_kept_is_dropped_and_an_incident_says_so(key: str) -> None:
    async with World.of(Raises()) as world:
        runs = await all_of(world, key)
        incidents = await world.warden.tenant("alice").incidents()

    assert runs[key].ending == "succeeded"
    assert set(runs[key].result) == {"not_kept"}
    assert [incident.key for incident in incidents] == ["result:raises"]


@attrs.frozen
class BrokenFailurePolicy:
    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        raise ZeroDivisionError("policy")


@attrs.frozen
class BrokenSchedule:
    """Raises once a task has been created with it."""

    armed: ClassVar[bool] = False

    @property
    def grace(self) -> timedelta | None:
        if self.armed:
            raise ZeroDivisionError("grace")
        return None

    def next(self, slot: Any, state: IntervalState, outcome: Any, now: datetime) -> Planned:
        if slot is None:
            return Planned(now)
        raise ZeroDivisionError("schedule")


class Guarded(Raises):
    kind = "guarded"
    failure_policy = BrokenFailurePolicy()


class Planless(Raises):
    kind = "planless"
    schedule = BrokenSchedule()

    def classify(self, error: Exception) -> Failure | None:
        raise ZeroDivisionError("classify")


async def test_a_failure_policy_that_raises_is_replaced_by_the_default_and_an_incident_names_it() -> None:
    async with World.of(Guarded(), Raises()) as world:
        task = await world.task("guarded", "value")
        await world.run_for(timedelta(seconds=1))
        after = await world.now(task)
        incidents = await world.warden.tenant("alice").incidents()

    assert after.phase == "backing_off"
    assert any("failure policy BrokenFailurePolicy raised" in incident.title for incident in incidents)


async def test_an_interval_policy_that_raises_is_replaced_and_an_incident_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with World.of(Planless()) as world:
        task = await world.task("planless", "fine", schedule=BrokenSchedule())
        monkeypatch.setattr(BrokenSchedule, "armed", True)  # it breaks only now: at creation it would be refused
        await world.run_for(timedelta(seconds=1))
        after = await world.now(task)
        incidents = await world.warden.tenant("alice").incidents()

    assert after.next_run_at is not None
    assert timedelta(0) < after.next_run_at - world.clock.now() <= timedelta(hours=1)
    assert any("interval policy of kind planless" in incident.title for incident in incidents)


class Rubbish:
    """Says what no store could keep."""

    def __repr__(self) -> str:
        return "Rubbish()"

    grace = None
    armed: ClassVar[Planned | None] = None

    def next(self, slot: Any, state: IntervalState, outcome: Any, now: datetime) -> Planned:
        return self.armed or Planned(now)

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        return Decision(health, datetime(2026, 1, 1))


@pytest.mark.parametrize("planned", [Planned(datetime(2026, 1, 1)), Planned(None, memory="x" * 257)])
async def test_a_schedule_that_says_what_cannot_be_kept_is_replaced(
    monkeypatch: pytest.MonkeyPatch, planned: Planned
) -> None:
    async with World.of(Planless()) as world:
        task = await world.task("planless", "fine", schedule=Rubbish())
        monkeypatch.setattr(Rubbish, "armed", planned)
        await world.run_for(timedelta(seconds=1))
        after = await world.now(task)

    assert after.next_run_at is not None
    assert after.next_run_at > world.clock.now()


async def test_a_failure_policy_that_says_what_cannot_be_kept_is_replaced() -> None:
    class Odd(Raises):
        kind = "odd"
        failure_policy = Rubbish()

    async with World.of(Odd()) as world:
        task = await world.task("odd", "value")
        await world.run_for(timedelta(seconds=1))

        assert (await world.now(task)).phase == "backing_off"


async def test_an_outcome_that_the_store_refuses_to_take_does_not_hold_up_the_others() -> None:
    async with World.of(Raises()) as world:
        complete = world.store.complete

        async def picky(completions: Any) -> Any:
            if any(completion.claim.task.key == "value" for completion in completions):
                raise InvalidValue("completion", "value", "is not to this store's taste")
            return await complete(completions)

        world.store.complete = picky  # type: ignore[method-assign]  # the fault itself
        for key in ("value", "fine", "also fine"):
            await world.task("raises", key, schedule=once(world.clock.now()))
        await world.run_for(timedelta(seconds=5))

        assert {run.key for run in await world.runs()} == {"fine", "also fine"}


async def test_a_classify_that_raises_leaves_the_failure_to_the_classifier() -> None:
    async with World.of(Planless()) as world:
        await world.task("planless", "value")
        await world.run_for(timedelta(seconds=1))
        (run,) = await world.runs()

    assert run.ending == "failed"
    assert "no such thing" in run.message
