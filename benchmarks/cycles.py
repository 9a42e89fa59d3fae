"""What claiming and completing batches of tasks takes a store, without a runner; what has run is due again at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from statistics import median
from time import perf_counter
from typing import Final

import attrs

from taskwarden.core.claim import Claims
from taskwarden.ids import Kind, RunnerId
from taskwarden.stores.sql import SqlStore
from taskwarden.testing.builders import completed

__all__ = ["BATCH", "LEASE", "RUNNER", "ClaimBatch", "Times", "claiming", "cycles", "warm_up"]

BATCH: Final = 100
LEASE: Final = timedelta(minutes=10)
RUNNER: Final = RunnerId("bench")
WARM: Final = 200
"""Most batches until everything is warm."""

ClaimBatch = Callable[[], Awaitable[Claims]]
"""Claims ``BATCH`` tasks for ``RUNNER``."""


@attrs.frozen
class Times:
    """Seconds that each batch took."""

    claiming: list[float]
    completing: list[float]

    @property
    def claim_us(self) -> float:
        """Microseconds to claim a task."""
        return median(self.claiming) / BATCH * 1e6

    @property
    def rate(self) -> float:
        """Tasks that are claimed and completed in a second."""
        return BATCH * len(self.claiming) / (sum(self.claiming) + sum(self.completing))


def claiming(store: SqlStore, kind: str) -> ClaimBatch:
    """Return what claims tasks of *kind* as a runner does."""
    return partial(store.claim, runner=RUNNER, kinds=[Kind(kind)], limit=BATCH, lease=LEASE)


async def cycles(store: SqlStore, claim: ClaimBatch, batches: int) -> Times:
    """Claim and complete so many *batches*."""
    times = Times([], [])
    for _ in range(batches):
        begun = perf_counter()
        claims = (await claim()).claims
        times.claiming.append(perf_counter() - begun)
        if len(claims) != BATCH:
            raise RuntimeError(f"{len(claims)} tasks were claimed")
        completions = [completed(each, next_run_at=each.claimed_at) for each in claims]
        begun = perf_counter()
        receipts = await store.complete(completions)
        times.completing.append(perf_counter() - begun)
        if len(receipts) != BATCH:
            raise RuntimeError(f"{len(receipts)} completions were answered")
    return times


async def warm_up(store: SqlStore, claim: ClaimBatch, due: int) -> None:
    """Let the store know the tasks, of which so many are *due*, and the database its plans."""
    await cycles(store, claim, min(due // BATCH, WARM) + 5)
