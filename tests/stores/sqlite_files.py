"""A file of SQLite that a test may lock, fill up, or forbid to be written."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import attrs
from sqlalchemy import Engine, create_engine, event

from taskwarden.stores.sql import SqlStore, open_at

__all__ = ["File", "locked", "sqlite_file"]

OTHERS_LOCK: Final = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
input()
conn.execute("COMMIT")
"""


@contextmanager
def locked(file: Path) -> Iterator[Callable[[], None]]:
    """Let another process hold the file's lock; what is given lets it go."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHERS_LOCK, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"

        def release() -> None:
            process.communicate("\n")

        try:
            yield release
        finally:
            process.kill()


@attrs.frozen
class File:
    """A store in a file of SQLite, over an engine of the host's with a short patience."""

    path: Path
    engine: Engine
    store: SqlStore

    def pragma(self, order: str) -> None:
        """Do *order* on each of the store's connections, before it is used again."""
        event.listen(self.engine, "checkout", lambda raw, *_: raw.execute(order))


@asynccontextmanager
async def sqlite_file(tmp_path: Path, patience: float = 0.05) -> AsyncIterator[File]:
    """Open a store in a file, whose transactions wait *patience* seconds for others."""
    path = tmp_path / "tasks.db"
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
    conn.close()
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": patience})
    store = await open_at(engine, create=True)
    try:
        yield File(path, engine, store)
    finally:
        await store.close()
        engine.dispose()
