"""Failure policies to take from the shelf."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Final

from taskwarden.policies.composition import park
from taskwarden.policies.detectors import Consecutive, Duration, Sequential, Window
from taskwarden.policies.policy import TaskPolicy

__all__ = ["brief", "standard"]

_WEEK: Final = timedelta(days=7)


def standard() -> TaskPolicy:
    """
    Return the policy of executors that bring none.

    A task cools off when its runs fit a failing task better than a healthy one (``Sequential``): after 3 failures in
    a row of which the first is at least 10 minutes ago (so a task that runs each minute trips at the 5th), or when it
    fails more often than not. Delays double from the period (at most 5 minutes) to 24 hours (or the period, if that is
    longer); two successes in a row end it. After 72 hours and at least 6 failures without one success, or when a
    definitive failure is confirmed, it needs intervention, and is still probed: with the delays reached, or every
    7 days after a definitive failure.
    """
    return _STANDARD


def brief(*, strict: bool = False) -> TaskPolicy:
    """
    Return the classic rule: 3 failures in a row, or 5 in 7 days, and the task needs intervention for 7 days.

    Then one probe; if it fails, 7 days more. So that a healthy task that runs often is not parked for background
    noise, "5 in 7 days" also needs a quarter of the last 20 runs, at least 10, to have failed.

    Args:
        strict: Leave that gate out, as the rule was first written: every 15 minutes at 0.5 % failures, that parks
            87 % of healthy tasks within 4 weeks.
    """
    return _STRICT if strict else _BRIEF


_STANDARD: Final = TaskPolicy(Sequential() | park(Duration(timedelta(hours=72), 6)))
_BRIEF: Final = TaskPolicy(
    park(Consecutive(3) | Window(5, _WEEK, min_ratio=Fraction(1, 4), of_last=20, min_runs=10)), hold=_WEEK
)
_STRICT: Final = TaskPolicy(park(Consecutive(3) | Window(5, _WEEK)), hold=_WEEK)
