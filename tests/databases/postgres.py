"""
Databases on PostgreSQL: on the server that answers, else on one that is started for this process.

Theory: PostgreSQL takes some 20 to 150 ms to create and drop a database, and 5 ms to drop all in it.
So one that is given back is emptied, and the next test gets it; what cannot be emptied is dropped.
"""

from __future__ import annotations

import atexit
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final, LiteralString, NoReturn

import attrs
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import URL, make_url

from tests.databases.programs import OLDEST, NoPostgres
from tests.databases.server import PostgresServer

ASKED: Final = "TASKWARDEN_TEST_POSTGRES"
PREFIX: Final = "taskwarden_test_"
ANSWERS: Final[LiteralString] = """
SELECT current_setting('server_version_num')::int / 10000, rolsuper OR rolcreatedb
FROM pg_roles WHERE rolname = current_user
"""
# Each process holds a connection named like its databases; what has no such connection was left by a process that died.
LEFT: Final[LiteralString] = """
SELECT datname FROM pg_database
WHERE starts_with(datname, %s) AND pg_get_userbyid(datdba) = current_user AND NOT EXISTS (
    SELECT FROM pg_stat_activity AS held
    WHERE held.application_name <> '' AND starts_with(pg_database.datname, held.application_name || '_n')
)
"""
DISCONNECT: Final[LiteralString] = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
SCHEMAS: Final[LiteralString] = """
SELECT nspname FROM pg_namespace WHERE NOT starts_with(nspname, 'pg_') AND nspname <> 'information_schema'
"""
PUBLIC: Final[LiteralString] = """
CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC
"""
# Sorted as people sort, like a database in production, wherever the server knows how: bytes must be asked for.
AS_PEOPLE_SORT: Final[LiteralString] = " LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"


@contextmanager
def postgres_database() -> Iterator[str]:
    """
    Give the URL of an empty database, `postgresql://user@host:port/name`; at the end all in it is dropped.

    Connections that are still open then are cut.
    """
    databases = of_this_process()
    if not isinstance(databases, Databases):
        absent(databases)
    name = databases.take()
    try:
        yield databases.url(name)
    finally:
        databases.give_back(name)


def absent(reason: str) -> NoReturn:
    """Skip the test for *reason*; where CI=true it fails, unless told that there is no PostgreSQL."""
    if os.environ.get("CI") == "true" and os.environ.get(ASKED) != "none":
        pytest.fail(f"{reason}; or set {ASKED}=none to skip these tests", pytrace=False)
    pytest.skip(reason)


@attrs.define(eq=False)
class Databases:
    """The databases of this process on *server*, all named with one prefix."""

    server: URL
    prefix: str = attrs.field(init=False, factory=lambda: f"{PREFIX}{os.getpid()}_{secrets.token_hex(4)}")
    _made: int = attrs.field(init=False, default=0)
    _empty: list[str] = attrs.field(init=False, factory=list)
    _conn: psycopg.Connection = attrs.field(init=False)
    _sorting: LiteralString = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._conn = psycopg.connect(text(self.server), autocommit=True, application_name=self.prefix)
        for (left,) in self._conn.execute(LEFT, [PREFIX]).fetchall():
            with suppress(psycopg.Error):  # another process came first
                self._drop(left)
        knows_icu = self._conn.execute("SELECT FROM pg_collation WHERE collname = 'en-US-x-icu'").fetchone()
        self._sorting = "" if knows_icu is None else AS_PEOPLE_SORT
        atexit.register(self.close)

    def url(self, name: str) -> str:
        """Return the URL of the database called *name*."""
        return text(self.server.set(database=name))

    def take(self) -> str:
        """Return the name of an empty database that nobody else has."""
        if self._empty:
            return self._empty.pop()
        self._made += 1
        name = f"{self.prefix}_n{self._made}"
        # From template0, which nobody can be connected to: a connection to the template would refuse us.
        order = SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'" + self._sorting)
        self._conn.execute(order.format(Identifier(name)))
        return name

    def give_back(self, name: str) -> None:
        """Empty the database called *name* for the next who takes one; if that fails, drop it."""
        try:
            self._drop_contents(name)
        except psycopg.Error:
            self._drop(name)
        else:
            self._empty.append(name)

    def close(self) -> None:
        """Drop what was given back."""
        for name in self._empty:
            self._drop(name)
        self._empty.clear()
        self._conn.close()

    def _drop(self, name: str) -> None:
        self._conn.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def _drop_contents(self, name: str) -> None:
        with psycopg.connect(self.url(name), autocommit=True, options="-c lock_timeout=5s") as conn:
            conn.execute(DISCONNECT)
            with conn.transaction():
                conn.execute(SQL("ALTER DATABASE {} RESET ALL").format(Identifier(name)))
                for (schema,) in conn.execute(SCHEMAS).fetchall():
                    conn.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))
                conn.execute(PUBLIC)


@cache
def of_this_process() -> Databases | str:
    """Return this process's databases, or why it has none."""
    try:
        return Databases(server(os.environ.get(ASKED, "")))
    except NoPostgres as absence:
        return str(absence)


def server(asked: str) -> URL:
    """
    Return the URL of the server to use.

    Args:
        asked: The URL of a server; or `own` to start one; or `none` to do without.
            If empty, the server at 127.0.0.1:5432 if it answers and lets us create databases, else one of our own.

    Raises:
        NoPostgres: There is none.
        psycopg.OperationalError: The server that was asked for does not answer: that is no reason to skip a test.
    """
    match asked:
        case "none":
            raise NoPostgres(f"PostgreSQL is switched off: {ASKED}=none")
        case "own":
            return started()
        case "":
            # Without a name, we are whoever runs the tests.
            users = ("postgres", None)
            local = [URL.create("postgresql", user, host="127.0.0.1", port=5432, database="postgres") for user in users]
            return next(filter(serves, local), None) or started()
        case _:
            url = make_url(asked).set(drivername="postgresql")
            if not lets_create(url):
                raise psycopg.OperationalError(f"{url!r} is older than {OLDEST}, or lets us create no database")
            return url


def serves(url: URL) -> bool:
    """Say whether a server answers at *url* that will do."""
    try:
        return lets_create(url)
    except psycopg.OperationalError:
        return False


def lets_create(url: URL) -> bool:
    """Say whether the server at *url* is recent enough, and lets us create databases."""
    with psycopg.connect(text(url), connect_timeout=5) as conn:
        found = conn.execute(ANSWERS).fetchone()
    return found is not None and found[0] >= OLDEST and found[1]


def started() -> URL:
    """Start a server that ends with this process."""
    own = PostgresServer()
    own.start()
    return make_url(own.url)


def text(url: URL) -> str:
    """Return *url* with its password, as psycopg and SQLAlchemy take it."""
    return url.render_as_string(hide_password=False)
