"""What operators say: pause, resume, retry, run_now, reschedule, delete."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
import pytest

from taskwarden.core.change import ChangeName
from taskwarden.core.claim import Claim, Receipt
from taskwarden.core.decision import Decision, Event, Trigger
from taskwarden.core.health import Health, Phase
from taskwarden.core.outcome import Succeeded
from taskwarden.core.record import Status, TaskStatus
from taskwarden.core.store import Steer, Store
from taskwarden.errors import HasDependants, InvalidValue, TaskNotFound, UnknownKind
from taskwarden.ids import TaskId, TenantId
from taskwarden.manage import TenantHandle, Warden
from taskwarden.testing import VirtualClock
from taskwarden.testing.builders import completed, failed
from tests.manage.kinds import QUARTER, CheckSite, Site, claim, run

HOUR = timedelta(hours=1)


@pytest.fixture
async def home(alice: TenantHandle) -> TaskStatus:
    """A task whose first slot lies ahead."""
    return (await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))).status


async def held(warden: Warden, clock: VirtualClock, *, floor: timedelta | None = None) -> Claim:
    """Let the task fail, so that it is held for an hour, and not to be called before *floor* from now."""
    await clock.advance(QUARTER)
    (taken,) = await claim(warden)
    now = clock.now()
    health = attrs.evolve(
        taken.health,
        phase=Phase.COOLING_OFF,
        last_token=taken.token,
        streak=3,
        next_at=now + HOUR,
        floor=None if floor is None else now + floor,
    )
    completion = completed(taken, failed("api_limit.rate"), next_run_at=now + HOUR)
    await warden.store.complete([attrs.evolve(completion, health=health)])
    return taken


async def test_pause_sets_the_flag_only(alice: TenantHandle, home: TaskStatus) -> None:
    changed = await alice.tasks.pause(home.id)

    assert changed
    assert await alice.tasks.get(home.id) == attrs.evolve(home, paused=True)


async def test_resume_finds_everything_as_it_was(alice: TenantHandle, home: TaskStatus) -> None:
    await alice.tasks.pause(home.id)
    changed = await alice.tasks.resume(home.id)

    assert changed
    assert await alice.tasks.get(home.id) == home


async def test_pausing_twice_changes_nothing_more(alice: TenantHandle, home: TaskStatus) -> None:
    await alice.tasks.pause(home.id)

    assert not await alice.tasks.pause(home.id)


async def test_a_paused_task_is_not_claimed(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await alice.tasks.pause(home.id)
    await clock.advance(QUARTER)

    assert await claim(warden) == ()


async def test_retry_clears_the_hold_and_the_task_probes_now(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await held(warden, clock)
    at = await alice.tasks.retry(home.id)

    assert at == clock.now()
    (taken,) = await claim(warden)
    assert (taken.trigger, taken.health.epoch) == (Trigger.PROBE, home.health.epoch + 1)


async def test_retry_waits_for_the_retry_after_floor_and_says_so(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await held(warden, clock, floor=timedelta(minutes=40))
    at = await alice.tasks.retry(home.id)

    assert at == clock.now() + timedelta(minutes=40)
    assert (await alice.tasks.get(home.id)).next_run_at == at


async def test_a_forced_retry_overrides_the_floor_and_the_feed_tells_who_did(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await held(warden, clock, floor=timedelta(minutes=40))
    at = await alice.tasks.retry(home.id, force=True, actor="ops@example.org")

    assert at == clock.now()
    (change,) = [
        change
        for change in (await warden.store.changes(0, limit=100)).changes
        if change.name is ChangeName.TASK_RETRIED
    ]
    assert (change.actor, change.detail) == ("ops@example.org", "forced: a Retry-After floor was overridden")


async def test_retry_during_a_run_lets_it_end_and_does_not_count_it(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await clock.advance(QUARTER)
    (taken,) = await claim(warden)
    at = await alice.tasks.retry(home.id)
    (receipt,) = await warden.store.complete([completed(taken, failed())])

    after = await alice.tasks.get(home.id)
    assert receipt is Receipt.OVERRULED
    assert (after.next_run_at, after.health.streak) == (at, 0)


@attrs.define(eq=False)
class Contended:
    """A store in which somebody else steers the task just before the first word that comes through here."""

    store: Store
    first: Callable[[], Awaitable[object]] | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def steer(self, tenant: TenantId, task_id: TaskId, steer: Steer) -> bool:
        first, self.first = self.first, None
        if first is not None:
            await first()
        return await self.store.steer(tenant, task_id, steer)


async def test_an_operator_who_comes_second_decides_again_on_what_the_first_left(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    store = Contended(warden.store, lambda: alice.tasks.retry(home.id))
    async with Warden.open(cast("Store", store), registry=warden.registry, clock=clock) as second:
        at = await second.tenant("alice").tasks.reschedule(home.id, clock.now() + HOUR)

    after = await alice.tasks.get(home.id)
    assert (after.next_run_at, after.health.epoch) == (at, home.health.epoch + 2)


async def test_retry_needs_the_executor_whose_policy_decides(
    alice: TenantHandle, home: TaskStatus, warden: Warden
) -> None:
    async with Warden.open(warden.store) as elsewhere:
        with pytest.raises(UnknownKind):
            await elsewhere.tenant("alice").tasks.retry(home.id)

    assert await alice.tasks.get(home.id) == home


class _Broken:
    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        raise ArithmeticError("no idea")

    def __repr__(self) -> str:
        return "_Broken()"


async def test_where_the_policy_raises_the_default_decides_and_an_incident_says_so(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    class Broken(CheckSite):
        failure_policy = _Broken()

    async with Warden.open(warden.store, executors=[Broken()], clock=clock) as other:
        at = await other.tenant("alice").tasks.retry(home.id)

    assert at == clock.now()
    (incident,) = await alice.incidents()
    assert "ArithmeticError" in incident.title


@attrs.frozen
class Stoic:
    """A policy that makes nothing of an operator's word."""

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        return Decision(health)


async def test_an_operators_word_outdates_a_run_in_progress_whatever_the_policy_makes_of_it(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    class CheckStoically(CheckSite):
        failure_policy = Stoic()

    await clock.advance(QUARTER)
    (taken,) = await claim(warden)
    async with Warden.open(warden.store, executors=[CheckStoically()], clock=clock) as other:
        await other.tenant("alice").tasks.retry(home.id)

    assert await warden.store.complete([completed(taken)]) == [Receipt.OVERRULED]


async def test_run_now_asks_for_one_run_beside_the_schedule(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    at = await alice.tasks.run_now(home.id)
    taken = await run(warden)

    assert (at, taken.trigger) == (clock.now(), Trigger.MANUAL)
    after = await alice.tasks.get(home.id)
    assert (after.next_run_at, after.slot_at) == (home.next_run_at, home.slot_at)
    assert await claim(warden) == ()


async def test_run_now_runs_a_paused_task(alice: TenantHandle, home: TaskStatus, warden: Warden) -> None:
    await alice.tasks.pause(home.id)
    await alice.tasks.run_now(home.id)

    assert (await run(warden)).trigger is Trigger.MANUAL


async def test_run_now_is_not_before_the_retry_after_floor(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await held(warden, clock, floor=timedelta(minutes=40))
    at = await alice.tasks.run_now(home.id)

    assert at == clock.now() + timedelta(minutes=40)
    assert await claim(warden) == ()


async def test_asking_twice_for_a_run_answers_the_request_that_stands(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    first = await alice.tasks.run_now(home.id)
    await clock.advance(timedelta(minutes=1))
    second = await alice.tasks.run_now(home.id)

    assert second == first
    await run(warden)
    assert await claim(warden) == ()


async def test_reschedule_moves_the_next_slot(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    at = clock.now() + timedelta(hours=5)
    answer = await alice.tasks.reschedule(home.id, at)

    after = await alice.tasks.get(home.id)
    assert (answer, after.next_run_at, after.slot_at) == (at, at, at)
    assert after.health == attrs.evolve(home.health, epoch=home.health.epoch + 1, next_at=at)


async def test_reschedule_into_the_past_means_at_once(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await alice.tasks.reschedule(home.id, datetime(1999, 12, 31, tzinfo=UTC))

    assert len(await claim(warden)) == 1


async def test_reschedule_is_not_before_the_retry_after_floor(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await held(warden, clock, floor=timedelta(minutes=40))
    at = await alice.tasks.reschedule(home.id, clock.now() + timedelta(minutes=5))

    assert at == clock.now() + timedelta(minutes=40)


async def test_a_done_task_can_be_rescheduled(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await clock.advance(QUARTER)
    await run(warden, last=True)
    assert (await alice.tasks.get(home.id)).status is Status.DONE
    at = await alice.tasks.reschedule(home.id, clock.now() + HOUR)

    after = await alice.tasks.get(home.id)
    assert (after.status, after.slot_at) == (Status.SCHEDULED, at)


async def test_a_naive_instant_is_refused_and_changes_nothing(alice: TenantHandle, home: TaskStatus) -> None:
    with pytest.raises(InvalidValue, match="must be aware"):
        await alice.tasks.reschedule(home.id, datetime(2026, 1, 2))

    assert await alice.tasks.get(home.id) == home


async def test_a_deleted_task_is_gone_and_its_runs_are_kept(
    alice: TenantHandle, home: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await clock.advance(QUARTER)
    await run(warden, Succeeded())
    await alice.tasks.delete(home.id)

    with pytest.raises(TaskNotFound):
        await alice.tasks.get(home.id)
    assert [record.task_id for record in await alice.runs.list(home.id)] == [home.id]


async def test_a_task_that_others_wait_for_is_not_deleted_unless_detached(
    alice: TenantHandle, home: TaskStatus
) -> None:
    other = await alice.tasks.ensure("site.crawl", key="home", depends_on=[home])
    with pytest.raises(HasDependants):
        await alice.tasks.delete(home.id)
    assert await alice.tasks.get(home.id) == home
    await alice.tasks.delete(home.id, detach=True)

    assert (await alice.tasks.get(other.id)).task.depends_on == ()


async def test_the_feed_tells_who_asked(alice: TenantHandle, home: TaskStatus, warden: Warden) -> None:
    await alice.tasks.pause(home.id, actor="eve")
    await alice.tasks.resume(home.id, actor="eve")
    await alice.tasks.run_now(home.id, actor="eve")
    await alice.tasks.retry(home.id, actor="eve")
    await alice.tasks.reschedule(home.id, home.as_of, actor="eve")
    await alice.tasks.delete(home.id, actor="eve")

    changes = (await warden.store.changes(0, limit=100)).changes
    assert [change.name for change in changes if change.actor == "eve"] == [
        ChangeName.TASK_PAUSED,
        ChangeName.TASK_RESUMED,
        ChangeName.RUN_REQUESTED,
        ChangeName.TASK_RETRIED,
        ChangeName.TASK_RESCHEDULED,
        ChangeName.TASK_DELETED,
    ]
