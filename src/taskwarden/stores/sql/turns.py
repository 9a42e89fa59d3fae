"""
Whose turn it is, under backlog: tenants in line, and how a claim of a given size is shared among them. Pure.

The line is kept in the lanes (a tenant's tasks of one kind), by when they were served last. Each tenant at its head
takes as many tasks as its weight says, then stands at the end: deficit round robin (Shreedhar and Varghese, 1995) with
a quantum of one task. What is left of a turn that a claim breaks off is the tenant's credit.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["SPARE", "Candidate", "Share", "most_of_each", "share_out"]

SPARE: Final = 2
"""How many tasks of each lane are looked up beyond those that its tenant gets if all have enough."""


class Candidate(NamedTuple):
    """A task that is due, by its order within the tenant's turn."""

    urgency: int
    number: int
    kind: str
    lane: int


@attrs.define(eq=False)
class Share:
    """
    One tenant in line.

    Args:
        room: How many tasks it may still start.
        credit: What is left of its turn; 0: its turn has not begun.
        candidates: What it has due, as far as it was looked up.
        chosen: What of that is started.
        passed: What of that was passed over, as its kind was full.
        tail: At the end of the line as the how-manieth; None: not served, or in the middle of its turn.
    """

    tenant: str
    weight: int
    room: int
    credit: int
    candidates: list[Candidate]
    chosen: list[Candidate] = attrs.field(factory=list, init=False)
    passed: list[Candidate] = attrs.field(factory=list, init=False)
    tail: int | None = attrs.field(default=None, init=False)


def most_of_each(limit: int, weights: Sequence[int]) -> int:
    """
    Return how many tasks of each lane are worth a look for a claim of *limit*: all turns of the heaviest tenant.

    Where some tenants have less than their turns, this may not do to fill the claim.
    """
    turns = -(-limit // sum(weights)) if weights else 1
    return min(limit, turns * max(weights, default=1) + SPARE)


def share_out(line: Iterable[Share], limit: int, kind_room: dict[str, int]) -> list[Candidate]:
    """
    Choose at most *limit* tasks, in the order of the turns, and say where each tenant stands afterwards.

    Args:
        kind_room: How many tasks of a capped kind may still start; counted down here.
    """
    chosen: list[Candidate] = []
    queue = deque(line)
    for share in queue:
        share.candidates.sort(reverse=True)  # the most urgent at the end, where taking it costs nothing
    served = 0
    while queue and len(chosen) < limit:
        share = queue.popleft()
        if share.credit <= 0:
            share.credit = share.weight
        while share.credit > 0 and len(chosen) < limit:
            taken = _next(share, kind_room)
            if taken is None:
                break
            chosen.append(taken)
            share.chosen.append(taken)
            share.credit -= 1
            share.room -= 1
        else:
            if share.credit <= 0:
                served += 1
                share.tail = served
                queue.append(share)
            continue
        share.credit = 0  # it has no more: what was left of its turn is forfeited
    return chosen


def _next(share: Share, kind_room: dict[str, int]) -> Candidate | None:
    if share.room <= 0:
        return None
    while share.candidates:
        taken = share.candidates.pop()
        room = kind_room.get(taken.kind)
        if room is None:
            return taken
        if room > 0:
            kind_room[taken.kind] = room - 1
            return taken
        share.passed.append(taken)
    return None
