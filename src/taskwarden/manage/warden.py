"""The warden: opens a store, knows the executors, and is the door to every tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from taskwarden.core.executor import TaskExecutor
from taskwarden.core.registry import ExecutorRegistry
from taskwarden.errors import InvalidValue
from taskwarden.ids import check_tenant
from taskwarden.manage.access import Access
from taskwarden.manage.tenant import TenantHandle
from taskwarden.policies import standard
from taskwarden.runner import Runner, SystemClock
from taskwarden.runner.publish import ChangeStream, subscribe
from taskwarden.stores import open_store

if TYPE_CHECKING:
    from taskwarden.core.protocols import Clock, FailurePolicy, Store
    from taskwarden.core.registry import Registry

__all__ = ["Warden"]


@attrs.define(eq=False)
class Warden:
    """
    The management side over one store. Made by ``Warden.open``, of use until its block ends.

    It runs nothing by itself: a process without a runner (a web worker, say) uses it alone.
    """

    _access: Access = attrs.field(repr=False)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        store: str | Store,
        *,
        executors: Iterable[TaskExecutor[Any]] = (),
        registry: Registry | None = None,
        policy: FailurePolicy | None = None,
        clock: Clock | None = None,
    ) -> AsyncIterator[Warden]:
        """
        Open a warden for the length of the block.

        Args:
            store: A URL, whose store is opened here and closed after the block; or an open store, which stays open.
            executors: One for each kind.
            registry: The host's own, instead of *executors*.
            policy: The failure policy of executors that bring none; None: ``standard()``.
            clock: For subscriptions and runners, and for a store that is opened here; None: the real one.

        Raises:
            InvalidValue: The URL's scheme is not known, or both executors and a registry were given.
            MalformedExecutor, DuplicateExecutor: An executor cannot be registered.
            StoreUnavailable: The store could not be opened.
        """
        registry = _registry(executors, registry)
        clock = SystemClock() if clock is None else clock
        opened = await open_store(store, clock=clock) if isinstance(store, str) else store
        access = Access(opened, registry, standard() if policy is None else policy, clock)
        try:
            yield cls(access)
        finally:
            access.close()
            if isinstance(store, str):
                await opened.close()

    @property
    def store(self) -> Store:
        """
        The store, for those who want the parts.

        Raises:
            Closed: The warden's block has ended.
        """
        return self._access.store

    @property
    def registry(self) -> Registry:
        """The executors that are known here."""
        return self._access.registry

    def tenant(self, tenant: str) -> TenantHandle:
        """
        Return the door to *tenant*: your application's own id of a user, account or organisation.

        Nothing is created or looked up: any valid id will do.

        Raises:
            InvalidValue: It is not 1 to 200 characters without control characters and outer blanks.
        """
        return TenantHandle(self._access, check_tenant(tenant))

    def events(self, *, after: int | None = None) -> AbstractAsyncContextManager[ChangeStream]:
        """
        Subscribe to what happens to all tenants' tasks: ``async with warden.events() as events``.

        Args:
            after: The cursor to go on from, 0 for all that is kept; None: only what happens from now on.
        """
        return subscribe(self._access.store, self._access.clock, after=after)

    def runner(
        self,
        *,
        name: str | None = None,
        concurrency: int = 100,
        threads: int = 40,
        lease: timedelta = timedelta(seconds=60),
        grace: timedelta = timedelta(seconds=30),
    ) -> Runner:
        """
        Return a runner over this store, made to be entered.

        ``async with warden.runner():`` executes in this event loop until the block ends, and then drains.

        Args:
            name: Names it in history and logs; unique among all that share the store. None: one is made.
            concurrency: Most tasks that run at the same time here.
            threads: Most blocking executors at the same time; the others wait in their run, their timeout running.
            lease: How long claims stay exclusive unless they are renewed.
            grace: How long runs in progress may take after the block ends, before they are cancelled.
        """
        access = self._access
        return Runner(
            access.store,
            access.registry,
            name=name,
            concurrency=concurrency,
            threads=threads,
            lease=lease,
            grace=grace,
            clock=access.clock,
            policy=access.policy,
        )


def _registry(executors: Iterable[TaskExecutor[Any]], registry: Registry | None) -> Registry:
    if isinstance(executors, TaskExecutor) or not isinstance(executors, Iterable):
        rule = "must be a collection of executors"
        raise InvalidValue("executors", executors, rule, "for a single one write executors=[CheckSite()]")
    if registry is None:
        return ExecutorRegistry(executors)
    executors = tuple(executors)
    if executors:
        raise InvalidValue("executors", executors, "must be empty where a registry is given", "add them to it")
    return registry
