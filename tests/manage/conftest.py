"""A warden over a memory store, whose time stands still until a test moves it, and three kinds of work."""

from collections.abc import AsyncIterator

import pytest

from taskwarden.manage import TenantHandle, Warden
from taskwarden.testing import VirtualClock
from tests.manage.kinds import CheckSite, Crawl, SendDigest


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def warden(anyio_backend: str, clock: VirtualClock) -> AsyncIterator[Warden]:
    async with Warden.open("memory://", executors=[CheckSite(), SendDigest(), Crawl()], clock=clock) as warden:
        yield warden


@pytest.fixture
def alice(warden: Warden) -> TenantHandle:
    return warden.tenant("alice")


@pytest.fixture
def bob(warden: Warden) -> TenantHandle:
    return warden.tenant("bob")
