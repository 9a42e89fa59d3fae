"""
What every part of the suite stands on: the factory that a stranger writes, the fixtures, and short moves.

The moves are what runners and wardens do, with every argument that a test is not about left out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs
import pytest

from taskwarden.core.claim import Claim, Receipt
from taskwarden.core.lifecycle import State
from taskwarden.errors import TaskNotFound
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable
    from contextlib import AbstractAsyncContextManager

    from taskwarden.core.change import Change
    from taskwarden.core.outcome import Outcome
    from taskwarden.core.protocols import Store
    from taskwarden.core.record import TaskStatus

__all__ = ["ALICE", "BOB", "KINDS", "LEASE", "MINUTE", "OTHER", "PING", "Suite"]

ALICE: Final = TenantId("alice")
BOB: Final = TenantId("bob")
PING: Final = Kind("suite.ping")
OTHER: Final = Kind("suite.other")
KINDS: Final = (PING, OTHER)
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LEASE: Final = timedelta(seconds=60)
FIRST: Final = RunnerId("first-runner")
SECOND_RUNNER: Final = RunnerId("second-runner")
NOBODY: Final = TaskId("no-such-task")


class Suite(ABC):
    """
    What a store's author supplies: a factory, and whatever else the store can do.

    The tests are asynchronous methods; anyio's pytest plugin runs each on every backend of its ``anyio_backend``
    fixture, which a test module may define to leave one out.
    """

    pytestmark = pytest.mark.anyio
    patience: ClassVar[timedelta] = timedelta(seconds=30)
    """How long, in real time, a hint may take to arrive, while something changes twice a second."""
    walk: ClassVar[int] = 150
    """How many steps a random walk takes: fewer would do where each of them costs milliseconds."""

    @abstractmethod
    def make_store(self, clock: VirtualClock) -> AbstractAsyncContextManager[Store]:
        """
        Return a context that opens a fresh, empty store, and disposes of it.

        Wherever the store would ask for the time, its database's included, it has to ask ``clock.now()`` instead:
        a store whose time comes from a database needs a seam for that, such as a function of its own in place of
        ``CURRENT_TIMESTAMP``. The clock may go back.
        """

    def another(self, store: Store, clock: VirtualClock) -> AbstractAsyncContextManager[Store] | None:
        """
        Return a context that opens a second store over the data of *store*, as another process would.

        None, the default: the data live and die with the object; the tests of that are skipped.
        """
        del store, clock
        return None

    def forget_changes(self, store: Store) -> AbstractAsyncContextManager[None] | None:
        """
        Return a context on entering which *store* drops the changes that its feed holds so far.

        None, the default: the feed is kept for ever, or nothing can make the store trim it; the test is skipped.
        """
        del store
        return None

    @pytest.fixture
    def clock(self) -> VirtualClock:
        """Provide the one clock, at a whole second."""
        return VirtualClock()

    @pytest.fixture
    async def store(self, clock: VirtualClock) -> AsyncIterator[Store]:
        """Provide a fresh store."""
        async with self.make_store(clock) as store:
            yield store


# --- moves -----------------------------------------------------------------------------------------


async def create(
    store: Store,
    key: str = "task",
    *,
    at: datetime | None = None,
    tenant: str = ALICE,
    kind: str = PING,
    **fields: Any,
) -> TaskStatus:
    """Ensure a task whose first slot is *at*: now, if None."""
    ensured = await store.ensure(TenantId(tenant), spec(kind, key, at=at or await store.now(), **fields))
    return ensured.status


async def claim(
    store: Store,
    limit: int = 100,
    *,
    runner: RunnerId = FIRST,
    kinds: Collection[Kind] = KINDS,
    lease: timedelta = LEASE,
) -> tuple[Claim, ...]:
    """Claim what is due."""
    return (await store.claim(runner=runner, kinds=kinds, limit=limit, lease=lease)).claims


async def claim_one(store: Store, **how: Any) -> Claim:
    """Claim the one task that is claimable."""
    claims = await claim(store, **how)
    assert len(claims) == 1, f"one task is claimable, {len(claims)} were claimed"
    return claims[0]


async def finish(store: Store, held: Claim, outcome: Outcome | None = None, **how: Any) -> Receipt:
    """Complete *held*, by default with a success whose next slot is an hour later."""
    (receipt,) = await store.complete([completed(held, outcome, **how)])
    return receipt


async def run(store: Store, outcome: Outcome | None = None, **how: Any) -> Claim:
    """Claim the one claimable task and complete it."""
    held = await claim_one(store)
    assert await finish(store, held, outcome, **how) is Receipt.RECORDED
    return held


async def refresh(store: Store, status: TaskStatus) -> TaskStatus:
    """Return the task as it is now."""
    return await store.get(status.tenant, status.id)


async def state_of(store: Store, status: TaskStatus) -> State:
    """Return the task's state as it is now."""
    return (await refresh(store, status)).state


async def feed(store: Store, after: int = 0, *, tenant: TenantId | None = None) -> list[Change]:
    """Return all changes after *after*, read in small pages."""
    found: list[Change] = []
    while True:
        page = await store.changes(after, limit=3, tenant=tenant)
        if not page.changes and page.cursor == after:
            return found
        found += page.changes
        after = page.cursor


async def names_since(store: Store, cursor: int) -> list[str]:
    """Return the names of the changes after *cursor*."""
    return [str(change.name) for change in await feed(store, cursor)]


async def snapshot(store: Store, tenants: Iterable[TenantId] = (ALICE, BOB)) -> dict[str, object]:
    """Return everything that can be read of *tenants*, to be compared with what it was."""
    seen: dict[str, object] = {"cursor": await store.cursor()}
    for tenant in tenants:
        found = await store.tasks(tenant, kind=None, status=None, after=None, limit=1_000)
        seen[f"{tenant}: tasks"] = [attrs.evolve(status, as_of=status.task.created_at) for status in found]
        seen[f"{tenant}: runs"] = list(await store.runs(tenant, task_id=None, before=None, limit=1_000))
        seen[f"{tenant}: incidents"] = list(await store.incidents(tenant, open_only=False))
        seen[f"{tenant}: tallies"] = sorted(await store.tallies(tenant), key=repr)
        seen[f"{tenant}: settings"] = await store.tenant(tenant)
    return seen


async def is_absent(store: Store, status: TaskStatus) -> bool:
    """Tell whether the task is gone."""
    try:
        await refresh(store, status)
    except TaskNotFound:
        return True
    return False
