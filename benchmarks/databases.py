"""Empty databases for benchmarks: one of each kind that is to be had here."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pymysql
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

__all__ = ["DRIVERS", "databases"]

POSTGRESQL: Final = os.environ.get("BENCH_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
MARIADB: Final = os.environ.get("BENCH_MARIADB", "mysql://root@127.0.0.1:3306/mysql")
DRIVERS: Final = {
    "PostgreSQL": "postgresql+asyncpg",
    "PostgreSQL in threads": "postgresql+psycopg",
    "SQLite": "sqlite",
    "MariaDB": "mysql+pymysql",
}
"""What is measured, by the name of the driver in its URL."""


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Give the URL of an empty database for each of ``DRIVERS`` that is to be had, and drop them at the end."""
    with ExitStack() as stack:
        found = {}
        for name, driver in DRIVERS.items():
            try:
                if driver.startswith("postgresql"):
                    url = stack.enter_context(_postgresql())
                elif driver.startswith("mysql"):
                    url = stack.enter_context(_mariadb())
                else:
                    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                    url = f"sqlite:///{(folder / 'tasks.db').as_posix()}"
            except (psycopg.OperationalError, pymysql.err.OperationalError) as error:
                print(f"{name} is not measured: {error}", file=sys.stderr)
                continue
            found[name] = make_url(url).set(drivername=driver).render_as_string(hide_password=False)
        yield found


def _name() -> str:
    return f"taskwarden_bench_{secrets.token_hex(4)}"


@contextmanager
def _postgresql() -> Iterator[str]:
    name = _name()
    with psycopg.connect(POSTGRESQL, autocommit=True) as conn:
        conn.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)
        finally:
            conn.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def _mariadb() -> Iterator[str]:
    name, url = _name(), make_url(MARIADB)
    where: dict[str, Any] = {"host": url.host or "127.0.0.1", "port": url.port or 3306, "user": url.username}

    def run(order: str) -> None:
        with pymysql.connect(**where, password=url.password or "", autocommit=True) as conn, conn.cursor() as cursor:
            cursor.execute(order)

    run(f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        run(f"DROP DATABASE {name}")
