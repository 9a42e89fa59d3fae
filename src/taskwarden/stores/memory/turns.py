"""
Turns: what is due, in the order in which it is claimed.

Each kind has a ring: a heap of the lanes that have something due, by their tenants' turns. Serving a tenant moves its
turn on by ``ROUND`` / weight: stride scheduling (Waldspurger and Weihl, 1995), in whole numbers. Of equal turns the one
that has waited longest goes first, and whoever joins does so at the end of the round: so with equal weights nobody is
served twice before everybody was once, however many come anew.

A tenant's turn holds over all kinds, so serving it through one ring leaves its place in others out of date. Places are
corrected when they come up: turns only grow, so an old place is never too late. A lane leaves the ring when it has
nothing to give (empty, tenant paused or at its cap), and whoever ends that puts it back. So neither capped tenants nor
kinds that nobody asks for are ever scanned over.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.claim import urgency
from taskwarden.core.task import Priority
from taskwarden.stores.memory.leases import Leases
from taskwarden.stores.memory.row import NO_CAP
from taskwarden.stores.memory.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from taskwarden.stores.memory.row import Lane, Row, Tenant

__all__ = ["KindQueue", "Turns"]

ROUND: Final = 720_720
"""What a turn of weight 1 costs: a multiple of 1 to 16, so that ordinary weights share exactly."""


@attrs.define(eq=False)
class KindQueue:
    """
    One kind: its timers, what is due, and its leases.

    Args:
        ring: (turn, stamp, lane) of the lanes with something due.
        stored: How many tasks of the kind there are.
        shed: How many entries in heaps have become invalid since the last sweep.
    """

    number: int
    turns: Turns
    max_running: int = NO_CAP
    running: int = 0
    stored: int = 0
    shed: int = 0
    timers: Timers = attrs.field(factory=Timers)
    leases: Leases = attrs.field(factory=Leases)
    ring: list[tuple[int, int, Lane]] = attrs.field(factory=list)
    lanes: list[Lane] = attrs.field(factory=list)

    def advance(self, now: datetime) -> None:
        """Move what is due at *now* from the timers to its lanes. Each task is moved once for each time it is due."""
        for at, number, row in self.timers.pop_due(now):
            urgent = row.urgent and at != row.manual_at
            key = urgency(at, Priority.CRITICAL if urgent else row.task.priority)
            row.entry = entry = (key, number, row)
            lane = row.lane
            heappush(lane.ready, entry)
            if not lane.queued:
                self.enter(lane)

    def enter(self, lane: Lane) -> None:
        """Put *lane* into the ring, if it has anything that may be due."""
        if lane.ready and not lane.queued:
            tenant = lane.tenant
            if not tenant.queued:
                self.turns.join(tenant)
            tenant.queued += 1
            lane.queued = True
            heappush(self.ring, (tenant.turn, tenant.stamp, lane))

    def head(self) -> Lane | None:
        """Return the lane whose turn it is; None: nothing of this kind can be claimed now."""
        if self.running >= self.max_running:
            return None
        ring = self.ring
        while ring:
            _, stamp, lane = ring[0]
            tenant, ready = lane.tenant, lane.ready
            # Asked twice for each row: what `first` does is written out for where nothing is to be shed.
            empty = not ready or (ready[0][2].entry is not ready[0] and first(lane) is None)
            if empty or tenant.paused or tenant.running >= tenant.max_running:
                heappop(ring)
                tenant.queued -= 1
                lane.queued = False
            elif stamp != tenant.stamp:
                heapreplace(ring, (tenant.turn, tenant.stamp, lane))
            else:
                return lane
        return None

    def forget(self, row: Row) -> None:
        """Make *row*'s place in a heap invalid, and sweep when more were than there are tasks."""
        if row.entry is None:
            return
        row.entry = None
        self.shed += 1
        if self.shed > self.stored + 1000:
            self.shed = 0
            self.timers.sweep()
            for lane in self.lanes:
                lane.ready = [entry for entry in lane.ready if entry[2].entry is entry]
                heapify(lane.ready)

    def recall(self) -> list[Row]:
        """Take out what is due, and return it: the clock has gone back, and it may be due no longer."""
        rows = [entry[2] for lane in self.lanes for entry in lane.ready if entry[2].entry is entry]
        for lane in self.lanes:
            lane.ready.clear()
        return rows


@attrs.define(eq=False)
class Turns:
    """Whose turn it is, over all kinds."""

    _turn: int = attrs.field(default=0, init=False)
    _stamps: Iterator[int] = attrs.field(factory=count, init=False)

    def join(self, tenant: Tenant) -> None:
        """Let *tenant*, which had nothing to give, take part: from the end of the round on, unless it is further."""
        turn = self._turn + (ROUND // tenant.weight or 1)
        if turn > tenant.turn:
            tenant.turn, tenant.stamp = turn, next(self._stamps)

    def serve(self, queues: Collection[KindQueue]) -> Iterator[Row]:
        """
        Yield rows that are due, in the order of the turns; each has left the heaps.

        The caller counts each as running before it asks for the next, for the caps, and may stop at any time. A row
        costs the logarithm of the tenants and of the kinds with something due, and a look at each lane of its tenant.
        """
        heads = [
            (head.tenant.turn, head.tenant.stamp, queue.number, head) for queue in queues if (head := queue.head())
        ]
        heapify(heads)
        while heads:
            _, stamp, _, lane = heads[0]
            queue, tenant = lane.queue, lane.tenant
            # Otherwise it was served meanwhile through another kind, or its kind is at its cap.
            if stamp == tenant.stamp and queue.running < queue.max_running:
                if len(tenant.lanes) > 1:
                    lane = _most_urgent(lane, queues)
                row = heappop(lane.ready)[2]
                row.entry = None
                # A tenant whose kind nobody ran lies behind: it goes first once, but does not make up for all of it.
                if tenant.turn > self._turn:
                    self._turn = tenant.turn
                tenant.turn, tenant.stamp = self._turn + (ROUND // tenant.weight or 1), next(self._stamps)
                yield row
            head = queue.head()
            if head is None:
                heappop(heads)
            elif len(heads) == 1:
                heads[0] = (head.tenant.turn, head.tenant.stamp, queue.number, head)
            else:
                heapreplace(heads, (head.tenant.turn, head.tenant.stamp, queue.number, head))


def _most_urgent(lane: Lane, queues: Collection[KindQueue]) -> Lane:
    """Return the lane of *lane*'s tenant that holds its most urgent row, among those of *queues* below their caps."""
    for other in lane.tenant.lanes.values():
        queue = other.queue
        if (
            queue in queues
            and queue.running < queue.max_running
            and first(other) is not None
            and other.ready[0] < lane.ready[0]
        ):
            lane = other
    return lane


def first(lane: Lane) -> Row | None:
    """Return the most urgent row of *lane*, shedding invalid entries; None: nothing is due."""
    ready = lane.ready
    while ready:
        entry = ready[0]
        row = entry[2]
        if row.entry is entry:
            return row
        heappop(ready)
    return None
