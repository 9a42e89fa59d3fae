"""The toy store keeps every promise, and is found by its entry point as a stranger's would be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from taskwarden.core.protocols import Store
from taskwarden.errors import InvalidValue
from taskwarden.stores import open_store
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.conformance import StoreConformance
from tests.stores.toy_ledger import Ledger
from tests.stores.toy_store import ToyStore


class TestToyStore(StoreConformance):
    @asynccontextmanager
    async def make_store(self, clock: VirtualClock) -> AsyncIterator[Store]:
        store = ToyStore(Ledger(clock.now))
        yield store
        await store.close()

    @asynccontextmanager
    async def another(self, store: Store, clock: VirtualClock) -> AsyncIterator[Store]:
        assert isinstance(store, ToyStore)
        yield ToyStore(store.ledger)

    @asynccontextmanager
    async def forget_changes(self, store: Store) -> AsyncIterator[None]:
        assert isinstance(store, ToyStore)
        store.ledger.forgotten += len(store.ledger.changes)
        store.ledger.changes.clear()
        yield


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a distribution, as far as entry points go: its metadata lie in a folder on ``sys.path``."""
    metadata = tmp_path / "toy_store-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-store\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[taskwarden.stores]\ntoy = tests.stores.toy_store:open_store\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("installed")
async def test_a_strangers_store_is_opened_by_the_scheme_of_its_entry_point() -> None:
    clock = VirtualClock()

    store = await open_store("toy://", clock=clock)

    assert isinstance(store, ToyStore)
    assert await store.now() == clock.now()


async def test_a_store_that_is_not_installed_is_refused_by_name() -> None:
    with pytest.raises(InvalidValue, match="'toy'"):
        await open_store("toy://secret@host")
