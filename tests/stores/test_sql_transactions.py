"""``context.transaction()`` and ``context.session()``: what runs write in the store's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any, Final

import anyio
import anyio.to_thread
import attrs
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from taskwarden.core.executor import BlockingTaskExecutor, RunContext, TaskExecutor
from taskwarden.core.outcome import JSON, Outcome, Skipped
from taskwarden.core.record import Ending, Run
from taskwarden.core.task import Task
from taskwarden.manage import Warden
from taskwarden.policies.intervals import once
from taskwarden.stores.sql import SqlStore
from tests.stores.hearing import PATIENCE, Way, each_way, on_postgres
from tests.worlds import World

MARK: Final = text("INSERT INTO marks (task) VALUES ('marked')")


async def mark(session: Any, context: RunContext, statement: Any = MARK) -> None:
    """Execute a statement in whatever kind of session it is."""
    if isinstance(session, AsyncSession):
        await session.execute(statement)
    else:
        await context.in_thread(session.execute, statement)


class Does(TaskExecutor[JSON]):
    """Does what a test says."""

    kind = "does"

    def __init__(self, does: Callable[[RunContext], Awaitable[Outcome | None]], timeout: float = 30) -> None:
        self.does = does
        self.timeout = timedelta(seconds=timeout)  # type: ignore[misc]

    async def execute(self, task: Task[JSON], context: RunContext) -> Outcome | None:
        return await self.does(context)


class Blocks(BlockingTaskExecutor[JSON]):
    """Does what a test says, in a thread."""

    kind = "does"

    def __init__(self, does: Callable[[RunContext], Outcome | None], timeout: float = 30) -> None:
        self.does = does
        self.timeout = timedelta(seconds=timeout)  # type: ignore[misc]

    def run(self, task: Task[JSON], context: RunContext) -> Outcome | None:
        return self.does(context)


@attrs.frozen
class Scene:
    """A store with a table of the host's beside its own, and one task that is due."""

    store: SqlStore
    warden: Warden

    async def marks(self) -> int:
        return int(await self.store.database.read(lambda c: c.execute(text("SELECT count(*) FROM marks")).scalar_one()))

    async def runs(self) -> list[Run]:
        return list(await self.warden.tenant("alice").runs.list())

    async def run(self) -> Run:
        """Run the task once, and return what is in its history."""
        async with self.warden.runner(lease=timedelta(seconds=5)):
            with anyio.fail_after(PATIENCE):
                while not (found := await self.runs()):  # noqa: ASYNC110 - the store itself is to say so
                    await anyio.sleep(0.01)
        return found[-1]


@asynccontextmanager
async def scene(way: Way, folder: Path, executor: TaskExecutor[JSON], **options: Any) -> AsyncIterator[Scene]:
    with way.database(folder) as url:
        async with way.store(url, **options) as store:
            await store.database.write(lambda c: c.execute(text("CREATE TABLE marks (task VARCHAR(60))")))
            async with Warden.open(store, executors=[executor]) as warden:
                await warden.tenant("alice").tasks.ensure("does", key="a", schedule=once(await store.now()))
                yield Scene(store, warden)


# --- together -----------------------------------------------------------------------------------------------------


@each_way
async def test_what_is_written_in_the_block_is_there_with_the_outcome(way: Way, tmp_path: Path) -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction() as session:
            await mark(session, context)
        during.append(await it.marks())

    during: list[int] = []
    async with scene(way, tmp_path, Does(does)) as it:
        run = await it.run()

        assert (run.ending, run.settled) == (Ending.SUCCEEDED, True)
        assert (during, await it.marks()) == ([0], 1)


@each_way
async def test_blocking_executors_get_a_plain_session_in_their_thread(way: Way, tmp_path: Path) -> None:
    def does(context: RunContext) -> Outcome:
        with context.transaction() as session:
            session.execute(MARK)
        return Skipped("marked all the same")

    async with scene(way, tmp_path, Blocks(does)) as it:
        run = await it.run()

        assert (run.ending, await it.marks()) == (Ending.SKIPPED, 1)


@each_way
async def test_commit_and_rollback_within_the_block_are_its_own_affair(way: Way, tmp_path: Path) -> None:
    def does(context: RunContext) -> None:
        with context.transaction() as session:
            session.execute(MARK)
            session.commit()
            session.execute(MARK)
            session.rollback()
            session.execute(MARK)

    async with scene(way, tmp_path, Blocks(does)) as it:
        assert ((await it.run()).ending, await it.marks()) == (Ending.SUCCEEDED, 2)


# --- or not at all ------------------------------------------------------------------------------------------------


@each_way
@pytest.mark.parametrize("within", [True, False], ids=["in the block", "after it"])
async def test_a_run_that_fails_has_written_nothing(way: Way, tmp_path: Path, within: bool) -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction() as session:
            await mark(session, context)
            if within:
                raise LookupError("no such thing")
        raise LookupError("no such thing")

    async with scene(way, tmp_path, Does(does)) as it:
        run = await it.run()

        assert (run.ending, "no such thing" in (run.message or "")) == (Ending.FAILED, True)
        assert await it.marks() == 0


@each_way
@pytest.mark.parametrize("within", [True, False], ids=["in the block", "after it"])
async def test_a_run_that_is_cancelled_has_written_nothing(way: Way, tmp_path: Path, within: bool) -> None:
    async def does(context: RunContext) -> None:
        try:
            async with context.transaction() as session:
                await mark(session, context)
                if within:
                    await anyio.sleep_forever()
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return  # as if it had succeeded

    async with scene(way, tmp_path, Does(does, timeout=0.5), transaction_limit=timedelta(seconds=20)) as it:
        run = await it.run()

        assert run.ending is Ending.FAILED
        assert run.code == "network_error.timeout"
        assert await it.marks() == 0


@each_way
async def test_a_thread_that_is_given_up_in_its_block_commits_nothing(way: Way, tmp_path: Path) -> None:
    def does(context: RunContext) -> None:
        with context.transaction() as session:
            session.execute(MARK)
            go_on.wait(PATIENCE)
        left.set()

    go_on, left = Event(), Event()
    options = {"transaction_limit": timedelta(seconds=20)}
    async with scene(way, tmp_path, Blocks(does, timeout=0.5), **options) as it, anyio.create_task_group() as tg:
        if way.kind == "sqlite":  # nobody else can write before that

            async def release() -> None:
                await anyio.sleep(1)
                go_on.set()

            tg.start_soon(release)
        run = await it.run()
        go_on.set()
        await anyio.to_thread.run_sync(left.wait, PATIENCE)

        assert run.code == "network_error.timeout"
        assert await it.marks() == 0


@each_way
async def test_a_claim_that_is_no_longer_current_commits_nothing(way: Way, tmp_path: Path) -> None:
    async def does(context: RunContext) -> None:
        tasks = it.warden.tenant("alice").tasks
        await tasks.delete(context.claim.task.id)
        async with context.transaction() as session:
            await mark(session, context)
        ended.set()

    ended = anyio.Event()
    async with scene(way, tmp_path, Does(does)) as it:
        async with it.warden.runner():
            with anyio.fail_after(PATIENCE):
                await ended.wait()

        assert (await it.runs(), await it.marks()) == ([], 0)


@each_way
async def test_a_transaction_that_the_executor_ends_itself_makes_the_run_fail(way: Way, tmp_path: Path) -> None:
    def does(context: RunContext) -> None:
        with context.transaction() as session:
            session.execute(MARK)
            session.connection().get_transaction()
            session.get_bind().rollback()

    async with scene(way, tmp_path, Blocks(does)) as it:
        run = await it.run()

        assert (run.ending, await it.marks()) == (Ending.FAILED, 0)


# --- bounds -------------------------------------------------------------------------------------------------------


@each_way
@pytest.mark.parametrize("within", [True, False], ids=["in the block", "after it"])
async def test_a_transaction_that_lasts_longer_than_it_may_is_rolled_back(
    way: Way, tmp_path: Path, within: bool
) -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction() as session:
            await mark(session, context)
            if within:
                await anyio.sleep_forever()
        await anyio.sleep_forever()

    async with scene(way, tmp_path, Does(does), transaction_limit=timedelta(seconds=0.5)) as it:
        run = await it.run()

        assert run.code == "unknown.transaction_limit"
        assert "its transaction was rolled back" in (run.message or "")
        assert await it.marks() == 0


@on_postgres
async def test_a_database_that_does_not_answer_is_left_at_the_timeout(way: Way, tmp_path: Path) -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction() as session:
            await mark(session, context)
            await mark(session, context, text("SELECT pg_sleep(4)"))

    async with scene(way, tmp_path, Does(does, timeout=0.5)) as it:
        run = await it.run()

        assert run.code == "network_error.timeout"
        assert run.finished_at - run.started_at < timedelta(seconds=3)
        assert await it.marks() == 0


@on_postgres
async def test_an_outcome_that_cannot_be_written_in_time_is_written_with_all_or_without_all(
    way: Way, tmp_path: Path
) -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction() as session:
            await mark(session, context)
        tg.start_soon(hold)
        await held.wait()

    async def hold() -> None:
        due = it.store.tables.due
        lock = select(due).with_for_update()
        await it.store.database.write(lambda conn: (conn.execute(lock), conn.execute(text("SELECT pg_sleep(2)"))))

    async def seen() -> None:
        due = it.store.tables.due
        waiting = select(due).with_for_update(skip_locked=True)
        while await it.store.database.write(lambda conn: conn.execute(waiting).all()):  # noqa: ASYNC110
            await anyio.sleep(0.01)
        held.set()

    held = anyio.Event()
    async with scene(way, tmp_path, Does(does, timeout=1)) as it, anyio.create_task_group() as tg:
        tg.start_soon(seen)
        run = await it.run()

        assert (run.ending is Ending.SUCCEEDED) == (await it.marks() == 1)


@each_way
async def test_more_runs_than_there_is_room_for_take_turns(way: Way, tmp_path: Path) -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction() as session:
            await mark(session, context)

    async with scene(way, tmp_path, Does(does), transaction_limit=timedelta(seconds=20)) as it:
        for key in range(11):
            await it.warden.tenant("alice").tasks.ensure("does", key=str(key), schedule=once(await it.store.now()))
        async with it.warden.runner():
            with anyio.fail_after(PATIENCE):
                while len(await it.runs()) < 12:  # noqa: ASYNC110 - the store itself is to say so
                    await anyio.sleep(0.02)

        assert {run.ending for run in await it.runs()} == {Ending.SUCCEEDED}
        assert await it.marks() == 12
        assert it.store._sessions._room.borrowed_tokens == 0


# --- sessions by themselves ---------------------------------------------------------------------------------------


@each_way
async def test_a_session_keeps_what_it_commits_and_nothing_else(way: Way, tmp_path: Path) -> None:
    async def does(context: RunContext) -> None:
        async with context.session() as session:
            await mark(session, context)
            await (session.commit() if isinstance(session, AsyncSession) else context.in_thread(session.commit))
            await mark(session, context)
        async with context.session() as session:
            await mark(session, context)
        raise LookupError

    async with scene(way, tmp_path, Does(does)) as it:
        assert ((await it.run()).ending, await it.marks()) == (Ending.FAILED, 1)
        assert it.store._sessions._room.borrowed_tokens == 0


@each_way
async def test_a_session_in_a_thread_keeps_what_it_commits_and_nothing_else(way: Way, tmp_path: Path) -> None:
    def does(context: RunContext) -> None:
        with context.session() as session:
            session.execute(MARK)
            session.commit()
            session.execute(MARK)

    async with scene(way, tmp_path, Blocks(does)) as it:
        assert ((await it.run()).ending, await it.marks()) == (Ending.SUCCEEDED, 1)


# --- misuse -------------------------------------------------------------------------------------------------------


@each_way
async def test_a_second_transaction_in_a_run_is_refused(way: Way, tmp_path: Path) -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction() as session:
            await mark(session, context)
        async with context.transaction() as session:
            await mark(session, context)

    async with scene(way, tmp_path, Does(does)) as it:
        run = await it.run()

        assert "may be opened once in a run" in (run.message or "")
        assert await it.marks() == 0


async def test_a_store_without_a_database_says_what_to_do() -> None:
    async def does(context: RunContext) -> None:
        async with context.transaction():
            raise AssertionError

    async with World.of(Does(does)) as world:
        await world.task("does", schedule=once(world.clock.now()))
        await world.run_for(timedelta(seconds=1))
        (run,) = await world.runs()

    assert "open the warden on a database" in (run.message or "")
