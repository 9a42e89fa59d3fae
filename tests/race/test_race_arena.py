"""Racing processes end with whoever started them, and what they do by themselves is noticed."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from taskwarden.core.claim import Claim
from taskwarden.core.decision import IntervalState, Trigger
from taskwarden.core.health import HEALTHY
from taskwarden.core.task import TaskRecord
from taskwarden.ids import TaskId, TenantId
from tests.databases import sqlite_database
from tests.race.arena import ROOT, Arena
from tests.race.journal import Journal, executions
from tests.race.kinds import ONCE
from tests.race.program import FORSAKEN, Orders

PATIENCE = 30.0
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"

pytestmark = pytest.mark.slow


def claim() -> Claim:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return Claim(
        task=TaskRecord(
            id=TaskId("task-1"), tenant=TenantId("alice"), kind=ONCE, key="k", payload=None, created_at=noon
        ),
        token=1,
        health=HEALTHY,
        state=IntervalState(),
        trigger=Trigger.SCHEDULED,
        slot_at=noon,
        due_at=noon,
        attempt=1,
        claimed_at=noon,
        lease_until=noon + timedelta(seconds=3),
    )


@contextmanager
def started(url: str, folder: Path, backend: str) -> Iterator[subprocess.Popen[bytes]]:
    orders = Orders(number=1, backend=backend, url=url, folder=str(folder), capped=True, lease=3, concurrency=10)
    command = [sys.executable, "-m", "tests.race.program", orders.text()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_process_ends_at_once_when_whoever_started_it_is_gone(tmp_path: Path, backend: str) -> None:
    with sqlite_database(tmp_path) as url, started(url, tmp_path, backend) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"runs\n"

        process.stdin.close()  # as the system does for us, whatever ends us

        assert process.wait(PATIENCE) == FORSAKEN


def test_a_process_ends_at_once_also_where_it_never_reached_its_database(tmp_path: Path) -> None:
    with started(NOWHERE, tmp_path, "asyncio") as process:
        assert process.stdin is not None

        process.stdin.close()

        assert process.wait(PATIENCE) == FORSAKEN


def test_processes_that_drain_end_well(tmp_path: Path) -> None:
    with sqlite_database(tmp_path) as url:
        arena = Arena(tmp_path, [url, url], lease=3)
        with arena:
            arena.drain()

        assert arena.failures == []
        assert arena.died == {}


def test_no_process_is_left_where_a_test_fails(tmp_path: Path) -> None:
    with sqlite_database(tmp_path) as url:
        arena = Arena(tmp_path, [url, url], lease=3)

        with pytest.raises(ZeroDivisionError), arena:
            raise ZeroDivisionError

        assert [process.returncode for process in arena.processes] == [-9, -9]


def test_a_process_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    arena = Arena(tmp_path, ["nonsense://"], lease=3)

    with arena:
        arena.kill(random.Random(0))

    assert [failure.partition(":")[0] for failure in arena.failures] == ["process 1 ended by itself with 1"]
    assert len(arena.complaints()) == 1


def test_a_journal_tells_of_runs_that_ended_and_of_those_that_were_cut_off(tmp_path: Path) -> None:
    journal, taken = Journal(tmp_path, 7), claim()
    journal.starts(taken)
    journal.ends(taken, "failed")
    journal.starts(taken)

    ended, cut_off = executions(tmp_path, died={7: 12.5})

    assert (ended.how, ended.ended is not None, ended.claimed_at) == ("failed", True, taken.claimed_at)
    assert (cut_off.how, cut_off.ended, cut_off.alive_until) == ("", None, 12.5)
    assert {it.task_id for it in (ended, cut_off)} == {taken.task.id}
