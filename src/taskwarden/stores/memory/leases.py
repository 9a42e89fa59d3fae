"""
Leases of one kind: who runs what, and what has expired.

Leases of one length, taken while the clock goes forward, end in the order in which they were taken or renewed. Each
such group is a dict, whose order is that: taking, renewing and ending a lease each cost one step, and only the first
of each group needs to be looked at.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import attrs

from taskwarden.core.instant import FAR_PAST

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.ids import RunnerId
    from taskwarden.stores.memory.row import Row

__all__ = ["Group", "Leases"]

Group: TypeAlias = "dict[int, Row]"


@attrs.define(eq=False)
class Leases:
    """
    The leases of one kind's tasks.

    Args:
        expired: Those seen to have expired, not yet taken over or renewed.
    """

    expired: Group = attrs.field(factory=dict, init=False)
    _groups: dict[tuple[RunnerId, timedelta, int], Group] = attrs.field(factory=dict, init=False)

    def group(self, runner: RunnerId, lease: timedelta, era: int) -> Group:
        """
        Return where to put leases of *runner* that are *lease* long and begin now.

        Args:
            era: Raised whenever the clock goes back: leases of two eras have no common order.
        """
        return self._groups.setdefault((runner, lease, era), {})

    def expire(self, now: datetime) -> Group:
        """Move what has expired at *now* to ``expired``, and return that."""
        for key, group in list(self._groups.items()):
            gone = []
            for row in group.values():
                if row.lease_until is None or row.lease_until > now:
                    break
                gone.append(row)
            for row in gone:
                del group[row.number]
                row.hold = self.expired
                self.expired[row.number] = row
            if not group:
                del self._groups[key]
        return self.expired

    def earliest(self, runner: RunnerId) -> datetime | None:
        """Return when the first lease ends that *runner* does not hold, and so does not renew; None: there is none."""
        earliest: datetime | None = None
        for (holder, _, _), group in self._groups.items():
            row = None if holder == runner else next(iter(group.values()), None)
            end = None if row is None else row.lease_until
            if end is not None and (earliest is None or end < earliest):
                earliest = end
        return earliest

    def recall(self, era: int) -> None:
        """Let live again what was seen to expire, in the order in which it will: the clock has gone back."""
        for row in sorted(self.expired.values(), key=lambda row: row.lease_until or FAR_PAST):
            if row.runner is not None:
                group = self.group(row.runner, timedelta(0), era)
                group[row.number] = row
                row.hold = group
        self.expired.clear()

    def rows(self) -> list[Row]:
        """Return all rows that are held."""
        return [row for group in (self.expired, *self._groups.values()) for row in group.values()]
