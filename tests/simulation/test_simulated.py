"""A host's own executors and policies, run for weeks of virtual time in a few lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.failure import TaskFailure
from taskwarden.core.health import Phase
from taskwarden.core.outcome import JSON, Outcome
from taskwarden.core.task import Task
from taskwarden.policies import brief
from taskwarden.policies.intervals import every
from taskwarden.testing import VirtualClock, simulated

pytestmark = pytest.mark.anyio

START = datetime(2026, 3, 1, tzinfo=UTC)


class Poll(TaskExecutor[JSON]):
    kind: ClassVar[str] = "poll"
    schedule = every(hours=1)
    timeout = timedelta(minutes=5)

    def __init__(self) -> None:
        self.slots: list[datetime] = []
        self.down = False
        self.clock: VirtualClock | None = None
        self.takes = timedelta(0)

    async def execute(self, task: Task[JSON], context: RunContext) -> Outcome | None:
        self.slots.append(context.slot_at)
        if self.clock is not None:
            await self.clock.sleep(self.takes)
        if self.down:
            raise TaskFailure("network_error.refused", "connection refused")
        return None


async def test_a_week_passes_in_one_line_and_every_slot_runs() -> None:
    poll = Poll()
    async with simulated(executors=[poll], start=START) as world:
        task = await world.tenant("alice").tasks.ensure("poll", key="home")
        await world.advance(days=7)

        assert world.now == START + timedelta(days=7)
    assert len(poll.slots) == 7 * 24
    assert poll.slots[0] == task.status.slot_at
    assert {later - earlier for earlier, later in zip(poll.slots, poll.slots[1:], strict=False)} == {timedelta(hours=1)}


async def test_time_stands_still_but_in_advance() -> None:
    poll = Poll()
    async with simulated(executors=[poll]) as world:
        await world.tenant("alice").tasks.ensure("poll", key="home")
        await world.clock.settle()

        assert (world.now, poll.slots) == (datetime(2026, 1, 1, tzinfo=UTC), [])


async def test_a_policy_is_seen_at_work_through_an_outage() -> None:
    poll = Poll()
    async with simulated(executors=[poll], policy=brief()) as world:
        alice = world.tenant("alice")
        task = (await alice.tasks.ensure("poll", key="home")).status
        poll.down = True
        await world.advance(days=1)
        tripped = await alice.tasks.get(task.id)
        calls = len(poll.slots)
        poll.down = False
        await world.advance(days=8)
        recovered = await alice.tasks.get(task.id)

    assert (tripped.phase, calls) == (Phase.NEEDS_INTERVENTION, 3)
    assert recovered.phase is Phase.HEALTHY


async def test_what_takes_virtual_time_is_bounded_by_its_timeout() -> None:
    poll = Poll()
    async with simulated(executors=[poll]) as world:
        poll.clock, poll.takes = world.clock, timedelta(minutes=6)
        alice = world.tenant("alice")
        task = (await alice.tasks.ensure("poll", key="home")).status
        await world.advance(hours=2)
        (*_, first) = await alice.runs.list(task.id)

    assert (first.code, first.duration) == ("network_error.timeout", timedelta(minutes=5))


async def test_what_runs_at_the_end_of_the_block_may_finish() -> None:
    poll = Poll()
    async with simulated(executors=[poll]) as world:
        poll.clock, poll.takes = world.clock, timedelta(seconds=20)
        alice = world.tenant("alice")
        task = (await alice.tasks.ensure("poll", key="home")).status
        assert task.slot_at is not None
        await world.advance(seconds=(task.slot_at - world.now).total_seconds())
        store = world.warden.store

    assert [run.ending.value for run in await store.runs(alice.id, task_id=None, before=None, limit=9)] == ["succeeded"]


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(AssertionError, match="mine"):
        async with simulated(executors=[Poll()]):
            raise AssertionError("mine")


async def test_an_idle_week_wakes_nobody() -> None:
    class Yearly(Poll):
        kind = "yearly"
        schedule = every(days=365, anchor=datetime(2026, 12, 1, tzinfo=UTC))

    async with simulated(executors=[Yearly()]) as world:
        for number in range(100):
            await world.tenant("alice").tasks.ensure("yearly", key=str(number))
        await world.clock.settle()
        before = world.clock.wakeups
        await world.advance(days=7)

        assert world.clock.wakeups == before
