"""``tasks.ensure``: one task, however often it is said, and only what is named."""

from datetime import timedelta

import attrs
import pytest

from taskwarden.core.decision import IntervalState, Planned, Trigger
from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.hashing import seed
from taskwarden.core.protocols import EnsuredAs
from taskwarden.core.record import Status
from taskwarden.core.task import Priority, Task
from taskwarden.errors import DependencyCycle, InvalidValue, PayloadRejected, TaskNotFound, UnknownKind
from taskwarden.manage import TenantHandle, Warden
from taskwarden.policies.intervals import every
from taskwarden.testing import VirtualClock
from tests.manage.kinds import QUARTER, CheckSite, Depth, Site, run

SITE = Site("https://example.org")


async def count(tenant: TenantHandle) -> int:
    return len(await tenant.tasks.list())


async def test_ensuring_twice_makes_one_task(alice: TenantHandle) -> None:
    first = await alice.tasks.ensure("site.check", key="home", payload=SITE)
    second = await alice.tasks.ensure("site.check", key="home", payload=SITE)

    assert (first.how, second.how) == (EnsuredAs.CREATED, EnsuredAs.UNCHANGED)
    assert first.id == second.id
    assert await count(alice) == 1


async def test_the_first_slot_is_the_schedules_for_the_tasks_own_seed(alice: TenantHandle, clock: VirtualClock) -> None:
    ensured = await alice.tasks.ensure("site.check", key="home", payload=SITE)

    state = IntervalState(seed=seed("alice", "site.check", "home"))
    expected = CheckSite.schedule.next(None, state, None, clock.now())
    assert ensured.status.next_run_at == ensured.status.slot_at == expected.at


async def test_fields_that_are_not_named_keep_their_values(alice: TenantHandle) -> None:
    upstream = await alice.tasks.ensure("site.crawl", key="home")
    before = await alice.tasks.ensure(
        "site.check",
        key="home",
        payload=SITE,
        priority=Priority.HIGH,
        schedule=every(hours=2),
        depends_on=[upstream],
    )
    after = await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.com"))

    assert after.how is EnsuredAs.UPDATED
    changed = {"url": "https://example.com", "pages": 1}
    assert after.task == attrs.evolve(before.task, payload=changed, version=before.task.version + 1)


async def test_a_payload_that_is_not_named_keeps_its_value(alice: TenantHandle) -> None:
    await alice.tasks.ensure("site.check", key="home", payload=SITE)
    after = await alice.tasks.ensure("site.check", key="home", priority=Priority.LOW)

    assert after.task.payload == {"url": "https://example.org", "pages": 1}
    assert after.task.priority is Priority.LOW


async def test_a_restart_does_not_move_the_next_time(alice: TenantHandle, clock: VirtualClock) -> None:
    before = await alice.tasks.ensure("site.check", key="home", payload=SITE)
    await clock.advance(timedelta(minutes=7))
    after = await alice.tasks.ensure("site.check", key="home", payload=SITE)

    assert after.status.next_run_at == before.status.next_run_at


async def test_a_changed_schedule_moves_the_next_time(alice: TenantHandle, clock: VirtualClock) -> None:
    await alice.tasks.ensure("site.check", key="home", payload=SITE)
    schedule = every(days=3)
    after = await alice.tasks.ensure("site.check", key="home", schedule=schedule)

    state = IntervalState(seed=seed("alice", "site.check", "home"))
    assert after.status.next_run_at == schedule.next(None, state, None, clock.now()).at


async def test_a_changed_schedule_of_the_executors_moves_the_next_time(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    class CheckDaily(CheckSite):
        schedule = every(days=1)

    before = await alice.tasks.ensure("site.check", key="home", payload=SITE)
    async with Warden.open(warden.store, executors=[CheckDaily()], clock=clock) as newer:
        after = await newer.tenant("alice").tasks.ensure("site.check", key="home", payload=SITE)

    state = IntervalState(seed=seed("alice", "site.check", "home"))
    assert after.status.next_run_at == CheckDaily.schedule.next(None, state, None, clock.now()).at
    assert after.status.next_run_at != before.status.next_run_at


async def test_a_stored_payload_that_fits_no_more_is_left_alone_where_none_is_named(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    class CheckDepth(TaskExecutor[Depth]):
        kind = "site.check"
        schedule = CheckSite.schedule

        async def execute(self, task: Task[Depth], context: RunContext) -> None:
            return None

    before = await alice.tasks.ensure("site.check", key="home", payload=SITE)
    async with Warden.open(warden.store, executors=[CheckDepth()], clock=clock) as newer:
        after = await newer.tenant("alice").tasks.ensure("site.check", key="home", priority=Priority.LOW)

    assert after.task.payload == before.task.payload


async def test_naming_no_schedule_goes_back_to_the_executors(alice: TenantHandle) -> None:
    plain = await alice.tasks.ensure("site.check", key="home", payload=SITE)
    await alice.tasks.ensure("site.check", key="home", schedule=every(days=3))
    back = await alice.tasks.ensure("site.check", key="home", schedule=None)

    assert back.task.schedule is None
    assert back.status.next_run_at == plain.status.next_run_at


@pytest.mark.parametrize("payload", [SITE, {"url": "https://example.org", "pages": 1}])
async def test_a_payload_is_an_instance_or_its_json(alice: TenantHandle, payload: object) -> None:
    ensured = await alice.tasks.ensure("site.check", key="home", payload=payload)

    assert ensured.task.payload == {"url": "https://example.org", "pages": 1}


async def test_a_new_task_takes_the_payload_classes_defaults(alice: TenantHandle) -> None:
    ensured = await alice.tasks.ensure("site.crawl", key="home")

    assert ensured.task.payload == attrs.asdict(Depth())


async def test_a_new_task_of_plain_json_takes_null(alice: TenantHandle) -> None:
    ensured = await alice.tasks.ensure("digest.send", key="weekly", schedule=every(days=7))

    assert ensured.task.payload is None


async def test_a_wrong_payload_is_refused_with_the_path_of_the_wrong_field(alice: TenantHandle) -> None:
    with pytest.raises(PayloadRejected) as caught:
        await alice.tasks.ensure("site.check", key="home", payload={"url": 5})

    assert caught.value.path == "$.url"
    assert await count(alice) == 0


async def test_a_new_task_without_the_payload_that_its_class_needs_is_refused(alice: TenantHandle) -> None:
    with pytest.raises(PayloadRejected, match="must be given to create the task"):
        await alice.tasks.ensure("site.check", key="home")

    assert await count(alice) == 0


@pytest.mark.parametrize("payload", [object(), {"url": {1, 2}}, float("nan"), b"x", "x" * 70_000])
async def test_a_payload_that_is_not_json_is_refused(alice: TenantHandle, payload: object) -> None:
    with pytest.raises(PayloadRejected):
        await alice.tasks.ensure("digest.send", key="weekly", payload=payload, schedule=every(days=7))

    assert await count(alice) == 0


async def test_a_payload_that_holds_itself_is_refused(alice: TenantHandle) -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(PayloadRejected):
        await alice.tasks.ensure("digest.send", key="weekly", payload=endless, schedule=every(days=7))


async def test_a_kind_without_an_executor_is_refused_naming_those_that_are_known(alice: TenantHandle) -> None:
    with pytest.raises(UnknownKind, match=r"'site\.chek'.*'digest\.send', 'site\.check', 'site\.crawl'"):
        await alice.tasks.ensure("site.chek", key="home", payload=SITE)

    assert await count(alice) == 0


async def test_a_task_without_any_schedule_is_refused(alice: TenantHandle) -> None:
    with pytest.raises(InvalidValue, match=r"the executor of 'digest\.send' has none"):
        await alice.tasks.ensure("digest.send", key="weekly")

    assert await count(alice) == 0


class _Raises:
    grace = None

    def __repr__(self) -> str:
        return "_Raises()"

    def next(self, *args: object) -> Planned:
        raise ArithmeticError("no idea")


class _Answers(_Raises):
    def next(self, *args: object) -> Planned:
        return "tomorrow"  # type: ignore[return-value]  # rubbish on purpose


class _Anonymous(_Raises):
    __repr__ = object.__repr__


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        (15, "must be an interval policy"),
        (timedelta(minutes=15), "must be an interval policy"),
        (_Raises, "must be an interval policy"),
        (_Raises(), r"ArithmeticError\('no idea'\)"),
        (_Answers(), "must answer Planned"),
        (_Anonymous(), "the same in every process"),
    ],
)
async def test_a_schedule_that_is_none_is_refused(alice: TenantHandle, schedule: object, problem: str) -> None:
    with pytest.raises(InvalidValue, match=problem):
        await alice.tasks.ensure("digest.send", key="weekly", schedule=schedule)  # type: ignore[arg-type]

    assert await count(alice) == 0


@attrs.frozen
class Never:
    """A schedule without a slot."""

    grace: timedelta | None = None

    def next(self, *args: object) -> Planned:
        return Planned(None, "never")


async def test_a_task_whose_schedule_has_no_slot_is_done_and_can_be_run_by_hand(
    alice: TenantHandle, warden: Warden
) -> None:
    ensured = await alice.tasks.ensure("digest.send", key="never", schedule=Never())
    await alice.tasks.run_now(ensured.id)
    taken = await run(warden)

    assert (ensured.status.status, taken.trigger) == (Status.DONE, Trigger.MANUAL)


@pytest.mark.parametrize("priority", [1, "HIGH", None, True])
async def test_a_priority_is_one_of_the_four(alice: TenantHandle, priority: object) -> None:
    with pytest.raises(InvalidValue, match=r"Priority\.CRITICAL"):
        await alice.tasks.ensure("site.crawl", key="home", priority=priority)  # type: ignore[arg-type]

    assert await count(alice) == 0


async def test_upstream_tasks_are_ids_statuses_or_answers_each_once(alice: TenantHandle) -> None:
    one = await alice.tasks.ensure("site.crawl", key="one")
    two = await alice.tasks.ensure("site.crawl", key="two")
    three = await alice.tasks.ensure("site.crawl", key="three")
    ensured = await alice.tasks.ensure(
        "site.check", key="home", payload=SITE, depends_on=[one, two.status, three.id, one.id]
    )

    assert ensured.task.depends_on == (one.id, two.id, three.id)


@pytest.mark.parametrize("depends_on", ["some-id", 5, [5], [None], [""]])
async def test_what_names_no_tasks_cannot_be_depended_on(alice: TenantHandle, depends_on: object) -> None:
    with pytest.raises(InvalidValue, match="depends_on"):
        await alice.tasks.ensure("site.crawl", key="home", depends_on=depends_on)  # type: ignore[arg-type]

    assert await count(alice) == 0


async def test_a_task_of_another_tenant_cannot_be_depended_on(alice: TenantHandle, bob: TenantHandle) -> None:
    foreign = await bob.tasks.ensure("site.crawl", key="home")

    with pytest.raises(TaskNotFound):
        await alice.tasks.ensure("site.check", key="home", payload=SITE, depends_on=[foreign])

    assert await count(alice) == 0


async def test_a_cycle_is_refused_naming_its_tasks_and_changes_nothing(alice: TenantHandle) -> None:
    first = await alice.tasks.ensure("site.crawl", key="first")
    second = await alice.tasks.ensure("site.crawl", key="second", depends_on=[first])

    with pytest.raises(DependencyCycle, match="first.*second"):
        await alice.tasks.ensure("site.crawl", key="first", depends_on=[second])

    assert (await alice.tasks.get(first.id)).task.depends_on == ()


async def test_a_task_that_has_run_keeps_its_slot_when_it_is_ensured_again(
    alice: TenantHandle, warden: Warden, clock: VirtualClock
) -> None:
    await alice.tasks.ensure("site.check", key="home", payload=SITE)
    await clock.advance(QUARTER)
    await run(warden)
    before = await alice.tasks.find("site.check", "home")
    after = await alice.tasks.ensure("site.check", key="home", payload=SITE)

    assert after.status == before
