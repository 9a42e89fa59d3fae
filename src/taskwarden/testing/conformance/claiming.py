"""Claims: who gets what, when, and what comes with it."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import anyio
import pytest

from taskwarden.core.claim import AGING, urgency
from taskwarden.core.decision import Trigger
from taskwarden.core.hashing import seed
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.task import Priority
from taskwarden.ids import Kind, RunnerId
from taskwarden.testing.builders import failed
from taskwarden.testing.conformance.suite import (
    ALICE,
    FIRST,
    HOUR,
    KINDS,
    LEASE,
    MINUTE,
    PING,
    SECOND,
    Suite,
    claim,
    claim_one,
    create,
    finish,
    refresh,
    run,
    state_of,
)

if TYPE_CHECKING:
    from taskwarden.core.claim import Claim
    from taskwarden.core.protocols import Store
    from taskwarden.testing.clock import VirtualClock


class Claiming(Suite):
    """``claim``, within one tenant."""

    async def test_a_task_is_claimable_from_its_time_on_and_not_before(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        clock.jump(HOUR - timedelta(milliseconds=1))
        before = await claim(store)
        clock.jump(timedelta(milliseconds=1))

        assert before == ()
        assert [made.id] == [held.task.id for held in await claim(store)]

    async def test_a_claim_brings_all_that_its_run_needs(self, store: Store, clock: VirtualClock) -> None:
        due = clock.now()
        made = await create(store, payload={"n": 1}, memory="m1")
        clock.jump(5 * SECOND)

        held = await claim_one(store)

        assert held.task == made.task
        assert (held.health, held.state.memory) == (made.health, "m1")
        assert (held.trigger, held.attempt) == (Trigger.SCHEDULED, 1)
        assert (held.slot_at, held.due_at) == (due, due)
        assert (held.claimed_at, held.lease_until) == (clock.now(), clock.now() + LEASE)
        assert held.lost_by is None

    async def test_a_claim_answers_with_the_stores_time(self, store: Store, clock: VirtualClock) -> None:
        clock.jump(HOUR)

        claims = await store.claim(runner=FIRST, kinds=KINDS, limit=1, lease=LEASE)

        assert (claims.now, await store.now()) == (clock.now(), clock.now())

    async def test_a_claimed_task_shows_who_runs_it(self, store: Store) -> None:
        made = await create(store)
        held = await claim_one(store)

        status = await refresh(store, made)

        assert (status.state, status.runner) == (State.RUNNING, FIRST)
        assert (status.lease_until, status.running_since) == (held.lease_until, held.claimed_at)

    async def test_the_stable_bits_of_a_task_come_from_its_name_alone(self, store: Store) -> None:
        made = await create(store, "home")
        first = await run(store, next_run_at=made.next_run_at)
        second = await claim_one(store)

        assert {seed(ALICE, PING, "home")} == {made.interval.seed, first.state.seed, second.state.seed}

    async def test_no_more_is_claimed_than_the_limit(self, store: Store) -> None:
        made = {(await create(store, f"task-{number}")).id for number in range(7)}

        sizes_and_ids = [await claim(store, 3) for _ in range(4)]

        assert [len(batch) for batch in sizes_and_ids] == [3, 3, 1, 0]
        assert made == {held.task.id for batch in sizes_and_ids for held in batch}

    async def test_a_claimed_task_is_in_no_other_claim(self, store: Store) -> None:
        await create(store)
        await claim_one(store)

        assert await claim(store, runner=RunnerId("second-runner")) == ()
        assert await claim(store) == ()

    async def test_concurrent_claims_share_the_work_without_overlap(self, store: Store) -> None:
        made = {(await create(store, f"task-{number}")).id for number in range(40)}
        taken: list[Claim] = []

        async def runner(number: int) -> None:
            while claims := await claim(store, 3, runner=RunnerId(f"runner-{number}")):
                taken.extend(claims)

        async with anyio.create_task_group() as tg:
            for number in range(4):
                tg.start_soon(runner, number)

        assert sorted(made) == sorted(held.task.id for held in taken)

    async def test_each_claim_of_a_task_has_a_greater_token(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        tokens = []
        for _ in range(3):
            held = await claim_one(store)
            tokens.append(held.token)
            await finish(store, held, next_run_at=clock.now())
        tokens.append((await claim_one(store)).token)
        clock.jump(2 * LEASE)
        tokens.append((await claim_one(store)).token)

        assert tokens == sorted(set(tokens))

    @pytest.mark.parametrize("world", range(4))
    async def test_within_a_tenant_the_least_urgency_goes_first(
        self, store: Store, clock: VirtualClock, world: int
    ) -> None:
        rng, now = Random(world), clock.now()
        waited = rng.sample(range(2 * 3600), 30)
        for seconds in waited:
            priority = rng.choice(list(Priority))
            await create(store, f"task-{seconds}", at=now - SECOND * seconds, priority=priority)
        size = rng.choice((1, 4, 30, 100))

        order: list[Claim] = []
        while claims := await claim(store, size):
            order += claims

        assert order == sorted(order, key=lambda held: urgency(held.due_at, held.task.priority))
        assert len(order) == 30

    async def test_of_equal_urgency_the_task_that_was_made_first_goes_first(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = [(await create(store, f"task-{number}")).id for number in (5, 3, 8, 1, 9, 2, 7)]

        order = [held.task.id for size in (3, 4) for held in await claim(store, size)]

        assert order == made

    async def test_waiting_raises_priority_by_a_level_for_each_aging(self, store: Store, clock: VirtualClock) -> None:
        low = await create(store, "low", priority=Priority.LOW)
        clock.jump(3 * AGING - SECOND)
        critical = await create(store, "critical", priority=Priority.CRITICAL)
        clock.jump(2 * SECOND)
        late = await create(store, "late", priority=Priority.CRITICAL)

        order = [held.task.id for held in await claim(store)]

        assert order == [critical.id, low.id, late.id]

    async def test_an_urgent_slot_is_claimed_as_if_it_were_critical(self, store: Store, clock: VirtualClock) -> None:
        now = clock.now()
        low = await create(store, "low", priority=Priority.LOW)
        await run(store, next_run_at=now + MINUTE, urgent=True)
        high = await create(store, "high", at=now + MINUTE, priority=Priority.HIGH)
        clock.jump(2 * MINUTE)

        first, second = await claim(store)
        await finish(store, first, next_run_at=clock.now())
        high_again = await finish(store, second, next_run_at=clock.now())

        assert (first.task.id, second.task.id, high_again) == (low.id, high.id, "recorded")
        assert [high.id, low.id] == [held.task.id for held in await claim(store)]

    async def test_kinds_that_the_runner_does_not_know_are_left_alone(self, store: Store) -> None:
        unknown = await create(store, "unknown", kind="suite.unknown")
        known = await create(store, "known")

        assert [known.id] == [held.task.id for held in await claim(store)]
        assert (await refresh(store, unknown)) == unknown

    async def test_tasks_of_unknown_kinds_hold_nobody_up(self, store: Store, clock: VirtualClock) -> None:
        for number in range(60):
            old = clock.now() - HOUR - SECOND * number
            await create(store, f"unknown-{number}", kind="suite.unknown", at=old, priority=Priority.CRITICAL)
        known = await create(store, "known", priority=Priority.LOW)

        assert [known.id] == [held.task.id for held in await claim(store, 1)]

    async def test_a_runner_without_kinds_claims_nothing(self, store: Store) -> None:
        await create(store)

        assert await claim(store, kinds=()) == ()
        assert await claim(store, kinds=[Kind("suite.unknown")]) == ()

    async def test_kinds_may_come_in_any_collection(self, store: Store) -> None:
        for kinds in (frozenset({PING}), [PING], {PING: 1}.keys()):
            await create(store)
            assert len(await claim(store, kinds=kinds)) == 1
            await store.delete(ALICE, (await create(store)).id, detach=False, actor="")

    async def test_a_retry_and_a_probe_say_what_they_are(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        await run(store, failed(), next_run_at=clock.now(), phase=Phase.BACKING_OFF)
        retry = await run(store, failed(), next_run_at=clock.now(), phase=Phase.PROBING)
        probe = await claim_one(store)

        assert (retry.trigger, retry.attempt) == (Trigger.RETRY, 2)
        assert (probe.trigger, probe.attempt) == (Trigger.PROBE, 3)

    async def test_a_retry_keeps_its_slot(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, failed(), next_run_at=clock.now() + MINUTE)
        clock.jump(MINUTE)

        retry = await claim_one(store)

        assert (retry.slot_at, retry.due_at) == (made.slot_at, clock.now())

    async def test_activity_comes_with_the_claims_of_its_kind_while_it_is_believed(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store)
        soon = clock.now() + MINUTE
        await store.report_activity(ALICE, None, weight=2, until=soon)
        await store.report_activity(ALICE, PING, weight=5, until=soon)
        await store.report_activity(ALICE, KINDS[1], weight=9, until=soon + HOUR)

        believed = await run(store, next_run_at=clock.now() + 2 * MINUTE)
        clock.jump(2 * MINUTE)
        outdated = await claim_one(store)

        assert believed.state.activity is not None
        assert (believed.state.activity.weight, believed.state.activity.until) == (5, soon)
        assert outdated.state.activity is None

    async def test_the_last_report_of_activity_wins(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        soon = clock.now() + MINUTE
        await store.report_activity(ALICE, PING, weight=5, until=soon)
        await store.report_activity(ALICE, None, weight=2, until=soon)

        held = await claim_one(store)

        assert held.state.activity is not None
        assert held.state.activity.weight == 2

    async def test_a_done_task_is_not_claimed(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, last=True)
        clock.jump(HOUR)

        assert await claim(store) == ()
        assert await state_of(store, made) is State.DONE
