"""``Warden.open``: what it opens it closes, and after its block every handle refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.outcome import JSON
from taskwarden.core.protocols import Store
from taskwarden.core.registry import ExecutorRegistry
from taskwarden.core.task import Task
from taskwarden.errors import Closed, DuplicateExecutor, InvalidValue, MalformedExecutor
from taskwarden.ids import RunnerId
from taskwarden.manage import TenantHandle, Warden
from taskwarden.policies.intervals import every
from taskwarden.stores import open_store
from taskwarden.testing import VirtualClock
from tests.manage.kinds import CheckSite, Crawl, SendDigest
from tests.manage.sweep import CALLS, public_methods


async def test_a_store_that_was_opened_from_a_url_is_closed_after_the_block(clock: VirtualClock) -> None:
    async with Warden.open("memory://", clock=clock) as warden:
        store = warden.store

    with pytest.raises(Closed):
        await store.now()


async def test_a_store_that_was_given_stays_open(clock: VirtualClock) -> None:
    store = await open_store("memory://", clock=clock)
    async with Warden.open(store, clock=clock):
        pass

    assert await store.now() == clock.now()


async def test_the_store_is_closed_when_the_block_raises(clock: VirtualClock) -> None:
    stores: list[Store] = []

    async def raise_within() -> None:
        async with Warden.open("memory://", clock=clock) as warden:
            stores.append(warden.store)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        await raise_within()

    (store,) = stores
    with pytest.raises(Closed):
        await store.now()


async def test_what_a_warden_shows_of_itself_tells_of_no_task(warden: Warden, alice: TenantHandle) -> None:
    await alice.tasks.ensure("site.crawl", key="home")

    assert repr(warden) == "Warden()"


@pytest.mark.parametrize("url", ["postgresq://host/db", "memory", "", "://"])
async def test_a_url_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue, match="memory"):
        async with Warden.open(url):
            pass


async def test_executors_are_checked_when_the_warden_is_opened() -> None:
    with pytest.raises(DuplicateExecutor):
        async with Warden.open("memory://", executors=[CheckSite(), CheckSite()]):
            pass
    with pytest.raises(MalformedExecutor):
        async with Warden.open("memory://", executors=[CheckSite]):  # type: ignore[list-item]
            pass


async def test_a_single_executor_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(InvalidValue, match=r"write executors=\[CheckSite\(\)\]"):
        async with Warden.open("memory://", executors=CheckSite()):  # type: ignore[arg-type]
            pass


async def test_executors_come_one_by_one_or_as_a_registry_of_the_hosts(clock: VirtualClock) -> None:
    registry = ExecutorRegistry([Crawl()])
    async with Warden.open("memory://", registry=registry, clock=clock) as warden:
        assert warden.registry is registry
        registry.add(CheckSite())
        ensured = await warden.tenant("alice").tasks.ensure("site.check", key="home", payload={"url": "x"})
    with pytest.raises(InvalidValue, match="must be empty where a registry is given"):
        async with Warden.open("memory://", executors=[CheckSite()], registry=registry):
            pass

    assert ensured.task.kind == "site.check"


async def test_a_closed_warden_refuses_before_it_asks_the_store(clock: VirtualClock) -> None:
    store = await open_store("memory://", clock=clock)
    async with Warden.open(store, executors=[CheckSite(), Crawl()], clock=clock) as warden:
        alice, bob = warden.tenant("alice"), warden.tenant("bob")
        ensured = await bob.tasks.ensure("site.check", key="home", payload={"url": "x"})
    refused = []
    for name in CALLS:
        try:
            await CALLS[name](alice, ensured.status)
        except Closed:
            refused.append(name)

    assert refused == [name for name, _ in public_methods(alice)] == sorted(CALLS)
    assert await store.find(bob.id, ensured.task.kind, "home") == ensured.status


SPOILT = ("", " ", "a\n", "a\nb", "\x00", "a\x00b", "x" * 201, "\ud800", " a", None, 5, b"alice")


@pytest.mark.parametrize("tenant", SPOILT)
async def test_what_is_no_tenant_is_refused(warden: Warden, tenant: Any) -> None:
    with pytest.raises(InvalidValue, match="tenant must"):
        warden.tenant(tenant)


@pytest.mark.parametrize("key", SPOILT)
async def test_what_is_no_key_is_refused_and_nothing_is_created(alice: TenantHandle, key: Any) -> None:
    with pytest.raises(InvalidValue, match="key must"):
        await alice.tasks.ensure("site.crawl", key=key)
    with pytest.raises(InvalidValue, match="key must"):
        await alice.tasks.find("site.crawl", key)

    assert list(await alice.tasks.list()) == []


@pytest.mark.parametrize("kind", SPOILT)
async def test_what_is_no_kind_is_refused_and_nothing_is_created(alice: TenantHandle, kind: Any) -> None:
    with pytest.raises(InvalidValue, match="kind must"):
        await alice.tasks.ensure(kind, key="home")

    assert list(await alice.tasks.list()) == []


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_what_is_no_id_is_refused(alice: TenantHandle, spoilt: Any) -> None:
    with pytest.raises(InvalidValue, match="task_id must"):
        await alice.tasks.get(spoilt)


@pytest.mark.parametrize("actor", SPOILT[1:])
async def test_what_is_no_actor_is_refused_and_nothing_is_changed(alice: TenantHandle, actor: Any) -> None:
    before = (await alice.tasks.ensure("site.crawl", key="home")).status
    steers = (
        alice.tasks.pause(before.id, actor=actor),
        alice.tasks.resume(before.id, actor=actor),
        alice.tasks.retry(before.id, actor=actor),
        alice.tasks.run_now(before.id, actor=actor),
        alice.tasks.reschedule(before.id, before.as_of, actor=actor),
        alice.tasks.delete(before.id, actor=actor),
    )
    for steer in steers:
        with pytest.raises(InvalidValue, match="actor must"):
            await steer

    assert await alice.tasks.get(before.id) == before


@pytest.mark.parametrize("limit", [0, -1, 1_001, 1.5, "9", True, None])
async def test_a_page_has_from_one_to_a_thousand_rows(alice: TenantHandle, limit: Any) -> None:
    with pytest.raises(InvalidValue, match="limit must be a whole number from 1 to 1000"):
        await alice.tasks.list(limit=limit)
    with pytest.raises(InvalidValue, match="limit must be a whole number from 1 to 1000"):
        await alice.runs.list(limit=limit)


async def test_pages_follow_one_another(alice: TenantHandle) -> None:
    made = [(await alice.tasks.ensure("site.crawl", key=f"site-{number}")).id for number in range(5)]
    first = await alice.tasks.list(limit=2)
    second = await alice.tasks.list(limit=2, after=first[-1].id)
    last = await alice.tasks.list(limit=2, after=second[-1].id)

    assert [status.id for status in (*first, *second, *last)] == made


async def test_a_status_is_one_of_the_ten(alice: TenantHandle) -> None:
    with pytest.raises(InvalidValue, match=r"Status\.PAUSED"):
        await alice.tasks.list(status="paused")  # type: ignore[arg-type]


LATER = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "weight", "until"),
    [
        ("site.check", 0, LATER),
        ("site.check", 1_001, LATER),
        ("site.check", 1.5, LATER),
        ("site.check", 2, datetime(2026, 1, 2)),
        ("site.check", 2, timedelta(days=1)),
        ("site check", 2, LATER),
    ],
)
async def test_a_report_of_activity_that_makes_no_sense_is_refused(
    alice: TenantHandle, kind: str, weight: Any, until: Any
) -> None:
    with pytest.raises(InvalidValue):
        await alice.activity.report(kind, weight, until)


async def test_the_last_report_of_activity_reaches_the_interval_policy(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    await alice.tasks.ensure("site.check", key="home", payload={"url": "x"})
    await alice.activity.report(None, 3, clock.now() + timedelta(days=1))
    await alice.activity.report("site.check", 7, clock.now() + timedelta(days=1))
    await clock.advance(timedelta(minutes=15))
    taken = await warden.store.claim(
        runner=RunnerId("r"), kinds=warden.registry.kinds, limit=1, lease=timedelta(minutes=1)
    )

    (activity,) = [claim.state.activity for claim in taken.claims]
    assert activity is not None
    assert activity.weight == 7


async def test_limits_change_what_is_named_and_tell_what_holds(alice: TenantHandle) -> None:
    plain = await alice.limits()
    await alice.limits(max_running=3)
    weighted = await alice.limits(weight=5)
    lifted = await alice.limits(max_running=None)

    assert (plain.weight, plain.max_running) == (1, None)
    assert (weighted.weight, weighted.max_running) == (5, 3)
    assert (lifted.weight, lifted.max_running) == (5, None)


@pytest.mark.parametrize(
    "limits", [{"max_running": 0}, {"max_running": -1}, {"max_running": 1.5}, {"weight": 0}, {"weight": 1_001}]
)
async def test_limits_that_make_no_sense_are_refused_and_change_nothing(
    alice: TenantHandle, limits: dict[str, Any]
) -> None:
    before = await alice.limits()
    with pytest.raises(InvalidValue):
        await alice.limits(**limits)

    assert await alice.limits() == before


async def test_all_of_a_tenant_is_paused_by_one_flag(alice: TenantHandle) -> None:
    task = await alice.tasks.ensure("site.crawl", key="home")
    await alice.pause_all()
    paused = await alice.limits()
    await alice.resume_all()

    assert (paused.paused, (await alice.limits()).paused) == (True, False)
    assert await alice.tasks.get(task.id) == task.status


class Count(TaskExecutor[JSON]):
    """Counts its runs."""

    kind = "count"
    schedule = every(minutes=1)

    def __init__(self) -> None:
        self.runs = 0

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        self.runs += 1


async def test_a_runner_of_the_warden_runs_what_is_due_until_its_block_ends(clock: VirtualClock) -> None:
    count = Count()
    async with Warden.open("memory://", executors=[count], clock=clock) as warden:
        alice = warden.tenant("alice")
        await alice.tasks.ensure("count", key="home")
        with anyio.fail_after(10):
            async with warden.runner(name="runner-1", concurrency=5, threads=2):
                await clock.advance(timedelta(minutes=5))
            ran = count.runs
            await clock.advance(timedelta(minutes=5))

        assert (ran, count.runs) == (5, 5)
        assert {run.runner for run in await alice.runs.list()} == {"runner-1"}
        assert (await alice.statistics()).success_ratio == 1


async def test_the_wardens_policy_decides_where_the_executor_brings_none(clock: VirtualClock) -> None:
    class Hopeless(Count):
        kind = "hopeless"

        async def execute(self, task: Task[JSON], context: RunContext) -> None:
            raise ArithmeticError

    asked: list[object] = []

    class Recording:
        def __repr__(self) -> str:
            return "Recording()"

        def decide(self, health: Any, event: Any, now: datetime) -> Any:
            asked.append(event)
            raise ArithmeticError

    async with Warden.open("memory://", executors=[Hopeless()], policy=Recording(), clock=clock) as warden:
        alice = warden.tenant("alice")
        ensured = await alice.tasks.ensure("hopeless", key="home")
        await alice.tasks.retry(ensured.id)

    assert len(asked) > 0


async def test_the_shape_of_the_design_page_works_as_it_stands(clock: VirtualClock) -> None:
    async with Warden.open("memory://", executors=[CheckSite(), SendDigest()], clock=clock) as warden:
        alice = warden.tenant("alice")
        await alice.tasks.ensure("site.check", key="home", payload={"url": "https://example.org"})
        async with warden.runner():
            await clock.advance(timedelta(hours=1))
        runs = await alice.runs.list()

    assert [run.result for run in runs] == [{"url": "https://example.org"}] * 4
