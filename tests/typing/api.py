"""What a user's type checker must infer of the public API: checked by mypy and pyright, never run."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import assert_type

import attrs

from taskwarden import (
    JSON,
    Blocker,
    BlockingTaskExecutor,
    Change,
    Clock,
    Decision,
    Ending,
    Ensured,
    EnsuredAs,
    Event,
    ExecutorRegistry,
    Explanation,
    Failure,
    FailurePolicy,
    Health,
    Incident,
    IntervalPolicy,
    IntervalState,
    Kind,
    Outcome,
    Planned,
    Priority,
    Reason,
    Registry,
    Run,
    RunContext,
    Runner,
    Skipped,
    Snoozed,
    Statistics,
    Status,
    Store,
    Succeeded,
    SystemClock,
    Task,
    TaskExecutor,
    TaskFailure,
    TaskRecord,
    TaskStatus,
    TenantHandle,
    TenantState,
    Warden,
    between,
    brief,
    cron,
    every,
    jittered,
    once,
    standard,
)


@attrs.frozen
class Site:
    url: str


class CheckSite(TaskExecutor[Site]):
    kind = "site.check"
    schedule = every(minutes=15)
    failure_policy = brief()
    timeout = timedelta(seconds=30)

    async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
        assert_type(task.payload, Site)
        assert_type(task.priority, Priority)
        assert_type(context.deadline, datetime | None)
        assert_type(context.attempt, int)
        assert_type(context.log, logging.LoggerAdapter[logging.Logger])
        if not task.payload.url:
            raise TaskFailure("config_error.url", "no URL", definitive=True)
        if context.lost:
            return Skipped("too late")
        return Succeeded({"bytes": await context.in_thread(len, task.payload.url)})

    def classify(self, error: Exception) -> Failure | None:
        return Failure("network_error.timeout") if isinstance(error, TimeoutError) else None

    def resources_of(self, task: Task[Site]) -> tuple[str, ...]:
        return (f"host:{task.payload.url}",)


class Report(BlockingTaskExecutor[JSON]):
    kind = "report"

    def run(self, task: Task[JSON], context: RunContext) -> Outcome | None:
        if task.payload is None:
            return Snoozed(datetime.now(UTC) + timedelta(hours=1))
        return None


@attrs.frozen
class Daily:
    """An interval policy of the host's own."""

    grace: timedelta | None = None

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        return Planned((slot or now) + timedelta(days=1), "daily")


@attrs.frozen
class Stoic:
    """A failure policy of the host's own."""

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        return Decision(health)


class Services:
    """A host's own container as a registry."""

    @property
    def kinds(self) -> Sequence[Kind]:
        return [Kind("site.check")]

    def executor(self, kind: str) -> CheckSite:
        return CheckSite()


def protocols(record: TaskRecord[Site]) -> None:
    task: Task[Site] = record
    schedules: list[IntervalPolicy] = [
        Daily(),
        every(minutes=15),
        cron("30 9 * * MON-FRI", "Europe/Berlin"),
        once(datetime(2026, 12, 24, 18, tzinfo=UTC)),
        between(timedelta(minutes=15), timedelta(minutes=60)),
        jittered(every(days=1), timedelta(minutes=30)),
    ]
    policies: list[FailurePolicy] = [Stoic(), standard(), brief()]
    clock: Clock = SystemClock()
    registries: list[Registry] = [ExecutorRegistry([CheckSite(), Report()]), Services()]
    assert [task, schedules, policies, clock, registries]


async def host() -> None:
    async with Warden.open("memory://", executors=[CheckSite(), Report()], policy=standard()) as warden:
        assert_type(warden, Warden)
        alice = warden.tenant("alice")
        assert_type(alice, TenantHandle)
        async with warden.runner(concurrency=10) as runner:
            assert_type(runner, Runner)
            await tasks(alice)
            await reads(alice)
        async with warden.events(after=0) as events:
            async for change in events:
                assert_type(change, Change)
                assert_type(change.run, Run | None)


async def tasks(alice: TenantHandle) -> None:
    site = await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))
    assert_type(site, Ensured)
    assert_type(site.how, EnsuredAs)
    assert_type(site.status, TaskStatus)
    report = await alice.tasks.ensure(
        "report", key="weekly", schedule=Daily(), priority=Priority.LOW, depends_on=[site, site.id, site.status]
    )
    await alice.tasks.ensure("site.check", key="home", payload={"url": "https://example.org"}, schedule=None)
    assert_type(await alice.tasks.get(report.id), TaskStatus)
    assert_type(await alice.tasks.find("report", "weekly"), TaskStatus | None)
    assert_type(await alice.tasks.list(kind="report", status=Status.SCHEDULED), Sequence[TaskStatus])
    assert_type(await alice.tasks.pause(report.id, actor="ops"), bool)
    assert_type(await alice.tasks.resume(report.id), bool)
    assert_type(await alice.tasks.retry(report.id, force=True), datetime)
    assert_type(await alice.tasks.run_now(report.id), datetime)
    assert_type(await alice.tasks.reschedule(report.id, datetime.now(UTC)), datetime)
    explanation = await alice.tasks.explain(report.id)
    assert_type(explanation, Explanation)
    assert_type(explanation.blockers, tuple[Blocker, ...])
    await alice.tasks.delete(report.id, detach=True)


async def reads(alice: TenantHandle) -> None:
    assert_type(await alice.runs.list(limit=10), Sequence[Run])
    assert_type(await alice.incidents(open_only=False), Sequence[Incident])
    statistics = await alice.statistics()
    assert_type(statistics, Statistics)
    assert_type(statistics.by_ending, Mapping[Ending, int])
    assert_type(statistics.by_reason, Mapping[Reason, int])
    assert_type(statistics.success_ratio, float | None)
    assert_type(await alice.limits(max_running=None, weight=2), TenantState)
    await alice.activity.report("site.check", 3, datetime.now(UTC) + timedelta(hours=1))
    await alice.pause_all()
    await alice.resume_all()
    async with alice.events() as events:
        assert_type(await anext(events), Change)
        assert_type(events.cursor, int)


async def parts(store: Store, registry: Registry) -> None:
    async with Warden.open(store, registry=registry):
        runner = Runner(store, registry, concurrency=10)
        await runner.run()


async def mistakes(alice: TenantHandle) -> None:
    """Each of these is refused: an ignore that was not needed would be an error."""
    await alice.tasks.ensure("site.check", "home")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await alice.tasks.ensure("site.check", key="home", priority=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await alice.tasks.ensure("site.check", key="home", schedule=timedelta(minutes=15))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await alice.tasks.list(status="paused")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await alice.tasks.get(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
