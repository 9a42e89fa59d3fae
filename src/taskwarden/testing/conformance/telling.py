"""What a store tells: the feed, in one order for all; incidents, grouped by tenant and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from taskwarden.core.decision import Level, Notify, OpenIncident, ResolveIncident
from taskwarden.errors import TaskNotFound
from taskwarden.testing.builders import deferred, failed, retried, spec
from taskwarden.testing.conformance.suite import (
    ALICE,
    BOB,
    MINUTE,
    NOBODY,
    PING,
    Suite,
    claim,
    claim_one,
    create,
    feed,
    finish,
    names_since,
    run,
)

if TYPE_CHECKING:
    from taskwarden.core.change import Change
    from taskwarden.core.protocols import Store
    from taskwarden.testing.clock import VirtualClock

DOWN = OpenIncident("google.down", "network_error.upstream", "Google is down", Level.ERROR)


class Telling(Suite):
    """``changes``, ``cursor``, ``incidents`` and ``open_incident``."""

    async def test_each_change_is_told_by_its_name(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await store.ensure(ALICE, spec(PING, "task", at=clock.now(), payload="new"))
        await store.pause(ALICE, made.id, paused=True, actor="")
        await store.pause(ALICE, made.id, paused=False, actor="")
        await store.steer(ALICE, made.id, retried(made, clock.now()))
        await store.defer([deferred(await claim_one(store), clock.now())])
        await run(store, next_run_at=clock.now() + MINUTE)
        await store.request_run(ALICE, made.id, at=clock.now(), actor="")
        await store.delete(ALICE, made.id, detach=False, actor="")

        assert await names_since(store, 0) == [
            "task.created",
            "task.updated",
            "task.paused",
            "task.resumed",
            "task.retried",
            "task.deferred",
            "run.finished",
            "run.requested",
            "task.deleted",
        ]

    async def test_what_changed_nothing_is_not_told(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        before = await store.cursor()

        await store.ensure(ALICE, spec(PING, "task", at=clock.now()))
        await store.pause(ALICE, made.id, paused=False, actor="")
        await store.get(ALICE, made.id)
        with pytest.raises(TaskNotFound):
            await store.delete(ALICE, NOBODY, detach=False, actor="")

        assert await feed(store, before) == []

    async def test_a_change_says_whose_which_when_and_who_asked(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        clock.jump(MINUTE)
        await store.pause(ALICE, made.id, paused=True, actor="ops@example.org")

        created, paused = await feed(store)

        assert (created.actor, paused.actor) == ("", "ops@example.org")
        assert (created.at, paused.at) == (clock.now() - MINUTE, clock.now())
        for change in (created, paused):
            assert (change.tenant, change.task_id, change.kind) == (ALICE, made.id, PING)
            assert change.run is None
            assert change.incident is None

    async def test_the_feed_grows_in_one_order_for_all_tenants(self, store: Store) -> None:
        for number in range(6):
            await create(store, f"{number}", tenant=(ALICE, BOB)[number % 2])

        changes = await feed(store)

        assert [change.tenant for change in changes] == [ALICE, BOB] * 3
        assert [change.seq for change in changes] == sorted({change.seq for change in changes})

    async def test_a_reader_that_resumes_by_cursor_misses_nothing_and_reads_nothing_twice(self, store: Store) -> None:
        read: list[Change] = []
        cursor = 0
        for number in range(10):
            await create(store, f"{number}")
            page = await store.changes(cursor, limit=2)
            read += page.changes
            cursor = page.cursor
        read += await feed(store, cursor)

        assert read == await feed(store)
        assert len(read) == 10

    async def test_a_page_is_no_longer_than_its_limit(self, store: Store) -> None:
        for number in range(5):
            await create(store, f"{number}")

        page = await store.changes(0, limit=2)

        assert len(page.changes) == 2
        assert page.cursor == page.changes[-1].seq
        assert page.reset is False

    async def test_a_tenants_feed_leaves_others_out_and_its_cursor_moves_past_them(self, store: Store) -> None:
        for number in range(20):
            await create(store, f"{number}", tenant=BOB)
        await create(store, "mine", tenant=ALICE)
        await create(store, "20", tenant=BOB)

        own = await feed(store, tenant=ALICE)
        page = await store.changes(await store.cursor(), limit=10, tenant=ALICE)

        assert [change.tenant for change in own] == [ALICE]
        assert (page.changes, page.cursor) == ((), await store.cursor())

    async def test_the_cursor_is_the_feeds_end(self, store: Store) -> None:
        await create(store, "before")
        end = await store.cursor()
        nothing = await store.changes(end, limit=10)
        await create(store, "after")

        assert (nothing.changes, nothing.cursor, nothing.reset) == ((), end, False)
        assert len(await feed(store, end)) == 1

    async def test_a_feed_read_again_is_the_same(self, store: Store) -> None:
        await create(store)
        await run(store, effects=(DOWN,))

        assert await feed(store) == await feed(store)

    async def test_a_cursor_into_what_is_no_longer_kept_is_told_to_start_anew(self, store: Store) -> None:
        forgetting = self.forget_changes(store)
        if forgetting is None:
            pytest.skip("the store says that its feed is never trimmed (forget_changes)")
        await create(store, "first")
        old = (await store.changes(0, limit=1)).cursor
        await create(store, "second")
        async with forgetting:
            await create(store, "third")
            page = await store.changes(old, limit=10)
            end = await store.cursor()
            fresh = await store.changes(end, limit=10)

        assert page.reset is True
        assert fresh.reset is False

    async def test_a_cursor_from_an_earlier_life_of_the_store_is_told_to_start_anew(self, store: Store) -> None:
        await create(store)
        end = await store.cursor()

        page = await store.changes(end + 1_000, limit=10)

        assert (page.changes, page.cursor, page.reset) == ((), end, True)

    async def test_an_incident_opens_with_what_was_said_of_it(self, store: Store, clock: VirtualClock) -> None:
        made = await create(store)
        await run(store, failed(), effects=(DOWN,))

        (incident,) = await store.incidents(ALICE, open_only=True)

        assert (incident.tenant, incident.key, incident.code) == (ALICE, DOWN.key, DOWN.code)
        assert (incident.title, incident.level) == (DOWN.title, Level.ERROR)
        assert (incident.opened_at, incident.last_seen_at) == (clock.now(), clock.now())
        assert (incident.sightings, incident.task_ids, incident.resolved_at) == (1, (made.id,), None)

    async def test_the_same_key_of_a_tenant_is_a_sighting_of_the_open_incident(
        self, store: Store, clock: VirtualClock
    ) -> None:
        first, second = await create(store, "first"), await create(store, "second")
        opened = clock.now()
        for held in await claim(store):
            await finish(store, held, failed(), effects=(DOWN,))
            clock.jump(MINUTE)
        await store.open_incident(ALICE, DOWN, first.id)

        (incident,) = await store.incidents(ALICE, open_only=False)

        assert incident.sightings == 3
        assert (incident.opened_at, incident.last_seen_at) == (opened, clock.now())
        assert sorted(incident.task_ids) == sorted([first.id, second.id])
        assert [name for name in await names_since(store, 0) if name.startswith("incident")] == [
            "incident.opened",
            "incident.seen",
            "incident.seen",
        ]

    async def test_the_same_key_of_another_tenant_is_another_incident(self, store: Store) -> None:
        await store.open_incident(ALICE, DOWN)
        await store.open_incident(BOB, DOWN)

        for tenant in (ALICE, BOB):
            (incident,) = await store.incidents(tenant, open_only=True)
            assert (incident.tenant, incident.sightings, incident.task_ids) == (tenant, 1, ())

    async def test_a_resolved_incident_is_closed_and_kept(self, store: Store, clock: VirtualClock) -> None:
        await store.open_incident(ALICE, DOWN)
        await create(store)
        clock.jump(MINUTE)
        before = await store.cursor()
        await run(store, effects=(ResolveIncident(DOWN.key),))

        (incident,) = await store.incidents(ALICE, open_only=False)

        assert list(await store.incidents(ALICE, open_only=True)) == []
        assert incident.resolved_at == clock.now()
        assert sorted(await names_since(store, before)) == ["incident.resolved", "run.finished"]

    async def test_an_incident_that_opens_again_is_a_new_one(self, store: Store, clock: VirtualClock) -> None:
        await store.open_incident(ALICE, DOWN)
        await create(store)
        await run(store, effects=(ResolveIncident(DOWN.key),))
        clock.jump(MINUTE)
        await store.open_incident(ALICE, DOWN)

        newest, oldest = await store.incidents(ALICE, open_only=False)

        assert (newest.opened_at, newest.sightings, newest.resolved_at) == (clock.now(), 1, None)
        assert oldest.resolved_at == clock.now() - MINUTE
        assert list(await store.incidents(ALICE, open_only=True)) == [newest]

    async def test_resolving_what_nobody_opened_is_ignored(self, store: Store) -> None:
        await create(store)
        before = await store.cursor()
        await run(store, effects=(ResolveIncident("unheard.of"),))

        assert list(await store.incidents(ALICE, open_only=False)) == []
        assert await names_since(store, before) == ["run.finished"]

    async def test_incidents_come_newest_first(self, store: Store, clock: VirtualClock) -> None:
        for key in ("first", "second", "third"):
            await store.open_incident(ALICE, OpenIncident(key, "unknown", key))
            clock.jump(MINUTE)

        assert [one.key for one in await store.incidents(ALICE, open_only=True)] == ["third", "second", "first"]

    async def test_an_incident_in_the_feed_is_shown_as_it_stood(self, store: Store) -> None:
        await store.open_incident(ALICE, DOWN)
        await store.open_incident(ALICE, DOWN)

        opened, seen = await feed(store)

        assert opened.incident is not None
        assert seen.incident is not None
        assert (opened.incident.sightings, seen.incident.sightings) == (1, 2)

    async def test_a_notice_reaches_the_feed(self, store: Store) -> None:
        await create(store)
        before = await store.cursor()
        await run(store, effects=(Notify(Level.WARNING, "code", "please look"),))

        (notice,) = [change for change in await feed(store, before) if change.name == "notice"]

        assert (notice.tenant, "please look" in notice.detail) == (ALICE, True)
