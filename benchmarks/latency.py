"""
How soon a run starts after its task was committed by another process, when nothing else goes on.

The other process takes down when it sends the COMMIT of each ``ensure``, this one when ``execute`` is called; both by
the machine's monotonic clock.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
import attrs
from sqlalchemy import Engine, event

from benchmarks.databases import databases
from benchmarks.table import REPETITIONS, Row, percentile
from taskwarden import JSON, RunContext, Task, TaskExecutor, Warden, once
from taskwarden.stores.sql import open_at

__all__ = ["measure", "measured"]

ROOT: Final = Path(__file__).resolve().parent.parent
GOALS: Final = {"PostgreSQL": (3.0, 10.0)}
"""Milliseconds: the median and the 99th percentile."""
SLOW: Final = {"MariaDB": 10}
"""Where a look is taken once a second, a tenth of the probes will do."""
PATIENCE: Final = 30


class Probe(TaskExecutor[JSON]):
    """Takes down when it was started."""

    kind = "bench.probe"

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self._more = anyio.Event()

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        """Look at the clock."""
        self.started[task.key] = time.monotonic()
        self._more.set()

    async def until(self, count: int) -> None:
        """Wait until so many have started."""
        with anyio.fail_after(PATIENCE):
            while len(self.started) < count:
                self._more = anyio.Event()
                await self._more.wait()


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the median and the 99th percentile for each database."""
    return measured(20 if quick else 200)


def measured(probes: int) -> list[Row]:
    """Return what ``measure`` does, for any number of *probes*."""
    taken: dict[str, list[list[float]]] = {}
    for _ in range(REPETITIONS):
        with databases() as found:
            for name, url in found.items():
                late = anyio.run(_probed, url, max(probes // SLOW.get(name, 1), 2))
                taken.setdefault(name, []).append(late)
    rows = []
    for name, lates in taken.items():
        p50, p99 = GOALS.get(name, (None, None))
        rows += [
            Row(f"{name}: commit to start, p50", [percentile(late, 50) for late in lates], "ms", at_most=p50),
            Row(f"{name}: commit to start, p99", [percentile(late, 99) for late in lates], "ms", at_most=p99),
        ]
    return rows


async def _probed(url: str, probes: int) -> list[float]:
    """Return how many milliseconds each of *probes* tasks took from its commit to its start."""
    executor = Probe()
    store = await open_at(url, create=True)
    try:
        async with Warden.open(store, executors=[executor]) as warden, warden.runner():
            program = [sys.executable, "-m", "benchmarks.latency", json.dumps({"url": url, "probes": probes})]
            done = await anyio.run_process(program, cwd=ROOT, stderr=subprocess.PIPE)
            committed: Mapping[str, float] = json.loads(done.stdout)
            await executor.until(probes + 1)
    finally:
        await store.close()
    return [(executor.started[key] - at) * 1000 for key, at in committed.items()]


# --- the other process --------------------------------------------------------------------------------------------


@attrs.define
class Commits:
    """When the last COMMIT was sent."""

    at: float = 0.0

    def watch(self, engine: Engine) -> None:
        """Take down those of *engine*."""
        event.listen(engine, "commit", self._sent)
        event.listen(engine, "before_cursor_execute", self._executes)

    def _sent(self, _: Any) -> None:
        self.at = time.monotonic()

    def _executes(self, _conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement == "COMMIT":
            self.at = time.monotonic()


async def _enqueue(url: str, probes: int) -> dict[str, float]:
    """Create so many tasks, at odd moments, and return when each was committed; one before them warms us up."""
    rng, commits, committed = Random(1), Commits(), {}
    store = await open_at(url)
    engine = store.database.engine
    commits.watch(engine if isinstance(engine, Engine) else engine.sync_engine)
    async with Warden.open(store, executors=[Probe()]) as warden:
        tasks = warden.tenant("bench").tasks
        await tasks.ensure(Probe.kind, key="warm", schedule=once(datetime.now(UTC)))
        await anyio.sleep(2)
        for number in range(probes):
            await tasks.ensure(Probe.kind, key=str(number), schedule=once(datetime.now(UTC)))
            committed[str(number)] = commits.at
            await anyio.sleep(rng.uniform(0.1, 0.2))
    await store.close()
    return committed


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: _enqueue(**json.loads(sys.argv[1])))))
