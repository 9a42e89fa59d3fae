"""An operator's words: pause, retry, reschedule and delete; and claims that a breaker gave back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Receipt
from taskwarden.core.decision import Level, Notify, OpenIncident, Trigger
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.record import Status
from taskwarden.errors import TaskNotFound
from taskwarden.testing.builders import deferred, failed, retried
from taskwarden.testing.conformance.suite import (
    ALICE,
    FIRST,
    HOUR,
    LEASE,
    MINUTE,
    NOBODY,
    SECOND_RUNNER,
    Suite,
    claim,
    claim_one,
    create,
    feed,
    finish,
    is_absent,
    names_since,
    refresh,
    run,
    snapshot,
)

if TYPE_CHECKING:
    from taskwarden.core.protocols import Store
    from taskwarden.testing.clock import VirtualClock


class Steering(Suite):
    """``pause``, ``steer``, ``delete`` and ``defer``."""

    async def test_a_pause_sets_the_flag_only(self, store: Store) -> None:
        made = await create(store)

        changed = await store.pause(ALICE, made.id, paused=True, actor="ops")

        status = await refresh(store, made)
        assert changed is True
        assert (status.paused, status.status, status.state) == (True, Status.PAUSED, State.SCHEDULED)
        assert (status.health, status.next_run_at, status.slot_at) == (
            made.health,
            made.next_run_at,
            made.slot_at,
        )

    async def test_a_paused_task_is_not_claimed_and_a_resumed_one_finds_its_time_again(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        await store.pause(ALICE, made.id, paused=True, actor="")
        clock.jump(HOUR)
        meanwhile = await claim(store)
        await store.pause(ALICE, made.id, paused=False, actor="")

        held = await claim_one(store)

        assert meanwhile == ()
        assert (held.slot_at, held.due_at) == (made.slot_at, made.next_run_at)

    async def test_a_pause_says_whether_it_changed_anything(self, store: Store) -> None:
        made = await create(store)
        before = await store.cursor()

        answers = [
            await store.pause(ALICE, made.id, paused=paused, actor="") for paused in (False, True, True, False, False)
        ]

        assert answers == [False, True, False, True, False]
        assert await names_since(store, before) == ["task.paused", "task.resumed"]

    async def test_a_task_that_is_paused_while_it_runs_ends_its_run_and_then_waits(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.pause(ALICE, made.id, paused=True, actor="")

        receipt = await finish(store, held, next_run_at=clock.now())

        assert receipt is Receipt.RECORDED
        assert (await refresh(store, made)).paused is True
        assert await claim(store) == ()

    async def test_a_retry_makes_the_task_due_and_keeps_its_slot(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, failed(), next_run_at=clock.now() + 24 * HOUR, phase=Phase.COOLING_OFF)
        status = await refresh(store, made)

        assert await store.steer(ALICE, made.id, retried(status, clock.now(), memory="m9"))

        held = await claim_one(store)
        assert (held.slot_at, held.due_at, held.trigger) == (made.slot_at, clock.now(), Trigger.PROBE)
        assert (held.health.epoch, held.health.phase, held.state.memory) == (1, Phase.PROBING, "m9")

    async def test_a_word_without_memory_leaves_what_the_interval_policy_remembers(self, store: Store) -> None:
        made = await create(store, memory="m1")
        await store.steer(ALICE, made.id, retried(made, await store.now()))

        assert (await refresh(store, made)).interval.memory == "m1"

    async def test_a_reschedule_moves_the_slot(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + 24 * HOUR)
        then = clock.now() + MINUTE
        word = retried(made, then, name=ChangeName.TASK_RESCHEDULED, slot_at=then)

        assert await store.steer(ALICE, made.id, word)

        status = await refresh(store, made)
        assert (status.next_run_at, status.slot_at, status.attempt) == (then, then, 1)

    async def test_a_word_on_an_older_epoch_writes_nothing(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await store.steer(ALICE, made.id, retried(made, clock.now()))
        before = await snapshot(store)

        late = retried(made, clock.now() + HOUR, effects=(OpenIncident("k", "unknown", "t"),))

        assert await store.steer(ALICE, made.id, late) is False
        assert await snapshot(store) == before

    async def test_a_word_decided_before_a_run_was_completed_writes_nothing(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        await run(store, next_run_at=clock.now() + HOUR)
        before = await snapshot(store)

        assert await store.steer(ALICE, made.id, retried(made, clock.now())) is False
        assert await snapshot(store) == before

    async def test_a_run_before_its_slots_time_has_a_slot_of_its_own_and_the_one_ahead_stays(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store, at=clock.now() + HOUR)
        await store.steer(ALICE, made.id, retried(made, clock.now()))

        held = await claim_one(store)

        assert (held.slot_at, held.due_at) == (clock.now(), clock.now())
        assert (await refresh(store, made)).slot_at == clock.now() + HOUR

    async def test_a_done_task_is_scheduled_again_by_an_operators_word(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, last=True)
        then = clock.now() + MINUTE

        await store.steer(ALICE, made.id, retried(await refresh(store, made), then))

        status = await refresh(store, made)
        assert (status.state, status.next_run_at, status.slot_at) == (State.SCHEDULED, then, then)
        clock.jump(MINUTE)
        assert (await claim_one(store)).slot_at == then

    async def test_a_word_on_a_running_task_does_not_stop_its_run(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.steer(ALICE, made.id, retried(made, clock.now()))

        renewal = await store.renew(runner=FIRST, holds={made.id: held.token}, lease=LEASE)

        assert renewal.lost == frozenset()
        assert (await refresh(store, made)).state is State.RUNNING
        assert await claim(store) == ()

    async def test_the_effects_of_a_word_are_written_with_it(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        before = await store.cursor()
        effects = (OpenIncident("k", "unknown", "t"), Notify(Level.INFO, "c", "look"))

        await store.steer(ALICE, made.id, retried(made, clock.now(), effects=effects, actor="ops", detail="now!"))

        changes = await feed(store, before)
        (word,) = [change for change in changes if change.name == "task.retried"]
        assert sorted(change.name for change in changes) == ["incident.opened", "notice", "task.retried"]
        assert (word.actor, word.detail, word.task_id) == ("ops", "now!", made.id)

    async def test_a_deleted_task_is_gone_and_its_runs_are_kept(self, store: Store) -> None:
        made = await create(store)
        await run(store)

        await store.delete(ALICE, made.id, detach=False, actor="ops")

        assert await is_absent(store, made)
        assert await store.find(ALICE, made.kind, made.key) is None
        assert list(await store.tasks(ALICE, kind=None, status=None, after=None, limit=10)) == []
        assert await claim(store) == ()
        assert len(await store.runs(ALICE, task_id=None, before=None, limit=10)) == 1
        assert len(await store.runs(ALICE, task_id=made.id, before=None, limit=10)) == 1
        assert [tally.runs for tally in await store.tallies(ALICE)] == [1]

    async def test_a_name_that_was_deleted_makes_a_new_task(self, store: Store) -> None:
        made = await create(store)
        await run(store)
        await store.delete(ALICE, made.id, detach=False, actor="")

        again = await create(store)

        assert again.id != made.id
        assert (again.task.version, again.last_run, again.last_success_at) == (1, None, None)

    async def test_what_is_deleted_twice_is_absent(self, store: Store) -> None:
        made = await create(store)
        await store.delete(ALICE, made.id, detach=False, actor="")

        with pytest.raises(TaskNotFound):
            await store.delete(ALICE, made.id, detach=True, actor="")

    async def test_a_word_on_a_task_that_never_was_is_refused(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        with pytest.raises(TaskNotFound):
            await store.get(ALICE, NOBODY)
        with pytest.raises(TaskNotFound):
            await store.pause(ALICE, NOBODY, paused=True, actor="")
        with pytest.raises(TaskNotFound):
            await store.steer(ALICE, NOBODY, retried(made, clock.now()))
        with pytest.raises(TaskNotFound):
            await store.request_run(ALICE, NOBODY, at=clock.now(), actor="")

    async def test_a_deferred_claim_comes_again_for_the_same_slot_and_attempt(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        await run(store, failed(), next_run_at=clock.now())
        held = await claim_one(store)

        receipts = await store.defer([deferred(held, clock.now() + MINUTE)])
        meanwhile = await claim(store, runner=SECOND_RUNNER)
        clock.jump(MINUTE)
        again = await claim_one(store, runner=SECOND_RUNNER)

        assert (list(receipts), meanwhile) == ([Receipt.RECORDED], ())
        assert (again.slot_at, again.attempt, again.health) == (made.slot_at, 2, held.health)
        assert again.token > held.token
        assert again.lost_by is None

    async def test_a_deferral_is_no_run(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await store.defer([deferred(await claim_one(store), clock.now() + MINUTE)])

        assert list(await store.runs(ALICE, task_id=made.id, before=None, limit=10)) == []
        assert list(await store.tallies(ALICE)) == []
        assert (await refresh(store, made)).last_run is None

    async def test_a_deferred_task_shows_it_while_it_lasts(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        until = clock.now() + MINUTE
        await store.defer([deferred(await claim_one(store), until, "google is down")])
        during = await refresh(store, made)
        clock.jump(2 * MINUTE)
        after = await refresh(store, made)

        assert (during.status, during.deferred_until, during.deferred_why) == (
            Status.DEFERRED,
            until,
            "google is down",
        )
        assert (during.next_run_at, during.slot_at, during.runner) == (until, made.slot_at, None)
        assert after.status is Status.SCHEDULED

    async def test_a_retry_ends_a_deferral(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await store.defer([deferred(await claim_one(store), clock.now() + HOUR)])
        await store.steer(ALICE, made.id, retried(made, clock.now()))

        assert (await claim_one(store)).task.id == made.id

    async def test_a_deferral_does_not_move_what_an_operator_set_meanwhile(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        held = await claim_one(store)
        await store.steer(ALICE, made.id, retried(made, clock.now()))

        (receipt,) = await store.defer([deferred(held, clock.now() + HOUR)])

        assert receipt is Receipt.OVERRULED
        assert (await claim_one(store)).due_at == clock.now()

    async def test_a_deferral_that_is_sent_again_is_refused(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        back = deferred(await claim_one(store), clock.now() + MINUTE)

        receipts = await store.defer([back, back])

        assert list(receipts) == [Receipt.RECORDED, Receipt.REFUSED]

    async def test_a_claim_given_back_cannot_be_completed(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        held = await claim_one(store)
        await store.defer([deferred(held, clock.now() + MINUTE)])

        assert await finish(store, held) is Receipt.REFUSED
