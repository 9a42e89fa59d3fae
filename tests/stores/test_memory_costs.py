"""What the memory store's hot path costs, counted instead of timed: the number of stored tasks does not matter."""

import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from types import FrameType
from typing import cast

import pytest

from taskwarden.core.protocols import Hint
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

RUNNER = RunnerId("runner")
PING, OTHER = Kind("suite.ping"), Kind("suite.other")
LEASE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
BATCH = 50

comparisons: Counter[str] = Counter()


class Counted(datetime):
    """An instant that counts how often it is compared: what heaps do with it."""

    def __lt__(self, other: date) -> bool:
        comparisons["all"] += 1
        return super().__lt__(cast("datetime", other))

    def __eq__(self, other: object) -> bool:
        comparisons["all"] += 1
        return super().__eq__(other)

    __hash__ = datetime.__hash__


def counted(at: datetime) -> Counted:
    return Counted.fromtimestamp(at.timestamp(), at.tzinfo)


async def filled(stored: int, tenants: int) -> tuple[MemoryStore, VirtualClock]:
    """Return a store with ``BATCH`` tasks due, and the others within a few hours."""
    clock = VirtualClock()
    store = MemoryStore(clock)
    for number in range(stored):
        at = clock.now() if number < BATCH else clock.now() + 2 * SECOND * number
        made = spec(PING, f"{number}", at=counted(at))
        await store.ensure(TenantId(f"tenant-{number % tenants}"), made)
    return store, clock


async def round_trip(store: MemoryStore, clock: VirtualClock) -> None:
    claims = (await store.claim(runner=RUNNER, kinds=[PING], limit=BATCH, lease=LEASE)).claims
    assert len(claims) == BATCH
    await store.complete([completed(claim, next_run_at=counted(clock.now() + 3600 * SECOND)) for claim in claims])


@pytest.mark.parametrize("tenants", [1, 50])
async def test_comparisons_for_claims_and_completions_do_not_grow_with_what_is_stored(tenants: int) -> None:
    costs = []
    for stored in (200, 10_000):
        store, clock = await filled(stored, tenants)
        comparisons.clear()
        await round_trip(store, clock)
        costs.append(comparisons["all"])

    small, large = costs
    assert 0 < large <= 1.5 * small


async def test_calls_for_claims_and_completions_do_not_grow_with_what_is_stored() -> None:
    costs = []
    for stored in (200, 5_000):
        store, clock = await filled(stored, 5)
        costs.append(await calls_during(lambda store=store, clock=clock: round_trip(store, clock)))  # type: ignore[misc]  # binds the loop's values

    small, large = costs
    assert 0 < large <= 1.1 * small


async def test_a_claim_that_finds_nothing_costs_the_same_whatever_is_stored() -> None:
    costs = []
    for stored in (200, 5_000):
        store, clock = await filled(stored, 5)
        await round_trip(store, clock)
        costs.append(
            await calls_during(lambda store=store: store.claim(runner=RUNNER, kinds=[PING], limit=1, lease=LEASE))  # type: ignore[misc]  # binds the loop's value
        )

    assert costs[0] == costs[1]


async def test_due_tasks_of_unknown_kinds_are_not_looked_at() -> None:
    costs = []
    for unknown in (0, 2_000):
        clock = VirtualClock()
        store = MemoryStore(clock)
        for number in range(unknown):
            await store.ensure(TenantId("alice"), spec(OTHER, f"{number}", at=clock.now() - SECOND))
        await store.ensure(TenantId("alice"), spec(PING, "one", at=clock.now() + SECOND))
        costs.append(
            await calls_during(lambda store=store: store.claim(runner=RUNNER, kinds=[PING], limit=1, lease=LEASE))  # type: ignore[misc]  # binds the loop's value
        )

    assert costs[0] == costs[1]


async def test_renewing_costs_a_step_for_each_lease_and_leaves_nothing_behind() -> None:
    store, clock = await filled(BATCH, 1)
    claims = (await store.claim(runner=RUNNER, kinds=[PING], limit=BATCH, lease=LEASE)).claims
    holds = {claim.task.id: claim.token for claim in claims}
    for _ in range(1_000):
        clock.jump(SECOND)
        await store.renew(runner=RUNNER, holds=holds, lease=LEASE)

    assert len(store._tables.queues[PING].leases.rows()) == BATCH
    assert (await store.claim(runner=RunnerId("other"), kinds=[PING], limit=BATCH, lease=LEASE)).claims == ()


async def test_places_in_heaps_that_became_invalid_do_not_pile_up() -> None:
    store, _ = await filled(10, 1)
    (task,) = await store.tasks(TenantId("tenant-0"), kind=None, status=None, after=None, limit=1)
    for _ in range(5_000):
        await store.pause(task.tenant, task.id, paused=True, actor="")
        await store.pause(task.tenant, task.id, paused=False, actor="")

    queue = store._tables.queues[PING]
    assert sum(len(heap) for heap in queue.timers._heaps.values()) <= 10 + 10 + 1_000 + 1


async def calls_during(action: Callable[[], object]) -> int:
    """Return how many functions are called, Python's and C's, until *action* has been awaited."""
    calls = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        await action()  # type: ignore[misc]  # an awaitable
    finally:
        sys.setprofile(before)
    return calls


async def test_hints_do_not_make_a_single_runner_look_more_than_once_for_a_batch() -> None:
    store, clock = await filled(BATCH, 1)
    hints: list[Hint] = []
    store._tables.listeners.add("test", hints.append)
    hints.clear()
    await round_trip(store, clock)

    assert hints == [Hint.DUE, Hint.CHANGED]
