"""Two transactions that meet: the second finds what the first has done, although it began before that was committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import timedelta
from threading import Event
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import event

from taskwarden.core.decision import OpenIncident
from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import Ensured
from taskwarden.errors import DependencyCycle, UsageError
from taskwarden.ids import Kind, RunnerId, TaskId, TenantId
from taskwarden.stores.sql.store import SqlStore
from taskwarden.testing.builders import completed, retried, spec
from taskwarden.testing.clock import VirtualClock
from tests.databases import Kind as Database
from tests.stores.sql_stores import SqlStores, another, not_committed, sql_stores

# What is between two transactions is the same on each event loop.
pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)

T = TypeVar("T")
ALICE: Final = TenantId("alice")
PING: Final = Kind("ping")
RUNNER: Final = RunnerId("runner")
MINUTE: Final = timedelta(minutes=1)
DOWN: Final = OpenIncident("down", "unknown", "down")


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def stores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStores]:
    """Provide stores in each database in which several transactions write at a time."""
    kind: Database = request.param
    with sql_stores(kind, tmp_path_factory.mktemp(kind)) as made:
        yield made


@pytest.fixture
def clock() -> VirtualClock:
    """Provide the time."""
    return VirtualClock()


@pytest.fixture
async def one(stores: SqlStores, clock: VirtualClock) -> AsyncIterator[SqlStore]:
    """Provide a fresh store."""
    async with stores.fresh(clock) as fresh:
        yield fresh


@pytest.fixture
async def two(one: SqlStore, clock: VirtualClock) -> AsyncIterator[SqlStore]:
    """Provide another over the same data."""
    async with another(one, clock) as opened:
        yield opened


async def meet(
    store: SqlStore, first: Coroutine[Any, Any, object], second: Coroutine[Any, Any, T], *at: str
) -> T | UsageError:
    """
    Let *first*, of *store*, be done and not committed until *second* comes to where it has to wait.

    Args:
        at: What the statement there begins with, on PostgreSQL and on MariaDB; names of tables have no prefix.

    Returns:
        What *second* returns, or how it was refused.
    """
    begins = at[0] if store.database.dialect.name == "postgresql" else at[-1]
    asked = Event()
    answers: list[T | UsageError] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if " ".join(statement.replace(store.tables.prefix, "").split()).startswith(begins):
            asked.set()

    async def answer() -> None:
        try:
            answers.append(await second)
        except UsageError as error:
            answers.append(error)

    async with anyio.create_task_group() as tg, not_committed(store, first):
        event.listen(store.database.engine, "before_cursor_execute", note)
        tg.start_soon(answer)
        reached = await anyio.to_thread.run_sync(asked.wait, 20)
        event.remove(store.database.engine, "before_cursor_execute", note)
        assert reached, "the second never came to where it was to wait"
    return answers[0]


async def make(store: SqlStore, clock: VirtualClock, key: str, *upstream: TaskId) -> Ensured:
    return await store.ensure(ALICE, spec(PING, key, at=clock.now(), depends_on=upstream))


async def test_a_task_that_is_deleted_meanwhile_is_made_anew(one: SqlStore, two: SqlStore, clock: VirtualClock) -> None:
    first = await make(one, clock, "same")
    deletion = one.delete(ALICE, first.id, detach=False, actor="")

    answer = await meet(one, deletion, make(two, clock, "same"), "SELECT due.")

    assert isinstance(answer, Ensured)
    assert (answer.how, answer.id != first.id) == ("created", True)


async def test_a_task_that_is_made_meanwhile_is_the_same(one: SqlStore, two: SqlStore, clock: VirtualClock) -> None:
    answer = await meet(one, make(one, clock, "same"), make(two, clock, "same"), "INSERT INTO task")

    assert isinstance(answer, Ensured)
    assert answer.how == "unchanged"


async def test_an_incident_that_is_opened_meanwhile_is_seen_once_more(one: SqlStore, two: SqlStore) -> None:
    where = ("INSERT INTO incident", "SELECT incident.")

    await meet(one, one.open_incident(ALICE, DOWN), two.open_incident(ALICE, DOWN), *where)

    (found,) = await one.incidents(ALICE, open_only=False)
    assert found.sightings == 2


async def test_of_two_dependencies_that_would_close_a_circle_one_is_refused(
    one: SqlStore, two: SqlStore, clock: VirtualClock
) -> None:
    left, right = await make(one, clock, "left"), await make(one, clock, "right")
    first = make(one, clock, "left", right.id)

    answer = await meet(one, first, make(two, clock, "right", left.id), "INSERT INTO tenant")

    assert isinstance(answer, DependencyCycle)


async def test_what_waits_for_two_is_released_by_whichever_succeeds_last(
    one: SqlStore, two: SqlStore, clock: VirtualClock
) -> None:
    above = [(await make(one, clock, key)).id for key in ("left", "right")]
    below = await make(one, clock, "below", *above)
    claims = (await one.claim(runner=RUNNER, kinds=[PING], limit=5, lease=MINUTE)).claims
    left, right = (completed(held) for held in claims)

    await meet(one, one.complete([left]), two.complete([right]), "SELECT due.")

    assert (await one.get(ALICE, below.id)).state is State.SCHEDULED


async def test_a_completion_that_meets_a_word_is_overruled_by_it(
    one: SqlStore, two: SqlStore, clock: VirtualClock
) -> None:
    made = await make(one, clock, "task")
    (held,) = (await two.claim(runner=RUNNER, kinds=[PING], limit=5, lease=MINUTE)).claims
    where = ("WITH", "SELECT due.")
    word = retried(await one.get(ALICE, made.id), clock.now())

    answer = await meet(one, one.steer(ALICE, made.id, word), two.complete([completed(held)]), *where)

    assert answer == ["overruled"]


async def test_a_cap_of_a_tenant_holds_for_a_claim_that_meets_another(
    one: SqlStore, two: SqlStore, clock: VirtualClock
) -> None:
    await one.set_tenant(ALICE, max_running=1)
    for key in ("first", "second"):
        await make(one, clock, key)
    await one.ensure(ALICE, spec("other", "third", at=clock.now()))

    async with not_committed(one, one.claim(runner=RUNNER, kinds=[PING], limit=1, lease=MINUTE)):
        found = await two.claim(runner=RUNNER, kinds=[Kind("other")], limit=1, lease=MINUTE)

    assert found.claims == ()
