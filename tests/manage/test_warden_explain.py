"""``tasks.explain``: every reason that holds a task back, in order, each with its remedy."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
import pytest

from taskwarden.core.claim import Deferral
from taskwarden.core.decision import IntervalState, Trigger
from taskwarden.core.health import HEALTHY, Health, Phase
from taskwarden.core.instant import FAR_FUTURE
from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import Store, TenantState
from taskwarden.core.record import Ending, Run, TaskStatus
from taskwarden.core.task import TaskRecord
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
from taskwarden.manage import TenantHandle, Warden
from taskwarden.manage.explain import Obstacle, Snapshot, explain
from taskwarden.testing import VirtualClock
from taskwarden.testing.builders import failed
from tests.manage.kinds import QUARTER, Crawl, Site, claim, run

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALICE = TenantId("alice")


def status(key: str = "home", *, due: timedelta = -HOUR, health: Health = HEALTHY, **fields: Any) -> TaskStatus:
    """Return a task that is due since an hour, but for what is said."""
    task = TaskRecord(id=TaskId(key), tenant=ALICE, kind=Kind("site.check"), key=key, payload=None, created_at=NOW)
    at = NOW + due
    given: dict[str, Any] = {"state": State.SCHEDULED, "paused": False, "attempt": 1, "next_run_at": at, "slot_at": at}
    return TaskStatus(task=task, as_of=NOW, interval=IntervalState(), health=health, **given | fields)


def snapshot(
    task: TaskStatus, *, registered: bool = True, upstreams: tuple[TaskStatus, ...] = (), **tenant: Any
) -> Snapshot:
    state = TenantState(tenant=ALICE, **tenant)
    return Snapshot(status=task, tenant=state, registered=registered, upstreams=upstreams)


def names(shown: Snapshot) -> list[Obstacle]:
    return [blocker.name for blocker in explain(shown).blockers]


FAILED = Run(
    id=RunId("run"),
    task_id=TaskId("home"),
    tenant=ALICE,
    kind=Kind("site.check"),
    key="home",
    token=1,
    attempt=1,
    trigger=Trigger.SCHEDULED,
    slot_at=NOW - HOUR,
    due_at=NOW - HOUR,
    claimed_at=NOW - HOUR,
    started_at=NOW - HOUR,
    finished_at=NOW - HOUR,
    ending=Ending.FAILED,
    settled=False,
    coalesced=0,
    code="auth_error.revoked",
    message="the user disconnected",
    runner=RunnerId("runner-1"),
)


def in_phase(phase: Phase, **fields: Any) -> TaskStatus:
    health = Health(phase=phase, streak=3)
    return status(due=HOUR, health=health, last_run=FAILED, **fields)


BLOCKED = status(state=State.BLOCKED, blocked_by=(TaskId("up"),))
CASES: dict[str, tuple[Snapshot, list[Obstacle]]] = {
    "nothing": (snapshot(status()), []),
    "done": (snapshot(status(state=State.DONE, next_run_at=None, slot_at=None)), [Obstacle.DONE]),
    "running": (snapshot(status(state=State.RUNNING, runner=RunnerId("r")), paused=True), [Obstacle.RUNNING]),
    "tenant paused": (snapshot(status(), paused=True), [Obstacle.TENANT_PAUSED]),
    "paused": (snapshot(status(paused=True)), [Obstacle.TASK_PAUSED]),
    "needs intervention": (snapshot(in_phase(Phase.NEEDS_INTERVENTION)), [Obstacle.NEEDS_INTERVENTION]),
    "cooling off": (snapshot(in_phase(Phase.COOLING_OFF)), [Obstacle.COOLING_OFF]),
    "probing": (snapshot(in_phase(Phase.PROBING)), [Obstacle.PROBING]),
    "backing off": (snapshot(in_phase(Phase.BACKING_OFF)), [Obstacle.BACKING_OFF]),
    "a due probe": (snapshot(status(health=Health(phase=Phase.COOLING_OFF))), []),
    "retry-after": (
        snapshot(status(health=Health(phase=Phase.BACKING_OFF, floor=NOW + HOUR), due=HOUR)),
        [Obstacle.BACKING_OFF, Obstacle.RETRY_AFTER],
    ),
    "a floor that is over": (snapshot(status(health=Health(floor=NOW))), []),
    "deferred": (snapshot(status(due=HOUR, deferred_until=NOW + HOUR)), [Obstacle.DEFERRED]),
    "a deferral that is over": (snapshot(status(deferred_until=NOW)), []),
    "blocked": (snapshot(BLOCKED, upstreams=(status("up"),)), [Obstacle.UPSTREAM]),
    "blocked and not due": (
        snapshot(attrs.evolve(BLOCKED, next_run_at=NOW + HOUR), upstreams=(status("up"),)),
        [Obstacle.UPSTREAM, Obstacle.NOT_DUE],
    ),
    "not due": (snapshot(status(due=timedelta(microseconds=1))), [Obstacle.NOT_DUE]),
    "due just now": (snapshot(status(due=timedelta(0))), []),
    "cap": (snapshot(status(), running=2, max_running=2), [Obstacle.TENANT_CAP]),
    "below the cap": (snapshot(status(), running=1, max_running=2), []),
    "unknown kind": (snapshot(status(), registered=False), [Obstacle.UNKNOWN_KIND]),
    "waiting its turn": (snapshot(status(), due=3), [Obstacle.WAITING_TURN]),
    "waiting beside one other": (snapshot(status(), due=2), [Obstacle.WAITING_TURN]),
    "the only one that is due": (snapshot(status(), due=1), []),
    "held and others due": (snapshot(status(paused=True), due=3), [Obstacle.TASK_PAUSED]),
    "a manual run passes by what holds the task": (
        snapshot(status(due=HOUR, paused=True, state=State.BLOCKED, manual_at=NOW, health=Health(phase=Phase.PROBING))),
        [],
    ),
    "a manual run of a done task": (
        snapshot(status(state=State.DONE, next_run_at=None, slot_at=None, manual_at=NOW)),
        [],
    ),
    "a manual run that waits": (
        snapshot(status(manual_at=NOW + HOUR), paused=True, registered=False),
        [Obstacle.TENANT_PAUSED, Obstacle.NOT_DUE, Obstacle.UNKNOWN_KIND],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_obstacle_is_named_where_it_stands_and_only_there(case: str) -> None:
    shown, expected = CASES[case]

    assert expected == names(shown)


def test_all_that_holds_a_task_is_listed_in_the_order_of_the_table() -> None:
    task = attrs.evolve(
        in_phase(Phase.COOLING_OFF, paused=True, state=State.BLOCKED, deferred_until=NOW + HOUR),
        health=Health(phase=Phase.COOLING_OFF, floor=NOW + HOUR),
        blocked_by=(TaskId("up"),),
    )
    shown = snapshot(task, registered=False, upstreams=(status("up"),), paused=True, running=1, max_running=1, due=9)
    found = names(shown)

    assert found == [
        Obstacle.TENANT_PAUSED,
        Obstacle.TASK_PAUSED,
        Obstacle.COOLING_OFF,
        Obstacle.RETRY_AFTER,
        Obstacle.DEFERRED,
        Obstacle.UPSTREAM,
        Obstacle.TENANT_CAP,
        Obstacle.UNKNOWN_KIND,
    ]
    assert found == sorted(found, key=list(Obstacle).index)


@pytest.mark.parametrize("case", ["needs intervention", "cooling off", "not due", "deferred", "retry-after"])
def test_what_ends_by_itself_says_when(case: str) -> None:
    assert {blocker.until for blocker in explain(CASES[case][0]).blockers} == {CASES[case][0].status.next_run_at}


@pytest.mark.parametrize(
    ("upstream", "word"),
    [
        (status("up", paused=True), "which is paused; resume"),
        (attrs.evolve(in_phase(Phase.NEEDS_INTERVENTION), task=status("up").task), "which needs intervention (3 fail"),
        (status("up", state=State.RUNNING), "which is running"),
        (status("up", state=State.DONE, next_run_at=None), "which is done without one"),
        (status("up", state=State.BLOCKED), "which is blocked itself"),
        (status("up", due=HOUR), "which is scheduled, next 2026-01-01 13:00:00 UTC (in 1 h)"),
        (attrs.evolve(in_phase(Phase.COOLING_OFF), task=status("up").task), "which is cooling off, next 2026-01-01 13"),
    ],
)
def test_an_upstream_says_what_it_waits_for_itself(upstream: TaskStatus, word: str) -> None:
    assert f"a success of site.check 'up', {word}" in str(explain(snapshot(BLOCKED, upstreams=(upstream,))))


def test_upstreams_that_were_not_looked_up_are_counted() -> None:
    blocked = attrs.evolve(BLOCKED, blocked_by=tuple(TaskId(f"up-{number}") for number in range(5)))

    assert "it waits for 4 other upstream tasks" in str(explain(snapshot(blocked, upstreams=(status("up-0"),))))


def test_an_explanation_reads_well() -> None:
    task = attrs.evolve(in_phase(Phase.NEEDS_INTERVENTION, paused=True), plan_reason="every 15 min")

    assert str(explain(snapshot(task, registered=False))) == (
        "site.check 'home' of tenant 'alice' does not run now:\n"
        "  1. it is paused; resume() it\n"
        "  2. it needs intervention (3 failures in a row, the last auth_error.revoked: the user disconnected), "
        "not before 2026-01-01 13:00:00 UTC (in 1 h); mend the cause, then retry() it\n"
        "  3. no executor of kind 'site.check' is registered here; runners elsewhere may know it; "
        "pass one in executors="
    )


def test_where_nothing_will_probe_no_time_is_promised() -> None:
    task = attrs.evolve(in_phase(Phase.NEEDS_INTERVENTION), next_run_at=FAR_FUTURE)
    (blocker,) = explain(snapshot(task)).blockers

    assert (blocker.name, blocker.until) == (Obstacle.NEEDS_INTERVENTION, None)


def test_nothing_in_the_way_reads_well_too() -> None:
    explanation = explain(snapshot(status()))

    assert explanation.may_run
    assert str(explanation) == (
        "site.check 'home' of tenant 'alice' may run now: due 2026-01-01 11:00:00 UTC (1 h ago), "
        "nothing holds it back. Is a runner up that knows its kind?"
    )


def test_a_run_whose_lease_has_ended_is_overdue() -> None:
    running = status(
        state=State.RUNNING, runner=RunnerId("r"), running_since=NOW - HOUR, lease_until=NOW - timedelta(minutes=5)
    )

    assert str(explain(snapshot(running))).endswith(
        "it is running since 2026-01-01 11:00:00 UTC (1 h ago), attempt 1, by runner 'r', which is overdue: "
        "its lease ended 2026-01-01 11:55:00 UTC (5 min ago); another runner takes it over as soon as it looks"
    )


Arrange = Callable[[Warden, TenantHandle, TaskStatus, VirtualClock], Awaitable[object]]


async def pause_all(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    await alice.pause_all()
    await clock.advance(QUARTER)


async def pause(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    await alice.tasks.pause(home.id)
    await clock.advance(QUARTER)


async def begin(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    await clock.advance(QUARTER)
    await claim(warden)


async def finish(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    await clock.advance(QUARTER)
    await run(warden, last=True)


async def fail(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    await clock.advance(QUARTER)
    await run(warden, failed(), phase=Phase.BACKING_OFF)


async def defer(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    await clock.advance(QUARTER)
    (taken,) = await claim(warden)
    await warden.store.defer([Deferral(claim=taken, until=clock.now() + HOUR, why="google is down")])


async def depend(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    upstream = await alice.tasks.ensure("site.crawl", key="up")
    await alice.tasks.pause(upstream.id)
    await alice.tasks.ensure("site.check", key="home", depends_on=[upstream])
    await clock.advance(QUARTER)


async def nothing(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    return None


async def due(warden: Warden, alice: TenantHandle, home: TaskStatus, clock: VirtualClock) -> None:
    await clock.advance(QUARTER)


@pytest.mark.parametrize(
    ("arrange", "expected"),
    [
        (pause_all, [Obstacle.TENANT_PAUSED]),
        (pause, [Obstacle.TASK_PAUSED]),
        (begin, [Obstacle.RUNNING]),
        (finish, [Obstacle.DONE]),
        (fail, [Obstacle.BACKING_OFF]),
        (defer, [Obstacle.DEFERRED]),
        (depend, [Obstacle.UPSTREAM]),
        (nothing, [Obstacle.NOT_DUE]),
        (due, []),
    ],
)
async def test_what_the_store_shows_is_explained(
    warden: Warden, alice: TenantHandle, clock: VirtualClock, arrange: Arrange, expected: list[Obstacle]
) -> None:
    home = (await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))).status
    await arrange(warden, alice, home, clock)
    explanation = await alice.tasks.explain(home.id)

    assert [blocker.name for blocker in explanation.blockers] == expected


async def test_the_upstreams_that_hold_a_task_back_are_looked_up(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    upstream = await alice.tasks.ensure("site.crawl", key="up")
    await alice.tasks.pause(upstream.id)
    site = Site("https://example.org")
    home = await alice.tasks.ensure("site.check", key="home", payload=site, depends_on=[upstream])
    await clock.advance(QUARTER)

    assert str(await alice.tasks.explain(home.id)).endswith(
        "it waits for a success of site.crawl 'up', which is paused; resume() that task"
    )


@attrs.define(eq=False)
class Vanishing:
    """A store in which a task is deleted as soon as another one has been read."""

    store: Store
    doomed: TaskId

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def get(self, tenant: TenantId, task_id: TaskId) -> TaskStatus:
        found = await self.store.get(tenant, task_id)
        await self.store.delete(tenant, self.doomed, detach=True, actor="")
        return found


async def test_an_upstream_that_is_deleted_meanwhile_is_only_counted(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    upstream = await alice.tasks.ensure("site.crawl", key="up")
    site = Site("https://example.org")
    home = await alice.tasks.ensure("site.check", key="home", payload=site, depends_on=[upstream])
    await clock.advance(QUARTER)
    store = cast("Store", Vanishing(warden.store, upstream.id))
    async with Warden.open(store, registry=warden.registry, clock=clock) as other:
        explanation = await other.tenant("alice").tasks.explain(home.id)

    assert [blocker.sentence for blocker in explanation.blockers] == ["it waits for 1 other upstream task"]


async def test_a_tenant_at_its_cap_is_explained(warden: Warden, alice: TenantHandle, clock: VirtualClock) -> None:
    await alice.limits(max_running=1)
    for key in ("one", "two"):
        await alice.tasks.ensure("site.check", key=key, payload=Site("https://example.org"))
    await clock.advance(QUARTER)
    (taken,) = await claim(warden, limit=2)
    (waiting,) = [status for status in await alice.tasks.list() if status.id != taken.task.id]
    explanation = await alice.tasks.explain(waiting.id)

    assert [blocker.name for blocker in explanation.blockers] == [Obstacle.TENANT_CAP]


async def test_a_kind_that_is_not_registered_here_is_explained(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    home = await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))
    await clock.advance(QUARTER)
    async with Warden.open(warden.store, executors=[Crawl()], clock=clock) as elsewhere:
        explanation = await elsewhere.tenant("alice").tasks.explain(home.id)

    assert [blocker.name for blocker in explanation.blockers] == [Obstacle.UNKNOWN_KIND]
