"""A tenant's handle reads and writes that tenant only: every public method of it, found by looking."""

import inspect
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import anyio
import pytest

from taskwarden.core.decision import Level, OpenIncident
from taskwarden.core.record import TaskStatus
from taskwarden.errors import TaskNotFound
from taskwarden.manage import TenantHandle, Warden
from taskwarden.testing import VirtualClock
from taskwarden.testing.builders import failed
from tests.manage.kinds import QUARTER, Site, run
from tests.manage.sweep import CALLS, public_methods

CANARY = "canary"
"""Stands in everything that is bob's and in nothing that is alice's."""

REFUSED = {
    "tasks.delete",
    "tasks.ensure",
    "tasks.explain",
    "tasks.get",
    "tasks.pause",
    "tasks.reschedule",
    "tasks.resume",
    "tasks.retry",
    "tasks.run_now",
}


@pytest.fixture
async def his(bob: TenantHandle, warden: Warden, clock: VirtualClock) -> TaskStatus:
    """Bob's task, which has run, failed and caused an incident; all that is his bears the canary."""
    ensured = await bob.tasks.ensure("site.check", key=CANARY, payload=Site(f"https://{CANARY}.example"))
    await clock.advance(QUARTER)
    incident = OpenIncident(CANARY, "network_error.timeout", CANARY, Level.ERROR)
    await run(warden, failed(message=CANARY), effects=(incident,))
    await bob.limits(max_running=2)
    return await bob.tasks.get(ensured.id)


async def everything(tenant: TenantHandle) -> object:
    """Return all that can be read of *tenant*."""
    return (
        await tenant.tasks.list(),
        await tenant.runs.list(),
        await tenant.incidents(open_only=False),
        await tenant.statistics(),
        await tenant.limits(),
    )


def test_the_sweep_covers_every_public_method_of_the_handle(alice: TenantHandle) -> None:
    assert sorted(CALLS) == sorted(name for name, _ in public_methods(alice))


def test_no_method_can_name_a_tenant(alice: TenantHandle) -> None:
    named = {name: list(inspect.signature(method).parameters) for name, method in public_methods(alice)}

    assert [name for name, parameters in named.items() if "tenant" in " ".join(parameters)] == []


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_what_is_done_through_a_handle_stays_within_its_tenant(
    alice: TenantHandle, bob: TenantHandle, his: TaskStatus, name: str
) -> None:
    before = await everything(bob)
    answer: object = None
    with anyio.fail_after(10):
        try:
            answer = await CALLS[name](alice, his)
        except TaskNotFound as error:
            answer = error

    assert isinstance(answer, TaskNotFound) is (name in REFUSED)
    assert CANARY not in repr(answer)
    assert await everything(bob) == before


async def test_the_canary_shows_in_what_its_own_tenant_reads(bob: TenantHandle, his: TaskStatus) -> None:
    async def first() -> object:
        async with bob.events(after=0) as events:
            while (change := await anext(events)).run is None:
                pass
            return change

    answers: list[object] = [
        await bob.tasks.get(his.id),
        await bob.tasks.list(),
        await bob.runs.list(),
        await bob.incidents(),
        await bob.tasks.explain(his.id),
        await first(),
    ]

    assert [answer for answer in answers if CANARY not in repr(answer)] == []


async def test_the_page_after_another_tenants_task_tells_nothing(alice: TenantHandle, his: TaskStatus) -> None:
    await alice.tasks.ensure("site.crawl", key="own")

    assert CANARY not in repr(await alice.tasks.list(after=his.id))


async def test_pausing_all_of_a_tenant_holds_nobody_else_back(
    alice: TenantHandle, bob: TenantHandle, his: TaskStatus, warden: Warden, clock: VirtualClock
) -> None:
    await alice.pause_all()
    await clock.advance(timedelta(minutes=1))

    assert (await run(warden)).task.id == his.id


def test_a_handle_shows_whose_it_is_and_nothing_else(alice: TenantHandle) -> None:
    assert repr(alice) == "TenantHandle(id='alice')"


async def test_a_subscription_is_a_context_manager(alice: TenantHandle) -> None:
    assert isinstance(alice.events(), AbstractAsyncContextManager)
