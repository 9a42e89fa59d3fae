"""Completing a batch: what is ordinary at once, the rest the long way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from taskwarden.core.claim import Receipt
from taskwarden.stores.sql.completions import complete
from taskwarden.stores.sql.lanes import ended
from taskwarden.stores.sql.ordinary import OneByOne, is_ordinary, ordinary_values
from taskwarden.stores.sql.rows import number_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    from taskwarden.core.claim import Completion
    from taskwarden.stores.sql.known import KnownTasks
    from taskwarden.stores.sql.writing import Writing

__all__ = ["Batch", "NotOrdinary", "complete_ordinary_first", "complete_rest"]


class NotOrdinary(Exception):
    """A completion that looked ordinary is not: the transaction is rolled back and begins anew, the long way."""


@attrs.define(eq=False)
class Batch:
    """
    Completions, apart by whether they might be ordinary.

    Args:
        rows: What the ordinary ones write.
        places: Where in the batch each of them stands.
    """

    completions: Sequence[Completion]
    rows: list[dict[str, Any]] = attrs.field(factory=list)
    places: dict[int, int] = attrs.field(factory=dict)

    @classmethod
    def of(cls, completions: Sequence[Completion], known: KnownTasks) -> Batch:
        """Look through *completions*: of several for one task only the first may be ordinary."""
        batch = cls(completions)
        for place, done in enumerate(completions):
            number = number_or_none(done.claim.task.id)
            if number is None or number in batch.places or not is_ordinary(done):
                continue
            entry = known.get(number)
            if entry is not None and entry.holder:
                batch.rows.append(ordinary_values(done, number, entry))
                batch.places[number] = place
        return batch

    def receipts(self, ordinary: set[int], rest: Sequence[Receipt]) -> list[Receipt]:
        """Return the receipts of all, given those of the rest in their order."""
        recorded = {self.places[number] for number in ordinary}
        following = iter(rest)
        return [Receipt.RECORDED if place in recorded else next(following) for place in range(len(self.completions))]

    def rest(self, ordinary: set[int]) -> list[Completion]:
        """Return the completions that were not written as ordinary ones."""
        recorded = {self.places[number] for number in ordinary}
        return [done for place, done in enumerate(self.completions) if place not in recorded]


def complete_ordinary_first(writing: Writing, batch: Batch, one_by_one: OneByOne | None, now: int) -> list[Receipt]:
    """
    Write *batch* in the transaction *writing*.

    Raises:
        NotOrdinary: One that looked ordinary is not; the transaction must be rolled back.
    """
    ordinary: set[int] = set()
    if one_by_one is not None and batch.rows:
        if not one_by_one.complete(writing.conn, batch.rows, now):
            raise NotOrdinary
        ordinary = set(batch.places)
        writing.ordinary = batch.rows
        writing.changed = True
        for row in batch.rows:
            if row["next_run_at"] is not None:
                writing.line_up(row["lane_id"], row["next_run_at"])
        finished = max(batch.completions[place].finished_at for place in batch.places.values())
        writing.decided = max(writing.now, finished)
        ended(writing, {row["tenant"] for row in batch.rows}, {row["kind"] for row in batch.rows})
    rest = batch.rest(ordinary)
    return batch.receipts(ordinary, complete(writing, rest) if rest else ())


def complete_rest(writing: Writing, batch: Batch, ordinary: set[int]) -> list[Receipt]:
    """Write, the long way, what of *batch* was not written before."""
    return batch.receipts(ordinary, complete(writing, batch.rest(ordinary)))
