"""
A runner that is killed before its nth statement: ``python -m tests.stores.dying URL``.

It runs once for each n, until a run is completed before it would be killed, and prints how often it was killed. Each
time it is a new process, made by forking one that has imported everything and opened nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from itertools import count
from typing import Any, Final

import anyio
from sqlalchemy import Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.outcome import JSON, Succeeded
from taskwarden.core.task import Task
from taskwarden.manage import Warden
from taskwarden.policies.intervals import once
from taskwarden.stores.sql import SqlStore, open_at

__all__ = ["MARKS", "MOST", "Mark", "kind_of"]

MOST: Final = 80
"""More statements than any run needs."""
MARKS: Final = "CREATE TABLE marks (task VARCHAR(60), slot VARCHAR(60))"
LEASE: Final = timedelta(milliseconds=300)


def kind_of(number: int) -> str:
    """Return the kind of the task that the process *number* runs, and nobody else but who comes after it."""
    return f"mark.{number}"


class Mark(TaskExecutor[JSON]):
    """Writes one row for each slot, together with the outcome."""

    kind = "mark"

    def __init__(self, kind: str) -> None:
        self.kind = kind  # type: ignore[misc]

    async def execute(self, task: Task[JSON], context: RunContext) -> Succeeded:
        insert = text("INSERT INTO marks (task, slot) VALUES (:task, :slot)")
        values = {"task": task.id, "slot": context.slot_at.isoformat()}
        async with context.transaction() as session:
            if isinstance(session, AsyncSession):
                await session.execute(insert, values)
            else:
                await context.in_thread(session.execute, insert, values)
        return Succeeded({"marked": True})


def kill_at(store: SqlStore, number: int) -> None:
    """End this process before the statement or commit *number* that *store* asks for."""
    steps = count(1)

    def step(*_: Any) -> None:
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    engine: Any = store.database.engine
    sync: Engine = getattr(engine, "sync_engine", engine)
    event.listen(sync, "before_cursor_execute", step)
    event.listen(sync, "commit", step)


async def work(url: str, number: int) -> None:
    """Run the task *number*, and be killed within it, or not any more."""
    plain = make_url(url)
    driver = "postgresql+psycopg" if plain.get_backend_name() == "postgresql" else plain.drivername
    asking = create_engine(plain.set(drivername=driver), isolation_level="AUTOCOMMIT")
    store = await open_at(url)
    with asking.connect() as conn:
        async with Warden.open(store, executors=[Mark(kind_of(number))]) as warden:
            tasks = warden.tenant("alice").tasks
            await tasks.ensure(kind_of(number), key="a", schedule=once(await store.now()))
            kill_at(store, number)
            run = store.tables.run
            ended = select(func.count()).select_from(run).where(run.c.kind == kind_of(number))
            async with warden.runner(name=f"dying {number}", lease=LEASE):
                while not conn.execute(ended).scalar_one():  # noqa: ASYNC110 - whoever knows is in the database
                    await anyio.sleep(0.005)
    asking.dispose()
    await store.close()


def main(url: str) -> None:
    """Fork until one survives."""
    for number in range(1, MOST):
        child = os.fork()
        if not child:
            anyio.run(work, url, number)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            if os.waitstatus_to_exitcode(status) == 0:
                sys.stdout.write(f"{number - 1}\n")
            return


if __name__ == "__main__":
    main(sys.argv[1])
