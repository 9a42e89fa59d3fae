"""Which tasks each tenant has, with their schedules: for Taskwarden and for the plain loop alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.decision import Activity
from taskwarden.core.task import Priority
from taskwarden.policies.intervals import between, cron, every

if TYPE_CHECKING:
    from taskwarden.core.protocols import IntervalPolicy

__all__ = ["PLANS", "Plan", "activity"]


@attrs.frozen
class Plan:
    """
    A task that each tenant has.

    Args:
        after: The kind of the tenant's task that it depends on; empty: none.
    """

    kind: str
    priority: Priority
    schedule: IntervalPolicy
    after: str = ""


PLANS: Final = (
    Plan("oauth.refresh", Priority.CRITICAL, every(minutes=50)),
    Plan("search.stats", Priority.HIGH, every(minutes=15)),
    Plan("site.check", Priority.MEDIUM, between(timedelta(minutes=15), timedelta(minutes=60))),
    Plan("report.write", Priority.MEDIUM, every(hours=2)),
    Plan("digest.send", Priority.LOW, cron("0 */3 * * *"), after="search.stats"),
)
"""The tasks of every tenant; the order is that of the table."""


def activity(now: datetime) -> Activity:
    """Return how much is going on at the tenant that is called active, for the whole of the demo."""
    return Activity(4, now + timedelta(days=365))
