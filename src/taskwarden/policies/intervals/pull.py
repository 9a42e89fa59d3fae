"""A slot pulled earlier, because an outcome said by when the task must run again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from taskwarden.core.instant import later, utc

if TYPE_CHECKING:
    from taskwarden.core.decision import Planned

__all__ = ["NEAREST", "pulled"]

NEAREST: Final = timedelta(seconds=1)
"""However near the deadline, the run is not pulled nearer than this: no executor may make itself run in a circle."""


def pulled(planned: Planned, run_by: datetime, now: datetime) -> Planned:
    """
    Return *planned* with its slot within nine tenths of the time from *now* to *run_by*: a tenth is left for retries.

    Never later than planned, never nearer to *now* than one second. A *run_by* that has passed tells nothing of when
    to run next, and a task that is done has no slot to pull: both leave the time as planned.
    """
    run_by, now = utc(run_by, "run_by"), utc(now, "now")
    left = run_by - now
    if planned.at is None:
        return planned
    if left <= timedelta(0):
        return planned._replace(reason=f"{planned.reason}; run_by {run_by:%Y-%m-%d %H:%M:%S} UTC has passed")
    at = later(now, max(left * 9 // 10, NEAREST))
    if at >= planned.at:
        return planned
    return planned._replace(at=at, reason=f"to run by {run_by:%Y-%m-%d %H:%M:%S} UTC; else {planned.reason}")
