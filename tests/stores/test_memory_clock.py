"""The memory store under a clock that goes back and forward."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.claim import Claim
from taskwarden.core.outcome import Lost
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

ALICE, BOB = TenantId("alice"), TenantId("bob")
PING = Kind("suite.ping")
LEASE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
YEARS = timedelta(days=1_500)
FIRST, OTHER = RunnerId("first"), RunnerId("other")


async def create(
    store: MemoryStore, key: str = "task", tenant: TenantId = ALICE, after: timedelta = 0 * SECOND
) -> None:
    await store.ensure(tenant, spec(PING, key, at=await store.now() + after))


async def claim(store: MemoryStore, runner: RunnerId = FIRST, limit: int = 100) -> tuple[Claim, ...]:
    return (await store.claim(runner=runner, kinds=[PING], limit=limit, lease=LEASE)).claims


async def test_what_was_due_is_due_no_longer_when_the_clock_steps_back() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    for number in range(4):
        await create(store, f"{number}", after=30 * SECOND)
    clock.jump(30 * SECOND)
    assert len(await claim(store, limit=1)) == 1
    assert (await store.tenant(ALICE)).due == 3
    clock.jump(-SECOND)

    early = await store.claim(runner=FIRST, kinds=[PING], limit=100, lease=LEASE)
    due = (await store.tenant(ALICE)).due
    clock.jump(SECOND)

    assert (early.claims, early.next_due, due) == ((), clock.now(), 0)
    assert len(await claim(store)) == 3


async def test_what_was_counted_as_due_is_due_no_longer_when_the_clock_steps_back() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await create(store, after=30 * SECOND)
    clock.jump(30 * SECOND)
    assert (await store.tenant(ALICE)).due == 1
    clock.jump(-SECOND)

    assert await claim(store) == ()


async def test_a_lease_seen_to_expire_lives_again_when_the_clock_steps_back() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    for number in range(2):
        await create(store, f"{number}")
    await claim(store)
    clock.jump(LEASE)
    assert len(await claim(store, OTHER, limit=1)) == 1
    clock.jump(-SECOND)

    early = await store.claim(runner=OTHER, kinds=[PING], limit=100, lease=LEASE)
    clock.jump(SECOND)

    assert (early.claims, early.next_due) == ((), clock.now())
    assert [held.lost_by for held in await claim(store, OTHER)] == [FIRST]


async def test_leases_of_before_and_after_a_step_back_each_end_in_their_time() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await create(store, "before")
    await claim(store)
    clock.jump(-30 * SECOND)
    await create(store, "after")
    await claim(store)
    clock.jump(LEASE)

    first = [held.task.key for held in await claim(store, OTHER)]
    clock.jump(30 * SECOND)
    second = [held.task.key for held in await claim(store, OTHER)]

    assert (first, second) == (["after"], ["before"])


async def test_a_runner_that_died_in_a_false_future_does_not_keep_its_tasks_until_then() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await create(store)
    clock.jump(YEARS)
    assert len(await claim(store)) == 1
    clock.jump(-YEARS)

    early = await claim(store, OTHER)
    clock.jump(LEASE)
    (taken,) = await claim(store, OTHER)

    assert (early, taken.lost_by) == ((), FIRST)
    assert list(await store.complete([completed(taken, Lost(), next_run_at=clock.now())])) == ["recorded"]


async def test_a_lease_that_was_renewed_in_a_false_future_ends_in_the_true_one() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await create(store)
    (held,) = await claim(store)
    clock.jump(YEARS)
    await store.renew(runner=FIRST, holds={held.task.id: held.token}, lease=LEASE)
    clock.jump(-YEARS)
    await claim(store, OTHER)
    clock.jump(LEASE)

    assert [taken.lost_by for taken in await claim(store, OTHER)] == [FIRST]


async def test_a_run_asked_for_in_a_false_future_is_due_now() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    made = (await store.ensure(ALICE, spec(PING, "task", at=clock.now() + 60 * LEASE))).status
    clock.jump(YEARS)
    await store.request_run(ALICE, made.id, at=clock.now(), actor="")
    clock.jump(-YEARS)

    (held,) = await claim(store)

    assert (held.trigger, held.due_at) == ("manual", clock.now())
    assert (await store.get(ALICE, made.id)).next_run_at == made.next_run_at


async def test_a_clock_fault_is_one_incident_for_each_tenant_whatever_it_has_stored() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    clock.jump(YEARS)
    for number in range(5):
        await create(store, f"{number}", ALICE, after=LEASE)
        await create(store, f"{number}", BOB, after=LEASE)
    clock.jump(-YEARS)

    taken = await claim(store)

    assert len(taken) == 10
    assert {held.slot_at for held in taken} == {clock.now()}
    for tenant in (ALICE, BOB):
        (incident,) = await store.incidents(tenant, open_only=True)
        assert (incident.key, incident.sightings, len(incident.task_ids)) == ("clock_fault", 1, 5)


async def test_falling_back_twice_is_mended_twice() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    clock.jump(YEARS)
    await create(store, after=LEASE)
    clock.jump(-YEARS)
    (first,) = await claim(store)
    await store.complete([completed(first, next_run_at=clock.now() + 60 * LEASE)])
    clock.jump(-YEARS)

    (second,) = await claim(store)

    assert second.slot_at == clock.now()
    (incident,) = await store.incidents(ALICE, open_only=True)
    assert incident.sightings == 2


@given(st.lists(st.integers(-200, 200), max_size=40))
async def test_steps_back_within_a_lease_let_nothing_be_claimed_too_early_or_twice(jumps: list[int]) -> None:
    clock = VirtualClock()
    peak = clock.now()
    store = MemoryStore(clock)
    for number in range(5):
        await create(store, f"{number}", after=20 * number * SECOND)
    live: dict[str, Claim] = {}
    for number, jump in enumerate(jumps):
        clock.jump(max(SECOND * jump, peak - LEASE - clock.now()))
        peak = max(peak, clock.now())
        for held in await claim(store, RunnerId(f"runner-{number % 2}"), limit=3):
            before = live.get(held.task.id)
            assert held.due_at <= clock.now()
            assert before is None or before.lease_until <= clock.now()
            live[held.task.id] = held
        if number % 3 == 0 and live:
            _, done = live.popitem()
            await store.complete([completed(done, next_run_at=clock.now() + 30 * SECOND)])
