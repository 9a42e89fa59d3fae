"""
When a task's slots are. Pure values: pass one as an executor's ``schedule``, or as a task's own.

=============================================  ========================================================
``every(minutes=15)``                          at a fixed distance, each task at its own phase
``cron("30 9 * * MON-FRI", "Europe/Berlin")``  by the wall clock of a zone, over its jumps too
``once(at)``                                   one slot
``between(lo, hi)``                            nearer to *lo* the more is going on at the tenant's
``jittered(policy, within)``                   the slots of ``every`` or ``cron`` moved apart
=============================================  ========================================================

A missed slot coalesces into one run by default; ``missed=Skip(grace)`` and ``missed=Each(limit)`` are the alternatives.
No policy here keeps a memory. Beyond the calendar's end, the year 9999, there is no slot: ``Planned.at`` is None.
"""

from __future__ import annotations

from taskwarden.policies.intervals.activity import Between, between
from taskwarden.policies.intervals.cron import Cron, cron
from taskwarden.policies.intervals.every import Every, every
from taskwarden.policies.intervals.grid import Grid
from taskwarden.policies.intervals.jitter import Jittered, jittered
from taskwarden.policies.intervals.missed import Coalesce, Each, Missed, Skip
from taskwarden.policies.intervals.once import Once, once
from taskwarden.policies.intervals.plain import from_data, to_data
from taskwarden.policies.intervals.pull import pulled

__all__ = [
    "Between",
    "Coalesce",
    "Cron",
    "Each",
    "Every",
    "Grid",
    "Jittered",
    "Missed",
    "Once",
    "Skip",
    "between",
    "cron",
    "every",
    "from_data",
    "jittered",
    "once",
    "pulled",
    "to_data",
]
