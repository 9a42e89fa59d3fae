"""
A runner that has nothing to do, over a database: statements, CPU, and what grows; 200 stored tasks, none due.

Each database has a process of its own, and all idle at the same time: there is nothing in which they could be in each
other's way. Quick, a beat comes every 3 s instead of every 30 s, and what is counted by the minute is that by 20 beats.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
from sqlalchemy import Connection, Engine, event, text

from benchmarks.databases import databases
from benchmarks.table import REPETITIONS, Row
from taskwarden import JSON, RunContext, Task, TaskExecutor, Warden, once
from taskwarden.stores.sql import SqlStore, open_at

__all__ = ["measure", "measured"]

ROOT: Final = Path(__file__).resolve().parent.parent
TASKS: Final = 200
PERIOD: Final = 30.0
"""Seconds from one beat to the next, as the store has it."""
SETTLED: Final = 3.0
"""Seconds that the runner has for its first looks, before we count."""
MOST_STATEMENTS: Final = {"PostgreSQL": 4, "PostgreSQL in threads": 4}
"""In a minute."""
MOST_GROWTH: Final = {"PostgreSQL": 0, "PostgreSQL in threads": 0, "SQLite": 0}
"""Bytes; MariaDB only estimates them."""
MOST_CPU: Final = 1.0
"""Per cent of a core."""
SIZES: Final = {
    "postgresql": "SELECT pg_database_size(current_database())",
    "mysql": "SELECT sum(data_length + index_length) FROM information_schema.tables WHERE table_schema = database()",
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
}


class Never(TaskExecutor[JSON]):
    """Is not run."""

    kind = "bench.never"

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        """Say that something is wrong."""
        raise RuntimeError(f"{task.key} was run")


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return statements a minute, CPU and growth for each database."""
    return measured(TASKS // 4, 3.0, 6.0) if quick else measured(TASKS, PERIOD, 60.0)


def measured(tasks: int, period: float, seconds: float) -> list[Row]:
    """Return what ``measure`` does, for so many *tasks* over so many *seconds*, with a beat each *period*."""
    taken: dict[str, list[dict[str, float]]] = {}
    for _ in range(REPETITIONS):
        with databases() as found, ExitStack() as stack:
            started = {}
            for name, url in found.items():
                given = json.dumps({"url": url, "tasks": tasks, "period": period, "seconds": seconds})
                program = [sys.executable, "-m", "benchmarks.idle_databases", given]
                started[name] = stack.enter_context(
                    subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True)
                )
            for name, process in started.items():
                said, _ = process.communicate()
                if process.returncode:
                    raise RuntimeError(f"{name} failed with {process.returncode}")
                taken.setdefault(name, []).append(json.loads(said))
    rows = []
    for name, figures in taken.items():
        by_minute = [each["statements"] * (60 / PERIOD) / (seconds / period) for each in figures]
        rows += [
            Row(f"{name}: statements a minute", by_minute, "", at_most=MOST_STATEMENTS.get(name)),
            Row(f"{name}: CPU", [each["cpu"] for each in figures], "% core", at_most=MOST_CPU),
            Row(f"{name}: growth", [each["growth"] for each in figures], "bytes", at_most=MOST_GROWTH.get(name)),
        ]
    return rows


async def _idle(url: str, tasks: int, period: float, seconds: float) -> dict[str, float]:
    begin = datetime.now(UTC) + timedelta(hours=1)
    store = await open_at(url, create=True)
    store._listening.period = period  # noqa: SLF001  a store of users' has one of 30 s and no other
    async with Warden.open(store, executors=[Never()]) as warden:
        tenants = [warden.tenant(f"tenant {index}").tasks for index in range(10)]
        for index in range(tasks):
            schedule = once(begin + timedelta(seconds=index))
            await tenants[index % len(tenants)].ensure(Never.kind, key=str(index), schedule=schedule)
        async with warden.runner():
            await anyio.sleep(SETTLED)
            size = await _size(store)
            statements = _counted(store)
            cpu = time.process_time()
            await anyio.sleep(seconds)
            cpu = time.process_time() - cpu
            count = len(statements)
            grown = await _size(store) - size
    await store.close()
    return {"statements": count, "cpu": cpu / seconds * 100, "growth": grown}


def _counted(store: SqlStore) -> list[str]:
    """Return the list in which the statements of *store* are noted from now on."""
    engine, seen = store.database.engine, []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine if isinstance(engine, Engine) else engine.sync_engine, "before_cursor_execute", note)
    return seen


async def _size(store: SqlStore) -> int:
    def ask(conn: Connection) -> int:
        return int(conn.execute(text(SIZES[store.database.dialect.name])).scalar_one())

    return await store.database.read(ask)


if __name__ == "__main__":
    print(json.dumps(anyio.run(lambda: _idle(**json.loads(sys.argv[1])))))
