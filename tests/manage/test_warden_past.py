"""What is told of the past: counters by kind, ending and reason; incidents; runs."""

from datetime import timedelta

from taskwarden.core.decision import OpenIncident, ResolveIncident
from taskwarden.core.failure import Reason
from taskwarden.core.outcome import Skipped
from taskwarden.core.record import Ending, Tally
from taskwarden.ids import Kind, TenantId
from taskwarden.manage import Statistics, TenantHandle, Warden
from taskwarden.testing import VirtualClock
from taskwarden.testing.builders import failed
from tests.manage.kinds import QUARTER, Site, run

ALICE = TenantId("alice")
CHECK, CRAWL = Kind("site.check"), Kind("site.crawl")
SAMPLE = Statistics(
    (
        Tally(ALICE, CHECK, Ending.SUCCEEDED, "", 90),
        Tally(ALICE, CHECK, Ending.FAILED, "api_limit.rate", 3),
        Tally(ALICE, CHECK, Ending.FAILED, "api_limit.quota_daily", 2),
        Tally(ALICE, CRAWL, Ending.FAILED, "unknown", 5),
        Tally(ALICE, CRAWL, Ending.INTERRUPTED, "", 7),
    )
)


def test_runs_are_added_up_by_kind() -> None:
    assert SAMPLE.by_kind == {CHECK: 95, CRAWL: 12}


def test_runs_are_added_up_by_ending() -> None:
    assert SAMPLE.by_ending == {Ending.SUCCEEDED: 90, Ending.FAILED: 10, Ending.INTERRUPTED: 7}


def test_failures_alone_are_added_up_by_public_reason() -> None:
    assert SAMPLE.by_reason == {Reason.API_LIMIT: 5, Reason.UNKNOWN: 5}


def test_neutral_endings_do_not_count_in_the_ratio_of_successes() -> None:
    assert SAMPLE.success_ratio == 0.9


def test_there_is_no_ratio_before_the_first_run() -> None:
    assert Statistics(()).success_ratio is None


def test_one_kind_can_be_looked_at_alone() -> None:
    assert (SAMPLE.of_kind("site.crawl").runs, SAMPLE.of_kind("unheard.of").runs) == (12, 0)


async def test_every_run_counts_also_of_a_deleted_task(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    home = await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))
    await clock.advance(QUARTER)
    await run(warden, failed("auth_error.revoked"))
    await clock.advance(timedelta(minutes=1))
    await run(warden, Skipped("nothing to do"))
    await alice.tasks.delete(home.id)
    statistics = await alice.statistics()

    assert statistics.by_ending == {Ending.FAILED: 1, Ending.SKIPPED: 1}
    assert statistics.by_reason == {Reason.AUTH_ERROR: 1}


async def test_incidents_are_those_that_are_open_unless_all_are_asked_for(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))
    await clock.advance(QUARTER)
    await run(warden, failed(), effects=(OpenIncident("key", "unknown", "title"),))
    during = await alice.incidents()
    await clock.advance(timedelta(minutes=1))
    await run(warden, effects=(ResolveIncident("key"),))

    assert [incident.key for incident in during] == ["key"]
    assert list(await alice.incidents()) == []
    assert [incident.key for incident in await alice.incidents(open_only=False)] == ["key"]


async def test_runs_are_listed_newest_first_page_by_page_and_for_one_task(
    warden: Warden, alice: TenantHandle, clock: VirtualClock
) -> None:
    home = await alice.tasks.ensure("site.check", key="home", payload=Site("https://example.org"))
    shop = await alice.tasks.ensure("site.check", key="shop", payload=Site("https://example.com"))
    for task in (home, shop, home):
        await alice.tasks.run_now(task.id)
        await run(warden)
    newest = await alice.runs.list(limit=1)
    older = await alice.runs.list(before=newest[-1].id)

    assert [record.task_id for record in (*newest, *older)] == [home.id, shop.id, home.id]
    assert [record.task_id for record in await alice.runs.list(shop.id)] == [shop.id]
