"""Leases: exclusive while they live, prolonged by renewal, taken over once they have expired."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import attrs
import pytest

from taskwarden.core.claim import Receipt
from taskwarden.core.decision import Trigger
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Lost
from taskwarden.core.task import Priority
from taskwarden.ids import RunnerId, TaskId
from taskwarden.testing.conformance.suite import (
    ALICE,
    FIRST,
    HOUR,
    LEASE,
    MINUTE,
    NOBODY,
    PING,
    SECOND,
    SECOND_RUNNER,
    Suite,
    claim,
    claim_one,
    create,
    finish,
    refresh,
    run,
)

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.claim import Claim
    from taskwarden.core.protocols import Store
    from taskwarden.testing.clock import VirtualClock

MOMENT = timedelta(milliseconds=1)


class Leases(Suite):
    """``renew``, and what ``claim`` does with leases that have expired."""

    async def test_a_live_lease_keeps_all_others_out(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        await claim_one(store)
        clock.jump(LEASE - MOMENT)

        assert await claim(store, runner=SECOND_RUNNER) == ()

    async def test_an_expired_lease_is_taken_over_and_the_claim_says_from_whom(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store)
        before = await claim_one(store)
        clock.jump(LEASE + MOMENT)

        taken = await claim_one(store, runner=SECOND_RUNNER)

        assert (before.lost_by, taken.lost_by) == (None, FIRST)
        assert taken.token > before.token
        assert (taken.slot_at, taken.attempt, taken.task) == (before.slot_at, before.attempt, before.task)
        assert (taken.claimed_at, taken.lease_until) == (clock.now(), clock.now() + LEASE)

    async def test_a_takeover_completed_with_lost_leaves_the_slot_for_another_run(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store)
        before = await claim_one(store)
        clock.jump(LEASE + MOMENT)
        taken = await claim_one(store, runner=SECOND_RUNNER)

        receipt = await finish(store, taken, Lost(), next_run_at=clock.now() + MINUTE)
        clock.jump(MINUTE)
        again = await claim_one(store)

        assert receipt is Receipt.RECORDED
        assert (again.slot_at, again.attempt, again.lost_by) == (before.slot_at, before.attempt, None)

    async def test_a_paused_tasks_expired_lease_is_taken_over_too(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await claim_one(store)
        await store.pause(ALICE, made.id, paused=True, actor="")
        clock.jump(LEASE + MOMENT)

        assert (await claim_one(store)).lost_by == FIRST

    async def test_takeovers_come_before_everything_that_is_due(self, store: Store, clock: VirtualClock) -> None:
        lost = await create(store, "lost", priority=Priority.LOW)
        await claim_one(store)
        for number in range(3):
            old = clock.now() - HOUR - SECOND * number
            await create(store, f"due-{number}", at=old, priority=Priority.CRITICAL)
        clock.jump(LEASE + MOMENT)

        first = (await claim(store, 1))[0]
        rest = await claim(store)

        assert (first.task.id, first.lost_by) == (lost.id, FIRST)
        assert len(rest) == 3

    async def test_renewal_prolongs_the_lease_from_now(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        held = await claim_one(store)
        clock.jump(LEASE / 2)

        renewal = await store.renew(runner=FIRST, holds={held.task.id: held.token}, lease=LEASE)

        assert (renewal.now, renewal.lease_until) == (clock.now(), clock.now() + LEASE)
        assert renewal.lost == frozenset()
        assert (await refresh(store, made)).lease_until == clock.now() + LEASE
        clock.jump(LEASE - MOMENT)
        assert await claim(store, runner=SECOND_RUNNER) == ()
        clock.jump(2 * MOMENT)
        assert (await claim_one(store, runner=SECOND_RUNNER)).lost_by == FIRST

    async def test_an_expired_lease_is_renewed_while_its_token_is_current(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store)
        held = await claim_one(store)
        clock.jump(10 * LEASE)

        renewal = await store.renew(runner=FIRST, holds={held.task.id: held.token}, lease=LEASE)

        assert renewal.lost == frozenset()
        assert await claim(store, runner=SECOND_RUNNER) == ()

    async def test_renewal_names_what_was_taken_over_deleted_or_completed(
        self, store: Store, clock: VirtualClock
    ) -> None:
        for key in ("taken", "deleted", "done", "mine"):
            await create(store, key)
        held = {each.task.key: each for each in await claim(store)}
        holds = {each.task.id: each.token for each in held.values()}
        await store.delete(ALICE, held["deleted"].task.id, detach=False, actor="")
        await finish(store, held["done"])
        await store.renew(runner=FIRST, holds={held["mine"].task.id: held["mine"].token}, lease=3 * LEASE)
        clock.jump(2 * LEASE)
        await claim_one(store, runner=SECOND_RUNNER)

        renewal = await store.renew(runner=FIRST, holds=holds, lease=LEASE)

        assert {held[key].task.id for key in ("taken", "deleted", "done")} == renewal.lost

    async def test_a_renewal_changes_nothing_but_the_lease(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        held = await claim_one(store, runner=SECOND_RUNNER)
        before = await refresh(store, made)
        clock.jump(LEASE / 2)

        renewal = await store.renew(runner=FIRST, holds={made.id: held.token}, lease=LEASE)

        after = await refresh(store, made)
        assert (renewal.lost, after.lease_until) == (frozenset(), clock.now() + LEASE)
        assert attrs.evolve(after, as_of=before.as_of, lease_until=before.lease_until) == before

    async def test_a_runner_may_hold_very_much(self, store: Store) -> None:
        await create(store)
        held = await claim_one(store)
        nobodys = {TaskId(f"task-{10**9 + number}"): 1 for number in range(40_000)}

        renewal = await store.renew(runner=FIRST, holds={held.task.id: held.token, **nobodys}, lease=LEASE)

        assert renewal.lost == nobodys.keys()

    async def test_a_stale_token_prolongs_nothing(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        stale = await claim_one(store)
        clock.jump(2 * LEASE)
        await claim_one(store, runner=SECOND_RUNNER)
        before = await refresh(store, made)

        renewal = await store.renew(runner=FIRST, holds={made.id: stale.token}, lease=HOUR)

        assert renewal.lost == {made.id}
        assert (await refresh(store, made)).lease_until == before.lease_until

    async def test_renewal_of_nothing_and_of_what_never_was_is_harmless(self, store: Store) -> None:
        nothing = await store.renew(runner=FIRST, holds={}, lease=LEASE)
        unknown = await store.renew(runner=FIRST, holds={NOBODY: 1}, lease=LEASE)

        assert nothing.lost == frozenset()
        assert unknown.lost == {NOBODY}

    async def test_a_pause_leaves_a_run_in_progress_its_lease(self, store: Store) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.pause(ALICE, made.id, paused=True, actor="")
        await store.set_tenant(ALICE, paused=True)

        renewal = await store.renew(runner=FIRST, holds={made.id: held.token}, lease=LEASE)

        assert renewal.lost == frozenset()
        assert await finish(store, held) is Receipt.RECORDED

    async def test_a_claim_that_lost_leases_fill_says_that_there_is_more(
        self, store: Store, clock: VirtualClock
    ) -> None:
        for number in range(3):
            await create(store, f"{number}")
        await claim(store)
        clock.jump(LEASE + SECOND)

        claims = await store.claim(runner=SECOND_RUNNER, kinds=[PING], limit=2, lease=LEASE)
        assert (len(claims.claims), claims.next_due) == (2, claims.now)

    async def test_a_lost_manual_run_is_taken_over_as_one(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await store.request_run(ALICE, made.id, at=clock.now(), actor="")
        manual = await claim_one(store)
        clock.jump(2 * LEASE)

        taken = await claim_one(store, runner=SECOND_RUNNER)

        assert (taken.lost_by, taken.trigger, taken.slot_at) == (FIRST, Trigger.MANUAL, manual.slot_at)

    async def test_a_completed_run_leaves_no_lease(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, next_run_at=clock.now() + HOUR)
        clock.jump(2 * LEASE)

        status = await refresh(store, made)

        assert (status.state, status.runner, status.lease_until) == (State.SCHEDULED, None, None)
        assert status.running_since is None
        assert await claim(store) == ()

    @pytest.mark.parametrize("seed", range(5))
    async def test_no_task_is_ever_in_two_live_leases(self, store: Store, clock: VirtualClock, seed: int) -> None:
        rng = Random(seed)
        runners = [RunnerId(f"runner-{number}") for number in range(3)]
        live: dict[str, tuple[int, datetime]] = {}  # task -> the newest token and the end of its lease
        held: list[tuple[RunnerId, Claim]] = []
        for number in range(5):
            await create(store, f"task-{number}")

        for _ in range(120):
            match rng.choice(("claim", "claim", "complete", "renew", "wait")):
                case "claim":
                    lease = LEASE * rng.choice((1, 2))
                    runner = rng.choice(runners)
                    for new in await claim(store, rng.randint(1, 3), runner=runner, lease=lease):
                        token, until = live.get(new.task.id, (0, clock.now()))
                        assert until <= clock.now(), f"{new.task.key} was claimed while its lease lived"
                        assert new.token > token
                        live[new.task.id] = (new.token, new.lease_until)
                        held.append((runner, new))
                case "complete" if held:
                    _, done = held.pop(rng.randrange(len(held)))
                    receipt = await finish(store, done, next_run_at=clock.now())
                    current = live.get(done.task.id, (0, None))[0] == done.token
                    assert receipt is (Receipt.RECORDED if current else Receipt.REFUSED)
                    if current:
                        live[done.task.id] = (done.token, clock.now())
                case "renew" if held:
                    runner, one = rng.choice(held)
                    renewal = await store.renew(runner=runner, holds={one.task.id: one.token}, lease=LEASE)
                    current = live[one.task.id][0] == one.token
                    assert (one.task.id in renewal.lost) is not current
                    if current:
                        live[one.task.id] = (one.token, renewal.lease_until)
                case _:
                    clock.jump(SECOND * rng.randint(1, 90))
