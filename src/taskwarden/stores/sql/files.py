"""Files of SQLite: where they may lie, and how each connection to one is set up."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["check_file", "network_of", "prepare_connection"]

_LOG: Final = logging.getLogger("taskwarden.store")
_MOUNTS: Final = Path("/proc/self/mountinfo")
_OF_NETWORKS: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)
_PARAMETERS: Final = frozenset({"cached_statements", "check_same_thread", "detect_types", "timeout", "uri"})
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def check_file(url: URL) -> None:
    """
    Check the path of a SQLite database; one line of warning if it lies in a network.

    Raises:
        InvalidValue: It is none, is a folder, or lies in a folder that is not there; or the URL has a parameter that
            nobody reads.
    """
    path = url.database or ""
    if path in {"", ":memory:"} or path.startswith("file::memory:") or url.query.get("mode") == "memory":
        rule = "must name a file: each connection to SQLite's memory would see a database of its own"
        raise InvalidValue("path of the store's URL", path, rule, "memory:// keeps tasks in memory")
    file = Path(path.removeprefix("file:"))
    if file.is_dir():
        raise InvalidValue("path of the store's URL", path, "must be a file, not a folder")
    if not file.absolute().parent.is_dir():
        rule = "must lie in a folder that is there"
        remedy = "create it; four slashes begin an absolute path: sqlite:////var/lib/app/tasks.db"
        raise InvalidValue("path of the store's URL", path, rule, remedy)
    unknown = sorted(set(url.query) - _PARAMETERS)
    if unknown and "uri" not in url.query:
        remedy = "options of taskwarden begin with tw_; those of SQLite itself need uri=true"
        raise InvalidValue("parameter in the store's URL", unknown[0], "must be one of its driver's", remedy)
    mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace") if _MOUNTS.exists() else ""
    network = network_of(file.absolute(), mounts)
    if network:
        _LOG.warning(
            "The SQLite database %s lies on %s: processes on several machines would damage it, and locks may fail "
            "even for one; keep it on a local disk, or take PostgreSQL or MariaDB.",
            *(file, network),
        )


def network_of(path: Path, mounts: str) -> str:
    """
    Return by which kind of network file system *path* is reached, empty if by none that we know of.

    Args:
        mounts: What Linux tells in ``/proc/self/mountinfo``; empty elsewhere.
    """
    if str(path).startswith(("\\\\", "//")):
        return "a network share"
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split()
        if not separator or len(fields) < 5 or not after:
            continue
        place = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        # What was mounted later over the same place hides what was there.
        if path.is_relative_to(place) and len(place.parts) >= best:
            best, kind = len(place.parts), after.split()[0]
    return f"a network file system ({kind})" if kind in _OF_NETWORKS else ""


_CACHE: Final = 16_384
"""KiB of the file that each connection may keep; SQLite's own 2 MiB hold what some 4,000 tasks need."""
_CHECKPOINT: Final = 4_000
"""Pages of the log, 16 MiB, that are gathered before they go into the file: what changes often goes there once."""


def prepare_connection(connection: Any, _: object) -> None:
    """
    Set a new *connection* to SQLite up: a write-ahead log, which is synced at checkpoints.

    A power cut may then take the last transactions with it, and damages nothing; the end of a process takes none.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        # Asked first: to set it takes a lock that does not wait for others.
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone()[0] != "wal":
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute(f"PRAGMA cache_size = -{_CACHE}")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
    finally:
        cursor.close()
