"""
The part of a benchmark that has a process of its own, ``python -m MODULE JSON``, and the database that it works on.

What it prints last is its answer, in one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.databases import databases

__all__ = ["ROOT", "answered", "command", "postgresql"]

ROOT: Final = Path(__file__).resolve().parent.parent
PATIENCE: Final = 900
"""Seconds after which a program hangs."""


def command(module: str, **given: Any) -> list[str]:
    """Return what starts *module* and tells it what is *given*."""
    return [sys.executable, "-m", module, json.dumps(given)]


def answered(module: str, **given: Any) -> Any:
    """Return what *module* answers to what is *given*."""
    done = subprocess.run(
        command(module, **given), capture_output=True, text=True, check=False, cwd=ROOT, timeout=PATIENCE
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def postgresql() -> Iterator[str | None]:
    """Give the URL of an empty database of PostgreSQL; None: there is none to be had, as was said by then."""
    with databases() as found:
        yield found.get("PostgreSQL")
