"""Sharing: tenants' turns, weights, and caps that hold over all runners."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import anyio
import pytest

from taskwarden.core.claim import Receipt, urgency
from taskwarden.core.outcome import Lost
from taskwarden.core.task import Priority
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.testing.builders import deferred
from taskwarden.testing.conformance.suite import (
    ALICE,
    BOB,
    FIRST,
    HOUR,
    LEASE,
    OTHER,
    PING,
    SECOND,
    SECOND_RUNNER,
    Suite,
    claim,
    claim_one,
    create,
    finish,
)

if TYPE_CHECKING:
    from taskwarden.core.claim import Claim
    from taskwarden.core.protocols import Store
    from taskwarden.testing.clock import VirtualClock


class Sharing(Suite):
    """``claim`` between tenants; ``set_tenant``, ``limit_kind`` and ``tenant``."""

    @pytest.mark.parametrize("batch", [1, 5, 20])
    async def test_a_tenant_with_little_is_served_within_a_turn_of_all_and_a_batch(
        self, store: Store, clock: VirtualClock, batch: int
    ) -> None:
        for number in range(100):
            old = clock.now() - HOUR - SECOND * number
            await create(store, f"{number}", tenant="greedy", at=old, priority=Priority.CRITICAL)
        await claim(store, 20)  # whoever came first has had turns already
        modest = [TenantId(f"modest-{number}") for number in range(6)]
        for tenant in modest:
            await create(store, tenant=tenant, priority=Priority.LOW)

        served: list[TenantId] = []
        while len(served) < len(modest) + 1 + batch:
            served += [held.task.tenant for held in await claim(store, batch)]

        assert set(modest) <= set(served[: len(modest) + 1 + batch])

    async def test_priority_never_outranks_another_tenants_turn(self, store: Store) -> None:
        for number in range(10):
            await create(store, f"{number}", tenant=ALICE, priority=Priority.CRITICAL)
            await create(store, f"{number}", tenant=BOB, priority=Priority.LOW)

        served = Counter([(await claim(store, 1))[0].task.tenant for _ in range(10)])

        assert served == {ALICE: 5, BOB: 5}

    @pytest.mark.parametrize("batch", [1, 4])
    async def test_turns_are_shared_in_proportion_to_weights(self, store: Store, batch: int) -> None:
        await store.set_tenant(ALICE, weight=3)
        for number in range(50):
            await create(store, f"{number}", tenant=ALICE)
            await create(store, f"{number}", tenant=BOB)

        served: Counter[str] = Counter()
        for _ in range(40 // batch):
            served.update(held.task.tenant for held in await claim(store, batch))

            # One round of four turns, and a batch, is as far as it may be off on the way.
            assert abs(served[ALICE] - 3 * served.total() / 4) <= 4 + batch
        assert abs(served[ALICE] - 30) <= 4

    async def test_who_was_idle_does_not_make_up_for_it(self, store: Store) -> None:
        for number in range(80):
            await create(store, f"{number}", tenant=ALICE)
        await claim(store, 30)
        for number in range(40):
            await create(store, f"{number}", tenant=BOB)

        served = Counter([(await claim(store, 1))[0].task.tenant for _ in range(20)])

        assert abs(served[BOB] - 10) <= 2

    @pytest.mark.parametrize("seed", range(3))
    async def test_the_order_within_each_tenant_holds_under_backlog(
        self, store: Store, clock: VirtualClock, seed: int
    ) -> None:
        rng = Random(seed)
        for number, seconds in enumerate(rng.sample(range(3600), 40)):
            at = clock.now() - SECOND * seconds
            tenant = rng.choice(("alice", "bob", "carol"))
            await create(store, f"{number}", tenant=tenant, at=at, priority=rng.choice(list(Priority)))

        order: list[Claim] = []
        while claims := await claim(store, 3):
            order += claims

        for tenant in {held.task.tenant for held in order}:
            own = [urgency(held.due_at, held.task.priority) for held in order if held.task.tenant == tenant]
            assert own == sorted(own)
        assert len(order) == 40

    async def test_no_more_of_a_tenant_run_than_its_cap(self, store: Store) -> None:
        await store.set_tenant(ALICE, max_running=2)
        for number in range(5):
            await create(store, f"{number}")

        first = await claim(store, 1)
        rest = await claim(store, runner=SECOND_RUNNER)
        none = await claim(store)
        await finish(store, first[0])
        freed = await claim(store)

        assert [len(batch) for batch in (first, rest, none, freed)] == [1, 1, 0, 1]

    async def test_no_more_of_a_kind_run_than_its_cap_over_all_tenants(self, store: Store) -> None:
        await store.limit_kind(PING, 2)
        for number in range(3):
            await create(store, f"{number}", tenant=ALICE)
            await create(store, f"{number}", tenant=BOB)

        first = await claim(store, 1)
        rest = await claim(store, runner=SECOND_RUNNER)
        none = await claim(store)
        await finish(store, first[0])
        freed = await claim(store)

        assert [len(batch) for batch in (first, rest, none, freed)] == [1, 1, 0, 1]

    async def test_what_is_over_its_tenants_cap_holds_nobody_up(self, store: Store, clock: VirtualClock) -> None:
        await store.set_tenant(ALICE, max_running=1)
        for number in range(60):
            old = clock.now() - HOUR - SECOND * number
            await create(store, f"{number}", tenant=ALICE, at=old, priority=Priority.CRITICAL)
        await claim_one(store)
        await create(store, tenant=BOB, priority=Priority.LOW)

        assert (await claim_one(store, limit=1)).task.tenant == BOB

    async def test_what_is_over_its_kinds_cap_holds_nobody_up(self, store: Store, clock: VirtualClock) -> None:
        await store.limit_kind(PING, 1)
        for number in range(60):
            old = clock.now() - HOUR - SECOND * number
            await create(store, f"{number}", at=old, priority=Priority.CRITICAL)
        await claim_one(store)
        await create(store, kind=OTHER, priority=Priority.LOW)

        assert (await claim_one(store, limit=1)).task.kind == OTHER

    async def test_what_waits_for_its_kinds_cap_is_served_in_turns(self, store: Store, clock: VirtualClock) -> None:
        await store.limit_kind(PING, 1)
        for number in range(8):
            for tenant in (ALICE, BOB):
                await create(store, f"{number}", tenant=tenant, at=clock.now() - HOUR)

        served: Counter[str] = Counter()
        for _ in range(8):
            held = await claim_one(store)
            served[held.task.tenant] += 1
            await finish(store, held)

        assert served == {ALICE: 4, BOB: 4}

    @pytest.mark.parametrize("paused", [False, True], ids=["capped", "paused"])
    async def test_many_tenants_that_have_to_wait_hold_nobody_up(
        self, store: Store, clock: VirtualClock, *, paused: bool
    ) -> None:
        for number in range(12):
            tenant = TenantId(f"waiting-{number}")
            await create(store, tenant=tenant, at=clock.now() - HOUR)
            await store.set_tenant(tenant, paused=paused, max_running=None if paused else 0)
        await create(store, tenant=BOB, priority=Priority.LOW)

        assert [held.task.tenant for held in await claim(store, 1)] == [BOB]

    async def test_a_takeover_counts_in_caps_as_before(self, store: Store, clock: VirtualClock) -> None:
        await store.set_tenant(ALICE, max_running=1)
        await store.limit_kind(PING, 1)
        await create(store, "running")
        await claim_one(store)
        await create(store, "waiting")
        clock.jump(2 * LEASE)

        taken = await claim_one(store)
        await finish(store, taken, Lost(), next_run_at=clock.now() + HOUR)
        freed = await claim_one(store)

        assert (taken.task.key, taken.lost_by, freed.task.key) == ("running", FIRST, "waiting")

    async def test_a_deferral_and_a_deletion_free_their_place(self, store: Store, clock: VirtualClock) -> None:
        await store.set_tenant(ALICE, max_running=1)
        for number in range(3):
            await create(store, f"{number}", at=clock.now() - SECOND * number)

        await store.defer([deferred(await claim_one(store), clock.now() + HOUR)])
        second = await claim_one(store)
        await store.delete(ALICE, second.task.id, detach=False, actor="")
        third = await claim_one(store)

        assert len({second.task.id, third.task.id}) == 2
        assert (await store.tenant(ALICE)).running == 1

    async def test_a_cap_that_is_lowered_lets_what_runs_go_on(self, store: Store) -> None:
        for number in range(4):
            await create(store, f"{number}")
        held = await claim(store, 3)
        await store.set_tenant(ALICE, max_running=1)

        receipts = []
        claimed = []
        for each in held:
            claimed.append(len(await claim(store)))
            receipts.append(await finish(store, each))
        claimed.append(len(await claim(store)))

        assert receipts == [Receipt.RECORDED] * 3
        assert claimed == [0, 0, 0, 1]

    async def test_a_cap_that_is_lifted_holds_nothing_back(self, store: Store) -> None:
        await store.set_tenant(ALICE, max_running=1)
        await store.limit_kind(PING, 1)
        for number in range(3):
            await create(store, f"{number}")
        await claim_one(store)

        await store.set_tenant(ALICE, max_running=None)
        still = await claim(store)
        await store.limit_kind(PING, None)

        assert still == ()
        assert len(await claim(store)) == 2

    async def test_settings_that_are_not_given_stay(self, store: Store) -> None:
        await store.set_tenant(ALICE, weight=3, max_running=2)
        await store.set_tenant(ALICE, paused=True)
        state = await store.tenant(ALICE)

        assert (state.paused, state.weight, state.max_running) == (True, 3, 2)

    async def test_a_tenant_that_is_not_known_has_the_defaults(self, store: Store) -> None:
        state = await store.tenant(TenantId("nobody"))

        assert (state.tenant, state.paused, state.weight, state.max_running) == ("nobody", False, 1, None)
        assert (state.running, state.due) == (0, 0)

    async def test_a_tenant_shows_how_many_run_and_how_many_are_due(self, store: Store, clock: VirtualClock) -> None:
        for number in range(3):
            await create(store, f"due-{number}")
        await create(store, "later", at=clock.now() + HOUR)
        await create(store, tenant=BOB)
        await claim(store, 1, kinds=[PING])
        states = [await store.tenant(tenant) for tenant in (ALICE, BOB)]

        assert sum(state.running for state in states) == 1
        assert sum(state.due for state in states) == 3

    async def test_a_paused_tenants_work_waits_and_holds_nobody_up(self, store: Store, clock: VirtualClock) -> None:
        for number in range(20):
            await create(store, f"{number}", tenant=ALICE, at=clock.now() - HOUR)
        await create(store, tenant=BOB)
        await store.set_tenant(ALICE, paused=True)

        meanwhile = await claim(store)
        await store.set_tenant(ALICE, paused=False)

        assert [held.task.tenant for held in meanwhile] == [BOB]
        assert len(await claim(store)) == 20

    async def test_a_paused_tenants_expired_lease_waits_too(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        await claim_one(store)
        await store.set_tenant(ALICE, paused=True)
        clock.jump(2 * LEASE)

        waiting = await claim(store)
        await store.set_tenant(ALICE, paused=False)

        assert waiting == ()
        assert (await claim_one(store)).lost_by == FIRST

    @pytest.mark.parametrize("seed", range(4))
    async def test_caps_hold_at_every_instant_over_all_runners(
        self, store: Store, clock: VirtualClock, seed: int
    ) -> None:
        rng = Random(seed)
        tenant_caps = {TenantId("alice"): 2, TenantId("bob"): 3}
        kind_caps = {PING: 3}
        for tenant, cap in tenant_caps.items():
            await store.set_tenant(tenant, max_running=cap)
        await store.limit_kind(PING, 3)
        for number in range(40):
            owner, kind = rng.choice(("alice", "bob", "carol")), rng.choice((PING, OTHER))
            await create(store, f"{number}", tenant=owner, kind=kind)
        running: list[Claim] = []

        async def work(number: int) -> None:
            for _ in range(25):
                running.extend(await claim(store, rng.randint(1, 4), runner=RunnerId(f"runner-{number}")))
                by_tenant = Counter(held.task.tenant for held in running)
                by_kind = Counter[Kind](held.task.kind for held in running)
                assert all(by_tenant[tenant] <= cap for tenant, cap in tenant_caps.items()), by_tenant
                assert all(by_kind[kind] <= cap for kind, cap in kind_caps.items()), by_kind
                if running and rng.random() < 0.6:
                    # Counted no more from here on: its place may be free before the answer has arrived.
                    done = running.pop(rng.randrange(len(running)))
                    assert await finish(store, done, next_run_at=clock.now()) is Receipt.RECORDED

        async with anyio.create_task_group() as tg:
            for number in range(3):
                tg.start_soon(work, number)
