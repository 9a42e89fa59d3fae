"""The limit: what raw asyncpg reaches with the same tables and nothing in between; a program that prints JSON."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

import asyncpg
import attrs
import sqlalchemy

from benchmarks.peers.load import AlwaysDue, answer
from benchmarks.peers.meter import Figures, Meter, dsn
from benchmarks.peers.statements import AGREED, CLAIM, COMPLETE, FILL, HEALTH, KIND, PREFIX, WARM, numbered
from taskwarden.stores.sql.schema import tables

__all__ = ["always_due", "prepared"]

RUNNER = "runner"
Call = tuple[str, tuple[str, ...]]


async def prepared(url: str, tasks: int) -> None:
    """Create the tables, and *tasks* that are due."""
    metadata = tables(PREFIX).metadata
    engine = sqlalchemy.create_engine(sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"))
    metadata.create_all(engine)
    engine.dispose()
    conn = await asyncpg.connect(dsn(url))
    await conn.fetch(*_call(numbered(FILL), {"tasks": tasks, "health": HEALTH}))
    await conn.execute(WARM)
    await conn.close()


@attrs.define
class Limit:
    """Claims on one connection while it completes on the other, at most three batches behind, until the time is up."""

    load: AlwaysDue
    claiming: asyncpg.Connection
    completing: asyncpg.Connection
    ends: float = 0
    runs: int = 0
    _batches: deque[list[asyncpg.Record]] = attrs.field(factory=deque)
    _turn: asyncio.Condition = attrs.field(factory=asyncio.Condition)

    async def work(self, seconds: float) -> None:
        """Do so for as many *seconds*."""
        self.ends = time.perf_counter() + seconds
        await asyncio.gather(self._claims(), self._completions())

    async def _claims(self) -> None:
        while time.perf_counter() < self.ends:
            batch = await self._claim()
            async with self._turn:
                await self._turn.wait_for(lambda: len(self._batches) < 2)
                self._batches.append(batch)
                self._turn.notify_all()
        async with self._turn:
            self._batches.append([])
            self._turn.notify_all()

    async def _completions(self) -> None:
        while True:
            async with self._turn:
                await self._turn.wait_for(lambda: self._batches)
                batch = self._batches.popleft()
                self._turn.notify_all()
            if not batch:
                return
            await self._complete(batch)

    async def _claim(self) -> list[asyncpg.Record]:
        given = {"runner": RUNNER, "kind": KIND, "batch": self.load.batch}
        batch: list[asyncpg.Record] = await self.claiming.fetch(*_call(CLAIM_CALL, given))
        if not batch:
            raise RuntimeError("nothing was due: more tasks are needed")
        batch.sort(key=lambda claim: claim["slot_at"])
        return batch

    async def _complete(self, batch: list[asyncpg.Record]) -> None:
        done = await self.completing.fetch(*_call(COMPLETE_CALL, _outcomes(batch)))
        self.runs += len(done)


CLAIM_CALL = numbered(CLAIM)
COMPLETE_CALL = numbered(COMPLETE)


def _call(call: Call, given: dict[str, Any]) -> tuple[Any, ...]:
    statement, names = call
    return (statement, *(given[name] for name in names))


def _outcomes(batch: list[asyncpg.Record]) -> dict[str, Any]:
    """Return what became of a *batch*: each run starts and ends now, and is due again at once."""
    same = len(batch)
    arrays: dict[str, Any] = {
        name: [claim[name] for claim in batch]
        for name in ("task_id", "token", "epoch", "attempt", "slot_at", "claimed_at", "phase", "health", "memory")
    }
    started = [time.time_ns() // 1_000 for _ in batch]
    finished = [time.time_ns() // 1_000 for _ in batch]
    return arrays | {
        "due_at": arrays["slot_at"],
        "started_at": started,
        "finished_at": finished,
        "next_run_at": started,
        "ending": ["succeeded"] * same,
        "code": [""] * same,
        "message": [""] * same,
        "result": [None] * same,
        "why": ["every hour"] * same,
        "runner": RUNNER,
    }


async def always_due(load: AlwaysDue) -> Figures:
    """Measure the limit."""
    await prepared(load.url, load.tasks)
    settings = {"plan_cache_mode": "force_generic_plan"}
    claiming, completing = [await asyncpg.connect(dsn(load.url), server_settings=settings) for _ in range(2)]
    limit = Limit(load, claiming, completing)
    await limit.work(min(1, load.seconds / 5))  # warm up
    limit.runs = 0
    meter = Meter(load.url)
    await limit.work(load.seconds)
    figures = meter.stop(limit.runs)
    if not await claiming.fetchval(AGREED):
        raise RuntimeError("history, statistics, feed and tasks do not tell of equally many runs")
    await claiming.close()
    await completing.close()
    return figures


if __name__ == "__main__":
    answer(always_due=always_due)
