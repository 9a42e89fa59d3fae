"""Making tasks: idempotent, by name, and never more than was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from taskwarden.core.health import HEALTHY, Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import EnsuredAs, Store
from taskwarden.core.record import Status
from taskwarden.core.task import Priority
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals import every
from taskwarden.testing.builders import failed, spec
from taskwarden.testing.conformance.suite import (
    ALICE,
    BOB,
    HOUR,
    MINUTE,
    OTHER,
    PING,
    Suite,
    claim_one,
    create,
    finish,
    refresh,
    run,
)

if TYPE_CHECKING:
    from taskwarden.core.outcome import JSON
    from taskwarden.core.protocols import Ensured
    from taskwarden.core.record import TaskStatus
    from taskwarden.testing.clock import VirtualClock


class Ensuring(Suite):
    """``ensure``, ``find``, ``get`` and ``tasks``."""

    async def test_ensure_makes_a_task_once_and_then_leaves_it_unchanged(self, store: Store) -> None:
        now = await store.now()

        first = await store.ensure(ALICE, spec(PING, "home", at=now))
        second = await store.ensure(ALICE, spec(PING, "home", at=now))

        assert (first.how, second.how) == (EnsuredAs.CREATED, EnsuredAs.UNCHANGED)
        assert second.status.id == first.status.id
        assert [first.status.id] == [task.id for task in await _all(store)]

    async def test_ensure_answers_with_the_task_as_it_is(self, store: Store) -> None:
        now = await store.now()
        wanted = spec(
            PING,
            "home",
            at=now + HOUR,
            payload={"url": "https://example.org", "deep": [1, 2.5, None, True, "ü"]},
            payload_version=3,
            priority=Priority.HIGH,
            reason="every hour",
            memory="m1",
        )

        status = (await store.ensure(ALICE, wanted)).status

        assert (status.tenant, status.kind, status.key) == (ALICE, PING, "home")
        assert (status.task.payload, status.task.payload_version) == (wanted.payload, 3)
        assert (status.task.priority, status.task.version) == (Priority.HIGH, 1)
        assert status.task.created_at == status.as_of == now
        assert (status.state, status.paused, status.attempt) == (State.SCHEDULED, False, 1)
        assert (status.next_run_at, status.slot_at) == (now + HOUR, now + HOUR)
        assert (status.health, status.plan_reason, status.interval.memory) == (HEALTHY, "every hour", "m1")
        assert (status.runner, status.manual_at, status.last_run) == (None, None, None)

    async def test_a_task_reads_the_same_however_it_is_asked_for(self, store: Store) -> None:
        ensured = await create(store, "home", payload={"n": 1})

        assert await store.get(ALICE, ensured.id) == ensured
        assert await store.find(ALICE, PING, "home") == ensured
        assert [ensured] == await _all(store)

    async def test_tenant_kind_and_key_together_name_a_task(self, store: Store) -> None:
        made = [
            await create(store, "home"),
            await create(store, "home", kind=OTHER),
            await create(store, "home", tenant=BOB),
            await create(store, "away"),
        ]

        assert len({status.id for status in made}) == 4

    async def test_a_name_that_nobody_gave_finds_nothing(self, store: Store) -> None:
        await create(store, "home")

        assert await store.find(ALICE, PING, "away") is None
        assert await store.find(ALICE, OTHER, "home") is None
        assert await store.find(BOB, PING, "home") is None

    async def test_names_and_payloads_come_back_as_they_went_in(self, store: Store) -> None:
        for key in ("O'Brien; DROP TABLE tasks --", "漢字 🦊", "100%_\\'\"", "x" * 200, "Ünïcode", "unicode"):
            payload = {"key": key, "nested": {"": [[], {}, "'\"\\"]}, "big": 2**53, "small": -0.5}

            made = await create(store, key, payload=payload)

            assert (await refresh(store, made)).task.payload == payload
            assert await store.find(ALICE, PING, key) == made

    async def test_keys_that_differ_in_case_are_two_tasks(self, store: Store) -> None:
        assert (await create(store, "Home")).id != (await create(store, "home")).id

    async def test_ensure_changes_only_the_fields_that_are_named(self, store: Store) -> None:
        made = await create(store, payload="old", priority=Priority.LOW)
        new = spec(PING, "task", at=made.next_run_at, payload="new", priority=Priority.HIGH, named={"priority"})

        changed = await store.ensure(ALICE, new)

        assert changed.how is EnsuredAs.UPDATED
        assert (changed.status.task.payload, changed.status.task.priority) == ("old", Priority.HIGH)

    async def test_the_version_grows_with_each_change_and_only_then(self, store: Store) -> None:
        at = await store.now()
        versions = [
            (await store.ensure(ALICE, spec(PING, "task", at=at, payload=payload))).status.task.version
            for payload in ("a", "a", "b", "b", "a")
        ]

        assert versions == [1, 1, 2, 2, 3]

    async def test_an_unchanged_schedule_never_moves_the_next_time(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store, at=clock.now() + HOUR)
        clock.jump(10 * MINUTE)

        again = await store.ensure(ALICE, spec(PING, "task", at=clock.now() + HOUR, payload="new"))

        assert (again.status.next_run_at, again.status.slot_at) == (made.next_run_at, made.slot_at)

    async def test_a_changed_schedule_moves_the_next_time_and_leaves_health_alone(self, store: Store) -> None:
        now = await store.now()
        await create(store)
        held = await run(store, next_run_at=now + HOUR)

        moved = await store.ensure(ALICE, spec(PING, "task", at=now + 5 * MINUTE, digest="new", reason="moved"))

        assert moved.how is EnsuredAs.UPDATED
        assert (moved.status.next_run_at, moved.status.slot_at) == (now + 5 * MINUTE, now + 5 * MINUTE)
        assert moved.status.plan_reason == "moved"
        assert moved.status.health.last_token == held.token
        assert moved.status.health.epoch == held.health.epoch

    async def test_a_changed_schedule_of_the_executors_moves_tasks_without_their_own(self, store: Store) -> None:
        made = await create(store, digest="old")
        assert made.next_run_at is not None
        then = made.next_run_at + HOUR

        moved = await store.ensure(ALICE, spec(PING, "task", at=then, digest="new", named=()))

        assert (moved.how, moved.status.next_run_at) == (EnsuredAs.UPDATED, then)

    async def test_a_schedule_of_its_own_stays_where_none_is_named(self, store: Store) -> None:
        own = every(minutes=7)
        made = await create(store, schedule=own, digest="own")
        assert made.next_run_at is not None
        then = made.next_run_at + HOUR

        kept = await store.ensure(ALICE, spec(PING, "task", at=then, digest="executor's", named=()))

        assert (kept.how, kept.status.next_run_at) == (EnsuredAs.UNCHANGED, made.next_run_at)
        assert kept.status.task.schedule == own

    async def test_while_the_policy_holds_a_task_a_changed_schedule_moves_the_slot_only(self, store: Store) -> None:
        now = await store.now()
        await create(store)
        await run(store, failed(), next_run_at=now + MINUTE, phase=Phase.BACKING_OFF)

        moved = await store.ensure(ALICE, spec(PING, "task", at=now + HOUR, digest="new"))

        assert (moved.status.next_run_at, moved.status.slot_at) == (now + MINUTE, now + HOUR)
        assert moved.status.phase is Phase.BACKING_OFF

    async def test_ensure_leaves_a_run_in_progress_alone(self, store: Store) -> None:
        await create(store)
        held = await claim_one(store)

        ensured = await store.ensure(ALICE, spec(PING, "task", at=held.slot_at, payload="new"))

        assert (ensured.status.state, ensured.status.runner) == (State.RUNNING, "first-runner")
        assert await finish(store, held) == "recorded"
        assert (await refresh(store, ensured.status)).task.payload == "new"

    async def test_a_schedule_that_changes_during_a_run_outlasts_it(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        held = await claim_one(store)
        then = clock.now() + 5 * MINUTE
        await store.ensure(ALICE, spec(PING, "task", at=then, digest="new"))

        await finish(store, held, next_run_at=clock.now() + 24 * HOUR)

        status = (await store.ensure(ALICE, spec(PING, "task", at=clock.now(), digest="new"))).status
        assert (status.slot_at, status.next_run_at) == (then, then)

    async def test_a_done_task_is_scheduled_again_by_a_changed_schedule(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store)
        await run(store, last=True)
        then = clock.now() + MINUTE

        status = (await store.ensure(ALICE, spec(PING, "task", at=then, digest="new"))).status

        assert (status.state, status.slot_at, status.next_run_at) == (State.SCHEDULED, then, then)
        clock.jump(MINUTE)
        assert (await claim_one(store)).slot_at == then

    async def test_values_that_only_python_takes_for_equal_are_a_change(self, store: Store) -> None:
        at = await store.now()
        payloads: list[JSON] = [{"on": 1}, {"on": True}, {"on": 1.0}, {"on": [0]}, {"on": [False]}]
        for payload in payloads:
            ensured = await store.ensure(ALICE, spec(PING, "task", at=at, payload=payload))

            assert repr(ensured.status.task.payload) == repr(payload)

    async def test_concurrent_ensures_make_one_task(self, store: Store) -> None:
        answers: list[Ensured] = []
        wanted = spec(PING, "task", at=await store.now())

        async def ensure() -> None:
            answers.append(await store.ensure(ALICE, wanted))

        async with anyio.create_task_group() as tg:
            for _ in range(8):
                tg.start_soon(ensure)

        assert len({answer.status.id for answer in answers}) == 1
        assert sorted(answer.how for answer in answers) == [EnsuredAs.CREATED] + [EnsuredAs.UNCHANGED] * 7
        assert len(await _all(store)) == 1

    async def test_tasks_are_paged_in_order_of_creation(self, store: Store, clock: VirtualClock) -> None:
        made = []
        for number in (3, 1, 4, 0, 5, 9, 2):
            made.append((await create(store, f"task-{number}")).id)
            clock.jump(MINUTE)

        paged, after = [], None
        while page := await store.tasks(ALICE, kind=None, status=None, after=after, limit=3):
            assert len(page) <= 3
            paged += [status.id for status in page]
            after = page[-1].id

        assert paged == made

    async def test_tasks_are_filtered_by_kind_and_by_the_word_shown(self, store: Store) -> None:
        running, waiting, other = [
            await create(store, "a"),
            await create(store, "b", at=await store.now() + HOUR),
            await create(store, "c", kind=OTHER, at=await store.now() + HOUR),
        ]
        await claim_one(store)

        async def found(**filters: object) -> list[str]:
            every_filter = {"kind": None, "status": None} | filters
            return [
                status.id
                for status in await store.tasks(ALICE, after=None, limit=10, **every_filter)  # type: ignore[arg-type]  # the filters of tasks()
            ]

        assert await found(kind=PING) == [running.id, waiting.id]
        assert await found(status=Status.RUNNING) == [running.id]
        assert await found(status=Status.SCHEDULED) == [waiting.id, other.id]
        assert await found(status=Status.SCHEDULED, kind=OTHER) == [other.id]
        assert await found(status=Status.DONE) == []

    async def test_what_is_no_transaction_is_refused_and_nothing_is_made(self, store: Store) -> None:
        wanted = spec(PING, "home", at=await store.now())

        with pytest.raises(InvalidValue, match="connection"):
            await store.ensure(ALICE, wanted, connection=object())

        assert await _all(store) == []


async def _all(store: Store) -> list[TaskStatus]:
    return list(await store.tasks(ALICE, kind=None, status=None, after=None, limit=100))
