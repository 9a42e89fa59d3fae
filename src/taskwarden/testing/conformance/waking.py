"""When to look again: ``Claims.next_due``, hints, and a clock that went back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from taskwarden.core.claim import Receipt
from taskwarden.core.health import Phase
from taskwarden.core.protocols import Hint
from taskwarden.ids import Kind
from taskwarden.testing.builders import failed
from taskwarden.testing.conformance.suite import (
    ALICE,
    BOB,
    DAY,
    FIRST,
    HOUR,
    KINDS,
    LEASE,
    MINUTE,
    PING,
    SECOND_RUNNER,
    Suite,
    claim,
    claim_one,
    create,
    feed,
    finish,
    refresh,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from taskwarden.core.protocols import Store
    from taskwarden.testing.clock import VirtualClock


BREATH = timedelta(seconds=0.5)


async def next_due(store: Store, limit: int = 100) -> datetime | None:
    """Claim, and return when to look again."""
    return (await store.claim(runner=FIRST, kinds=KINDS, limit=limit, lease=LEASE)).next_due


class Waking(Suite):
    """``next_due``, ``listen`` and the mending of clock faults."""

    async def test_an_empty_store_has_nothing_to_wake_for(self, store: Store) -> None:
        assert await next_due(store) is None

    async def test_the_next_time_to_look_is_when_the_first_task_is_due(self, store: Store, clock: VirtualClock) -> None:
        for hours in (5, 2, 9):
            await create(store, f"{hours}", tenant=f"tenant-{hours}", at=clock.now() + hours * HOUR)

        assert await next_due(store) == clock.now() + 2 * HOUR

    async def test_the_next_time_to_look_is_now_if_due_work_was_left_behind(
        self, store: Store, clock: VirtualClock
    ) -> None:
        for number in range(3):
            await create(store, f"{number}")

        left_behind = await next_due(store, limit=2)

        assert left_behind is not None
        assert left_behind <= clock.now()

    async def test_the_next_time_to_look_follows_each_word_and_each_completion(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        await run(store, next_run_at=clock.now() + HOUR)
        completed = await next_due(store)
        await store.request_run(ALICE, made.id, at=clock.now() + MINUTE, actor="")
        requested = await next_due(store)

        assert (completed, requested) == (clock.now() + HOUR, clock.now() + MINUTE)

    async def test_the_end_of_another_runners_lease_is_a_time_to_look(self, store: Store, clock: VirtualClock) -> None:
        await create(store)
        held = await claim_one(store, runner=SECOND_RUNNER)
        await create(store, "later", at=clock.now() + DAY)

        soonest = await next_due(store)

        assert soonest is not None
        assert clock.now() < soonest <= held.lease_until

    async def test_what_waits_for_a_cap_wakes_nobody_by_the_clock(self, store: Store, clock: VirtualClock) -> None:
        await store.set_tenant(ALICE, max_running=1)
        await store.limit_kind(PING, 1)
        for number in range(3):
            await create(store, f"{number}")
        await create(store, tenant=BOB)
        await claim(store)

        soonest = await next_due(store)

        assert await claim(store) == ()
        assert soonest is None or soonest > clock.now()

    async def test_what_is_paused_blocked_done_or_unknown_wakes_nobody_by_the_clock(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store, "done")
        await run(store, last=True)
        paused = await create(store, "paused")
        await store.pause(ALICE, paused.id, paused=True, actor="")
        await create(store, "unknown", kind="suite.unknown")
        await create(store, "tenant's", tenant=BOB)
        await store.set_tenant(BOB, paused=True)
        upstream = await create(store, "upstream", kind="suite.unknown")
        await create(store, "blocked", depends_on=[upstream.id])

        soonest = await next_due(store)

        assert soonest is None or soonest > clock.now()

    async def test_whoever_listens_is_told_that_something_may_be_due(self, store: Store) -> None:
        async def change(number: int) -> None:
            await create(store, f"{number}")

        assert Hint.DUE in await self._heard(store, Hint.DUE, change)

    async def test_whoever_listens_is_told_that_the_feed_has_grown(self, store: Store) -> None:
        made = await create(store)

        async def change(number: int) -> None:
            await store.pause(ALICE, made.id, paused=number % 2 == 0, actor="")

        assert Hint.CHANGED in await self._heard(store, Hint.CHANGED, change)

    async def test_whoever_waits_for_a_cap_is_told_when_a_run_ends(self, store: Store) -> None:
        await store.set_tenant(ALICE, max_running=1)
        for number in range(60):
            await create(store, f"{number}")

        async def change(_: int) -> None:
            assert await finish(store, await claim_one(store), last=True) is Receipt.RECORDED

        assert Hint.DUE in await self._heard(store, Hint.DUE, change)

    async def test_whoever_begins_to_listen_is_told_everything_once_for_what_it_could_not_hear(
        self, store: Store
    ) -> None:
        heard: set[Hint] = set()
        complete = anyio.Event()

        def hint(said: Hint) -> None:
            heard.add(said)
            if heard == set(Hint):
                complete.set()

        async with anyio.create_task_group() as tg:
            tg.start_soon(store.listen, hint)
            with anyio.move_on_after(self.patience.total_seconds()):
                await complete.wait()
            tg.cancel_scope.cancel()

        assert heard == set(Hint)

    async def test_several_may_listen_at_the_same_time(self, store: Store) -> None:
        async def change(number: int) -> None:
            await create(store, f"{number}")

        heard: list[set[Hint]] = []

        async def listen() -> None:
            heard.append(await self._heard(store, Hint.CHANGED, change))

        async with anyio.create_task_group() as tg:
            tg.start_soon(listen)
            tg.start_soon(listen)

        assert [Hint.CHANGED in each for each in heard] == [True, True]

    async def _heard(self, store: Store, wanted: Hint, change: Callable[[int], Awaitable[None]]) -> set[Hint]:
        """Listen, and change things until *wanted* is heard or patience ends; return what was heard."""
        heard: set[Hint] = set()
        arrived = anyio.Event()

        def hint(said: Hint) -> None:
            heard.add(said)
            if said is wanted:
                arrived.set()

        async with anyio.create_task_group() as tg:
            tg.start_soon(store.listen, hint)
            await anyio.wait_all_tasks_blocked()
            heard.clear()  # what it is told when it begins to listen
            arrived = anyio.Event()
            # A hint may be lost, and so may what a store says before it listens: change something again and again.
            for number in range(round(self.patience / BREATH)):
                await change(number)
                with anyio.move_on_after(BREATH.total_seconds()):
                    await arrived.wait()
                    break
            tg.cancel_scope.cancel()
        return heard

    async def test_a_clock_that_went_back_makes_the_task_due_now_and_opens_an_incident(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store)
        await run(store, failed(), next_run_at=clock.now() + HOUR, phase=Phase.BACKING_OFF)
        before = await store.cursor()
        clock.jump(-30 * DAY)

        held = await claim_one(store)

        (incident,) = await store.incidents(ALICE, open_only=True)
        assert (held.task.id, held.slot_at, held.due_at) == (made.id, clock.now(), clock.now())
        assert held.health.phase is Phase.BACKING_OFF
        assert (incident.key, incident.tenant) == ("clock_fault", ALICE)
        assert "incident.opened" in [change.name for change in await feed(store, before)]

    async def test_a_task_whose_clock_fault_was_mended_goes_on_as_ever(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, next_run_at=clock.now() + HOUR)
        clock.jump(-30 * DAY)
        await run(store, next_run_at=clock.now() + HOUR)

        early = await claim(store)
        status = await refresh(store, made)
        clock.jump(HOUR)

        assert early == ()
        assert status.next_run_at == clock.now()
        assert (await claim_one(store)).slot_at == clock.now()
        assert len(await store.incidents(ALICE, open_only=False)) == 1

    async def test_a_lease_that_reaches_into_a_future_that_never_was_ends_within_a_lease(
        self, store: Store, clock: VirtualClock
    ) -> None:
        made = await create(store, at=clock.now() + DAY)
        await create(store, "decided on later", at=clock.now() + DAY)
        clock.jump(DAY)
        (_, second) = await claim(store, runner=SECOND_RUNNER)
        await finish(store, second)
        clock.jump(-DAY)
        await claim(store)
        clock.jump(2 * LEASE)

        taken = [held for held in await claim(store) if held.task.id == made.id]

        assert [held.lost_by for held in taken] == [SECOND_RUNNER]

    async def test_a_clock_that_went_back_by_less_than_a_lease_is_no_fault(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store)
        await run(store, next_run_at=clock.now() + HOUR)
        clock.jump(-LEASE / 2)

        assert await claim(store) == ()
        assert list(await store.incidents(ALICE, open_only=False)) == []

    async def test_a_clock_that_went_back_by_less_than_a_lease_holds_no_backlog_up(
        self, store: Store, clock: VirtualClock
    ) -> None:
        for number in range(4):
            await create(store, f"{number}", tenant=(ALICE, BOB)[number % 2], at=clock.now() - HOUR)
        clock.jump(-LEASE / 2)

        assert [len(await claim(store, 1)) for _ in range(5)] == [1, 1, 1, 1, 0]

    async def test_a_clock_that_went_ahead_is_no_fault(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, next_run_at=clock.now() + HOUR)
        clock.jump(3650 * DAY)

        held = await claim_one(store)

        assert held.slot_at == (await refresh(store, made)).slot_at == held.due_at
        assert list(await store.incidents(ALICE, open_only=False)) == []

    async def test_a_clock_fault_of_one_tenant_is_no_incident_of_anothers(
        self, store: Store, clock: VirtualClock
    ) -> None:
        await create(store, tenant=ALICE, kind=KINDS[0])
        await run(store, next_run_at=clock.now() + HOUR)
        clock.jump(-DAY)
        await create(store, tenant=BOB)

        await store.claim(runner=FIRST, kinds=[Kind(kind) for kind in KINDS], limit=10, lease=LEASE)

        assert len(await store.incidents(ALICE, open_only=True)) == 1
        assert list(await store.incidents(BOB, open_only=True)) == []
