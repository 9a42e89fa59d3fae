"""The event stream: in order, by cursor, for one subscriber at a time to come to harm."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, cast

import anyio
import attrs
import pytest

from taskwarden.core.change import Change, ChangeName, Changes
from taskwarden.core.decision import OpenIncident
from taskwarden.core.protocols import Hint, Store
from taskwarden.errors import Closed, CursorExpired, InvalidValue, StoreUnavailable
from taskwarden.ids import TenantId
from taskwarden.manage import TenantHandle, Warden
from taskwarden.runner.publish import ChangeStream, subscribe
from taskwarden.stores import open_store
from taskwarden.testing import VirtualClock
from tests.manage.kinds import QUARTER, Site, run


async def take(events: ChangeStream, number: int) -> list[Change]:
    with anyio.fail_after(10):
        return [await anext(events) for _ in range(number)]


async def test_a_subscriber_is_told_what_happens_after_it_subscribed(alice: TenantHandle) -> None:
    await alice.tasks.ensure("site.crawl", key="before")
    async with alice.events() as events:
        ensured = await alice.tasks.ensure("site.crawl", key="after")
        (change,) = await take(events, 1)

    assert (change.name, change.task_id) == (ChangeName.TASK_CREATED, ensured.id)


async def test_a_waiting_subscriber_is_woken_without_time_passing(alice: TenantHandle, clock: VirtualClock) -> None:
    told: list[Change] = []

    async def listen() -> None:
        async with alice.events() as events:
            told.extend(await take(events, 1))

    async with anyio.create_task_group() as tg:
        tg.start_soon(listen)
        await clock.settle()
        await alice.tasks.ensure("site.crawl", key="home")

    assert [change.name for change in told] == [ChangeName.TASK_CREATED]
    assert clock.monotonic() == 0


async def test_the_stream_goes_on_from_a_cursor_and_misses_nothing(alice: TenantHandle) -> None:
    async with alice.events(after=0) as events:
        for key in ("one", "two", "three"):
            await alice.tasks.ensure("site.crawl", key=key)
        first = await take(events, 1)
        cursor = events.cursor
    async with alice.events(after=cursor) as events:
        rest = await take(events, 2)
    everything = (await alice.tasks.list(), [change.task_id for change in first + rest])

    assert [status.id for status in everything[0]] == everything[1]


async def test_a_tenants_stream_leaves_the_others_out_and_the_wardens_does_not(
    warden: Warden, alice: TenantHandle, bob: TenantHandle
) -> None:
    await bob.tasks.ensure("site.crawl", key="his")
    await alice.tasks.ensure("site.crawl", key="hers")
    async with alice.events(after=0) as events:
        (change,) = await take(events, 1)
    async with warden.events(after=0) as events:
        both = await take(events, 2)

    assert change.tenant == "alice"
    assert [one.tenant for one in both] == ["bob", "alice"]


async def test_a_finished_run_comes_with_its_record(warden: Warden, alice: TenantHandle, clock: VirtualClock) -> None:
    await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))
    async with alice.events() as events:
        await clock.advance(QUARTER)
        await run(warden)
        (change,) = await take(events, 1)

    assert change.name is ChangeName.RUN_FINISHED
    assert [change.run] == list(await alice.runs.list())


async def raise_on_the_first_change(alice: TenantHandle) -> None:
    async with alice.events() as events:
        await alice.tasks.ensure("site.crawl", key="home")
        raise ArithmeticError(await take(events, 1))


async def test_a_subscriber_that_raises_harms_only_itself(warden: Warden, alice: TenantHandle) -> None:
    async with warden.events() as other:
        with pytest.raises(ArithmeticError):
            await raise_on_the_first_change(alice)
        (change,) = await take(other, 1)

    assert change.name is ChangeName.TASK_CREATED


async def test_a_subscriber_can_be_cancelled(alice: TenantHandle) -> None:
    with anyio.move_on_after(0.01) as scope:
        async with alice.events() as events:
            await anext(events)

    assert scope.cancelled_caught


@attrs.define(eq=False)
class Unreliable:
    """A store whose hints are lost, and that may be away or forget what it told."""

    feed: Store
    away: bool = False
    forgotten: bool = False
    hinting: bool = False

    async def cursor(self) -> int:
        return await self.feed.cursor()

    async def changes(self, after: int, *, limit: int, tenant: TenantId | None = None) -> Changes:
        if self.away:
            raise StoreUnavailable("toy", "the network is gone")
        return attrs.evolve(await self.feed.changes(after, limit=limit, tenant=tenant), reset=self.forgotten)

    async def listen(self, hint: Callable[[Hint], None]) -> None:
        if self.away:
            raise StoreUnavailable("toy", "the network is gone")
        if self.hinting:
            await self.feed.listen(hint)
        await anyio.sleep_forever()


@pytest.fixture
async def unreliable(warden: Warden) -> Unreliable:
    return Unreliable(warden.store)


def told_by(store: Unreliable, clock: VirtualClock) -> AbstractAsyncContextManager[ChangeStream]:
    return subscribe(cast("Store", store), clock)


async def something_happens(store: Unreliable) -> None:
    await store.feed.open_incident(TenantId("alice"), OpenIncident("key", "unknown", "title"))


async def test_a_lost_hint_costs_half_a_minute_and_no_change(unreliable: Unreliable, clock: VirtualClock) -> None:
    told: list[Change] = []

    async def listen() -> None:
        async with told_by(unreliable, clock) as events:
            told.extend(await take(events, 1))

    async with anyio.create_task_group() as tg:
        tg.start_soon(listen)
        await clock.settle()
        await something_happens(unreliable)
        await clock.advance(timedelta(seconds=29.9))
        before = list(told)
        await clock.advance(timedelta(seconds=0.1))

    assert (len(before), len(told)) == (0, 1)


async def test_a_subscriber_of_a_store_that_is_away_may_ask_again_and_misses_nothing(
    unreliable: Unreliable, clock: VirtualClock
) -> None:
    async with told_by(unreliable, clock) as events:
        await something_happens(unreliable)
        unreliable.away = True
        with pytest.raises(StoreUnavailable):
            await anext(events)
        unreliable.away = False
        (change,) = await take(events, 1)

    assert change.name is ChangeName.INCIDENT_OPENED


async def test_listening_is_taken_up_again_after_the_store_was_away(
    unreliable: Unreliable, clock: VirtualClock
) -> None:
    unreliable.away = True
    async with told_by(unreliable, clock) as events:
        await clock.settle()
        unreliable.away, unreliable.hinting = False, True
        await clock.advance(timedelta(seconds=30))
        before = clock.monotonic()
        told: list[Change] = []

        async def listen() -> None:
            told.extend(await take(events, 1))

        async with anyio.create_task_group() as tg:
            tg.start_soon(listen)
            await clock.settle()
            await something_happens(unreliable)

    assert (len(told), clock.monotonic()) == (1, before)


async def test_a_subscriber_is_told_that_changes_were_forgotten_and_where_to_go_on(
    unreliable: Unreliable, clock: VirtualClock
) -> None:
    async with told_by(unreliable, clock) as events:
        await something_happens(unreliable)
        unreliable.forgotten = True
        with pytest.raises(CursorExpired) as caught:
            await anext(events)

    assert caught.value.resume_after == await unreliable.feed.cursor()


@pytest.mark.parametrize("after", [-1, 1.5, "7", True])
async def test_what_is_no_cursor_is_refused(alice: TenantHandle, after: Any) -> None:
    with pytest.raises(InvalidValue, match="must be a cursor"):
        async with alice.events(after=after):
            pass


@pytest.mark.parametrize("closed_first", [True, False])
async def test_a_subscriber_of_a_closed_store_is_told_so(clock: VirtualClock, closed_first: bool) -> None:
    store = await open_store("memory://", clock=clock)
    if closed_first:
        await store.close()
    async with subscribe(store, clock, after=0) as events:
        await clock.settle()
        await store.close()
        with pytest.raises(Closed):
            await anext(events)
