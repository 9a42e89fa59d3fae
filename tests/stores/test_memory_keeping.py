"""What the memory store keeps, and for how long; and that a refused call changes nothing."""

from datetime import timedelta
from typing import Any

import attrs
import pytest

from taskwarden.core.claim import Receipt
from taskwarden.core.decision import OpenIncident, ResolveIncident
from taskwarden.core.lifecycle import State
from taskwarden.core.record import Ending, TaskStatus
from taskwarden.errors import Closed, InvalidValue, TaskNotFound
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
from taskwarden.stores import open_store
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.builders import completed, failed, retried, spec
from taskwarden.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

ALICE, BOB = TenantId("alice"), TenantId("bob")
PING = Kind("suite.ping")
RUNNER = RunnerId("runner")
LEASE = timedelta(minutes=1)
TOO_LONG = "x" * 257


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


async def create(store: MemoryStore, key: str, tenant: TenantId = ALICE) -> TaskStatus:
    return (await store.ensure(tenant, spec(PING, key, at=await store.now()))).status


async def run_all(store: MemoryStore, times: int = 1) -> None:
    for _ in range(times):
        claims = (await store.claim(runner=RUNNER, kinds=[PING], limit=100, lease=LEASE)).claims
        await store.complete([completed(claim, next_run_at=claim.claimed_at) for claim in claims])


async def test_history_keeps_the_newest_runs_and_statistics_keep_counting(clock: VirtualClock) -> None:
    store = MemoryStore(clock, runs_kept=10)
    made = await create(store, "task")
    await run_all(store, 25)

    for task_id in (None, made.id):
        rows = await store.runs(ALICE, task_id=task_id, before=None, limit=100)
        assert [row.token for row in rows] == list(range(25, 15, -1))
    assert [(tally.ending, tally.runs) for tally in await store.tallies(ALICE)] == [(Ending.SUCCEEDED, 25)]


async def test_a_task_shows_its_last_run_even_when_history_dropped_it(clock: VirtualClock) -> None:
    store = MemoryStore(clock, runs_kept=3)
    quiet = await create(store, "quiet", BOB)
    await run_all(store)
    await store.pause(BOB, quiet.id, paused=True, actor="")
    await create(store, "busy")
    await run_all(store, 10)

    status = await store.get(BOB, quiet.id)

    assert status.last_run is not None
    assert status.last_run.token == 1
    assert list(await store.runs(BOB, task_id=quiet.id, before=None, limit=10)) == []


async def test_what_history_dropped_is_held_by_nobody(clock: VirtualClock) -> None:
    store = MemoryStore(clock, runs_kept=5)
    made = await create(store, "task")
    await run_all(store, 50)

    assert len(store._tables.history._runs) <= 5 + 1
    assert len(await store.runs(ALICE, task_id=made.id, before=None, limit=100)) == 5


async def test_the_runs_of_a_deleted_task_are_still_read_by_its_id(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    made, other = await create(store, "task"), await create(store, "other")
    await run_all(store, 3)
    await store.delete(ALICE, made.id, detach=False, actor="")

    assert len(await store.runs(ALICE, task_id=made.id, before=None, limit=100)) == 3
    assert len(await store.runs(ALICE, task_id=other.id, before=None, limit=100)) == 3
    assert list(await store.runs(BOB, task_id=made.id, before=None, limit=100)) == []


async def test_the_feed_keeps_the_newest_changes_and_says_so_to_readers_that_lag(clock: VirtualClock) -> None:
    store = MemoryStore(clock, changes_kept=100)
    for number in range(500):
        await create(store, f"{number}")

    lagging = await store.changes(1, limit=1_000)
    from_what_is_kept = await store.changes(0, limit=1_000)
    current = await store.changes(400, limit=1_000)

    assert (lagging.reset, from_what_is_kept.reset, current.reset) == (True, False, False)
    for page in (lagging, from_what_is_kept, current):
        assert [change.seq for change in page.changes] == list(range(401, 501))
    assert len(store._tables.feed._items) <= 100 + 100 // 16


async def test_incidents_that_many_tasks_share_name_the_first_hundred(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    made = [(await create(store, f"{number}")).id for number in range(130)]
    for task_id in made:
        await store.open_incident(ALICE, OpenIncident("down", "network_error", "It is down"), task_id)

    (incident,) = await store.incidents(ALICE, open_only=True)

    assert (incident.sightings, incident.task_ids) == (130, tuple(made[:100]))


async def test_resolved_incidents_do_not_pile_up(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    await create(store, "task")
    for number in range(1_100):
        (claim,) = (await store.claim(runner=RUNNER, kinds=[PING], limit=1, lease=LEASE)).claims
        effects = (OpenIncident(f"{number}", "unknown", "odd"), ResolveIncident(f"{number}"))
        await store.complete([completed(claim, next_run_at=clock.now(), effects=effects)])

    kept = await store.incidents(ALICE, open_only=False)

    assert [incident.key for incident in kept] == [f"{number}" for number in range(1_099, 99, -1)]


async def test_a_completion_whose_memory_is_too_long_is_refused_whole(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    made = await create(store, "task")
    (claim,) = (await store.claim(runner=RUNNER, kinds=[PING], limit=1, lease=LEASE)).claims
    before = await store.get(ALICE, made.id), await store.cursor()

    with pytest.raises(InvalidValue, match="memory"):
        await store.complete([completed(claim, failed(), memory=TOO_LONG)])

    assert (await store.get(ALICE, made.id), await store.cursor()) == before
    assert list(await store.complete([completed(claim)])) == [Receipt.RECORDED]


async def test_a_steer_whose_memory_is_too_long_or_whose_name_is_no_change_is_refused_whole(
    clock: VirtualClock,
) -> None:
    store = MemoryStore(clock)
    made = await create(store, "task")

    with pytest.raises(InvalidValue, match="memory"):
        await store.steer(ALICE, made.id, retried(made, clock.now(), memory=TOO_LONG))
    with pytest.raises(ValueError, match=r"task\.renamed"):
        await store.steer(ALICE, made.id, attrs.evolve(retried(made, clock.now()), name="task.renamed"))

    assert await store.get(ALICE, made.id) == made


async def test_a_new_schedule_that_is_refused_leaves_the_task_as_it_was(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    made = await create(store, "task")
    wanted = spec(PING, "task", at=clock.now(), payload="new", digest="new", memory=TOO_LONG)

    with pytest.raises(InvalidValue, match="memory"):
        await store.ensure(ALICE, wanted)

    assert await store.get(ALICE, made.id) == made


async def test_a_schedule_that_changes_during_a_run_takes_effect_after_it(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    made = await create(store, "task")
    (claim,) = (await store.claim(runner=RUNNER, kinds=[PING], limit=1, lease=LEASE)).claims
    soon = clock.now() + timedelta(minutes=5)
    await store.ensure(ALICE, spec(PING, "task", at=soon, digest="new", memory="m2", reason="every 5 min"))

    await store.complete([completed(claim, next_run_at=clock.now() + timedelta(days=7), memory="m1", reason="weekly")])

    status = await store.get(ALICE, made.id)
    assert (status.slot_at, status.next_run_at) == (soon, soon)
    assert (status.interval.memory, status.plan_reason, status.attempt) == ("m2", "every 5 min", 1)


async def test_a_schedule_that_never_comes_again_leaves_what_is_planned(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    made = await create(store, "task")
    over = await store.ensure(ALICE, spec(PING, "task", at=None, digest="never"))
    new = await store.ensure(ALICE, spec(PING, "new", at=None))

    assert (over.status.slot_at, over.status.state) == (made.slot_at, State.SCHEDULED)
    assert (new.status.slot_at, new.status.state) == (None, State.DONE)


async def test_a_payload_is_kept_apart_from_the_callers(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    payload: dict[str, Any] = {"urls": ["a"]}
    made = (await store.ensure(ALICE, spec(PING, "task", at=clock.now(), payload=payload))).status
    payload["urls"].append("b")

    assert (await store.get(ALICE, made.id)).task.payload == {"urls": ["a"]}


async def test_ids_that_no_store_of_this_sort_gives_are_refused(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    await create(store, "task")

    with pytest.raises(InvalidValue, match="before"):
        await store.runs(ALICE, task_id=None, before=RunId("rubbish"), limit=1)
    with pytest.raises(TaskNotFound):
        await store.tasks(ALICE, kind=None, status=None, after=TaskId("rubbish"), limit=1)


async def test_a_page_goes_on_after_a_task_that_is_gone(clock: VirtualClock) -> None:
    store = MemoryStore(clock)
    made = [await create(store, f"{number}") for number in range(4)]
    await store.delete(ALICE, made[1].id, detach=False, actor="")

    page = await store.tasks(ALICE, kind=None, status=None, after=made[1].id, limit=10)

    assert [status.id for status in page] == [made[2].id, made[3].id]


@pytest.mark.parametrize("bad", [{"weight": 0}, {"max_running": -2}])
async def test_settings_that_break_a_rule_change_nothing(clock: VirtualClock, bad: dict[str, int]) -> None:
    store = MemoryStore(clock)
    await store.set_tenant(ALICE, weight=3, max_running=2)
    before = await store.tenant(ALICE)

    with pytest.raises(InvalidValue, match="must be at least"):
        await store.set_tenant(ALICE, paused=True, **bad)
    with pytest.raises(InvalidValue, match="max_running"):
        await store.limit_kind(PING, -1)

    assert await store.tenant(ALICE) == before


@pytest.mark.parametrize("bad", [{"runs_kept": 0}, {"changes_kept": -1}])
def test_bounds_below_one_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InvalidValue, match="at least 1"):
        MemoryStore(VirtualClock(), **bad)


async def test_it_is_found_by_its_scheme_and_reads_the_given_clock(clock: VirtualClock) -> None:
    store = await open_store("memory://", clock=clock)

    assert isinstance(store, MemoryStore)
    assert await store.now() == clock.now()
    await store.close()
    with pytest.raises(Closed):
        await store.now()


async def test_without_a_clock_it_reads_the_systems() -> None:
    store = await open_store("memory://")

    assert await store.now() <= await store.now()
    assert (await store.now()).utcoffset() == timedelta(0)


@pytest.mark.parametrize("url", ["memory", "", "memory:/x", "redis://:secret@host/0", "://"])
async def test_a_scheme_that_is_not_installed_is_named_without_secrets(url: str) -> None:
    with pytest.raises(InvalidValue, match=r"memory://.*extra") as caught:
        await open_store(url)

    assert "secret" not in str(caught.value)


async def test_a_memory_url_has_no_name() -> None:
    with pytest.raises(InvalidValue, match="share the store object"):
        await open_store("memory://shared")
