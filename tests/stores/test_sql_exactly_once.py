"""Exactly once: what an executor writes in ``context.transaction()`` and its outcome are there together, or neither."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import text

from taskwarden.core.record import Ending, Status, TaskStatus
from taskwarden.manage import Warden
from taskwarden.stores.sql import open_at
from tests.databases import Kind, fresh_database
from tests.stores.dying import LEASE, MARKS, Mark, kind_of

FEWEST = 10
"""Fewer statements than any run needs."""


async def finish(warden: Warden) -> None:
    """Run until all are done, asking anew for those that were lost with their runner while nobody runs them."""
    tasks = warden.tenant("alice").tasks
    while not_done := [one for one in await tasks.list() if one.status is not Status.DONE]:
        for task in not_done:
            if task.next_run_at is not None and task.next_run_at > task.as_of:
                await tasks.retry(task.id, force=True)
        async with warden.runner(lease=LEASE):
            while not all(map(is_over, await tasks.list())):  # noqa: ASYNC110 - processes may do it
                await anyio.sleep(0.02)


def is_over(task: TaskStatus) -> bool:
    """Tell whether *task* is done, or was given up for now."""
    later = task.next_run_at is not None and task.next_run_at > task.as_of
    return task.status is Status.DONE or (later and task.status is not Status.RUNNING)


@pytest.mark.slow
@pytest.mark.timeout(180)  # some forty processes one after another, on a machine that may be busy
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_process_killed_between_any_two_statements_leaves_all_of_a_run_or_nothing(
    kind: Kind, tmp_path: Path
) -> None:
    with fresh_database(kind, tmp_path) as url:
        store = await open_at(url, create=True)
        await store.database.write(lambda conn: conn.execute(text(MARKS)))
        dying = [sys.executable, "-m", "tests.stores.dying", url]
        done = await anyio.to_thread.run_sync(
            lambda: subprocess.run(dying, capture_output=True, text=True, check=False)
        )
        assert done.stdout.strip(), done.stderr
        killed = int(done.stdout)

        executors = [Mark(kind_of(number)) for number in range(1, killed + 2)]
        async with Warden.open(store, executors=executors) as warden:
            alice = warden.tenant("alice")
            with anyio.fail_after(120):
                await finish(warden)
            tasks = await alice.tasks.list()
            runs = await alice.runs.list(limit=1000)
        marks = await store.database.read(lambda conn: conn.execute(text("SELECT task, slot FROM marks")).all())
        await store.close()

    succeeded = Counter(run.task_id for run in runs if run.ending is Ending.SUCCEEDED)
    assert killed >= FEWEST
    assert len(tasks) == killed + 1
    assert Counter(mark.task for mark in marks) == dict.fromkeys((task.id for task in tasks), 1)
    assert succeeded == dict.fromkeys((task.id for task in tasks), 1)
