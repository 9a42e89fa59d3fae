"""A store opens where it can, and says what is wrong and what to do where it cannot."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from taskwarden.core.protocols import Signalled
from taskwarden.errors import AccessDenied, Closed, InvalidValue, SchemaMismatch, StoreTaken, StoreUnavailable
from taskwarden.ids import TenantId
from taskwarden.stores.sql import SqlStore, open_at, open_store
from taskwarden.stores.sql.files import network_of
from taskwarden.testing.builders import spec
from tests.databases import KINDS, Kind, fresh_database, postgres_database
from tests.databases.server import free_port

THREADED = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
SERVERS: tuple[Kind, ...] = ("postgresql", "mariadb")

each_kind = pytest.mark.parametrize("kind", KINDS)
each_server = pytest.mark.parametrize("kind", SERVERS)


@pytest.fixture
def url(kind: Kind, tmp_path: Path) -> Iterator[str]:
    with fresh_database(kind, tmp_path) as url:
        yield url


@pytest.fixture
def postgres() -> Iterator[str]:
    with postgres_database() as url:
        yield url


@asynccontextmanager
async def opened(target: Any, **options: Any) -> AsyncIterator[SqlStore]:
    store = await open_at(target, **options)
    try:
        yield store
    finally:
        await store.close()


async def ask(store: SqlStore, question: str) -> Any:
    return await store.database.read(lambda conn: conn.execute(text(question)).scalar())


def engine_of(url: str, **options: Any) -> Engine:
    parsed = make_url(url)
    return create_engine(parsed.set(drivername=THREADED[parsed.drivername]), **options)


def order(url: str, *orders: str) -> None:
    """Have the server at *url* carry out *orders*."""
    engine = engine_of(url)
    with engine.begin() as conn:
        for each in orders:
            conn.execute(text(each))
    engine.dispose()


def changed(url: str, **parts: Any) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


# --- opening ----------------------------------------------------------------------------------------------------


@each_kind
async def test_a_store_keeps_what_it_was_told_from_one_opening_to_the_next(url: str) -> None:
    async with opened(url, create=True) as store:
        ensured = await store.ensure(TenantId("alice"), spec("site.check", "home", at=None))
    async with opened(url) as store:
        again = await store.get(TenantId("alice"), ensured.status.id)

    assert ensured.status.task == again.task


@each_kind
async def test_two_prefixes_are_two_stores(url: str) -> None:
    async with opened(url, create=True, prefix="a_") as one, opened(f"{url}?tw_prefix=b_&tw_create=1") as other:
        await one.ensure(TenantId("alice"), spec("site.check", "home", at=None))

        assert await other.find(TenantId("alice"), "site.check", "home") is None  # type: ignore[arg-type]
        assert other.tables.prefix == "b_"


async def test_a_schema_of_its_own_is_made_and_used(postgres: str) -> None:
    async with opened(postgres, create=True, schema="apart") as store:
        assert await ask(store, "SELECT count(*) FROM apart.tw_life") == 1
        assert await ask(store, "SELECT to_regclass('public.tw_life')") is None


@each_kind
async def test_stores_that_open_at_the_same_time_create_the_tables_once(url: str) -> None:
    async def open_one() -> None:
        async with opened(url, create=True, pool_size=1):
            pass

    async with anyio.create_task_group() as tg:
        for _ in range(6):
            tg.start_soon(open_one)

    async with opened(url) as store:
        assert await ask(store, "SELECT count(*) FROM tw_schema_history") == 1


@each_kind
async def test_a_closed_store_says_so_and_does_nothing(url: str) -> None:
    async with opened(url, create=True) as store:
        pass
    await store.close()

    with pytest.raises(Closed, match="open a new one"):
        await store.now()


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql", "mysql", "mariadb"])
def test_the_entry_points_name_what_opens_a_store(scheme: str) -> None:
    entry = EntryPoint(scheme, "taskwarden.stores.sql:open_store [postgres]", "taskwarden.stores")

    assert entry.load() is open_store
    assert entry.extras == ["postgres"]


# --- drivers and engines ----------------------------------------------------------------------------------------


async def test_postgresql_is_reached_by_asyncpg_on_asyncio_and_in_threads_on_trio(
    postgres: str, anyio_backend: str
) -> None:
    async with opened(postgres, create=True) as store:
        assert store.database.engine.dialect.driver == {"asyncio": "asyncpg", "trio": "psycopg"}[anyio_backend]


async def test_an_engine_for_asyncio_is_refused_on_trio(postgres: str, anyio_backend: str) -> None:
    url = changed(postgres, drivername="postgresql+asyncpg")
    if anyio_backend == "asyncio":
        async with opened(url, create=True):
            return
    with pytest.raises(InvalidValue, match=r"needs asyncio, .* got 'asyncpg'; use .*postgresql\+psycopg"):
        await open_at(url, create=True)


@pytest.mark.parametrize(
    ("absent", "url", "extra"),
    [
        (["asyncpg", "psycopg"], "postgresql://127.0.0.1/x", "postgres"),
        (["psycopg"], "postgresql+psycopg://127.0.0.1/x", "postgres"),
        (["asyncpg"], "postgresql+asyncpg://127.0.0.1/x", "postgres"),
        (["pymysql"], "mysql://127.0.0.1/x", "mysql"),
        (["pymysql"], "mariadb://127.0.0.1/x", "mysql"),
    ],
)
def test_a_driver_that_is_not_installed_names_its_extra(absent: list[str], url: str, extra: str) -> None:
    program = f"""
import sys
for name in {absent!r}:
    sys.modules[name] = None
import anyio
from taskwarden.stores.sql import open_at
anyio.run(open_at, {url!r})
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert f"pip install 'taskwarden[{extra}]'" in ended.stderr.splitlines()[-1]


@each_kind
async def test_an_engine_of_the_hosts_is_used_and_stays_open(url: str) -> None:
    engine = engine_of(url)
    try:
        async with opened(engine, create=True) as store:
            await store.ensure(TenantId("alice"), spec("site.check", "home", at=None))
        with engine.connect() as conn:
            assert conn.execute(text("SELECT count(*) FROM tw_task")).scalar() == 1
    finally:
        engine.dispose()


@each_server
async def test_the_store_reads_what_is_committed_whatever_the_hosts_engine_is_set_to(kind: Kind, url: str) -> None:
    engine = engine_of(url, isolation_level="REPEATABLE READ")
    question = "SHOW transaction_isolation" if kind == "postgresql" else "SELECT @@tx_isolation"
    try:
        async with opened(engine, create=True) as store:
            assert (await ask(store, question)).upper().replace("-", " ") == "READ COMMITTED"
        with engine.connect() as conn:
            assert conn.execute(text(question)).scalar_one().upper().replace("-", " ") == "REPEATABLE READ"
    finally:
        engine.dispose()


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_connections_to_postgresql_bear_the_name_of_the_application(
    postgres: str, driver: str, anyio_backend: str
) -> None:
    if (driver, anyio_backend) == ("asyncpg", "trio"):
        return
    url = changed(postgres, drivername=f"postgresql+{driver}")
    async with opened(url, create=True) as plain, opened(url, application="shop") as shop:
        assert await ask(plain, "SHOW application_name") == "taskwarden"
        assert await ask(shop, "SHOW application_name") == "shop"


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_through_pgbouncer_no_prepared_statement_outlives_its_transaction(
    postgres: str, driver: str, anyio_backend: str
) -> None:
    if (driver, anyio_backend) == ("asyncpg", "trio"):
        return
    url = changed(postgres, drivername=f"postgresql+{driver}")

    async def prepared(**options: Any) -> int:
        async with opened(url, create=True, pool_size=1, **options) as store:
            for number in range(12):
                await store.ensure(TenantId("alice"), spec("site.check", f"{number}", at=await store.now()))
                await store.claim(runner="one", kinds=["site.check"], limit=5, lease=timedelta(minutes=1))  # type: ignore[arg-type, list-item]
            count: int = await ask(store, "SELECT count(*) FROM pg_prepared_statements WHERE NOT from_sql")
            return count

    assert await prepared() > 1
    assert await prepared(pgbouncer=True) <= 1  # the question itself, where the driver prepares it without a name


async def test_a_parameter_of_libpq_is_understood_by_asyncpg(postgres: str) -> None:
    async with opened(f"{postgres}?sslmode=prefer&connect_timeout=3&application_name=mine", create=True) as store:
        assert await ask(store, "SHOW application_name") == "mine"


@each_server
async def test_an_opening_that_fails_leaves_no_connection(url: str) -> None:
    with pytest.raises(SchemaMismatch):
        await open_at(url)

    engine = engine_of(url)
    with engine.connect() as conn:
        if conn.dialect.name == "postgresql":
            others = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        else:
            others = (
                "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            )
        with anyio.fail_after(5):  # servers take note of an end a moment later
            while conn.execute(text(others)).scalar():
                conn.rollback()
                await anyio.lowlevel.checkpoint()
    engine.dispose()


# --- URLs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("tw_nonsense=1", "must be one of tw_prefix, .*tw_listen_url.*, got 'tw_nonsense'"),
        ("tw_prefix=a_&tw_prefix=b_", "option tw_prefix in the store's URL must be there once"),
        ("tw_prefix=Cap_", "prefix must be 1 to 30 small letters"),
        ("tw_schema=a.b", "schema must be 1 to 63 letters"),
        ("tw_pool_size=many", "tw_pool_size in the store's URL must be a whole number"),
        ("tw_pool_size=0", "pool_size must be at least 1"),
        ("tw_create=perhaps", "tw_create in the store's URL must be 1 or 0"),
        ("tw_application=%20shop", "application must be at most 60 printable characters"),
        ("nonsense=1", "parameter in the store's URL must be one of its driver's"),
    ],
)
async def test_an_option_that_is_wrong_is_named_before_anything_is_touched(
    query: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "tasks.db"
    with pytest.raises(InvalidValue, match=problem):
        await open_at(f"sqlite:///{file.as_posix()}?{query}")

    assert not file.exists()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_parameter_that_no_driver_knows_is_named(url: str) -> None:
    with pytest.raises((InvalidValue, AccessDenied), match="nonsense"):
        await open_at(f"{url}?nonsense=1")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql",
        "postgresql://user:secret@host:port/name",
        "postgresql+nonsense://user:secret@host/name",
        "oracle://user:secret@host/name",
    ],
)
async def test_a_url_that_is_none_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        await open_at(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(("kind", "port"), [("postgresql", 5432), ("mariadb", 3306)])
async def test_a_password_is_never_shown(url: str, port: int) -> None:
    for wrong in (
        changed(url, password="s3cret"),
        changed(url, password="s3cret", database="nowhere"),
        changed(url, password="s3cret", username="nobody"),
        changed(url, password="s3cret", port=free_port()),
        changed(url, password="s3cret", host="nowhere.invalid"),
    ):
        with pytest.raises((AccessDenied, SchemaMismatch, StoreUnavailable)) as refused:
            await open_at(wrong)

        assert "***" in str(refused.value)
        assert "s3cret" not in str(refused.value)


# --- servers that are not there, and those that refuse ----------------------------------------------------------


@each_server
async def test_a_server_that_does_not_answer_is_unavailable(url: str) -> None:
    with anyio.fail_after(20), pytest.raises(StoreUnavailable, match="refused|Connect call failed"):
        await open_at(changed(url, port=free_port()))


@each_server
@pytest.mark.parametrize("wrong", [{"username": "nobody"}, {"database": "nowhere"}])
async def test_a_server_that_answers_and_refuses_is_said_to(url: str, wrong: dict[str, str]) -> None:
    with pytest.raises(AccessDenied, match="nobody.*check user and password|nowhere.*create the database"):
        await open_at(changed(url, **wrong))


@pytest.mark.parametrize(
    ("kind", "grants", "problem"),
    [
        ("postgresql", ["SELECT ON ALL TABLES IN SCHEMA public"], "permission denied for table"),
        (
            "postgresql",
            ["SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"],
            "for the sequence of tw_task",
        ),
        ("postgresql", [], "permission denied for table"),
        ("mariadb", ["SELECT ON {database}.*"], "command denied"),
    ],
)
async def test_a_permission_that_is_missing_is_said_at_once(url: str, grants: list[str], problem: str) -> None:
    async with opened(url, create=True):
        pass
    database, role = make_url(url).database, f"poor_{make_url(url).database}"[-60:]
    user = role if url.startswith("postgresql") else f"'{role}'@'%'"
    order(url, *([f"CREATE ROLE {user} LOGIN"] if url.startswith("postgresql") else [f"CREATE USER {user}"]))
    try:
        order(url, *(f"GRANT {grant.format(database=database)} TO {user}" for grant in grants))
        with pytest.raises(AccessDenied, match=rf"{problem}.*(grant this role|GRANT USAGE)"):
            await open_at(changed(url, username=role))
    finally:
        orders = [f"DROP USER {user}"]
        order(url, *([f"DROP OWNED BY {user}", *orders] if url.startswith("postgresql") else orders))


@each_server
async def test_missing_tables_are_said_to_be_missing_with_the_command_that_makes_them(url: str) -> None:
    command = r"run: taskwarden migrate '[^']+' --prefix own_, or open the store with create=True"
    with pytest.raises(SchemaMismatch, match=f"has no tables of taskwarden, .*{command}"):
        await open_at(url, prefix="own_")

    async with opened(url, create=True) as store:  # the refused opening has made nothing
        assert store.tables.prefix == "tw_"
    with pytest.raises(SchemaMismatch):
        await open_at(url, prefix="own_")


async def test_sqlite_creates_its_tables_unless_told_not_to(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'tasks.db').as_posix()}"
    with pytest.raises(SchemaMismatch):
        await open_at(url, create=False)
    async with opened(url):
        pass
    async with opened(url, create=False):
        pass


# --- applications -----------------------------------------------------------------------------------------------


@each_kind
async def test_tables_of_one_application_are_refused_to_another(url: str) -> None:
    async with opened(url, create=True), opened(url, application="shop"), opened(url, application="shop"):
        pass
    with pytest.raises(StoreTaken, match=r"tables tw_\* .* belong to application 'shop', and this is 'blog'.*prefix="):
        await open_at(f"{url}?tw_application=blog")

    async with opened(url, application="blog", prefix="blog_", create=True), opened(url):
        pass


# --- clocks -----------------------------------------------------------------------------------------------------


class HostClock:
    """A clock of this host that is off by *error*."""

    def __init__(self, error: timedelta) -> None:
        self.error = error

    def now(self) -> datetime:
        return datetime.now(UTC) + self.error

    def monotonic(self) -> float:
        raise NotImplementedError

    async def wait(self, event: Signalled, until: float | None) -> bool:
        raise NotImplementedError


@each_kind
@pytest.mark.parametrize(("error", "side"), [(3, "ahead of"), (-3, "behind"), (0, None)])
async def test_a_host_whose_clock_is_hours_off_the_databases_is_told_in_one_line(
    kind: Kind, url: str, error: int, side: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    clock = HostClock(timedelta(hours=error))
    store = await open_store(f"{url}?tw_create=1", clock=clock)
    try:
        apart = abs(await store.now() - clock.now())
    finally:
        await store.close()

    if kind == "sqlite":  # which has no other clock
        assert apart < timedelta(minutes=1)
    else:
        assert abs(apart - abs(clock.error)) < timedelta(minutes=1)
    told = [record.getMessage() for record in caplog.records if record.name == "taskwarden.store"]
    assert len(told) == (kind != "sqlite" and side is not None)
    assert all(f"{side} that of the database" in line for line in told)


# --- SQLite's files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file::memory:?uri=true"])
async def test_sqlite_in_memory_is_refused_with_what_does_that(url: str) -> None:
    with pytest.raises(InvalidValue, match="memory:// keeps tasks in memory"):
        await open_at(url)
    with pytest.raises(InvalidValue, match="memory:// keeps tasks in memory"):
        await open_at(create_engine("sqlite://"))


def test_a_place_that_cannot_hold_a_database_is_said_before_it_is_touched(tmp_path: Path) -> None:
    for path, problem in ((tmp_path, "not a folder"), (tmp_path / "nowhere" / "tasks.db", "a folder that is there")):
        with pytest.raises(InvalidValue, match=problem):
            anyio.run(open_at, f"sqlite:///{path.as_posix()}")


async def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 99)

    with pytest.raises(AccessDenied, match="file is not a database"):
        await open_at(f"sqlite:///{file.as_posix()}")
    assert file.read_text() == "Dear Sir or Madam, " * 99


async def test_a_file_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(f"sqlite:///{file.as_posix()}"):
        pass

    with pytest.raises(AccessDenied, match="readonly database.*let this process write to the file and to its folder"):
        await open_at(f"sqlite:///file:{file.as_posix()}?mode=ro&uri=true")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
async def test_a_file_without_permission_is_an_error_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    async with opened(f"sqlite:///{file.as_posix()}"):
        pass
    file.chmod(0o444)

    with pytest.raises(AccessDenied, match="readonly database"):
        await open_at(f"sqlite:///{file.as_posix()}")


async def test_sqlite_keeps_a_log_that_is_synced_at_checkpoints(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{(tmp_path / 'tasks.db').as_posix()}") as store:
        assert await ask(store, "PRAGMA journal_mode") == "wal"
        assert await ask(store, "PRAGMA synchronous") == 1


MOUNTS = r"""
22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /srv rw,relatime shared:2 - nfs4 server:/export rw,vers=4.2
31 22 0:31 / /srv/local\040disk rw,relatime - ext4 /dev/sdb1 rw
32 22 0:32 / /home/me/remote rw,nosuid - fuse.sshfs me@server: rw
33 22 0:33 / /mnt/c rw,noatime - 9p drvfs rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/tasks.db", ""),
        ("/srv/tasks.db", "nfs4"),
        ("/srvx/tasks.db", ""),
        ("/srv/local disk/tasks.db", ""),
        ("/home/me/remote/a/tasks.db", "fuse.sshfs"),
        ("/mnt/c/tasks.db", "9p"),
        (r"\\server\share\tasks.db", "network share"),
    ],
)
def test_a_path_in_a_network_is_known_by_its_mount(path: str, kind: str) -> None:
    found = network_of(Path(path), MOUNTS)

    assert (kind in found) if kind else found == ""


def test_without_a_list_of_mounts_no_path_is_suspected() -> None:
    assert network_of(Path("/srv/tasks.db"), "") == ""


# --- options by URL or by argument ------------------------------------------------------------------------------


async def test_what_the_url_says_holds_whatever_the_arguments_say(tmp_path: Path) -> None:
    def tables(conn: Connection) -> set[str]:
        return set(
            conn.execute(text("SELECT name FROM sqlite_master WHERE name LIKE '%\\_life' ESCAPE '\\'")).scalars()
        )

    async with opened(f"sqlite:///{(tmp_path / 'tasks.db').as_posix()}?tw_prefix=url_", prefix="code_") as store:
        assert await store.database.read(tables) == {"url_life"}


async def test_a_schema_on_sqlite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="schema must be None on SQLite"):
        await open_at(f"sqlite:///{(tmp_path / 'tasks.db').as_posix()}", schema="apart")
