"""Manual runs: one at a time, beside the schedule, and whatever the task's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from taskwarden.core.claim import Receipt
from taskwarden.core.decision import Trigger
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Interrupted, Lost, Succeeded
from taskwarden.testing.builders import deferred, failed, retried
from taskwarden.testing.conformance.suite import (
    ALICE,
    HOUR,
    LEASE,
    MINUTE,
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
    from taskwarden.core.outcome import Outcome
    from taskwarden.core.protocols import Store
    from taskwarden.core.record import TaskStatus
    from taskwarden.testing.clock import VirtualClock


async def asked(store: Store, made: TaskStatus) -> bool:
    """Ask for a run of *made* now."""
    return await store.request_run(ALICE, made.id, at=await store.now(), actor="ops")


class ManualRuns(Suite):
    """``request_run``, and the claims and completions that follow it."""

    async def test_a_manual_run_is_claimed_before_the_schedule_is_due(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        assert await asked(store, made)

        held = await claim_one(store)

        assert (held.trigger, held.attempt) == (Trigger.MANUAL, 1)
        assert (held.slot_at, held.due_at) == (clock.now(), clock.now())

    async def test_a_manual_run_waits_for_the_time_that_was_named(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await store.request_run(ALICE, made.id, at=clock.now() + MINUTE, actor="")

        before = await claim(store)
        clock.jump(MINUTE)

        assert before == ()
        assert (await claim_one(store)).trigger is Trigger.MANUAL

    async def test_a_request_shows_until_it_is_taken_up(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await asked(store, made)
        waiting = await refresh(store, made)
        await claim_one(store)

        assert waiting.manual_at == clock.now()
        assert (await refresh(store, made)).manual_at is None

    async def test_a_second_request_changes_nothing(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await asked(store, made)
        before = await refresh(store, made)
        cursor = await store.cursor()

        again = await store.request_run(ALICE, made.id, at=clock.now() + MINUTE, actor="")

        assert again is False
        assert await refresh(store, made) == before
        assert await store.cursor() == cursor

    async def test_a_manual_run_consumes_no_slot(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR, memory="m1")
        await asked(store, made)

        held = await run(store, memory="m2", reason="never")

        status = await refresh(store, made)
        (row,) = await store.runs(ALICE, task_id=made.id, before=None, limit=10)
        assert (status.slot_at, status.next_run_at) == (made.slot_at, made.next_run_at)
        assert (status.state, status.attempt, status.interval.memory) == (State.SCHEDULED, 1, "m1")
        assert (row.trigger, row.settled, row.slot_at, row.token) == (
            Trigger.MANUAL,
            False,
            held.slot_at,
            held.token,
        )

    async def test_a_manual_run_beside_a_retry_keeps_its_attempt(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, failed(), next_run_at=clock.now() + MINUTE)
        await asked(store, made)
        manual = await run(store, failed())

        status = await refresh(store, made)

        assert (manual.attempt, status.slot_at, status.attempt) == (1, made.slot_at, 2)
        assert status.next_run_at == clock.now() + MINUTE

    async def test_a_manual_runs_health_is_written_and_its_next_time_if_it_names_one(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        await run(store, failed(), next_run_at=clock.now() + HOUR, phase=Phase.COOLING_OFF)
        await asked(store, made)

        await run(store, next_run_at=clock.now() + MINUTE, phase=Phase.PROBING)

        status = await refresh(store, made)
        assert (status.phase, status.next_run_at) == (Phase.PROBING, clock.now() + MINUTE)
        assert (status.slot_at, status.attempt) == (made.slot_at, 2)

    async def test_a_paused_task_runs_if_it_is_asked_to(self, store: Store) -> None:
        made = await create(store)
        await store.pause(ALICE, made.id, paused=True, actor="")
        await asked(store, made)

        held = await claim_one(store)

        assert held.trigger is Trigger.MANUAL
        assert await finish(store, held) is Receipt.RECORDED
        assert await claim(store) == ()

    async def test_a_paused_tenants_manual_run_waits(self, store: Store) -> None:
        made = await create(store)
        await store.set_tenant(ALICE, paused=True)
        await asked(store, made)

        assert await claim(store) == ()

    async def test_a_done_task_runs_if_it_is_asked_to_and_is_done_again(self, store: Store) -> None:
        made = await create(store)
        await run(store, last=True)
        await asked(store, made)

        held = await claim_one(store)
        await finish(store, held)

        assert held.trigger is Trigger.MANUAL
        assert await state_of(store, made) is State.DONE
        assert (await refresh(store, made)).next_run_at is None

    async def test_a_blocked_task_runs_if_it_is_asked_to_and_is_blocked_again(
        self, store: Store, clock: VirtualClock
    ) -> None:
        upstream = await create(store, "upstream", at=clock.now() + HOUR)
        made = await create(store, depends_on=[upstream.id])
        await asked(store, made)

        held = await claim_one(store)
        await finish(store, held)

        assert (held.task.id, held.trigger) == (made.id, Trigger.MANUAL)
        assert await state_of(store, made) is State.BLOCKED

    async def test_a_request_waits_for_the_run_in_progress(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        scheduled = await claim_one(store)
        assert await asked(store, made)

        meanwhile = await claim(store)
        await finish(store, scheduled, next_run_at=clock.now() + HOUR)

        assert meanwhile == ()
        assert (await claim_one(store)).trigger is Trigger.MANUAL

    async def test_one_manual_run_goes_at_a_time(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await asked(store, made)
        first = await claim_one(store)
        assert await asked(store, made)

        meanwhile = await claim(store)
        await finish(store, first)

        assert meanwhile == ()
        assert (await claim_one(store)).trigger is Trigger.MANUAL

    async def test_a_task_that_is_due_and_asked_for_runs_twice(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await asked(store, made)

        first, second = await run(store), await run(store)

        assert {first.trigger, second.trigger} == {Trigger.MANUAL, Trigger.SCHEDULED}
        assert (await refresh(store, made)).slot_at == clock.now() + HOUR

    async def test_a_request_stands_again_if_its_run_was_interrupted(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await asked(store, made)
        first = await run(store, Interrupted())

        status = await refresh(store, made)
        again = await claim_one(store)

        assert (status.state, status.manual_at) == (State.SCHEDULED, first.slot_at)
        assert (again.trigger, again.slot_at) == (Trigger.MANUAL, first.slot_at)

    @pytest.mark.parametrize("outcome", [Succeeded(), failed(), Lost()], ids=["success", "failure", "lost"])
    async def test_a_request_is_over_once_its_run_ended(
        self, store: Store, clock: VirtualClock, outcome: Outcome
    ) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await asked(store, made)
        await run(store, outcome)

        assert (await refresh(store, made)).manual_at is None
        assert await claim(store) == ()

    async def test_a_task_that_is_due_and_asked_for_is_as_urgent_as_it_was(
        self, store: Store, clock: VirtualClock
    ) -> None:
        longest = await create(store, "longest", at=clock.now() - 3 * MINUTE)
        shorter = await create(store, "shorter", at=clock.now() - 2 * MINUTE)
        await store.request_run(ALICE, longest.id, at=clock.now() - MINUTE, actor="ops")

        claims = await claim(store)
        assert [(held.task.id, held.trigger) for held in claims] == [
            (longest.id, Trigger.MANUAL),
            (shorter.id, Trigger.SCHEDULED),
        ]

    async def test_a_manual_run_counts_in_caps(self, store: Store, clock: VirtualClock) -> None:
        await store.set_tenant(ALICE, max_running=1)
        asked_for = await create(store, "asked", at=clock.now() + HOUR)
        await asked(store, asked_for)
        await claim_one(store)
        await create(store, "due")

        assert await claim(store) == ()

    async def test_a_manual_run_that_is_deferred_stays_asked_for(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await asked(store, made)
        await store.defer([deferred(await claim_one(store), clock.now() + MINUTE)])

        meanwhile = await claim(store)
        status = await refresh(store, made)
        clock.jump(MINUTE)
        again = await claim_one(store)

        assert meanwhile == ()
        assert (status.state, status.slot_at, status.next_run_at) == (
            State.SCHEDULED,
            made.slot_at,
            made.next_run_at,
        )
        assert again.trigger is Trigger.MANUAL

    async def test_a_done_task_that_is_steered_during_a_manual_run_is_scheduled_after_it(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        await run(store, last=True)
        await asked(store, made)
        held = await claim_one(store)
        then = clock.now() + MINUTE
        await store.steer(ALICE, made.id, retried(await refresh(store, made), then))

        receipt = await finish(store, held)

        status = await refresh(store, made)
        assert (receipt, status.state) == (Receipt.OVERRULED, State.SCHEDULED)
        assert (status.next_run_at, status.slot_at) == (then, then)

    async def test_a_lost_manual_run_leaves_the_schedule_as_it_was(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await asked(store, made)
        await claim_one(store)
        clock.jump(2 * LEASE)
        await run(store, Lost())

        status = await refresh(store, made)

        assert (status.slot_at, status.next_run_at) == (made.slot_at, made.next_run_at)
        assert status.manual_at is None
