"""
Opening a store: from a URL, or an engine of the host's, to tables that are there and ours.

The parts: ``address`` (what the URL says), ``engines`` and ``files`` (how the database is reached), ``checks`` (what is
looked at before the store is handed out), ``migrations`` (the tables).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
from sqlalchemy import Engine

from taskwarden.errors import InvalidValue, StoreUnavailable
from taskwarden.stores.sql import checks
from taskwarden.stores.sql.address import Options, address, masked
from taskwarden.stores.sql.database import Database
from taskwarden.stores.sql.dialect import dialect_of
from taskwarden.stores.sql.engines import check_loop, engine_at
from taskwarden.stores.sql.migrations.revisions import OURS, Course, Standing
from taskwarden.stores.sql.schema import PREFIX, tables
from taskwarden.stores.sql.store import SqlStore

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

    from taskwarden.core.protocols import Clock

__all__ = ["database_at", "migrate_at", "open_at", "open_store"]

T = TypeVar("T")
_SHORT: Final = timedelta(seconds=1)
"""How long a run may keep the one place of the writer on SQLite, unless the host says otherwise."""


async def open_store(url: str, *, clock: Clock | None = None) -> SqlStore:
    """
    Open the store at *url*: what the entry points of ``taskwarden.stores`` name.

    Args:
        clock: The host's: SQLite has no other; elsewhere the database's time holds, and this one is compared with it.

    Raises:
        InvalidValue, SchemaMismatch, StoreTaken, AccessDenied, StoreUnavailable: See ``open_at``.
    """
    host = _host_clock if clock is None else clock.now
    return await _open(url, Options(), None, host, OURS)


async def open_at(
    target: str | Engine | AsyncEngine,
    *,
    prefix: str = PREFIX,
    schema: str | None = None,
    application: str = "",
    pool_size: int = 5,
    create: bool | None = None,
    pgbouncer: bool = False,
    listen_url: str | None = None,
    transaction_limit: timedelta | None = None,
    clock: Callable[[], datetime] | None = None,
    course: Course = OURS,
) -> SqlStore:
    """
    Open the store in the database at *target*.

    Args:
        target: A URL as SQLAlchemy takes it; what it says by ``tw_prefix=`` and so on holds, whatever the arguments
            say. Or an engine of the host's, which stays open; on PostgreSQL and MariaDB it is used in READ COMMITTED,
            whatever it is set to.
        prefix: What the names of all tables begin with: small letters, digits and ``_``, at most 30.
        schema: The schema (PostgreSQL) or database (MariaDB, MySQL) of the tables; None: the connection's own.
        application: Whose the store is: the first that says so owns it, and others are refused. PostgreSQL shows it as
            the name of the connections. Empty: nothing is compared.
        pool_size: Most connections of a URL, or most threads that use an engine at the same time.
        create: Create or upgrade the tables where they are missing or older; None: on SQLite only.
        pgbouncer: Connections go through PgBouncer in transaction mode: no prepared statement outlives a transaction.
        listen_url: Where notifications of PostgreSQL come from; None: *target* itself, and nowhere with *pgbouncer*.
        transaction_limit: How long a run's ``context.transaction()`` may last; None: 1 s on SQLite, where nobody else
            can write meanwhile, and no limit elsewhere. In a URL, in seconds.
        clock: Replaces the store's time, for tests; None: the database's, on SQLite the host's.
        course: Replaces the schema's revisions, for tests.

    Raises:
        InvalidValue: An argument or the URL is wrong; its driver is not installed, or needs asyncio; or the server is
            too old.
        SchemaMismatch: The tables are missing or older, and not to be created, or newer than this version can use.
        StoreTaken: The tables belong to another application.
        AccessDenied: The database is there and refuses: user, password, a missing database or permission.
        StoreUnavailable: It cannot be reached within 5 s for each of its addresses.
    """
    options = Options(
        prefix=prefix,
        schema=schema,
        application=application,
        pool_size=pool_size,
        create=create,
        pgbouncer=pgbouncer,
        listen_url=listen_url,
        transaction_limit=transaction_limit,
    )
    return await _open(target, options, clock, _host_clock, course)


async def migrate_at(
    url: str, *, prefix: str = PREFIX, schema: str | None = None, runner_role: str | None = None
) -> list[str]:
    """
    Create or upgrade the tables of the store at *url*, and return the revisions that were applied.

    Raises:
        InvalidValue, SchemaMismatch, AccessDenied, StoreUnavailable: See ``open_at``, and ``migrations.upgrade``.
    """
    database, options = database_at(url, Options(prefix=prefix, schema=schema))
    try:
        if runner_role is not None and database.dialect.name != "postgresql":
            raise InvalidValue("database", database.name, "must be PostgreSQL for row-level security")
        await _asked(database.read(checks.check_server))
        return await _asked(database.write(partial(_upgrade, options, OURS, runner_role)))
    finally:
        await database.close()


async def standing_at(url: str, *, prefix: str = PREFIX, schema: str | None = None) -> tuple[Standing, str | None]:
    """Return what the tables of the store at *url* are to this version, and which revision they have; None: none."""
    database, options = database_at(url, Options(prefix=prefix, schema=schema, create=True))
    try:
        standing, found = await _asked(
            database.read(partial(checks.check_schema, course=OURS, options=options, name=database.name))
        )
        return standing, None if found is None else found.revision
    finally:
        await database.close()


def database_at(target: str | Engine | AsyncEngine, options: Options) -> tuple[Database, Options]:
    """
    Return the way to the database at *target*, and *options* with those that its URL names instead.

    Raises:
        InvalidValue: See ``open_at``. Nothing is connected yet.
    """
    engine: Any
    if isinstance(target, str):
        url, options = address(target, options)
        dialect = dialect_of(url.get_backend_name())
        engine = engine_at(url, options)
    else:
        url, engine, dialect = target.url, target, dialect_of(target.dialect.name)
        check_loop(is_async=target.dialect.is_async, driver=target.dialect.driver)
        if dialect.serial:
            _check_host_engine(url)
        else:
            engine = target.execution_options(isolation_level="READ COMMITTED")
    threads = None if engine.dialect.is_async else anyio.CapacityLimiter(options.pool_size)
    return Database(masked(url), dialect, engine, owned=isinstance(target, str), threads=threads), options


def _check_host_engine(url: URL) -> None:
    if url.database in {None, "", ":memory:"}:
        rule = "must be one of a file: each connection to SQLite's memory sees a database of its own"
        raise InvalidValue("engine", str(url), rule, "memory:// keeps tasks in memory")


# --- the steps --------------------------------------------------------------------------------------------------


async def _open(
    target: str | Engine | AsyncEngine,
    options: Options,
    clock: Callable[[], datetime] | None,
    host: Callable[[], datetime],
    course: Course,
) -> SqlStore:
    database, options = database_at(target, options)
    made = tables(options.prefix, options.schema)
    try:
        standing = await _asked(database.read(partial(_look, course, options, database.name)))
        if standing in {Standing.MISSING, Standing.OLDER}:
            await _asked(database.write(partial(_upgrade, options, course, None)))

        def settle(conn: Connection) -> bool:
            checks.check_application(conn, made, options.application, database.name)
            checks.check_access(conn, made, database.name)
            if not database.dialect.serial:
                checks.check_clock(conn, database.dialect, host(), database.name)
            return checks.is_bound(conn, made, database.name)

        bound = await _asked(database.write(settle))
    except BaseException:
        await database.close()
        raise
    if clock is None and database.dialect.serial:
        clock = host
    # PgBouncer in transaction mode passes no notifications on: without an address of the server, tables are looked at.
    listen_url = "" if options.pgbouncer and options.listen_url is None else options.listen_url
    limit = options.transaction_limit
    if limit is None and database.dialect.serial:
        limit = _SHORT
    return SqlStore(database, made, clock, bound=bound, listen_url=listen_url, transaction_limit=limit)


def _look(course: Course, options: Options, name: str, conn: Connection) -> Standing:
    checks.check_server(conn)
    return checks.check_schema(conn, course, options, name)[0]


def _upgrade(options: Options, course: Course, runner_role: str | None, conn: Connection) -> list[str]:
    from taskwarden.stores.sql.migrations.upgrade import upgrade  # noqa: PLC0415 - brings Alembic, which others spare

    return upgrade(conn, prefix=options.prefix, schema=options.schema, runner_role=runner_role, course=course)


async def _asked(asking: Awaitable[T]) -> T:
    """Return what was asked of the database; what it will refuse again is said as such."""
    try:
        return await asking
    except StoreUnavailable as error:
        refused = checks.refusal(error)
        if refused is error:
            raise
        raise refused from error
    except TypeError as error:
        # How drivers in Python refuse a parameter of the URL that they do not know.
        if "keyword argument" not in str(error):
            raise
        remedy = "postgresql+psycopg:// takes all of libpq's; options of taskwarden begin with tw_"
        raise InvalidValue("parameter in the store's URL", str(error), "must be one of its driver's", remedy) from error


def _host_clock() -> datetime:
    return datetime.now(UTC)
