"""
Fresh, empty databases for tests: SQLite, PostgreSQL, MariaDB.

Each is a context manager that yields a URL for SQLAlchemy without a driver, and takes the database away at its end.
A test that needs a server which is nowhere to be had is skipped, and the reason says what to install or to set.
No database is shared between processes, so workers of pytest-xdist do not meet.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, assert_never, get_args

from tests.databases.mariadb import mariadb_database
from tests.databases.postgres import postgres_database
from tests.databases.server import PostgresServer
from tests.databases.sqlite import sqlite_database

__all__ = [
    "KINDS",
    "Kind",
    "PostgresServer",
    "fresh_database",
    "mariadb_database",
    "postgres_database",
    "sqlite_database",
]

Kind = Literal["sqlite", "postgresql", "mariadb"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def fresh_database(kind: Kind, folder: Path) -> AbstractContextManager[str]:
    """Give an empty database of *kind*; *folder* is where SQLite keeps its files."""
    match kind:
        case "sqlite":
            return sqlite_database(folder)
        case "postgresql":
            return postgres_database()
        case "mariadb":
            return mariadb_database()
        case _:
            assert_never(kind)
