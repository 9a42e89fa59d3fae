"""
The limit of PostgreSQL alone: the same statements from pgbench, with no Python about; a program that prints JSON.

Each client claims a batch and completes it, in turns, so that two clients are what two connections are to the others.
"""

from __future__ import annotations

import asyncio
import math
import os
import resource
import shutil
import tempfile
from asyncio import subprocess
from pathlib import Path
from typing import Final

import asyncpg
import attrs

from benchmarks.peers.limit import RUNNER, prepared
from benchmarks.peers.load import AlwaysDue, answer
from benchmarks.peers.meter import Figures, Meter, dsn
from benchmarks.peers.statements import CLAIM_FOR_PGBENCH, COMPLETE, KIND, LAST_RUN

__all__ = ["always_due", "pgbench"]

DEBIAN: Final = Path("/usr/lib/postgresql")
WARM: Final = 1
COOL: Final = 2
"""Whole seconds before and after what is measured."""


def pgbench() -> str | None:
    """Return where the program is: on the path, or where Debian hides it; None: it is not installed."""
    versions = sorted(DEBIAN.glob("*/bin/pgbench"), key=lambda found: float(found.parts[-3]))
    return shutil.which("pgbench") or (str(versions[-1]) if versions else None)


async def always_due(load: AlwaysDue) -> Figures:
    """Measure pgbench."""
    program = pgbench()
    if program is None:
        raise RuntimeError("pgbench is not installed: it comes with the server of PostgreSQL")
    await prepared(load.url, load.tasks)
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "batch.sql"
        script.write_text(f"{CLAIM_FOR_PGBENCH.strip()} \\gset\n{COMPLETE.strip()};\n")
        given = {"kind": KIND, "runner": RUNNER, "batch": load.batch}
        return await _measured(load, [program, "-f", str(script), *(f"-D{name}={it}" for name, it in given.items())])


async def _measured(load: AlwaysDue, command: list[str]) -> Figures:
    """Measure while the *command* runs, and not until its end: its backends go with it."""
    lasting = WARM + math.ceil(load.seconds) + COOL
    clients = str(load.clients)
    command += ["-n", "-M", "prepared", "-c", clients, "-j", clients, "-T", str(lasting), dsn(load.url)]
    conn = await asyncpg.connect(dsn(load.url))
    working = await asyncio.create_subprocess_exec(
        *command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PGOPTIONS": "-c plan_cache_mode=force_generic_plan"},
    )
    await asyncio.sleep(WARM)
    before = await conn.fetchval(LAST_RUN)
    meter = Meter(load.url)
    await asyncio.sleep(load.seconds)
    figures = meter.stop(0)
    runs = await conn.fetchval(LAST_RUN) - before
    await conn.close()
    _, complaints = await working.communicate()
    if working.returncode or not runs:
        raise RuntimeError(f"pgbench failed:\n{complaints.decode()}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (used.ru_utime + used.ru_stime) * load.seconds / lasting
    return attrs.evolve(figures, runs=runs, cpu=cpu)


if __name__ == "__main__":
    answer(always_due=always_due)
