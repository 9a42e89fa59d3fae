"""
The memory store's hot path: what claiming and completing one task costs, in batches of 100.

With 1,000 and with 1,000,000 stored tasks, most of them not due within the hour; for one tenant and for 1,000.
Completions are made outside the measured time: they are the runner's.
"""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Final

import anyio
import attrs

from benchmarks.table import REPETITIONS, Row
from taskwarden.core.claim import Claim, Completion
from taskwarden.core.decision import Planned
from taskwarden.core.outcome import Succeeded
from taskwarden.core.protocols import TaskSpec
from taskwarden.core.task import Priority
from taskwarden.ids import Kind, RunnerId, TenantId
from taskwarden.stores.memory import MemoryStore

__all__ = ["measure"]

KIND: Final = Kind("bench.noop")
RUNNER: Final = RunnerId("bench")
LEASE: Final = timedelta(seconds=60)
BATCH: Final = 100
DUE: Final = 1_000
"""Tasks that are due once each second; all others are stored, and wait."""
STORED: Final = 1_000_000
MOST_GROWTH: Final = 1.5
MOST_US: Final = 10.0
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOME: Final = Succeeded()


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the microseconds for each task, and how they grow with what is stored."""
    return [row for tenants in (1, 1_000) for row in anyio.run(_compare, tenants, STORED // 20 if quick else STORED)]


async def _compare(tenants: int, stored: int) -> list[Row]:
    small, large = await _filled(DUE, tenants), await _filled(stored, tenants)
    gc.collect()
    gc.freeze()  # what is stored is no garbage, and the collector need not look through it
    try:
        pairs = [(await small.microseconds(), await large.microseconds()) for _ in range(REPETITIONS)]
    finally:
        gc.unfreeze()
    whose = f"{tenants:,} tenant{'s' if tenants > 1 else ''}"
    claims = [(one.claim, other.claim) for one, other in pairs]
    both = [(one.claim + one.complete, other.claim + other.complete) for one, other in pairs]
    return [
        Row(f"claim and complete a task, {DUE:,} stored, {whose}", [one for one, _ in both], "us", at_most=MOST_US),
        Row(f"claim and complete a task, {stored:,} stored, {whose}", [other for _, other in both], "us"),
        Row(f"claim alone, growth, {whose}", [other / one for one, other in claims], "x", at_most=MOST_GROWTH),
    ]


@attrs.define(eq=False)
class SteppedClock:
    """A wall clock that is moved by hand."""

    at: datetime = START

    def now(self) -> datetime:
        """Return where it was moved to."""
        return self.at


@attrs.frozen
class Cost:
    """Microseconds for one task."""

    claim: float
    complete: float


@attrs.define(eq=False)
class Load:
    """A filled store whose tasks are claimed and completed batch by batch."""

    store: MemoryStore
    clock: SteppedClock

    async def microseconds(self, batches: int = 200) -> Cost:
        """Return the medians over *batches*."""
        claiming, completing = [], []
        for _ in range(batches):
            self.clock.at += timedelta(seconds=1) * BATCH / DUE
            begun = perf_counter()
            claims = (await self.store.claim(runner=RUNNER, kinds=[KIND], limit=BATCH, lease=LEASE)).claims
            claiming.append(perf_counter() - begun)
            completions = [_completed(claim, self.clock.at) for claim in claims]
            begun = perf_counter()
            await self.store.complete(completions)
            completing.append(perf_counter() - begun)
            assert len(claims) == BATCH, f"{len(claims)} tasks were due"
        return Cost(median(claiming) / BATCH * 1e6, median(completing) / BATCH * 1e6)


async def _filled(stored: int, tenants: int) -> Load:
    clock = SteppedClock()
    store = MemoryStore(clock)
    for number in range(stored):
        at = START + timedelta(seconds=1) * number / DUE
        if number >= DUE:
            at = START + timedelta(hours=1) * (1 + number / stored)
        await store.ensure(TenantId(f"tenant-{number % tenants}"), _spec(str(number), at))
    return Load(store, clock)


def _spec(key: str, at: datetime) -> TaskSpec:
    return TaskSpec(
        kind=KIND,
        key=key,
        payload=None,
        payload_version=1,
        priority=Priority.MEDIUM,
        schedule=None,
        schedule_digest="every second",
        depends_on=(),
        first=Planned(at),
        named=frozenset(),
    )


def _completed(claim: Claim, now: datetime) -> Completion:
    """Return a success whose next slot lies a second after the last."""
    then = claim.slot_at + timedelta(seconds=1)
    return Completion(
        claim=claim,
        outcome=OUTCOME,
        started_at=now,
        finished_at=now,
        health=claim.health,
        settles=True,
        slot_at=then,
        next_run_at=then,
        attempt=1,
    )
