"""
Timers: rows by the instant from which they may be claimed.

One heap for each second in which anything is due, and a heap of those seconds. A push costs the logarithm of what is
due in the same second, not of all that is stored, and a second that has passed is emptied without sorting.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from taskwarden.stores.memory.row import Entry

__all__ = ["Timers"]


@attrs.define(eq=False)
class Timers:
    """Entries by their instant. Those that are no longer valid are shed when they come up, or by ``sweep``."""

    _seconds: list[int] = attrs.field(factory=list, init=False)
    _heaps: dict[int, list[Entry]] = attrs.field(factory=dict, init=False)

    def push(self, entry: Entry) -> None:
        """Add *entry*."""
        second = int(entry[0].timestamp())
        heap = self._heaps.get(second)
        if heap is None:
            self._heaps[second] = [entry]
            heappush(self._seconds, second)
        else:
            heappush(heap, entry)

    def pop_due(self, now: datetime) -> Iterator[Entry]:
        """Take out what is due at *now*: valid entries, in no order."""
        second = int(now.timestamp())
        while self._seconds and (first := self._seconds[0]) <= second:
            heap = self._heaps[first]
            if first < second:
                for entry in heap:
                    if entry[2].entry is entry:
                        yield entry
            else:
                while heap and heap[0][0] <= now:
                    entry = heappop(heap)
                    if entry[2].entry is entry:
                        yield entry
                if heap:
                    return
            heappop(self._seconds)
            del self._heaps[first]

    def earliest(self) -> datetime | None:
        """Return the instant of the first valid entry; None: there is none."""
        while self._seconds:
            heap = self._heaps[self._seconds[0]]
            while heap:
                entry = heap[0]
                if entry[2].entry is entry:
                    return entry[0]
                heappop(heap)
            del self._heaps[heappop(self._seconds)]
        return None

    def sweep(self) -> None:
        """Shed all entries that are no longer valid. Costs all that is stored."""
        for second, heap in list(self._heaps.items()):
            valid = [entry for entry in heap if entry[2].entry is entry]
            if valid:
                heapify(valid)
                self._heaps[second] = valid
            else:
                del self._heaps[second]
        self._seconds = sorted(self._heaps)
