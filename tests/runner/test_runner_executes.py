"""Steps 1 to 6: what is due is executed, isolated, and recorded."""

from concurrent.futures import CancelledError
from contextvars import ContextVar
from datetime import timedelta
from itertools import pairwise
from typing import Any

import anyio
import attrs
import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.outcome import Outcome, Skipped, Snoozed, Succeeded
from taskwarden.core.record import Ending
from taskwarden.core.task import Task
from taskwarden.policies.intervals import every, once
from tests.worlds import World

pytestmark = pytest.mark.anyio

SEEN: ContextVar[str] = ContextVar("SEEN", default="nothing")
MINUTE = timedelta(minutes=1)


class Says(TaskExecutor[Any]):
    """Ends as its payload says."""

    kind = "says"
    said: dict[str, Any]

    def __init__(self, **said: Any) -> None:
        self.said = said

    async def execute(self, task: Task[Any], context: RunContext) -> Outcome | None:
        said = self.said[task.key]
        outcome: Outcome | None = said(context) if callable(said) else said
        return outcome


async def test_a_due_slot_runs_once_and_the_next_is_planned() -> None:
    async with World.of(Says(a=Succeeded({"bytes": 7}))) as world:
        task = await world.task("says")

        await world.run_for(timedelta(seconds=1))

        (run,) = await world.runs()
        after = await world.now(task)
    assert (run.ending, run.settled, run.result, run.attempt) == (Ending.SUCCEEDED, True, {"bytes": 7}, 1)
    assert run.slot_at == task.slot_at
    assert after.slot_at is not None
    assert task.slot_at is not None
    assert timedelta(0) < after.slot_at - task.slot_at <= MINUTE


async def test_a_recurring_task_runs_once_in_each_slot() -> None:
    async with World.of(Says(a=None)) as world:
        await world.task("says", schedule=every(minutes=1, anchor=world.clock.now()))

        await world.run_for(timedelta(minutes=10, seconds=1))

        runs = await world.runs()
    slots = [run.slot_at for run in runs]
    assert len(slots) == len(set(slots))
    assert [later - earlier for earlier, later in pairwise(slots)] == [MINUTE] * (len(slots) - 1)
    assert len(slots) in {10, 11}


async def test_a_one_off_is_done_after_its_success() -> None:
    async with World.of(Says(a=None)) as world:
        task = await world.task("says", schedule=once(world.clock.now()))

        await world.run_for(timedelta(days=3))

        assert [run.ending for run in await world.runs()] == [Ending.SUCCEEDED]
        assert (await world.now(task)).status == "done"


async def test_none_means_succeeded_and_skipped_settles_the_slot() -> None:
    async with World.of(Says(a=None, b=Skipped("nothing new"))) as world:
        await world.task("says", "a", schedule=once(world.clock.now()))
        skipped = await world.task("says", "b", schedule=once(world.clock.now()))

        await world.run_for(MINUTE)

        assert {(run.key, run.ending) for run in await world.runs()} == {("a", "succeeded"), ("b", "skipped")}
        assert (await world.now(skipped)).status == "done"


async def test_a_snoozed_run_keeps_its_slot_and_comes_back_then() -> None:
    async with World.of() as world:
        until = world.clock.now() + timedelta(hours=2)
        answers = iter([Snoozed(until), Succeeded()])
        world.warden.registry.add(Says(a=lambda _: next(answers)))  # type: ignore[attr-defined]
        await world.task("says", schedule=once(world.clock.now()))

        await world.run_for(timedelta(hours=3))

        snoozed, succeeded = await world.runs()
    assert (snoozed.ending, snoozed.settled, succeeded.ending) == (Ending.SNOOZED, False, Ending.SUCCEEDED)
    assert succeeded.slot_at == snoozed.slot_at
    assert succeeded.started_at == until


async def test_missed_slots_coalesce_into_the_run_that_replaces_them() -> None:
    async with World.of(Says(a=None)) as world:
        await world.task("says", schedule=every(minutes=1, anchor=world.clock.now()))
        await world.clock.advance(timedelta(hours=1))

        await world.run_for(timedelta(seconds=1))

        (run,) = await world.runs()
    assert run.settled
    assert run.coalesced in {59, 60}


async def test_a_variable_set_by_one_run_is_not_seen_by_the_next() -> None:
    seen = []

    def look(_: RunContext) -> None:
        seen.append(SEEN.get())
        SEEN.set("something")

    async with World.of(Says(a=look)) as world:
        await world.task("says", schedule=every(seconds=1))
        await world.run_for(timedelta(seconds=5), concurrency=1)

    assert len(seen) >= 4
    assert set(seen) == {"nothing"}


async def test_a_variable_survives_the_waits_of_its_own_run() -> None:
    seen = []

    class Waits(TaskExecutor[Any]):
        kind = "waits"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            SEEN.set(task.key)
            await anyio.lowlevel.checkpoint()
            async with anyio.create_task_group() as tg:
                tg.start_soon(self.child, task.key)
            seen.append(SEEN.get() == task.key)

        async def child(self, key: str) -> None:
            await anyio.lowlevel.checkpoint()
            seen.append(SEEN.get() == key)

    async with World.of(Waits()) as world:
        for number in range(20):
            await world.task("waits", f"t{number}", schedule=once(world.clock.now()))
        await world.run_for(MINUTE)

    assert seen == [True] * 40


async def test_no_more_runs_at_once_than_the_concurrency() -> None:
    now = most = 0

    class Counts(TaskExecutor[Any]):
        kind = "counts"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await world.clock.sleep(timedelta(seconds=1))
            now -= 1

    async with World.of(Counts()) as world:
        for number in range(30):
            await world.task("counts", f"t{number}", schedule=once(world.clock.now()))

        await world.run_for(timedelta(seconds=11), concurrency=3)

        assert len(await world.runs()) == 30
    assert most == 3


async def test_a_runner_that_is_full_goes_on_when_its_runs_end() -> None:
    async with World.of(Says(a=None, b=None, c=None)) as world:
        for key in "abc":
            await world.task("says", key, schedule=every(seconds=1, anchor=world.clock.now()))

        await world.run_for(timedelta(seconds=20), concurrency=1)

        runs = await world.runs()
    assert len(runs) >= 57
    assert not any(run.coalesced for run in runs)


async def test_no_more_is_claimed_than_can_be_started() -> None:
    hold = anyio.Event()

    class Holds(TaskExecutor[Any]):
        kind = "holds"

        async def execute(self, task: Task[Any], context: RunContext) -> None:
            await hold.wait()

    async with World.of(Holds()) as world:
        tasks = [await world.task("holds", f"t{n}", schedule=once(world.clock.now())) for n in range(5)]
        async with world.warden.runner(concurrency=2):
            await world.clock.settle()
            claimed = [task.key for task in [await world.now(task) for task in tasks] if task.runner]
            hold.set()
    assert len(claimed) == 2


@attrs.frozen
class Site:
    url: str
    depth: int = 1


async def test_a_payload_arrives_structured() -> None:
    seen = []

    class Visits(TaskExecutor[Site]):
        kind = "visits"

        async def execute(self, task: Task[Site], context: RunContext) -> None:
            seen.append(task.payload)

    async with World.of(Visits()) as world:
        await world.task("visits", payload=Site("https://example.org"))
        await world.run_for(timedelta(seconds=1))

    assert seen == [Site("https://example.org", 1)]


async def test_an_old_payload_is_upgraded_and_one_that_fits_no_more_is_a_definitive_config_error() -> None:
    class Old(TaskExecutor[Any]):
        kind = "visits"

        async def execute(self, task: Task[Any], context: RunContext) -> None: ...

    class New(TaskExecutor[Site]):
        kind = "visits"
        payload_version = 2

        def upgrade(self, payload: Any, version: int) -> Any:
            return {"url": payload["address"]} if version == 1 and "address" in payload else payload

        async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
            return Succeeded(task.payload.url)

    async with World.of(Old()) as world:
        await world.task("visits", "good", payload={"address": "https://example.org"})
        await world.task("visits", "bad", payload={"other": 1})
        world.warden.registry._by_kind[world.warden.registry.executor("visits").kind] = New()  # type: ignore[attr-defined]

        await world.run_for(timedelta(seconds=1))

        runs = {run.key: run for run in await world.runs()}
    assert runs["good"].result == "https://example.org"
    assert runs["bad"].code == "config_error.payload"
    assert "$" in runs["bad"].message


async def test_what_the_classifier_knows_to_be_no_failure_is_skipped() -> None:
    def cancelled(_: RunContext) -> None:
        raise CancelledError

    async with World.of(Says(a=cancelled)) as world:
        task = await world.task("says")

        await world.run_for(timedelta(seconds=1))

        (run,) = await world.runs()
        after = await world.now(task)
    assert (run.ending, run.settled, run.code) == (Ending.SKIPPED, True, "")
    assert after.health.streak == 0
