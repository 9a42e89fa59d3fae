"""The SQL store keeps every promise of ``Store``, in each database, by each driver, on each event loop it knows."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from taskwarden.core.protocols import Store
from taskwarden.stores.sql.store import SqlStore
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.conformance import StoreConformance
from tests.databases import Kind
from tests.stores.sql_stores import SqlStores, another, sql_stores

# One version of Python is enough for what differs between servers; SQLite is in every one of them.
SERVERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("postgresql", "mariadb")]


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def threaded(
    request: pytest.FixtureRequest, anyio_backend: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SqlStores]:
    """Provide stores whose transactions run in threads."""
    kind: Kind = request.param
    if (kind, anyio_backend) == ("mariadb", "trio"):
        pytest.skip("SQLite and PostgreSQL show that threads are the same on trio; MariaDB again would cost minutes")
    with sql_stores(kind, tmp_path_factory.mktemp(kind)) as stores:
        yield stores


@pytest.fixture(scope="module")
async def asynchronous(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqlStores]:
    """Provide stores whose transactions run in the event loop: the engine is bound to it."""
    with sql_stores("postgresql", tmp_path_factory.mktemp("unused"), "postgresql+asyncpg") as stores:
        yield stores
        await stores.close()


class SqlConformance(StoreConformance):
    stores: SqlStores
    walk = 50  # longer ones are those of test_sql_agreement

    def make_store(self, clock: VirtualClock) -> AbstractAsyncContextManager[Store]:
        return self.stores.fresh(clock)

    def another(self, store: Store, clock: VirtualClock) -> AbstractAsyncContextManager[Store]:
        return another(store, clock)

    @asynccontextmanager
    async def forget_changes(self, store: Store) -> AsyncIterator[None]:
        assert isinstance(store, SqlStore)
        await store.database.write(lambda conn: store._feed.trim(conn, 0))
        yield


class TestInThreads(SqlConformance):
    @pytest.fixture(autouse=True)
    def these(self, threaded: SqlStores) -> None:
        self.stores = threaded


@pytest.mark.slow
# Both fixtures that it names are of the module: the engine lives in one event loop, which ends with it.
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
class TestInTheEventLoop(SqlConformance):
    @pytest.fixture(autouse=True)
    def these(self, asynchronous: SqlStores) -> None:
        self.stores = asynchronous
