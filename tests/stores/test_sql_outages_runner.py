"""A runner over a database that goes: it waits, says so once, writes what ended meanwhile, and goes on by itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from sqlalchemy import make_url

from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.outcome import Outcome, Succeeded
from taskwarden.core.record import Run
from taskwarden.core.task import Task
from taskwarden.errors import StoreUnavailable
from taskwarden.ids import Kind
from taskwarden.manage import Warden
from taskwarden.policies.intervals import every, once
from taskwarden.stores.sql import SqlStore
from taskwarden.testing.conformance.suite import ALICE
from tests.databases import PostgresServer
from tests.stores.hearing import PATIENCE, Way, on_postgres, own_server, said
from tests.stores.sqlite_files import locked, sqlite_file


class Ticks(TaskExecutor[Any]):
    """Is due again and again, and counts."""

    kind = "ticks"

    def __init__(self) -> None:
        self.count = 0
        self._next = anyio.Event()

    async def execute(self, task: Task[Any], context: RunContext) -> None:
        self.count += 1
        self._next.set()

    async def more(self, times: int = 2) -> None:
        """Wait for so many more."""
        until = self.count + times
        with anyio.fail_after(PATIENCE):
            while self.count < until:
                self._next = anyio.Event()
                await self._next.wait()


class Gated(TaskExecutor[Any]):
    """Runs until it is let go, and has much to tell then."""

    kind = "gated"

    def __init__(self) -> None:
        self.runs = 0
        self.begun, self.gate = anyio.Event(), anyio.Event()

    async def execute(self, task: Task[Any], context: RunContext) -> Outcome:
        self.runs += 1
        self.begun.set()
        await self.gate.wait()
        return Succeeded("x" * 60_000)


@attrs.define
class Scene:
    """A runner over a store, with one task that ticks and one that runs until its gate is opened."""

    store: SqlStore
    caplog: pytest.LogCaptureFixture
    ticks: Ticks = attrs.field(factory=Ticks)
    gated: Gated = attrs.field(factory=Gated)

    @asynccontextmanager
    async def playing(self, *, ticking: bool = True) -> AsyncIterator[None]:
        self.caplog.set_level(logging.INFO)
        async with Warden.open(self.store, executors=[self.ticks, self.gated]) as warden:
            alice = warden.tenant(ALICE).tasks
            if ticking:
                await alice.ensure("ticks", key="a", schedule=every(seconds=0.1, immediately=True))
            await alice.ensure("gated", key="a", schedule=once(await self.store.now()))
            async with warden.runner():
                with anyio.fail_after(PATIENCE):
                    await self.gated.begun.wait()
                yield
                self.gated.gate.set()

    async def written(self) -> Run:
        """Wait until the run that was let go is in the history."""
        (task,) = await self.store.tasks(ALICE, kind=Kind("gated"), status=None, after=None, limit=1)
        with anyio.fail_after(PATIENCE):
            while True:
                runs = await self.store.runs(ALICE, task_id=task.id, before=None, limit=9)
                if runs:
                    (run,) = runs
                    return run

    def said(self, logger: str) -> list[str]:
        """Return the warnings of *logger*, in order."""
        records = [it for it in self.caplog.records if it.levelno >= logging.WARNING and it.name == logger]
        assert not [it for it in records if it.exc_info]
        return [it.getMessage() for it in records]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Provide a server of the test's own."""
    with own_server() as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(120)
@on_postgres
async def test_a_runner_outlives_its_postgresql_and_writes_then_what_ended_meanwhile(
    way: Way, server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = make_url(server.url).set(drivername=way.driver).render_as_string(hide_password=False)
    async with way.store(url) as store:
        scene = Scene(store, caplog)
        async with scene.playing():
            await scene.ticks.more()
            await anyio.to_thread.run_sync(server.stop)
            scene.gated.gate.set()
            await said(caplog, "does not answer", "taskwarden.runner")
            with pytest.raises(StoreUnavailable):
                await store.now()
            await anyio.to_thread.run_sync(server.start)
            await said(caplog, "again after", "taskwarden.store")
            await scene.ticks.more()
            run = await scene.written()

    assert (run.ending, scene.gated.runs) == ("succeeded", 1)
    gone, back = scene.said("taskwarden.runner")
    assert ("does not answer" in gone, "answers again" in back) == (True, True)
    gone, back = scene.said("taskwarden.store")
    assert ("does not hear" in gone, "hears" in back) == (True, True)


@pytest.mark.slow
@pytest.mark.timeout(120)
@on_postgres
async def test_a_runner_goes_on_however_often_its_connections_are_cut(
    way: Way, server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = make_url(server.url).set(drivername=way.driver).render_as_string(hide_password=False)
    async with way.store(url) as store:
        scene = Scene(store, caplog)
        async with scene.playing():
            for _ in range(5):
                await scene.ticks.more()
                await anyio.to_thread.run_sync(server.cut_connections)
            scene.gated.gate.set()
            run = await again(scene.written)
            await scene.ticks.more()

    assert (run.ending, scene.gated.runs) == ("succeeded", 1)
    scene.said("taskwarden.runner")


async def test_a_runner_waits_for_a_file_that_another_process_has_locked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with sqlite_file(tmp_path, patience=0.5) as file:
        scene = Scene(file.store, caplog)
        async with scene.playing():
            await scene.ticks.more()
            with locked(file.path) as release:
                scene.gated.gate.set()
                await said(caplog, "does not answer", "taskwarden.runner")
                await anyio.to_thread.run_sync(release)
                await said(caplog, "answers again", "taskwarden.runner")
                run = await scene.written()
                await scene.ticks.more()

    assert (run.ending, scene.gated.runs) == ("succeeded", 1)
    assert len(scene.said("taskwarden.runner")) == 2


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 10000"),
        ("PRAGMA query_only = 1", "PRAGMA query_only = 0"),
    ],
    ids=["full", "readonly"],
)
async def test_a_runner_waits_for_a_file_that_takes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, remedy: str
) -> None:
    async with sqlite_file(tmp_path, patience=0.5) as file:
        scene = Scene(file.store, caplog)
        async with scene.playing(ticking=False):
            file.pragma(fault)
            scene.gated.gate.set()
            await said(caplog, "does not answer", "taskwarden.runner")
            file.pragma(remedy)
            run = await scene.written()
            await said(caplog, "answers again", "taskwarden.runner")

    assert (run.ending, scene.gated.runs) == ("succeeded", 1)
    gone, back = scene.said("taskwarden.runner")
    assert ("does not answer" in gone, "answers again" in back) == (True, True)


async def again(asking: Callable[[], Awaitable[Run]]) -> Run:
    """Ask until the store answers."""
    while True:
        try:
            return await asking()
        except StoreUnavailable:
            continue
