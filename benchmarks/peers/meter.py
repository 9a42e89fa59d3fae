"""
What a program used while it worked: its own CPU, the database server's, and what the server wrote.

Every program that is compared starts this before its work and asks it afterwards, so that all are measured alike. Needs
psycopg and attrs and nothing else, for it runs in the environments of the others, too.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg

__all__ = ["Figures", "Meter", "dsn"]

PROC: Final = Path("/proc")


@attrs.frozen(kw_only=True)
class Figures:
    """
    What one program did.

    Args:
        runs: How often it ran something, within *seconds*.
        cpu: Its own seconds of CPU, of all its threads.
        server: Seconds of CPU of the backends of its database; None where there is no ``/proc`` to read them from, or
            the server is on another machine. A backend that has gone in the meantime is not counted, and neither are
            those that serve all databases (the writer of the WAL, the checkpointer).
        wal: Bytes of WAL, of the whole server: nothing else may work there.
        statements: Statements of its database; None where ``pg_stat_statements`` is not loaded into the server.
        p50_ms, p99_ms: How late runs started; None where they were not due at an instant.
    """

    runs: int
    seconds: float
    cpu: float
    server: float | None
    wal: int
    statements: int | None
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def rate(self) -> float:
        """Runs in a second."""
        return self.runs / self.seconds


class Meter:
    """Measures from when it is made until it is asked, on a connection of its own."""

    def __init__(self, url: str) -> None:
        self._conn: psycopg.Connection[Any] = psycopg.connect(dsn(url), autocommit=True)
        self._counts = self._count_statements()
        self._server = self._backends()
        self._statements = self._said()
        self._wal = self._written()
        self._begun = time.perf_counter()
        self._cpu = time.process_time()

    def stop(self, runs: int, *, seconds: float | None = None) -> Figures:
        """Return what was used since, for as many *runs*, and disconnect; *seconds*: had the clock stopped earlier."""
        cpu = time.process_time() - self._cpu
        elapsed = time.perf_counter() - self._begun
        wal, server, statements = self._written() - self._wal, self._backends(), self._said()
        self._conn.close()
        return Figures(
            runs=runs,
            seconds=elapsed if seconds is None else seconds,
            cpu=cpu,
            server=None if server is None or self._server is None else _grown(self._server, server),
            wal=wal,
            statements=None if statements is None or self._statements is None else statements - self._statements,
        )

    def _count_statements(self) -> bool:
        try:
            self._conn.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            self._conn.execute("SELECT count(*) FROM pg_stat_statements")
        except psycopg.Error:  # not there, not loaded, or not allowed
            return False
        return True

    def _said(self) -> int | None:
        if not self._counts:
            return None
        return int(
            self._value(
                "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"
                " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )

    def _written(self) -> int:
        return int(self._value("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def _backends(self) -> dict[int, float] | None:
        """Return the seconds of CPU of each backend of our database but our own; None where they cannot be read."""
        found = self._conn.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        used = {pid: _seconds(pid) for (pid,) in found}
        readable = _seconds(self._conn.info.backend_pid) is not None
        return {pid: seconds for pid, seconds in used.items() if seconds is not None} if readable else None

    def _value(self, statement: Any) -> Any:
        row = self._conn.execute(statement).fetchone()
        assert row is not None
        return row[0]


def _grown(before: dict[int, float], after: dict[int, float]) -> float:
    return sum(seconds - before.get(pid, 0) for pid, seconds in after.items())


def _seconds(pid: int) -> float | None:
    """Return the seconds of CPU that a PostgreSQL process has used; None if it is not on this machine, or gone."""
    try:
        line = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    name, _, rest = line.rpartition(")")
    if "postgres" not in name:
        return None
    user, system = rest.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def dsn(url: str) -> str:
    """Return *url*, which SQLAlchemy would take, as the drivers take it themselves."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}://{rest}"
