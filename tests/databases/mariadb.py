"""
Databases on the MariaDB or MySQL that answers: none is started.

Creating and dropping an empty one takes 1 to 2 ms, so none is kept for reuse.
"""

from __future__ import annotations

import atexit
import itertools
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final

import attrs
import pymysql
import pytest
from sqlalchemy import URL, make_url

ASKED: Final = "TASKWARDEN_TEST_MARIADB"
LOCAL: Final = "mysql://root@127.0.0.1:3306"
PREFIX: Final = "taskwarden_test_"
SCHEMAS: Final = "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s"
CONNECTED: Final = "SELECT id FROM information_schema.processlist WHERE db = %s"


class NoMariaDB(Exception):
    """There is no MariaDB to test with; the text says what to do about it."""


@contextmanager
def mariadb_database() -> Iterator[str]:
    """
    Give the URL of an empty database, `mysql://user@host:port/name`; at the end it is dropped.

    Connections that are still open then are cut.
    """
    databases = of_this_process()
    if not isinstance(databases, Databases):
        pytest.skip(databases)
    name = databases.create()
    try:
        yield databases.url(name)
    finally:
        databases.drop(name)


@attrs.define(eq=False)
class Databases:
    """The databases of this process on *server*, all named with one prefix."""

    server: URL
    prefix: str = attrs.field(init=False, factory=lambda: f"{PREFIX}{os.getpid()}_{secrets.token_hex(4)}")
    _numbers: Iterator[int] = attrs.field(init=False, factory=lambda: itertools.count(1))
    _conn: pymysql.Connection[Any] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._conn = connected(self.server)
        # A lock named like our databases lasts as long as our connection: what nobody locks, a process left that died.
        self._rows("SELECT GET_LOCK(%s, 0)", self.prefix)
        for (name,) in self._rows(SCHEMAS, PREFIX.replace("_", r"\_") + "%"):
            if self._rows("SELECT IS_USED_LOCK(%s)", name.rpartition("_n")[0])[0][0] is None:
                self.drop(name)
        atexit.register(self._conn.close)

    def url(self, name: str) -> str:
        """Return the URL of the database called *name*."""
        return self.server.set(database=name).render_as_string(hide_password=False)

    def create(self) -> str:
        """Create an empty database, and return its name."""
        name = f"{self.prefix}_n{next(self._numbers)}"
        self._rows(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Drop the database called *name*, and end the connections to it: their locks would hold us up."""
        for (connection,) in self._rows(CONNECTED, name):
            with suppress(pymysql.err.OperationalError):  # it ended by itself
                self._rows("KILL %s", connection)
        self._rows(f"DROP DATABASE IF EXISTS {name}")

    def _rows(self, order: str, *values: object) -> tuple[Any, ...]:
        with self._conn.cursor() as cursor:
            cursor.execute(order, values)
            return tuple(cursor.fetchall())


@cache
def of_this_process() -> Databases | str:
    """Return this process's databases, or why it has none."""
    try:
        return Databases(server(os.environ.get(ASKED, "")))
    except NoMariaDB as absence:
        return str(absence)


def server(asked: str) -> URL:
    """
    Return the URL of the server to use.

    Args:
        asked: The URL of a server, or `none` to do without; if empty, the server at 127.0.0.1:3306 if it answers root.

    Raises:
        NoMariaDB: There is none.
        pymysql.err.OperationalError: The server that was asked for does not answer: that is no reason to skip a test.
    """
    if asked == "none":
        raise NoMariaDB(f"MariaDB is switched off: {ASKED}=none")
    url = make_url(asked or LOCAL).set(drivername="mysql")
    try:
        conn = connected(url)
    except pymysql.err.OperationalError as error:
        if asked:
            raise
        raise NoMariaDB(f"No MariaDB answers root at 127.0.0.1:3306 without a password; name one in {ASKED}") from error
    with conn:
        version = conn.get_server_info()
    if is_supported(version):
        return url
    raise NoMariaDB(f"Taskwarden supports MariaDB from 10.6 and MySQL from 8.0 on, and {url!r} is {version}")


def is_supported(version: str) -> bool:
    """Say whether Taskwarden supports the server that calls itself *version*."""
    # A MariaDB may say 5.5.5- first, for the sake of old clients.
    found = re.match(r"(\d+)\.(\d+)", version.removeprefix("5.5.5-"))
    if found is None:
        return False
    return (int(found[1]), int(found[2])) >= ((10, 6) if "MariaDB" in version else (8, 0))


def connected(url: URL) -> pymysql.Connection[Any]:
    """Connect to the server at *url*."""
    return pymysql.connect(
        host=url.host or "127.0.0.1",
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        connect_timeout=5,
        autocommit=True,
    )
