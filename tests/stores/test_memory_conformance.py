"""The memory store keeps every promise of ``Store``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskwarden.core.protocols import Store
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.conformance import StoreConformance


class TestMemoryStore(StoreConformance):
    @asynccontextmanager
    async def make_store(self, clock: VirtualClock) -> AsyncIterator[Store]:
        store = MemoryStore(clock)
        yield store
        await store.close()

    @asynccontextmanager
    async def forget_changes(self, store: Store) -> AsyncIterator[None]:
        assert isinstance(store, MemoryStore)
        store._tables.feed.trim(0)
        yield
