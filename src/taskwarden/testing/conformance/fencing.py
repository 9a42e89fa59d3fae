"""Fences: a stale token writes nothing, and an operator's word outlasts the run that it overtook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Receipt
from taskwarden.core.decision import OpenIncident
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Succeeded
from taskwarden.testing.builders import completed, deferred, failed, retried, spec
from taskwarden.testing.conformance.suite import (
    ALICE,
    DAY,
    HOUR,
    LEASE,
    MINUTE,
    PING,
    SECOND_RUNNER,
    Suite,
    claim,
    claim_one,
    create,
    finish,
    names_since,
    refresh,
    run,
    snapshot,
)

if TYPE_CHECKING:
    from taskwarden.core.outcome import Outcome
    from taskwarden.core.protocols import Store
    from taskwarden.testing.clock import VirtualClock


class Fencing(Suite):
    """``complete`` of what was lost, and of what was steered meanwhile."""

    async def test_a_completion_whose_token_is_stale_writes_nothing(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        stale = await claim_one(store)
        clock.jump(2 * LEASE)
        await claim_one(store, runner=SECOND_RUNNER)
        before = await snapshot(store)

        receipt = await finish(store, stale, effects=(OpenIncident("k", "unknown", "t"),))

        assert receipt is Receipt.REFUSED
        assert await snapshot(store) == before

    async def test_a_refused_completion_leaves_the_new_claim_valid(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        stale = await claim_one(store)
        clock.jump(2 * LEASE)
        current = await claim_one(store, runner=SECOND_RUNNER)
        await finish(store, stale)

        assert await finish(store, current) is Receipt.RECORDED

    async def test_a_completion_of_a_deleted_task_is_refused(self, store: Store) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.delete(ALICE, made.id, detach=False, actor="")
        before = await snapshot(store)

        assert await finish(store, held) is Receipt.REFUSED
        assert await snapshot(store) == before

    async def test_a_late_completion_whose_token_is_current_is_accepted(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        held = await claim_one(store)
        clock.jump(DAY)

        receipt = await finish(store, held, next_run_at=clock.now() + HOUR)

        assert receipt is Receipt.RECORDED
        assert (await refresh(store, made)).next_run_at == clock.now() + HOUR

    async def test_a_refused_item_does_not_spoil_its_batch(self, store: Store, clock: VirtualClock) -> None:
        await create(store, "stale")
        stale = await claim_one(store)
        clock.jump(2 * LEASE)
        await claim_one(store, runner=SECOND_RUNNER)
        good = [await create(store, "good-1"), await create(store, "good-2")]
        held = await claim(store)

        receipts = await store.complete([completed(each) for each in (held[0], stale, held[1])])

        assert list(receipts) == [Receipt.RECORDED, Receipt.REFUSED, Receipt.RECORDED]
        for made in good:
            assert (await refresh(store, made)).state is State.SCHEDULED

    async def test_an_overruled_completion_leaves_what_the_operator_set(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store, memory="m1")
        held = await claim_one(store)
        then = clock.now() + 5 * MINUTE
        assert await store.steer(ALICE, made.id, retried(made, then))

        receipt = await finish(store, held, failed(), phase=Phase.COOLING_OFF, memory="m2", reason="cooling")

        status = await refresh(store, made)
        assert (receipt, status.state) == (Receipt.OVERRULED, State.SCHEDULED)
        assert (status.phase, status.health.epoch) == (Phase.PROBING, 1)
        assert (status.next_run_at, status.interval.memory) == (then, "m1")
        assert status.runner is None

    async def test_an_overruled_completion_is_recorded_but_not_counted(self, store: Store) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.steer(ALICE, made.id, retried(made, held.claimed_at))
        before = await store.cursor()

        await finish(store, held, failed("unknown.bug"), effects=(OpenIncident("k", "unknown", "t"),))

        (row,) = await store.runs(ALICE, task_id=made.id, before=None, limit=10)
        (tally,) = await store.tallies(ALICE)
        assert (row.code, row.counted) == ("unknown.bug", False)
        assert (tally.code, tally.runs) == ("unknown.bug", 1)
        assert await names_since(store, before) == ["run.finished"]
        assert list(await store.incidents(ALICE, open_only=False)) == []

    async def test_an_overruled_completion_settles_the_slot_if_it_says_so(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        held = await claim_one(store)
        clock.jump(MINUTE)
        await store.steer(ALICE, made.id, retried(made, clock.now()))

        await finish(store, held, slot_at=clock.now() + HOUR)
        after = await store.get(ALICE, made.id)
        again = await claim_one(store)

        assert (after.slot_at, after.next_run_at) == (clock.now() + HOUR, clock.now())
        assert (again.slot_at, again.due_at, again.attempt) == (clock.now(), clock.now(), 1)

    async def test_a_word_at_the_very_time_of_the_slot_that_is_settled_asks_for_a_run_after_it(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.steer(ALICE, made.id, retried(made, clock.now()))
        await finish(store, held, slot_at=clock.now() + HOUR)
        clock.jump(MINUTE)

        again = await claim_one(store)

        assert held.slot_at < again.slot_at <= clock.now()

    async def test_an_overruled_failure_keeps_the_slot(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.steer(ALICE, made.id, retried(made, clock.now()))

        await finish(store, held, failed())

        assert (await claim_one(store)).slot_at == made.slot_at

    async def test_a_slot_that_an_operator_set_outlasts_the_overruled_run(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        held = await claim_one(store)
        then = clock.now() + 10 * MINUTE
        word = retried(made, then, name=ChangeName.TASK_RESCHEDULED, slot_at=then)
        await store.steer(ALICE, made.id, word)

        await finish(store, held, slot_at=clock.now() + HOUR)

        status = await refresh(store, made)
        assert (status.slot_at, status.next_run_at) == (then, then)

    @pytest.mark.parametrize("outcome", [Succeeded(), failed()], ids=["success", "failure"])
    async def test_an_overruled_last_run_leaves_the_task_scheduled_for_the_operators_time(
        self, store: Store, clock: VirtualClock, outcome: Outcome
    ) -> None:
        made = await create(store)
        held = await claim_one(store)
        then = clock.now() + MINUTE
        await store.steer(ALICE, made.id, retried(made, then))

        receipt = await finish(store, held, outcome, last=True)

        status = await refresh(store, made)
        assert (receipt, status.state) == (Receipt.OVERRULED, State.SCHEDULED)
        assert (status.next_run_at, status.slot_at) == (then, then)

    async def test_a_completion_that_is_stale_in_both_ways_is_refused(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        stale = await claim_one(store)
        await store.steer(ALICE, made.id, retried(made, clock.now()))
        clock.jump(2 * LEASE)
        await claim_one(store)
        before = await snapshot(store)

        assert await finish(store, stale) is Receipt.REFUSED
        assert await snapshot(store) == before

    async def test_a_pause_or_a_new_definition_overrules_nothing(self, store: Store) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.pause(ALICE, made.id, paused=True, actor="")
        await store.ensure(ALICE, spec(PING, "task", at=held.slot_at, payload="new", digest="new"))
        await store.set_tenant(ALICE, weight=2, max_running=1)

        assert await finish(store, held) is Receipt.RECORDED

    async def test_the_next_run_after_an_overruled_one_counts_again(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        held = await claim_one(store)
        clock.jump(MINUTE)
        await store.steer(ALICE, made.id, retried(made, clock.now()))
        await finish(store, held)

        again = await run(store, phase=Phase.HEALTHY)

        assert again.health.epoch == 1
        assert (await refresh(store, made)).phase is Phase.HEALTHY

    async def test_a_claim_given_back_unrun_is_fenced_too(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        stale = await claim_one(store)
        clock.jump(2 * LEASE)
        current = await claim_one(store, runner=SECOND_RUNNER)
        before = await snapshot(store)

        (receipt,) = await store.defer([deferred(stale, clock.now() + MINUTE)])

        assert receipt is Receipt.REFUSED
        assert (await refresh(store, made)).runner == SECOND_RUNNER
        assert await snapshot(store) == before
        assert await finish(store, current) is Receipt.RECORDED
