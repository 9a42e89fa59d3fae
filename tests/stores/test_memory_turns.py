"""Turns in the memory store: the fairness bound, weights, aging and caps, whatever comes between."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.claim import Claim, urgency
from taskwarden.core.task import Priority
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

RUNNER = RunnerId("runner")
PING, OTHER = Kind("suite.ping"), Kind("suite.other")
KINDS = (PING, OTHER)
LEASE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


async def fill(store: MemoryStore, tenant: str, tasks: int, kind: Kind = PING) -> None:
    now = await store.now()
    for number in range(tasks):
        await store.ensure(TenantId(tenant), spec(kind, f"{kind}-{number}", at=now))


async def claim(store: MemoryStore, limit: int, kinds: tuple[Kind, ...] = KINDS) -> tuple[Claim, ...]:
    return (await store.claim(runner=RUNNER, kinds=kinds, limit=limit, lease=LEASE)).claims


@given(
    backlogs=st.lists(st.tuples(st.integers(1, 12), st.sampled_from(KINDS)), min_size=1, max_size=8),
    batches=st.lists(st.integers(1, 7), min_size=1, max_size=30),
    late=st.integers(0, 20),
)
async def test_who_waits_is_served_within_one_turn_of_everybody_and_a_batch(
    backlogs: list[tuple[int, Kind]], batches: list[int], late: int
) -> None:
    store = MemoryStore(VirtualClock())
    for number, (tasks, kind) in enumerate(backlogs):
        await fill(store, f"tenant-{number}", tasks, kind)
    waiting = {TenantId(f"tenant-{number}"): tasks for number, (tasks, _) in enumerate(backlogs)}
    since = dict.fromkeys(waiting, 0)
    served = 0
    for turn, batch in enumerate(batches):
        if turn == late:
            await fill(store, "late", 3)
            waiting[TenantId("late")], since[TenantId("late")] = 3, served
        for held in await claim(store, batch):
            tenant, served = held.task.tenant, served + 1
            assert served - since[tenant] <= len(waiting) + batch
            waiting[tenant] -= 1
            since[tenant] = served
        for tenant, tasks in waiting.items():
            assert tasks == 0 or served - since[tenant] <= len(waiting) + batch


@given(st.lists(st.integers(1, 16), min_size=2, max_size=5))
async def test_weights_share_turns_exactly(weights: list[int]) -> None:
    store = MemoryStore(VirtualClock())
    rounds = 2
    for number, weight in enumerate(weights):
        await store.set_tenant(TenantId(f"{number}"), weight=weight)
        await fill(store, f"{number}", weight * (rounds + 1))

    served = Counter([held.task.tenant for _ in range(rounds * sum(weights)) for held in await claim(store, 1)])

    for number, weight in enumerate(weights):
        assert abs(served[TenantId(f"{number}")] - rounds * weight) <= 1


async def test_a_tenant_whose_kind_nobody_ran_does_not_make_up_for_it() -> None:
    store = MemoryStore(VirtualClock())
    await fill(store, "slept", 50, OTHER)
    await fill(store, "worked", 150, PING)
    await claim(store, 2)
    await claim(store, 100, (PING,))  # and now one that knows both kinds again

    served = Counter(held.task.tenant for held in await claim(store, 40))

    assert abs(served[TenantId("slept")] - served[TenantId("worked")]) <= 1


async def test_a_tenant_that_was_at_its_cap_does_not_make_up_for_it() -> None:
    store, capped = MemoryStore(VirtualClock()), TenantId("capped")
    await store.set_tenant(capped, max_running=1)
    await fill(store, "capped", 60)
    await fill(store, "free", 160)
    await claim(store, 100)
    await store.set_tenant(capped, max_running=None)

    served = Counter(held.task.tenant for held in await claim(store, 40))

    assert abs(served[capped] - 20) <= 1


async def test_new_tenants_that_keep_coming_starve_nobody() -> None:
    store = MemoryStore(VirtualClock())
    await fill(store, "old", 30)
    await claim(store, 10)

    served = []
    for number in range(20):
        await fill(store, f"new-{number}", 1)
        served += [held.task.tenant for held in await claim(store, 2)]

    assert served.count(TenantId("old")) >= 19


@given(st.lists(st.tuples(st.integers(0, 7200), st.sampled_from(Priority), st.sampled_from(KINDS)), max_size=25))
async def test_a_tenants_order_is_that_of_urgency_over_all_its_kinds(
    tasks: list[tuple[int, Priority, Kind]],
) -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    for number, (waited, priority, kind) in enumerate(tasks):
        at = clock.now() - SECOND * waited
        await store.ensure(TenantId("alice"), spec(kind, f"{number}", at=at, priority=priority))

    order = [held for _ in tasks for held in await claim(store, 1)]

    keys = [urgency(held.due_at, held.task.priority) for held in order]
    assert keys == sorted(keys)
    assert len(order) == len(tasks)


@given(
    caps=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4)),
    game=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20)), max_size=40),
)
async def test_caps_are_exact_and_what_they_allow_is_claimed(
    caps: tuple[int, int, int, int], game: list[tuple[int, int]]
) -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    tenants, kinds = dict(zip(("alice", "bob"), caps, strict=False)), dict(zip(KINDS, caps[2:], strict=True))
    for tenant, cap in tenants.items():
        await store.set_tenant(TenantId(tenant), max_running=cap)
        for kind in KINDS:
            await fill(store, tenant, 6, kind)
    for kind, cap in kinds.items():
        await store.limit_kind(kind, cap)
    running: list[Claim] = []
    for limit, pick in game:
        claims = await claim(store, limit)
        running += claims
        by_tenant = Counter[str](held.task.tenant for held in running)
        by_kind = Counter[str](held.task.kind for held in running)
        assert all(by_tenant[tenant] <= cap for tenant, cap in tenants.items())
        assert all(by_kind[kind] <= cap for kind, cap in kinds.items())
        room = any(
            by_tenant[tenant] < tenants[tenant] and by_kind[kind] < kinds[kind] for tenant in tenants for kind in KINDS
        )
        assert len(claims) == limit or not room
        if running:
            done = running.pop(pick % len(running))
            await store.complete([completed(done, next_run_at=clock.now())])


async def test_what_waits_for_a_cap_is_not_looked_at_again_until_the_cap_has_room() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    await store.set_tenant(TenantId("capped"), max_running=1)
    await fill(store, "capped", 100)
    await claim(store, 10)
    store_queue = store._tables.queues[PING]

    claims = await store.claim(runner=RUNNER, kinds=KINDS, limit=10, lease=LEASE)

    assert (claims.claims, claims.next_due) == ((), None)
    assert store_queue.ring == []
