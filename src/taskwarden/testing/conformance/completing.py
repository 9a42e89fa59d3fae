"""Completions: the task moves on, and run, statistics and feed are written with it."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from taskwarden.core.claim import Receipt
from taskwarden.core.decision import Level, Notify, OpenIncident, Trigger
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.outcome import Interrupted, Lost, Skipped, Snoozed, Succeeded
from taskwarden.core.record import Ending, Status
from taskwarden.testing.builders import completed, failed
from taskwarden.testing.conformance.suite import (
    ALICE,
    BOB,
    FIRST,
    HOUR,
    KINDS,
    LEASE,
    MINUTE,
    SECOND,
    Suite,
    claim,
    claim_one,
    create,
    feed,
    finish,
    names_since,
    refresh,
    run,
    snapshot,
)

if TYPE_CHECKING:
    from taskwarden.core.outcome import JSON, Outcome
    from taskwarden.core.protocols import Store
    from taskwarden.core.record import Run
    from taskwarden.testing.clock import VirtualClock


class Completing(Suite):
    """``complete``, ``runs`` and ``tallies``."""

    async def test_a_success_settles_the_slot_and_plans_the_next(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        held = await claim_one(store)

        receipt = await finish(store, held, next_run_at=clock.now() + HOUR, reason="hourly", memory="m2")

        status = await refresh(store, made)
        assert (receipt, status.state) == (Receipt.RECORDED, State.SCHEDULED)
        assert (status.slot_at, status.next_run_at) == (clock.now() + HOUR, clock.now() + HOUR)
        assert (status.attempt, status.plan_reason, status.interval.memory) == (1, "hourly", "m2")
        assert status.health.last_token == held.token

    async def test_slot_and_next_time_are_kept_apart(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        slot, later = clock.now() + HOUR, clock.now() + 2 * HOUR
        await run(store, slot_at=slot, next_run_at=later)

        status = await refresh(store, made)
        clock.jump(2 * HOUR)
        held = await claim_one(store)

        assert (status.slot_at, status.next_run_at) == (slot, later)
        assert (held.slot_at, held.due_at) == (slot, later)

    async def test_a_failure_keeps_the_slot_and_counts_the_attempt(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, failed(), next_run_at=clock.now() + MINUTE, phase=Phase.BACKING_OFF)

        status = await refresh(store, made)

        assert (status.slot_at, status.next_run_at) == (made.slot_at, clock.now() + MINUTE)
        assert (status.attempt, status.phase, status.status) == (2, Phase.BACKING_OFF, Status.BACKING_OFF)

    async def test_a_task_without_a_further_slot_is_done(self, store: Store) -> None:
        made = await create(store)
        await run(store, last=True)

        status = await refresh(store, made)

        assert (status.state, status.status) == (State.DONE, Status.DONE)
        assert (status.next_run_at, status.slot_at) == (None, None)

    @pytest.mark.parametrize(
        ("outcome", "ending", "code", "message"),
        [
            (Succeeded(), Ending.SUCCEEDED, "", ""),
            (failed("api_limit.rate", "slow down"), Ending.FAILED, "api_limit.rate", "slow down"),
            (Skipped("too late"), Ending.SKIPPED, "", "too late"),
            (Interrupted("stopping"), Ending.INTERRUPTED, "", "stopping"),
            (Lost("gone"), Ending.LOST, "", "gone"),
        ],
        ids=lambda value: str(value) if isinstance(value, Ending) else "",
    )
    async def test_a_run_is_one_row_of_history_for_each_outcome(
        self, store: Store, outcome: Outcome, ending: Ending, code: str, message: str
    ) -> None:
        made = await create(store)
        await run(store, outcome)

        (row,) = await store.runs(ALICE, task_id=made.id, before=None, limit=10)

        assert (row.ending, row.code, row.message) == (ending, code, message)
        assert row.settled is (ending in {Ending.SUCCEEDED, Ending.SKIPPED})

    async def test_a_snooze_says_why(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        until = clock.now() + HOUR
        await run(store, Snoozed(until, "not yet"), next_run_at=until)

        (row,) = await store.runs(ALICE, task_id=None, before=None, limit=10)

        assert (row.ending, row.message, row.next_run_at) == (Ending.SNOOZED, "not yet", until)

    async def test_a_run_tells_all_about_itself(self, store: Store, clock: VirtualClock) -> None:
        due = clock.now()
        made = await create(store, "home")
        clock.jump(SECOND)
        held = await claim_one(store)
        started, finished, then = due + 2 * SECOND, due + 5 * SECOND, due + HOUR
        await finish(
            store,
            held,
            started_at=started,
            finished_at=finished,
            next_run_at=then,
            coalesced=3,
            why=("recovered",),
            phase=Phase.PROBING,
        )

        (row,) = await store.runs(ALICE, task_id=None, before=None, limit=10)

        assert (row.task_id, row.tenant, row.kind, row.key) == (made.id, ALICE, made.kind, "home")
        assert (row.token, row.attempt, row.trigger, row.runner) == (held.token, 1, Trigger.SCHEDULED, FIRST)
        assert (row.slot_at, row.due_at, row.claimed_at) == (due, due, due + SECOND)
        assert (row.started_at, row.finished_at, row.next_run_at) == (started, finished, then)
        assert (row.coalesced, row.why, row.phase, row.counted) == (3, ("recovered",), Phase.PROBING, True)

    @pytest.mark.parametrize("result", [None, 0, "text", [1, [2.5]], {"a": {"b": None}, "ü": True}])
    async def test_a_result_comes_back_as_json(self, store: Store, result: JSON) -> None:
        await create(store)
        await run(store, result=json.dumps(result))

        (row,) = await store.runs(ALICE, task_id=None, before=None, limit=10)

        assert row.result == result

    async def test_a_task_shows_its_last_run_and_its_last_success(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        good = clock.now()
        await run(store, started_at=good, finished_at=good + SECOND, next_run_at=good + MINUTE)
        clock.jump(MINUTE)
        await run(store, failed())

        status = await refresh(store, made)
        (newest, _) = await store.runs(ALICE, task_id=made.id, before=None, limit=10)

        assert status.last_run == newest
        assert status.last_success_at == good + SECOND

    async def test_runs_are_paged_newest_first(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        held = [await run(store, next_run_at=clock.now()) for _ in range(7)]

        pages: list[Run] = []
        while page := await store.runs(ALICE, task_id=None, before=pages[-1].id if pages else None, limit=3):
            assert len(page) <= 3
            pages += page

        assert [row.token for row in pages] == [each.token for each in reversed(held)]

    async def test_the_runs_of_one_task_are_its_own(self, store: Store) -> None:
        one, other = await create(store, "one"), await create(store, "other")
        for held in await claim(store):
            await finish(store, held)

        for made in (one, other):
            rows = await store.runs(ALICE, task_id=made.id, before=None, limit=10)
            assert [row.task_id for row in rows] == [made.id]

    async def test_row_statistics_feed_and_effects_are_written_together(self, store: Store) -> None:
        made = await create(store)
        before = await store.cursor()
        effects = (OpenIncident("down", "network_error", "It is down"), Notify(Level.INFO, "note", "look"))

        await run(store, failed("network_error.timeout"), effects=effects)

        (row,) = await store.runs(ALICE, task_id=None, before=None, limit=10)
        (tally,) = await store.tallies(ALICE)
        (incident,) = await store.incidents(ALICE, open_only=True)
        changes = await feed(store, before)
        assert (tally.kind, tally.ending, tally.code, tally.runs) == (made.kind, row.ending, row.code, 1)
        assert incident.key == "down"
        assert [change.run for change in changes if change.name == "run.finished"] == [row]
        assert sorted(change.name for change in changes) == ["incident.opened", "notice", "run.finished"]

    async def test_receipts_come_in_the_order_of_the_batch(self, store: Store) -> None:
        await create(store, "a")
        await create(store, "b", tenant=BOB)
        await create(store, "c")
        held = await claim(store)
        await finish(store, held[1])

        receipts = await store.complete([completed(each) for each in held])

        assert list(receipts) == [Receipt.RECORDED, Receipt.REFUSED, Receipt.RECORDED]

    async def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        before = await snapshot(store)

        assert list(await store.complete([])) == []
        assert await snapshot(store) == before

    async def test_a_completion_that_is_sent_again_is_refused(self, store: Store) -> None:
        await create(store)
        done = completed(await claim_one(store))
        await store.complete([done])
        before = await snapshot(store)

        (receipt,) = await store.complete([done])

        assert receipt is Receipt.REFUSED
        assert await snapshot(store) == before

    async def test_a_completion_that_is_twice_in_a_batch_counts_once(self, store: Store) -> None:
        await create(store)
        done = completed(await claim_one(store))

        receipts = await store.complete([done, done])

        assert list(receipts) == [Receipt.RECORDED, Receipt.REFUSED]
        assert [tally.runs for tally in await store.tallies(ALICE)] == [1]

    async def test_a_slot_is_settled_once_whatever_was_lost_on_the_way(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        lost = await claim_one(store)
        clock.jump(2 * LEASE)
        taken = await claim_one(store)
        await finish(store, taken, Lost(), next_run_at=clock.now())
        again = await claim_one(store)

        receipts = await store.complete([completed(each) for each in (lost, again, taken, again)])

        rows = await store.runs(ALICE, task_id=made.id, before=None, limit=10)
        assert list(receipts).count(Receipt.RECORDED) == 1
        assert [row.token for row in rows if row.settled and row.slot_at == made.slot_at] == [again.token]

    @pytest.mark.parametrize("seed", range(3))
    async def test_tallies_equal_a_recount_of_all_runs(self, store: Store, clock: VirtualClock, seed: int) -> None:
        rng = Random(seed)
        outcomes = (Succeeded(), failed("auth_error.revoked"), failed("unknown"), Skipped(), Interrupted(), Lost())
        for number in range(12):
            await create(store, f"task-{number}", tenant=rng.choice((ALICE, BOB)), kind=rng.choice(KINDS))
        for _ in range(6):
            held = await claim(store)
            rng.shuffle(held_list := list(held))
            await store.complete([completed(each, rng.choice(outcomes), next_run_at=clock.now()) for each in held_list])
            await store.complete([completed(each) for each in held_list[:3]])  # again: refused, not counted

        for tenant in (ALICE, BOB):
            rows = await store.runs(tenant, task_id=None, before=None, limit=1_000)
            recount = Counter((row.tenant, row.kind, row.ending, row.code) for row in rows)
            tallies = await store.tallies(tenant)
            assert {(each.tenant, each.kind, each.ending, each.code): each.runs for each in tallies} == recount

    async def test_the_feed_tells_of_each_completion_once(self, store: Store) -> None:
        for number in range(3):
            await create(store, f"task-{number}")
        held = await claim(store)
        before = await store.cursor()

        await store.complete([completed(each) for each in (*held, held[0])])

        assert await names_since(store, before) == ["run.finished"] * 3
