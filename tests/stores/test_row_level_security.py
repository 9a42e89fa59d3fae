"""With row-level security, PostgreSQL itself keeps tenants apart, whatever our statements say."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import anyio
import attrs
import pytest
from sqlalchemy import Connection, Engine, create_engine, insert, make_url, select, text, update
from sqlalchemy.exc import ProgrammingError

from taskwarden.core.decision import OpenIncident
from taskwarden.errors import AccessDenied, InvalidValue, TaskNotFound
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.stores.sql.migrations.security import enter, is_bound, runner_role_of
from taskwarden.stores.sql.opening import migrate_at
from taskwarden.stores.sql.schema import Tables, tables
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.conformance.suite import HOUR, feed
from tests.databases import postgres_database

ALICE, CANARY = TenantId("alice"), TenantId("canary")
CHECK, RUNNER = Kind("site.check"), RunnerId("runner-1")
WITH_TENANT: Final = [table.name for table in tables().metadata.sorted_tables if "tenant" in table.c]


@attrs.frozen
class Secured:
    """A store with row-level security, and URLs for each role: none of them may bypass it."""

    owner: str
    tenants: str
    runners: str
    tables: Tables = attrs.field(factory=tables)


def url_of(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


@pytest.fixture
def roles() -> Iterator[dict[str, str]]:
    """Make roles, which belong to the whole server: one owns the tables, one serves tenants, one runners."""
    mark = secrets.token_hex(4)
    names = {each: f"tw_test_{each}_{mark}" for each in ("owner", "tenants", "runners", "group")}
    with postgres_database() as url, admin(url) as conn:
        if not conn.execute(
            text("SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user")
        ).scalar():
            pytest.skip("these tests make roles, which this server's user may not")
        for name in names.values():
            conn.execute(text(f"CREATE ROLE {name} LOGIN"))
        conn.execute(text(f"GRANT {names['group']} TO {names['runners']}"))
        try:
            yield names | {"url": url}
        finally:
            for name in names.values():
                conn.execute(text(f"DROP OWNED BY {name} CASCADE"))
            for name in names.values():
                conn.execute(text(f"DROP ROLE {name}"))


@contextmanager
def admin(url: str) -> Iterator[Connection]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        yield conn
    engine.dispose()


@pytest.fixture
async def secured(roles: dict[str, str]) -> Secured:
    """Provide a store whose owner has switched row-level security on."""
    url = roles["url"]
    with admin(url) as conn:
        conn.execute(text(f"GRANT CREATE, USAGE ON SCHEMA public TO {roles['owner']}"))
    made = Secured(url_of(url, roles["owner"]), url_of(url, roles["tenants"]), url_of(url, roles["runners"]))
    await migrate_at(made.owner, runner_role=roles["group"])
    with admin(url) as conn:
        for role in (roles["tenants"], roles["group"]):
            conn.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"))
            conn.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"))
    return made


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[SqlStore]:
    store = await open_at(url, **options)
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """Connect with a transaction that the end of the block rolls back."""
    engine: Engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    try:
        with engine.connect() as conn:
            yield conn
    finally:
        engine.dispose()


async def fill(url: str) -> None:
    """Give each tenant a row in every table that has tenants."""
    async with opened(url) as store:
        for tenant in (ALICE, CANARY):
            first = (await store.ensure(tenant, spec(CHECK, "home", at=await store.now()))).status
            await store.ensure(tenant, spec(CHECK, "after", at=await store.now(), depends_on=[first.id]))
            await store.open_incident(tenant, OpenIncident("down", "network_error.timeout", "It is down"), first.id)
            await store.set_tenant(tenant, weight=2)
        claims = (await store.claim(runner=RUNNER, kinds=[CHECK], limit=9, lease=HOUR)).claims
        await store.complete([completed(claim) for claim in claims])


def seen(conn: Connection, made: Tables) -> dict[str, set[str]]:
    """Return whose rows *conn* sees, by table."""
    with_tenants = [table for table in made.metadata.sorted_tables if "tenant" in table.c]
    return {table.name: set(conn.execute(select(table.c.tenant)).scalars()) for table in with_tenants}


def everywhere(*tenants: TenantId) -> dict[str, set[str]]:
    return {name: set(tenants) for name in WITH_TENANT}


# --- what the database lets roles see ---------------------------------------------------------------------------


async def test_a_transaction_sees_the_tenant_that_it_names_in_every_table_and_no_other(secured: Secured) -> None:
    await fill(secured.runners)
    with connected(secured.tenants) as conn:
        assert seen(conn, secured.tables) == everywhere()
        enter(conn, ALICE)
        assert seen(conn, secured.tables) == everywhere(ALICE)
        conn.rollback()
        assert seen(conn, secured.tables) == everywhere()
        enter(conn, CANARY)
        assert seen(conn, secured.tables) == everywhere(CANARY)


async def test_runners_see_all_and_owners_are_bound_too(secured: Secured) -> None:
    await fill(secured.runners)
    with connected(secured.runners) as conn:
        assert seen(conn, secured.tables) == everywhere(ALICE, CANARY)
        assert not is_bound(conn, secured.tables)
    with connected(secured.owner) as conn:
        assert seen(conn, secured.tables) == everywhere()
        assert is_bound(conn, secured.tables)


async def test_rows_of_another_tenant_are_neither_changed_nor_written(secured: Secured) -> None:
    await fill(secured.runners)
    made = secured.tables
    with connected(secured.tenants) as conn:
        enter(conn, ALICE)
        for table in made.metadata.sorted_tables:
            if "tenant" in table.c:
                conn.execute(update(table).where(table.c.tenant == CANARY).values(tenant=ALICE))
                conn.execute(table.delete().where(table.c.tenant == CANARY))
        conn.commit()
        with pytest.raises(ProgrammingError, match="violates row-level security policy"):
            conn.execute(insert(made.tenant), {"tenant": CANARY})
        conn.rollback()
        enter(conn, ALICE)
        with pytest.raises(ProgrammingError, match="violates row-level security policy"):
            conn.execute(update(made.lane).values(tenant=CANARY))
    with connected(secured.runners) as conn:
        assert seen(conn, secured.tables) == everywhere(ALICE, CANARY)


# --- a store over it --------------------------------------------------------------------------------------------


async def test_a_tenants_handle_works_under_the_bound_role_and_reaches_nothing_of_the_canary(secured: Secured) -> None:
    await fill(secured.runners)
    async with opened(secured.tenants) as store:
        home = await store.find(ALICE, CHECK, "home")
        canary = await store.find(CANARY, CHECK, "home")
        assert home is not None
        assert canary is not None
        with pytest.raises(TaskNotFound):
            await store.get(ALICE, canary.id)
        await store.ensure(ALICE, spec(CHECK, "more", at=await store.now()))
        await store.pause(ALICE, home.id, paused=True, actor="ann")
        await store.set_tenant(ALICE, max_running=5)
        found = await store.tasks(ALICE, kind=None, status=None, after=None, limit=10)

        assert {each.key for each in found} == {"home", "after", "more"}
        assert len(await store.runs(ALICE, task_id=None, before=None, limit=10)) == 1
        assert len(await store.incidents(ALICE, open_only=True)) == 1
        assert sum(tally.runs for tally in await store.tallies(ALICE)) == 1
        assert (await store.tenant(ALICE)).max_running == 5
        await store.delete(ALICE, found[-1].id, detach=True, actor="ann")


async def test_a_tenant_under_the_bound_role_reads_its_feed_to_the_end_among_others_changes(secured: Secured) -> None:
    async with opened(secured.runners) as all_of_them, opened(secured.tenants) as bound:
        begin = await bound.cursor()
        for number in range(6):
            for tenant in (ALICE, CANARY):
                await all_of_them.ensure(tenant, spec(CHECK, f"{number}", at=None))
        with anyio.fail_after(20):
            while len(told := await feed(bound, begin, tenant=ALICE)) < 6:
                await anyio.lowlevel.checkpoint()
            last = await bound.cursor()
            while last < told[-1].seq:
                last = await bound.cursor()

        assert {change.tenant for change in told} == {ALICE}
        page = await bound.changes(last, limit=10, tenant=CANARY)
        assert (page.changes, page.reset) == ((), False)


# --- switching it on --------------------------------------------------------------------------------------------


async def test_switching_it_on_again_changes_nothing_and_takes_another_role(
    secured: Secured, roles: dict[str, str]
) -> None:
    await migrate_at(roles["url"], runner_role=roles["group"])
    await migrate_at(roles["url"], runner_role=roles["runners"])

    with connected(secured.owner) as conn:
        assert runner_role_of(conn, secured.tables) == roles["runners"]


async def test_a_runner_role_that_is_not_there_is_said_with_how_to_make_it(roles: dict[str, str]) -> None:
    with pytest.raises(AccessDenied, match="there is no role 'nobody_at_all'; CREATE ROLE nobody_at_all NOLOGIN"):
        await migrate_at(roles["url"], runner_role="nobody_at_all")
    with admin(roles["url"]) as conn:
        assert conn.execute(text("SELECT to_regclass('tw_life')")).scalar() is None


async def test_a_migration_by_a_role_that_is_bound_is_refused(secured: Secured, roles: dict[str, str]) -> None:
    with pytest.raises(AccessDenied, match="hides rows from the role that migrates; migrate as a member of"):
        await migrate_at(secured.owner, runner_role=roles["group"])


async def test_other_databases_have_none_and_say_so(tmp_path: Any) -> None:
    with pytest.raises(InvalidValue, match="must be PostgreSQL for row-level security"):
        await migrate_at(f"sqlite:///{(tmp_path / 'tasks.db').as_posix()}", runner_role="anybody")
