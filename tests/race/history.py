"""
What a race leaves behind: all that the checker looks at.

It comes from two sources that know nothing of each other: the store's public reads, once everything has come to rest,
and the journals that executors wrote on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs

from taskwarden.core.change import Change
from taskwarden.core.record import Run, Tally, TaskStatus
from taskwarden.ids import Kind, TaskId, TenantId

__all__ = ["Caps", "Execution", "Heard", "History", "Name"]

Name = tuple[TenantId, Kind, str]
"""What identifies a task for those who make it."""
Caps = Mapping[TenantId | Kind, int]
"""Most tasks of a tenant or kind that may run at the same time."""
Heard = tuple[int, TaskId, int]
"""A finished run as a reader was told of it: place in the feed, task, token."""


@attrs.frozen(kw_only=True)
class Execution:
    """
    One call of an executor, as its own journal tells it.

    Args:
        process: Which process it was in; each has a number of its own.
        started, ended: Seconds by the machine's monotonic clock, which all processes share; *ended* is None where the
            process was killed on the way.
        alive_until: When the process was last known to be alive; None: it ended by itself.
        how: ``succeeded``, or another word; empty where it did not end.
        claimed_at, lease_until: Of its claim, by the store's clock; the lease may have been renewed since.
    """

    task_id: TaskId
    token: int
    process: int
    started: float
    ended: float | None = None
    alive_until: float | None = None
    how: str = ""
    claimed_at: datetime
    lease_until: datetime

    @property
    def until(self) -> float:
        """Up to when it was surely going on."""
        end = self.alive_until if self.ended is None else self.ended
        return self.started if end is None else max(end, self.started)


@attrs.frozen(kw_only=True)
class History:
    """
    One race.

    Args:
        made: The tasks that were created, each once.
        tasks, runs, tallies: Of all tenants, as they stood when everything had come to rest.
        feed: From its beginning.
        heard: What one reader was told who followed the feed all the while, in that order.
        executions: From all journals.
        caps: Which hold all the while.
        stopped_at: When the last runners were told to stop, by the store's clock.
    """

    made: frozenset[Name]
    tasks: Sequence[TaskStatus]
    runs: Sequence[Run]
    tallies: Sequence[Tally]
    feed: Sequence[Change]
    heard: Sequence[Heard]
    executions: Sequence[Execution]
    caps: Caps
    stopped_at: datetime
