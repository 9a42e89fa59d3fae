"""Hints of the memory store: when there is news, once for each operation, and harmless."""

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.claim import Claim, Claims
from taskwarden.core.decision import OpenIncident
from taskwarden.core.outcome import Interrupted, Succeeded
from taskwarden.core.protocols import Hint
from taskwarden.core.record import TaskStatus
from taskwarden.errors import DependencyCycle
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.builders import completed, deferred, failed, retried, spec
from taskwarden.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

ALICE, BOB = TenantId("alice"), TenantId("bob")
PING = Kind("suite.ping")
LEASE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
FIRST, SLEEPER = RunnerId("first"), RunnerId("sleeper")


class Ear:
    """A store, its clock, and the hints that were heard since they were last asked for."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = MemoryStore(self.clock)
        self.heard: list[Hint] = []

    def hear(self, hint: Hint) -> None:
        self.heard.append(hint)

    def news(self) -> list[Hint]:
        heard, self.heard = self.heard, []
        return heard

    async def create(self, key: str, after: timedelta = timedelta(0)) -> TaskStatus:
        return (await self.store.ensure(ALICE, spec(PING, key, at=self.clock.now() + after))).status

    async def claim(self, runner: RunnerId = FIRST, limit: int = 10) -> Claims:
        return await self.store.claim(runner=runner, kinds=[PING], limit=limit, lease=LEASE)


@pytest.fixture
async def ear() -> AsyncIterator[Ear]:
    ear = Ear()
    async with anyio.create_task_group() as tg:
        tg.start_soon(ear.store.listen, ear.hear)
        await anyio.wait_all_tasks_blocked()
        yield ear
        tg.cancel_scope.cancel()


async def test_what_is_due_before_the_time_that_was_told_is_hinted_at_and_nothing_else(ear: Ear) -> None:
    await ear.create("hourly", HOUR)
    await ear.claim()
    ear.news()

    await ear.create("later", 2 * HOUR)
    later = ear.news()
    await ear.create("sooner", HOUR / 2)
    sooner = ear.news()
    await ear.create("soonest", HOUR / 4)
    before_anybody_looked = ear.news()
    await ear.claim()
    await ear.create("now")
    after = ear.news()

    assert later == [Hint.CHANGED]
    assert sooner == [Hint.DUE, Hint.CHANGED]
    assert before_anybody_looked == [Hint.CHANGED]
    assert after == [Hint.DUE, Hint.CHANGED]


@pytest.mark.parametrize("word", ["resume", "steer", "request", "interrupt", "defer", "unpause"])
async def test_each_word_that_makes_a_task_due_is_hinted_at(ear: Ear, word: str) -> None:
    task, now = await ear.create("task"), ear.clock.now()
    (held,) = (await ear.claim()).claims
    if word not in {"interrupt", "defer"}:
        await ear.store.complete([completed(held, next_run_at=now + HOUR)])
    if word == "resume":
        await ear.store.pause(ALICE, task.id, paused=True, actor="")
    if word == "unpause":
        await ear.store.set_tenant(ALICE, paused=True)
        ear.clock.jump(HOUR)
    assert (await ear.claim()).claims == ()
    ear.news()

    match word:
        case "resume":
            await ear.store.pause(ALICE, task.id, paused=False, actor="")
        case "steer":
            await ear.store.steer(ALICE, task.id, retried(await ear.store.get(ALICE, task.id), now))
        case "request":
            await ear.store.request_run(ALICE, task.id, at=now, actor="")
        case "interrupt":
            await ear.store.complete([completed(held, Interrupted(), next_run_at=now)])
        case "defer":
            await ear.store.defer([deferred(held, now)])
        case "unpause":
            await ear.store.set_tenant(ALICE, paused=False)

    assert Hint.DUE in ear.news()


@pytest.mark.parametrize("whose", ["tenant", "kind"])
async def test_a_completion_hints_if_it_frees_a_cap_that_something_waits_for(ear: Ear, whose: str) -> None:
    if whose == "tenant":
        await ear.store.set_tenant(ALICE, max_running=1)
    else:
        await ear.store.limit_kind(PING, 1)
    await ear.create("one")
    await ear.create("two")
    (held,) = (await ear.claim()).claims
    await ear.claim()
    ear.news()

    await ear.store.complete([completed(held, last=True)])
    waiting = ear.news()
    (held,) = (await ear.claim()).claims
    await ear.store.complete([completed(held, last=True)])
    nothing_waits = ear.news()

    assert waiting == [Hint.DUE, Hint.CHANGED]
    assert nothing_waits == [Hint.CHANGED]


async def test_lifting_a_cap_hints_if_something_waits_for_it(ear: Ear) -> None:
    await ear.store.limit_kind(PING, 0)
    await ear.create("one")
    await ear.claim()
    ear.news()

    await ear.store.limit_kind(PING, None)

    assert ear.news() == [Hint.DUE]


async def test_unpausing_a_tenant_hints_at_leases_that_expired_meanwhile(ear: Ear) -> None:
    await ear.create("task")
    await ear.claim(FIRST)
    await ear.store.set_tenant(ALICE, paused=True)
    ear.clock.jump(LEASE)
    asleep = await ear.claim(SLEEPER)
    ear.news()

    await ear.store.set_tenant(ALICE, paused=False)

    assert (asleep.claims, asleep.next_due) == ((), None)
    assert ear.news() == [Hint.DUE]
    assert [held.lost_by for held in (await ear.claim(SLEEPER)).claims] == [FIRST]


async def test_releasing_a_dependant_hints(ear: Ear) -> None:
    upstream = await ear.create("upstream")
    made = spec(PING, "downstream", at=ear.clock.now(), depends_on=[upstream.id])
    await ear.store.ensure(ALICE, made)
    (held,) = (await ear.claim()).claims
    await ear.claim()
    ear.news()

    await ear.store.complete([completed(held, last=True)])

    assert ear.news() == [Hint.DUE, Hint.CHANGED]


keys = st.sampled_from("abcd")
tenants = st.sampled_from([ALICE, BOB])
delays = st.integers(-20, 90).map(lambda seconds: timedelta(seconds=seconds))
moves = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 100).map(lambda seconds: timedelta(seconds=seconds))),
    st.tuples(st.just("ensure"), tenants, keys, delays, st.none() | keys),
    st.tuples(st.just("claim"), st.integers(1, 3)),
    st.tuples(st.just("complete"), st.integers(0, 9), delays, st.sampled_from([Succeeded(), failed(), Interrupted()])),
    st.tuples(st.just("defer"), st.integers(0, 9), delays),
    st.tuples(st.just("renew"), st.integers(0, 9)),
    st.tuples(st.just("pause"), tenants, keys, st.booleans()),
    st.tuples(st.just("steer"), tenants, keys, delays),
    st.tuples(st.just("request"), tenants, keys, delays),
    st.tuples(st.just("delete"), tenants, keys),
    st.tuples(st.just("tenant"), tenants, st.booleans(), st.sampled_from([None, -1, 0, 1, 2])),
    st.tuples(st.just("kind"), st.sampled_from([None, 0, 1, 2])),
)


@given(st.lists(moves, max_size=60))
async def test_whoever_sleeps_until_the_told_time_or_a_hint_sleeps_through_nothing(game: list[tuple[Any, ...]]) -> None:
    ear = Ear()
    ear.store._tables.listeners.add("test", ear.hear)
    held: list[Claim] = []
    wake_at: datetime | None = ear.clock.now()
    for move in game:
        await play(ear, held, move)
        asleep = Hint.DUE not in ear.news() and (wake_at is None or wake_at > ear.clock.now())
        if asleep and (await ear.store.cursor()) % 2:
            continue  # sometimes look although there should be nothing
        looked = await ear.claim(SLEEPER, limit=100)
        assert looked.claims == () or not asleep
        wake_at = looked.next_due
        assert wake_at is None or wake_at > ear.clock.now()  # it took all there was
        await ear.store.complete([completed(each, last=True) for each in looked.claims])
        if Hint.DUE in ear.news():
            wake_at = ear.clock.now()


async def play(ear: Ear, held: list[Claim], move: tuple[Any, ...]) -> None:
    store, now = ear.store, ear.clock.now()
    match move:
        case ("wait", span):
            ear.clock.jump(span)
        case ("ensure", tenant, key, delay, upstream):
            above = None if upstream is None else await store.find(tenant, PING, upstream)
            made = spec(PING, key, at=now + delay, digest=str(delay), depends_on=[] if above is None else [above.id])
            with suppress(DependencyCycle):
                await store.ensure(tenant, made)
        case ("claim", limit):
            held += (await ear.claim(FIRST, limit=limit)).claims
        case ("complete", pick, delay, outcome) if held:
            await store.complete([completed(held.pop(pick % len(held)), outcome, next_run_at=now + delay)])
        case ("defer", pick, delay) if held:
            await store.defer([deferred(held.pop(pick % len(held)), now + delay)])
        case ("renew", pick) if held:
            one = held[pick % len(held)]
            await store.renew(runner=FIRST, holds={one.task.id: one.token}, lease=LEASE)
        case ("tenant", tenant, paused, cap):
            await store.set_tenant(tenant, paused=paused, max_running=cap)
        case ("kind", cap):
            await store.limit_kind(PING, cap)
        case (word, tenant, key, *rest) if task := await store.find(tenant, PING, key):
            await play_on(store, now, task, word, rest)


async def play_on(store: MemoryStore, now: datetime, task: TaskStatus, word: str, rest: list[Any]) -> None:
    match word, rest:
        case "pause", [paused]:
            await store.pause(task.tenant, task.id, paused=paused, actor="")
        case "steer", [delay]:
            await store.steer(task.tenant, task.id, retried(task, now + delay))
        case "request", [delay]:
            await store.request_run(task.tenant, task.id, at=now + delay, actor="")
        case "delete", _:
            await store.delete(task.tenant, task.id, detach=True, actor="")


async def test_one_call_says_each_thing_once(ear: Ear) -> None:
    for number in range(5):
        await ear.create(f"{number}")
    claims = (await ear.claim()).claims
    ear.news()
    effects = (OpenIncident("down", "network_error", "down"),)

    await ear.store.complete([completed(held, next_run_at=ear.clock.now(), effects=effects) for held in claims])

    assert ear.news() == [Hint.DUE, Hint.CHANGED]


async def test_what_changes_nothing_says_nothing(ear: Ear) -> None:
    task = await ear.create("task", HOUR)
    await ear.claim()
    ear.news()

    await ear.create("task", HOUR)
    await ear.store.pause(ALICE, task.id, paused=False, actor="")
    await ear.store.complete([])
    await ear.store.limit_kind(PING, 5)

    assert ear.news() == []


async def test_a_listener_that_raises_harms_nobody_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    heard: list[Hint] = []

    def broken(_: Hint) -> None:
        raise RuntimeError("the host's own fault")

    async with anyio.create_task_group() as tg:
        tg.start_soon(store.listen, broken)
        tg.start_soon(store.listen, heard.append)
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            await store.ensure(ALICE, spec(PING, f"{number}", at=clock.now()))
        tg.cancel_scope.cancel()

    assert heard.count(Hint.CHANGED) == 4  # one when it began to listen
    assert [record.levelname for record in caplog.records if "listener" in record.message] == ["ERROR"]


async def test_who_listens_no_more_is_told_nothing() -> None:
    clock = VirtualClock()
    store = MemoryStore(clock)
    heard: list[Hint] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(store.listen, heard.append)
        await anyio.wait_all_tasks_blocked()
        heard.clear()
        tg.cancel_scope.cancel()

    await store.ensure(ALICE, spec(PING, "task", at=clock.now()))

    assert heard == []
