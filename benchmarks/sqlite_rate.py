"""
SQLite: whole runs a second, from one process.

Claimed, run, decided and completed, with history, statistics and feed; in WAL mode with ``synchronous=NORMAL``, as the
library opens every file. The runner has a process of its own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio

from benchmarks.always_due import filled, running, stored_runs
from benchmarks.programs import answered
from benchmarks.table import REPETITIONS, Row

__all__ = ["measure", "measured"]

TASKS: Final = 20_000
SECONDS: Final = 10.0
LEAST_RATE: Final = 12_000.0
WARM: Final = 1.0
"""Seconds after which everybody is warm, and knows the tasks."""


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return runs a second and what one costs."""
    return measured(TASKS // 4, 2.0) if quick else measured(TASKS, SECONDS)


def measured(tasks: int, seconds: float) -> list[Row]:
    """Return what ``measure`` does, for so many *tasks* over so many *seconds*."""
    taken = []
    for _ in range(REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{(Path(folder) / 'tasks.db').as_posix()}"
            taken.append(answered("benchmarks.sqlite_rate", url=url, tasks=tasks, seconds=seconds))
    what = f"{tasks:,} recurring tasks, always due"
    return [
        Row(f"SQLite: runs, {what}", [each["runs"] / each["seconds"] for each in taken], "runs/s", at_least=LEAST_RATE),
        Row(f"SQLite: CPU a run, {what}", [each["cpu"] / each["runs"] * 1e6 for each in taken], "us"),
    ]


async def _rate(url: str, tasks: int, seconds: float) -> dict[str, float]:
    await filled(url, tasks)
    async with running(url, tasks) as (_, count):
        await anyio.sleep(WARM)
        runs, begun, cpu = count.runs, time.perf_counter(), time.process_time()
        await anyio.sleep(seconds)
        figures = {
            "runs": count.runs - runs,
            "seconds": time.perf_counter() - begun,
            "cpu": time.process_time() - cpu,
        }
    stored = await stored_runs(url)
    if stored != count.runs:
        raise RuntimeError(f"{count.runs} runs were made and {stored} are in the history")
    return figures


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: _rate(**json.loads(sys.argv[1])))))
