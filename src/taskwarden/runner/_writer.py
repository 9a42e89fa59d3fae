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
from taskwarden.runner._patience import Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from taskwarden.core.claim import Claim, Completion, Deferral
    from taskwarden.core.protocols import Clock, Store
    from taskwarden.ids import TaskId
    from taskwarden.runner._outage import Line

__all__ = ["Writer"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_BATCH: Final = 200
"""Most completions in one write."""
PATIENCE: Final = 10.0
"""Most seconds that one call of the store may take, and that the last outcomes of a runner that ends are waited for."""


@attrs.define(eq=False)
class Writer:
    """
    Writes what is delivered.

    Args:
        written: Called after each write with the earliest next time in it, None if there is none.
    """

    store: Store
    clock: Clock
    line: Line
    written: Callable[[datetime | None], None]
    _completions: list[Completion] = attrs.field(factory=list, init=False)
    _deferrals: list[Deferral] = attrs.field(factory=list, init=False)
    _arrived: anyio.Event = attrs.field(factory=anyio.Event, init=False)
    _woken: bool = attrs.field(default=False, init=False)
    _batch: list[Completion] = attrs.field(factory=list, init=False)
    _deferring: list[Deferral] = attrs.field(factory=list, init=False)
    _singly: int = attrs.field(default=0, init=False)
    _completed_last: bool = attrs.field(default=False, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _given_up: bool = attrs.field(default=False, init=False)
    _again: float | None = attrs.field(default=None, init=False)
    """Monotonic: when to try again what the store did not take; None: at once."""
    _patience: Patience = attrs.field(factory=lambda: Patience(PATIENCE), init=False)
    _scope: anyio.CancelScope = attrs.field(factory=lambda: anyio.CancelScope(shield=True), init=False)

    @property
    def pending(self) -> int:
        """How many are delivered and not yet written."""
        return len(self._completions) + len(self._deferrals) + len(self._batch) + len(self._deferring)

    def held(self) -> dict[TaskId, int]:
        """Return task and token of what waits, so that its leases are kept."""
        given_back = (it.claim for it in (*self._deferring, *self._deferrals))
        claims = [*(it.claim for it in (*self._batch, *self._completions)), *given_back]
        return {claim.task.id: claim.token for claim in claims}

    def deliver(self, completion: Completion) -> None:
        """Take *completion*, to be written soon."""
        self._completions.append(completion)
        if not self._woken:  # a flag is cheaper than an event that is set already
            self._rouse()

    def defer(self, deferral: Deferral) -> None:
        """Take *deferral*, to be written soon."""
        self._deferrals.append(deferral)
        self._rouse()

    def settled(self, completion: Completion, receipt: Receipt) -> None:
        """Take note that *completion* was written by other means."""
        self.written(_told([completion], [receipt]))

    def close(self) -> None:
        """Nothing more will be delivered: what there is may be the last."""
        self._closed = True
        self._rouse()

    def hurry(self) -> None:
        """Take ``PATIENCE`` of real time from now on, and no more, whatever is under way or still to come."""
        self._scope.deadline = anyio.current_time() + PATIENCE

    async def run(self) -> None:
        """Write until closed; cancellation does not end it, ``hurry`` does."""
        with self._scope:
            while self.pending or not self._closed:
                with self._patience.scope():
                    await self._write_while_patient()

    async def finish(self) -> None:
        """Write what ``run`` could not, as the event loop itself ended it; and say what is left in the end."""
        self._again = None
        with anyio.CancelScope(deadline=self._scope.deadline, shield=True), self._patience.scope():
            if not self._given_up:
                await self._write_all()
        if self.pending:
            # Not lost for good: the leases expire, and other runners take the tasks over.
            _LOG.error("runner %s: ended with %d outcomes not written", self.line.runner, self.pending)

    def _rouse(self) -> None:
        self._woken = True
        self._arrived.set()

    async def _write_while_patient(self) -> None:
        """Write until closed, or until the scope has run out; to be called again then: nothing is forgotten."""
        await self._write_all()
        while not (self._closed or self._patience.ran_out):
            await self.clock.wait(self._arrived, None)
            self._arrived, self._woken = anyio.Event(), False
            await self._write_all()

    async def _write_all(self) -> None:
        while (self._completions or self._deferrals) and not self._patience.ran_out:
            if self._again is not None:
                await self.clock.wait(anyio.Event(), self._again)
                self._again = None
            await self._write()

    async def _write(self) -> None:
        """Write one batch; if the store did not answer, keep it and set when to try again."""
        # By turns: under load there is always another completion, and deferrals would wait for ever.
        if self._deferrals and (self._completed_last or not self._completions):
            self._deferring, self._deferrals = self._deferrals, []
        else:
            most = 1 if self._singly else _BATCH
            self._singly = max(self._singly - 1, 0)
            self._batch, self._completions = self._completions[:most], self._completions[most:]
        self._completed_last = not self._deferring
        receipts: Sequence[Receipt] | None = None
        self._patience.call()
        try:
            # Within the shield of `run`: a cancellation in mid-write would leave it open whether it was recorded.
            if self._deferring:
                receipts = await self.store.defer(self._deferring)
            else:
                receipts = await self.store.complete(self._batch)
        except Closed:
            self._given_up = True
            _LOG.error("runner %s: the store was closed before all outcomes were written", self.line.runner)
            raise
        except UsageError as error:
            if len(self._batch) <= 1:
                for claim in [it.claim for it in self._batch] + [it.claim for it in self._deferring]:
                    _tell_dropped(claim, error)
                receipts = ()
            else:
                # One outcome that the store will not take must not hold up the others: they go one by one for a while.
                self._singly = len(self._batch)
                self._again = self.clock.monotonic()
        except Exception as error:  # whatever a store raises, outcomes are kept and the host lives
            self._again = self.line.failed(error)
        except BaseException:
            if self._patience.ran_out:
                self._again = self.line.failed(TimeoutError(f"no answer within {PATIENCE} s"))
            raise
        finally:
            batch, self._batch, deferring, self._deferring = self._batch, [], self._deferring, []
            if receipts is None:
                self._completions[:0] = batch
                self._deferrals[:0] = deferring
        if receipts is not None:
            self.line.answered()
            self.written(min((it.until for it in deferring), default=None) if deferring else _told(batch, receipts))


def _tell_dropped(claim: Claim, error: UsageError) -> None:
    task = claim.task
    _LOG.error(
        "task %s (%s of %s): the store refuses what became of it, which is dropped; its lease expires and the slot is "
        "tried again: %s",
        *(task.id, task.kind, task.tenant, error),
    )


def _told(completions: Sequence[Completion], receipts: Sequence[Receipt]) -> datetime | None:
    """Tell what people should know of what was written; return the earliest next time in it."""
    earliest: datetime | None = None
    for completion, receipt in zip(completions, receipts, strict=False):
        at = completion.next_run_at
        if at is not None and (earliest is None or at < earliest):
            earliest = at
        if receipt is Receipt.REFUSED:
            task = completion.claim.task
            _LOG.warning(
                "task %s (%s of %s): its claim (token %d) is no longer current; this outcome was not recorded",
                *(task.id, task.kind, task.tenant, completion.claim.token),
            )
        elif type(completion.outcome) is Failed:
            task, failure = completion.claim.task, completion.outcome.failure
            _LOG.info("task %s (%s of %s): %s: %s", task.id, task.kind, task.tenant, failure.code, failure.message)
    return earliest
