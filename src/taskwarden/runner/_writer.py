"""
Step 6: completions are written in batches as they arrive (group commit).

Nothing is delayed to make a batch larger: while one batch is being written the next one gathers. An outcome, once
delivered, is written or refused by the store; it is lost neither by a cancellation nor by an outage that ends before
its lease does.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from taskwarden.core.claim import Receipt
from taskwarden.core.outcome import Failed
from taskwarden.errors import Closed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskwarden.core.claim import Completion, Deferral
    from taskwarden.core.protocols import Clock, Store
    from taskwarden.ids import TaskId
    from taskwarden.runner._outage import Outage

__all__ = ["Writer"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_BATCH: Final = 200
"""Most completions in one write."""
PATIENCE: Final = 10.0
"""Seconds that one call of the store may take, and that the last outcomes of a runner that ends are waited for."""


@attrs.define(eq=False)
class Writer:
    """
    Writes what is delivered.

    Args:
        written: Called after each write with the earliest next time in it, None if there is none.
    """

    store: Store
    clock: Clock
    outage: Outage
    written: Callable[[datetime | None], None]
    _completions: list[Completion] = attrs.field(factory=list, init=False)
    _deferrals: list[Deferral] = attrs.field(factory=list, init=False)
    _arrived: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _woken: bool = attrs.field(default=False, init=False)
    _batch: list[Completion] = attrs.field(factory=list, init=False)
    _singly: int = attrs.field(default=0, init=False)

    @property
    def pending(self) -> int:
        """How many are delivered and not yet written."""
        return len(self._completions) + len(self._deferrals) + len(self._batch)

    def held(self) -> dict[TaskId, int]:
        """Return task and token of what waits, so that its leases are kept."""
        claims = [it.claim for it in (*self._batch, *self._completions)] + [it.claim for it in self._deferrals]
        return {claim.task.id: claim.token for claim in claims}

    def deliver(self, completion: Completion) -> None:
        """Take *completion*, to be written soon."""
        self._completions.append(completion)
        if not self._woken:  # a flag is cheaper than an event that is set already
            self._woken = True
            self._arrived.set()

    def defer(self, deferral: Deferral) -> None:
        """Take *deferral*, to be written soon."""
        self._deferrals.append(deferral)
        self._woken = True
        self._arrived.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self.clock.wait(self._arrived, None)
            self._arrived, self._woken = anyio.Event(), False
            while self._completions or self._deferrals:
                again = await self._write()
                if again is not None:
                    await self.clock.wait(anyio.Event(), again)

    async def finish(self) -> None:
        """Write what is left, within ``PATIENCE`` of real time, cancelled or not."""
        with anyio.move_on_after(PATIENCE, shield=True):
            while self._completions or self._deferrals:
                again = await self._write()
                if again is not None:
                    await self.clock.wait(anyio.Event(), again)
        if self.pending:
            # Not lost for good: the leases expire, and other runners take the tasks over.
            _LOG.error("runner %s: ended with %d outcomes not written", self.outage.runner, self.pending)

    async def _write(self) -> float | None:
        """Write one batch; return when to try again if the store did not answer, with the batch kept."""
        most = 1 if self._singly else _BATCH
        self._singly = max(self._singly - 1, 0)
        self._batch, self._completions = self._completions[:most], self._completions[most:]
        deferring, self._deferrals = (self._deferrals, []) if not self._batch else ([], self._deferrals)
        receipts: Sequence[Receipt] | None = None
        problem: Exception = TimeoutError(f"no answer within {PATIENCE} s")
        try:
            # Shielded, and bounded: a cancellation in mid-write would leave it open whether the outcome was recorded.
            with anyio.move_on_after(PATIENCE, shield=True):
                if self._batch:
                    receipts = await self.store.complete(self._batch)
                else:
                    receipts = await self.store.defer(deferring)
        except Closed:
            _LOG.error("runner %s: the store was closed before all outcomes were written", self.outage.runner)
            raise
        except UsageError as error:
            if len(self._batch) == 1:
                _tell_dropped(self._batch[0], error)
                receipts = ()
            else:
                # One outcome that the store will not take must not hold up the others: they go one by one for a while.
                self._singly = len(self._batch)
                problem = error
        except Exception as error:  # whatever a store raises, outcomes are kept and the host lives
            problem = error
        finally:
            batch, self._batch = self._batch, []
            if receipts is None:
                self._completions[:0] = batch
                self._deferrals[:0] = deferring
        if receipts is None:
            return self.clock.monotonic() if self._singly else self.outage.failed(problem)
        self.outage.answered()
        _tell(batch, receipts)
        times = [it.next_run_at for it in batch if it.next_run_at is not None] + [it.until for it in deferring]
        self.written(min(times, default=None))
        return None


def _tell_dropped(completion: Completion, error: UsageError) -> None:
    task = completion.claim.task
    _LOG.error(
        "task %s (%s of %s): the store refuses its outcome, which is dropped; its lease expires and the slot is tried "
        "again: %s",
        *(task.id, task.kind, task.tenant, error),
    )


def _tell(completions: Sequence[Completion], receipts: Sequence[Receipt]) -> None:
    for completion, receipt in zip(completions, receipts, strict=False):
        if receipt is Receipt.REFUSED:
            task = completion.claim.task
            _LOG.warning(
                "task %s (%s of %s): its claim (token %d) is no longer current; this outcome was not recorded",
                *(task.id, task.kind, task.tenant, completion.claim.token),
            )
        elif type(completion.outcome) is Failed:
            task, failure = completion.claim.task, completion.outcome.failure
            _LOG.info("task %s (%s of %s): %s: %s", task.id, task.kind, task.tenant, failure.code, failure.message)
