"""The SQL store and the memory store look the same, whatever happens to them (P42), in each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import NullPool, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from taskwarden.core.protocols import Store
from taskwarden.stores.memory import MemoryStore
from taskwarden.testing.agreement import AgreementMachine
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.lockstep import Factory
from tests.databases import Kind, fresh_database
from tests.stores.sql_stores import SqlStores, sql_stores

# Each step is some thirty transactions; and a story that tells stores apart takes its time to be made short.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHARE = 5
"""One example here for so many where stores are in memory."""


@asynccontextmanager
async def open_memory(clock: VirtualClock) -> AsyncIterator[Store]:
    yield MemoryStore(clock)


def agree_with_memory(factory: Factory, share: int = SHARE) -> None:
    class Agrees(AgreementMachine):
        stores: ClassVar[dict[str, Factory]] = {"memory": open_memory, "sql": factory}
        suspends = True

    examples = max(settings().max_examples // share, 1)
    run_state_machine_as_test(Agrees, settings=settings(max_examples=examples, stateful_step_count=40))


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStores]:
    """Provide stores whose transactions run in threads."""
    kind: Kind = request.param
    with sql_stores(kind, tmp_path_factory.mktemp(kind)) as made:
        yield made


def test_memory_and_a_database_in_threads_agree(stores: SqlStores) -> None:
    agree_with_memory(stores.fresh)


def test_memory_and_a_database_in_the_event_loop_agree(tmp_path: Path) -> None:
    # Each story has an event loop of its own, so no connection outlives a transaction.
    with fresh_database("postgresql", tmp_path) as url:
        engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
        agree_with_memory(SqlStores(engine).fresh, 3 * SHARE)
