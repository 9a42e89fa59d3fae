"""Databases in files: each connection to SQLite's memory would see an empty one of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBERS = itertools.count(1)


@contextmanager
def sqlite_database(folder: Path) -> Iterator[str]:
    """Give the URL of a database in *folder* whose file does not exist yet; at the end its files are deleted."""
    file = folder / f"taskwarden-{next(_NUMBERS)}.db"
    try:
        yield f"sqlite:///{file.as_posix()}"
    finally:
        for each in folder.glob(f"{file.name}*"):  # its write-ahead log and its shared memory too
            each.unlink()
