"""Dependencies: a slot waits until each upstream task has succeeded since this task last did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Skipped, Snoozed
from taskwarden.core.record import Status
from taskwarden.errors import DependencyCycle, HasDependants, TaskNotFound
from taskwarden.testing.builders import failed, retried, spec
from taskwarden.testing.conformance.suite import (
    ALICE,
    BOB,
    HOUR,
    MINUTE,
    NOBODY,
    OTHER,
    PING,
    SECOND,
    Suite,
    claim,
    claim_one,
    create,
    finish,
    is_absent,
    refresh,
    run,
    snapshot,
    state_of,
)

if TYPE_CHECKING:
    from taskwarden.core.protocols import Store
    from taskwarden.core.record import TaskStatus
    from taskwarden.testing.clock import VirtualClock


async def pair(store: Store) -> tuple[TaskStatus, TaskStatus]:
    """Make an upstream task that is due, and one that waits for it."""
    upstream = await create(store, "upstream")
    return upstream, await create(store, "downstream", depends_on=[upstream.id])


class Dependencies(Suite):
    """``depends_on``, from its creation to its end."""

    async def test_a_task_waits_blocked_until_its_upstream_has_succeeded(self, store: Store) -> None:
        upstream, downstream = await pair(store)
        held = await claim_one(store)
        await finish(store, held)

        released = await claim_one(store)

        assert (downstream.state, downstream.status) == (State.BLOCKED, Status.BLOCKED)
        assert downstream.blocked_by == (upstream.id,)
        assert (held.task.id, released.task.id) == (upstream.id, downstream.id)

    async def test_the_release_is_in_the_upstreams_own_write(self, store: Store) -> None:
        upstream, downstream = await pair(store)
        await run(store)

        status = await refresh(store, downstream)

        assert (status.state, status.blocked_by) == (State.SCHEDULED, ())
        assert (status.slot_at, status.next_run_at) == (downstream.slot_at, downstream.next_run_at)
        assert upstream.id in status.task.depends_on

    async def test_a_released_slot_still_waits_for_its_time(self, store: Store, clock: VirtualClock) -> None:
        upstream = await create(store, "upstream")
        await create(store, "downstream", at=clock.now() + MINUTE, depends_on=[upstream.id])
        await run(store)

        before = await claim(store)
        clock.jump(MINUTE)

        assert before == ()
        assert (await claim_one(store)).task.key == "downstream"

    async def test_a_slot_that_is_released_late_is_due_from_its_release(
        self, store: Store, clock: VirtualClock
    ) -> None:
        _, downstream = await pair(store)
        clock.jump(HOUR)
        await run(store, next_run_at=clock.now() + HOUR)
        released_at = clock.now()
        clock.jump(MINUTE)

        held = await claim_one(store)

        assert (held.task.id, held.slot_at, held.due_at) == (downstream.id, downstream.slot_at, released_at)

    async def test_every_upstream_has_to_succeed(self, store: Store) -> None:
        first, second = await create(store, "first"), await create(store, "second", kind=OTHER)
        downstream = await create(store, "downstream", depends_on=[first.id, second.id])
        await finish(store, await claim_one(store, kinds=[PING]))
        halfway = await refresh(store, downstream)
        await finish(store, await claim_one(store, kinds=[OTHER]))

        assert set(downstream.blocked_by) == {first.id, second.id}
        assert (halfway.state, halfway.blocked_by) == (State.BLOCKED, (second.id,))
        assert await state_of(store, downstream) is State.SCHEDULED

    async def test_a_success_from_before_the_task_was_made_counts(self, store: Store) -> None:
        upstream = await create(store, "upstream")
        await run(store)

        downstream = await create(store, "downstream", depends_on=[upstream.id])

        assert downstream.state is State.SCHEDULED

    async def test_failures_and_neutral_ends_release_nobody(self, store: Store, clock: VirtualClock) -> None:
        _, downstream = await pair(store)
        for outcome in (failed(), Skipped(), Snoozed(clock.now())):
            await run(store, outcome, next_run_at=clock.now())

            assert await state_of(store, downstream) is State.BLOCKED

    async def test_the_next_slot_waits_for_a_new_success(self, store: Store, clock: VirtualClock) -> None:
        _, downstream = await pair(store)
        await run(store, next_run_at=clock.now() + MINUTE)
        clock.jump(SECOND)
        await run(store, next_run_at=clock.now())
        waiting = await state_of(store, downstream)

        clock.jump(MINUTE)
        again = await run(store)

        assert waiting is State.BLOCKED
        assert again.task.key == "upstream"
        assert (await claim_one(store)).task.key == "downstream"

    @pytest.mark.parametrize("seconds", [0, 1])
    async def test_a_success_that_did_not_start_after_the_tasks_last_success_is_not_new(
        self, store: Store, clock: VirtualClock, seconds: int
    ) -> None:
        upstream, downstream = await pair(store)
        await run(store, next_run_at=clock.now() + MINUTE)
        clock.jump(MINUTE)
        second, first = sorted(await claim(store), key=lambda held: held.task.key)
        assert (first.task.id, second.task.id) == (upstream.id, downstream.id)

        await finish(store, second, started_at=clock.now() + SECOND * seconds, next_run_at=clock.now())
        await finish(store, first, started_at=clock.now(), finished_at=clock.now() + MINUTE)

        assert await state_of(store, downstream) is State.BLOCKED

    async def test_a_success_during_the_tasks_run_releases_its_next_slot(
        self, store: Store, clock: VirtualClock
    ) -> None:
        upstream, downstream = await pair(store)
        await run(store, next_run_at=clock.now() + MINUTE)
        clock.jump(MINUTE)
        second, first = sorted(await claim(store), key=lambda held: held.task.key)
        assert first.task.id == upstream.id

        await finish(store, first, started_at=clock.now() + SECOND)
        await finish(store, second, started_at=clock.now(), next_run_at=clock.now() + HOUR)

        assert await state_of(store, downstream) is State.SCHEDULED

    async def test_retries_of_a_released_slot_are_not_asked_again(self, store: Store, clock: VirtualClock) -> None:
        _, downstream = await pair(store)
        await run(store)
        await run(store, failed(), next_run_at=clock.now())

        retry = await claim_one(store)

        assert (retry.task.id, retry.attempt) == (downstream.id, 2)

    async def test_a_slot_after_a_skip_is_asked_by_the_last_success(self, store: Store, clock: VirtualClock) -> None:
        _, downstream = await pair(store)
        await run(store)
        await run(store, Skipped(), next_run_at=clock.now())

        # It has never succeeded itself, so its upstream's one success is newer than its last.
        assert (await claim_one(store)).task.id == downstream.id

    async def test_a_one_off_that_is_done_stays_satisfied(self, store: Store, clock: VirtualClock) -> None:
        _, downstream = await pair(store)
        await run(store, last=True)
        for _ in range(3):
            held = await run(store, next_run_at=clock.now())
            assert held.task.id == downstream.id
            clock.jump(SECOND)

        assert await state_of(store, downstream) is State.SCHEDULED

    async def test_a_one_off_that_failed_satisfies_nobody(self, store: Store) -> None:
        _, downstream = await pair(store)
        await run(store, failed(), last=True)

        assert await state_of(store, downstream) is State.BLOCKED

    async def test_a_manual_success_upstream_releases_too(self, store: Store, clock: VirtualClock) -> None:
        upstream = await create(store, "upstream", at=clock.now() + HOUR)
        downstream = await create(store, "downstream", depends_on=[upstream.id])
        await store.request_run(ALICE, upstream.id, at=clock.now(), actor="")
        await run(store)

        assert await state_of(store, downstream) is State.SCHEDULED

    async def test_an_overruled_success_upstream_releases_too(self, store: Store) -> None:
        upstream, downstream = await pair(store)
        held = await claim_one(store)
        await store.steer(ALICE, upstream.id, retried(upstream, held.claimed_at + HOUR))
        await finish(store, held)

        assert await state_of(store, downstream) is State.SCHEDULED

    async def test_a_success_during_a_manual_run_of_the_dependant_is_not_missed(
        self, store: Store, clock: VirtualClock
    ) -> None:
        upstream, downstream = await pair(store)
        await store.request_run(ALICE, downstream.id, at=clock.now(), actor="")
        held = {each.task.id: each for each in await claim(store)}
        await finish(store, held[upstream.id])
        await finish(store, held[downstream.id], failed())

        assert await state_of(store, downstream) is State.SCHEDULED

    async def test_a_retry_by_an_operator_does_not_release(self, store: Store, clock: VirtualClock) -> None:
        _, downstream = await pair(store)
        await store.steer(ALICE, downstream.id, retried(downstream, clock.now()))
        await run(store, failed(), next_run_at=clock.now() + HOUR)

        assert await state_of(store, downstream) is State.BLOCKED
        assert await claim(store) == ()

    async def test_edges_may_be_added_later(self, store: Store) -> None:
        upstream, downstream = await create(store, "upstream"), await create(store, "downstream")
        wanted = spec(PING, "downstream", at=downstream.slot_at, depends_on=[upstream.id])

        changed = await store.ensure(ALICE, wanted)

        assert (changed.status.state, changed.status.blocked_by) == (State.BLOCKED, (upstream.id,))
        assert changed.status.task.depends_on == (upstream.id,)

    async def test_edges_that_are_cut_release_the_slot(self, store: Store) -> None:
        _, downstream = await pair(store)

        changed = await store.ensure(ALICE, spec(PING, "downstream", at=downstream.slot_at))

        assert (changed.status.state, changed.status.task.depends_on) == (State.SCHEDULED, ())

    @pytest.mark.parametrize("length", [1, 2, 4])
    async def test_a_cycle_is_refused_by_the_names_of_its_keys(self, store: Store, length: int) -> None:
        chain = [await create(store, "task-0")]
        for number in range(1, length):
            chain.append(await create(store, f"task-{number}", depends_on=[chain[-1].id]))
        before = await snapshot(store)

        with pytest.raises(DependencyCycle) as refused:
            await store.ensure(ALICE, spec(PING, "task-0", at=chain[0].slot_at, depends_on=[chain[-1].id]))

        assert set(refused.value.cycle) == {status.key for status in chain}
        assert await snapshot(store) == before

    async def test_tasks_that_share_an_upstream_are_no_cycle(self, store: Store) -> None:
        top = await create(store, "top")
        left, right = [await create(store, key, depends_on=[top.id]) for key in ("left", "right")]

        bottom = await create(store, "bottom", depends_on=[left.id, right.id, top.id])

        assert set(bottom.blocked_by) == {top.id, left.id, right.id}

    @pytest.mark.parametrize("whose", ["nobody's", "another tenant's"])
    async def test_an_upstream_that_is_not_the_tenants_own_is_refused(self, store: Store, whose: str) -> None:
        foreign = await create(store, "foreign", tenant=BOB)
        upstream = NOBODY if whose == "nobody's" else foreign.id
        before = await snapshot(store)

        with pytest.raises(TaskNotFound):
            await create(store, depends_on=[upstream])

        assert await snapshot(store) == before

    async def test_an_upstream_is_not_deleted_while_tasks_depend_on_it(self, store: Store) -> None:
        upstream, _ = await pair(store)
        before = await snapshot(store)

        with pytest.raises(HasDependants):
            await store.delete(ALICE, upstream.id, detach=False, actor="")

        assert await snapshot(store) == before

    async def test_a_deletion_that_detaches_cuts_the_edges(self, store: Store) -> None:
        upstream, downstream = await pair(store)

        await store.delete(ALICE, upstream.id, detach=True, actor="")

        status = await refresh(store, downstream)
        assert await is_absent(store, upstream)
        assert (status.state, status.task.depends_on) == (State.SCHEDULED, ())

    async def test_an_upstream_may_go_once_its_dependants_have_gone(self, store: Store) -> None:
        upstream, downstream = await pair(store)
        await store.delete(ALICE, downstream.id, detach=False, actor="")

        await store.delete(ALICE, upstream.id, detach=False, actor="")

        assert await is_absent(store, upstream)

    async def test_a_blocked_task_keeps_its_phase(self, store: Store, clock: VirtualClock) -> None:
        _, downstream = await pair(store)
        await run(store)
        await run(store, failed(), next_run_at=clock.now(), phase=Phase.BACKING_OFF)
        await run(store, phase=Phase.HEALTHY, next_run_at=clock.now() + SECOND)

        status = await refresh(store, downstream)

        assert (status.state, status.phase) == (State.BLOCKED, Phase.HEALTHY)
