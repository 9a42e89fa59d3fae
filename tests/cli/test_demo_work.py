"""The calls that both groups make: what the provider says becomes the failure that it means."""

import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import attrs
import httpx
import pytest

from taskwarden.cli.demo.log import overheard
from taskwarden.cli.demo.provider import Provider
from taskwarden.cli.demo.script import PLAIN, SCRIPT, WARDEN, Endpoint, Fault, Misbehaviour
from taskwarden.cli.demo.stop import stoppable
from taskwarden.cli.demo.story import HOUR, StoryClock, real
from taskwarden.cli.demo.work import Grants, Work
from taskwarden.core.failure import TaskFailure
from taskwarden.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

Calling = Callable[[Work, Endpoint, str], Awaitable[dict[str, Any]]]


async def awaited(work: Work, endpoint: Endpoint, tenant: str) -> dict[str, Any]:
    return await work.call(endpoint, tenant)


async def threaded(work: Work, endpoint: Endpoint, tenant: str) -> dict[str, Any]:
    return await anyio.to_thread.run_sync(partial(work.call_blocking, endpoint, tenant))


@attrs.frozen
class World:
    provider: Provider
    clock: VirtualClock
    grants: Grants = attrs.field(factory=Grants)

    def turn(self, hour: float) -> None:
        self.clock.jump(self.provider.risen_at + hour * HOUR - self.clock.now())

    def work(self, caller: str = WARDEN) -> Work:
        return Work(self.provider.url, caller, self.grants, self.clock)


@pytest.fixture
def world() -> Iterator[World]:
    clock = VirtualClock()
    with Provider(SCRIPT, clock) as provider:
        yield World(provider, clock)


@pytest.fixture(params=[awaited, threaded])
def calling(request: pytest.FixtureRequest) -> Calling:
    chosen: Calling = request.param
    return chosen


def the(how: Misbehaviour) -> Fault:
    (fault,) = (fault for fault in SCRIPT.faults if fault.how is how)
    return fault


async def test_a_call_names_its_group_and_its_tenant(world: World, calling: Calling) -> None:
    async with world.work() as mine, world.work(PLAIN) as plain:
        served = await calling(mine, Endpoint.SEARCH, "acme")
        await calling(plain, Endpoint.MAIL, "globex")

    assert served["tenant"] == "acme"
    assert [(call.caller, call.tenant, call.endpoint) for call in world.provider.calls] == [
        (WARDEN, "acme", Endpoint.SEARCH),
        (PLAIN, "globex", Endpoint.MAIL),
    ]


async def test_a_rate_limit_becomes_a_failure_that_says_when_to_come_back(world: World, calling: Calling) -> None:
    world.turn(the(Misbehaviour.RATE_LIMIT).ends - 2)

    async with world.work() as work:
        with pytest.raises(TaskFailure) as raised:
            await calling(work, Endpoint.SEARCH, "acme")

    failure = raised.value.failure
    assert (failure.code, failure.retry_after, failure.definitive) == ("api_limit.rate", timedelta(hours=2), False)


async def test_a_used_up_quota_becomes_a_failure_that_lasts_until_its_reset(world: World, calling: Calling) -> None:
    world.turn(the(Misbehaviour.QUOTA).ends - 3)

    async with world.work() as work:
        with pytest.raises(TaskFailure) as raised:
            await calling(work, Endpoint.SEARCH, "acme")

    failure = raised.value.failure
    assert (failure.code, failure.retry_after) == ("api_limit.quota_daily", timedelta(hours=3))


@pytest.mark.parametrize("endpoint", [Endpoint.TOKEN, Endpoint.REPORT])
async def test_a_revoked_grant_becomes_a_definitive_failure_until_the_tenant_reconnects(
    world: World, calling: Calling, endpoint: Endpoint
) -> None:
    world.turn(the(Misbehaviour.REVOKED).starts)

    async with world.work() as work:
        with pytest.raises(TaskFailure) as raised:
            await calling(work, endpoint, "initech")
        world.grants.reconnect("initech")
        served = await calling(work, endpoint, "initech")

    assert (raised.value.failure.code, raised.value.failure.definitive) == ("auth_error.revoked", True)
    assert served["tenant"] == "initech"


async def test_what_the_provider_does_not_explain_is_left_to_the_classifier(world: World, calling: Calling) -> None:
    world.turn(the(Misbehaviour.OUTAGE).starts)

    async with world.work() as work:
        with pytest.raises(httpx.HTTPStatusError) as raised:
            await calling(work, Endpoint.SEARCH, "acme")

    assert raised.value.response.status_code == 503


async def test_a_caller_waits_no_longer_than_its_timeout(world: World, calling: Calling) -> None:
    world.turn(the(Misbehaviour.SLOW).starts)

    async with world.work() as work:
        with pytest.raises(httpx.ReadTimeout):
            await calling(work, Endpoint.SITE, "acme")


async def test_an_hour_of_the_story_passes_in_a_second() -> None:
    reading = [100.0]
    clock = StoryClock(lambda: reading[0])
    before = clock.now()
    reading[0] += 1.5

    assert (clock.now() - before, clock.monotonic()) == (1.5 * HOUR, 1.5 * 3600)
    assert real(1.5 * HOUR) == timedelta(seconds=1.5)


async def test_a_wait_on_the_storys_clock_ends_by_its_time_or_by_the_event() -> None:
    clock, event = StoryClock(), anyio.Event()
    until = clock.monotonic() + 36

    with anyio.fail_after(10):  # of real time: more than the 36 s of the story take, and less than 36 s
        assert await clock.wait(event, until) is False
    assert clock.monotonic() >= until
    event.set()
    assert await clock.wait(event, None) is True
    assert await clock.wait(event, clock.monotonic() + 1e9) is True


def test_warnings_of_the_library_are_overheard_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger = logging.getLogger("taskwarden.runner")

    with overheard() as texts:
        logger.warning("task %s: so and so", "t1")
        logger.info("not worth a line")
        logging.getLogger("another").warning("not ours")
    logger.warning("after the end")

    assert texts == ["warning: task t1: so and so"]
    assert [record.getMessage() for record in caplog.records] == ["not ours", "after the end"]


def test_the_first_ctrl_c_is_a_wish_and_the_second_one_an_interrupt() -> None:
    with stoppable() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.wanted
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_after_the_demo_ctrl_c_is_whatever_it_was_before() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
