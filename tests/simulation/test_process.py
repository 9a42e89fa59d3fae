"""A simulated process: its clock is wrong, its link to the store fails, and once dead it reaches nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import pytest

from taskwarden.core.store import Hint
from taskwarden.errors import StoreUnavailable
from taskwarden.ids import TenantId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing import VirtualClock
from taskwarden.testing.simulation.faults import CALM, Faults
from taskwarden.testing.simulation.process import Crashed, Livelock, Process
from taskwarden.testing.simulation.trace import Trace

pytestmark = pytest.mark.anyio

TENANT = TenantId("alice")
HOUR = timedelta(hours=1)


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self.trace = Trace(self.clock)
        self.outage = False

    def process(self, faults: Faults = CALM) -> Process:
        return Process(
            "host.1",
            seed="1",
            store=self.store,
            clock=self.clock,
            faults=faults,
            trace=self.trace,
            outage=lambda: self.outage,
        )


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    async with world.clock.autojump():
        yield world


async def weight(world: World) -> int:
    return (await world.store.tenant(TENANT)).weight


async def change(process: Process) -> None:
    await process.store.set_tenant(TENANT, weight=7)


async def test_calls_reach_the_store_and_answers_come_back(world: World) -> None:
    process = world.process()
    await change(process)

    assert (await process.store.tenant(TENANT)).weight == 7


async def test_nothing_of_the_dead_reaches_the_store(world: World) -> None:
    process = world.process()
    process.crash("here")
    with pytest.raises(Crashed):
        await change(process)

    assert await weight(world) == 1


async def test_a_process_may_die_before_or_after_its_call_took_effect(world: World) -> None:
    found: set[int] = set()
    for attempt in range(40):
        await world.store.set_tenant(TENANT, weight=1)
        process = world.process(Faults(crash=0.5))
        process.rng.seed(attempt)
        try:
            await change(process)
        except Crashed:
            found.add(await weight(world))

    assert found == {1, 7}


async def test_an_ambiguous_call_took_effect_and_says_that_the_store_is_away(world: World) -> None:
    with pytest.raises(StoreUnavailable):
        await change(world.process(Faults(ambiguous=1)))

    assert await weight(world) == 7


@pytest.mark.parametrize("whose", ["everybody's", "its own"])
async def test_during_an_outage_no_call_takes_effect(world: World, whose: str) -> None:
    process = world.process()
    if whose == "its own":
        process.partitioned = True
    else:
        world.outage = True
    with pytest.raises(StoreUnavailable):
        await change(process)

    assert await weight(world) == 1


async def test_a_slow_call_takes_time(world: World) -> None:
    process = world.process(Faults(latency=1, longest_latency=HOUR))
    await change(process)

    assert 0 < world.clock.monotonic() <= 7_200


async def test_a_frozen_process_does_not_notice_that_its_time_has_come(world: World) -> None:
    process = world.process()
    woken = []

    async def wait() -> None:
        await process.clock.wait(anyio.Event(), process.clock.monotonic() + 60)
        woken.append(world.clock.monotonic())

    async with anyio.create_task_group() as tg:
        tg.start_soon(wait)
        process.freeze()
        await world.clock.sleep(HOUR)
        process.thaw()

    assert woken == [3_600.0]


async def test_its_monotonic_clock_drifts_and_still_reaches_what_is_waited_for(world: World) -> None:
    process = world.process(Faults(drift=0.5))
    until = process.clock.monotonic() + 3_600
    await process.clock.wait(anyio.Event(), until)

    assert process.clock.monotonic() >= until
    assert world.clock.monotonic() != 3_600
    assert 2_400 <= world.clock.monotonic() <= 7_200


async def test_its_wall_clock_is_wrong(world: World) -> None:
    process = world.process(Faults(skew=timedelta(days=3_650)))

    assert abs(process.clock.now() - world.clock.now()) > timedelta(days=1)


@pytest.mark.parametrize(("lost", "heard"), [(0.0, [Hint.DUE, Hint.CHANGED]), (1.0, [])])
async def test_hints_arrive_unless_they_are_lost(world: World, lost: float, heard: list[Hint]) -> None:
    process = world.process(Faults(lost_hint=lost))
    hints: list[Hint] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(process.store.listen, hints.append)
        await world.clock.settle()
        await world.store.set_tenant(TENANT, paused=True)
        await world.store.set_tenant(TENANT, paused=False)
        await world.clock.settle()
        tg.cancel_scope.cancel()

    assert set(hints) <= set(heard)
    assert bool(hints) == bool(heard)


async def test_a_healed_process_has_no_faults(world: World) -> None:
    process = world.process(Faults(ambiguous=1))
    process.partitioned = True
    process.heal()
    await change(process)

    assert await weight(world) == 7


async def test_calls_without_end_while_time_stands_still_are_stopped(world: World) -> None:
    process = world.process()

    async def spin() -> Any:
        while True:
            await process.store.now()

    with pytest.raises(Livelock, match="store calls at one instant"):
        await spin()
