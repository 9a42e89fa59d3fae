"""
Backoff: how long to wait after the nth failure in a row, spread by hash.

The nominal delay of step n is ``min(cap, base * 2^(n-1))``, and of it between three quarters and the whole is waited,
by a hash of (task, epoch, step): spread over tasks, the same at each replay. For an outage that lasts T beyond a task's
first failing call, with g = 2 and jitter j = 1/4, this gives (derived in ``docs/explanation``; proven by P20 and P21):

* wasted calls, before the cap: at most ``2 + log_g(1 + (g-1) T / ((1-j) base))``;
* time from the end of the outage to the next call: at most ``min(cap, (g-1) T / (1-j) + base)``.

What to wait for depends on what failed, so bases and caps stand in one table by code. Growth by two and a jitter taken
off are common ground (AWS, "Exponential Backoff and Jitter", 2015: "equal jitter"; GitLab's webhooks cap at 24 h).
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import attrs

from taskwarden.core.instant import MICROSECOND, span
from taskwarden.errors import InvalidValue

__all__ = [
    "CURVES",
    "STEP_LIMIT",
    "Curve",
    "base_delay",
    "bounds",
    "curve_of",
    "delay",
    "exponential",
    "spread_after",
]

STEP_LIMIT: Final = 64
"""Steps are held here: doubled so often, a microsecond outgrows any cap."""
LARGEST_CAP: Final = timedelta(days=3_660)
SHORT: Final = timedelta(minutes=5)
LONG: Final = timedelta(hours=24)
_LARGEST_SPREAD: Final = timedelta(seconds=60)
_LEVELS: Final = 1 << 16
"""How many values jitter has."""
_QUARTERS: Final = 4 * _LEVELS


@attrs.frozen
class Curve:
    """
    How delays grow for one group of codes.

    Args:
        code: Failures with this code, or whose code begins with it and a ``.`` or ``_``.
        base: The first delay; None: the task's period, at most 5 minutes.
        cap: The longest; None: the task's period, at least 24 hours.
        tell_after: How long a task may fail this way before people are told.
    """

    code: str
    base: timedelta | None
    cap: timedelta | None
    tell_after: timedelta


_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_AT_ONCE: Final = timedelta(0)

CURVES: Final = (
    Curve("api_limit.billing", 6 * _HOUR, 24 * _HOUR, _AT_ONCE),
    Curve("api_limit.quota", 6 * _HOUR, 24 * _HOUR, timedelta(days=3)),
    Curve("api_limit", _MINUTE, _HOUR, timedelta(hours=24)),
    Curve("auth_error.client", _HOUR, 24 * _HOUR, _AT_ONCE),
    Curve("auth_error", None, None, SHORT),
    Curve("config_error", None, None, SHORT),
    Curve("network_error", None, None, timedelta(hours=72)),
    Curve("unknown", None, None, timedelta(hours=24)),
)
"""The curve of each group of codes; the first that fits is taken, so details stand before reasons."""


def base_delay(period: timedelta | None) -> timedelta:
    """Return the first delay of a task of *period*: that, at most 5 minutes."""
    return SHORT if period is None else min(max(period, MICROSECOND), SHORT)


@lru_cache(maxsize=1024)
def bounds(code: str, period: timedelta | None) -> tuple[timedelta, timedelta]:
    """Return base and cap of the curve of *code* for a task of *period*; no cap is beyond 10 years."""
    curve = curve_of(code)
    base = curve.base or base_delay(period)
    cap = curve.cap or (LONG if period is None else max(period, LONG))
    return base, max(base, min(cap, LARGEST_CAP))


@lru_cache(maxsize=1024)
def curve_of(code: str) -> Curve:
    """Return the curve of *code*: total over the codes that a ``Failure`` may have."""
    for curve in CURVES:
        if code.startswith(curve.code) and code[len(curve.code) : len(curve.code) + 1] in _ENDS:
            return curve
    return CURVES[-1]


_ENDS: Final = frozenset({"", ".", "_"})


def exponential(step: int, *, base: timedelta, cap: timedelta) -> timedelta:
    """
    Return the nominal delay of *step*: ``min(cap, base * 2^(step-1))``, in whole microseconds.

    Never shorter for a later step, never more than twice the step before. Steps above 64 count as 64.

    Raises:
        InvalidValue: *step* is below 1, *base* is not positive, or *cap* is below *base*.
    """
    if step < 1:
        raise InvalidValue("step", step, "must be at least 1")
    span(base, "base")
    span(cap, "cap", lo=base)
    return _nominal(step, base, cap)


def _nominal(step: int, base: timedelta, cap: timedelta) -> timedelta:
    try:
        return min(cap, base * (1 << min(step, STEP_LIMIT) - 1))
    except OverflowError:
        return cap


def delay(code: str, step: int, period: timedelta | None, key: int, epoch: int) -> timedelta:
    """
    Return what a task of *period* (None: no recurrence) waits at *step* of the curve of *code*.

    By hash, over three quarters of the nominal delay and at most all of it.
    """
    whole = _expected(code, step, period)
    return MICROSECOND * (whole - whole * _drawn(f"{key} {epoch} {step}") // _QUARTERS)


@lru_cache(maxsize=4096)
def _expected(code: str, step: int, period: timedelta | None) -> int:
    """Return the nominal delay in microseconds."""
    base, cap = bounds(code, period)
    return _nominal(step, base, cap) // MICROSECOND


def spread_after(asked: timedelta, *, key: int, epoch: int, step: int) -> timedelta:
    """
    Return what to add to a wait that a provider asked for: below 10 % of it and below 60 s, by hash.

    Only ever added: calling earlier than asked is an offence, calling all at the same instant another.
    """
    most = min(asked // 10, _LARGEST_SPREAD)
    return most * _drawn(f"{key} {epoch} {step} after") // _LEVELS


def _drawn(text: str) -> int:
    """Return one of ``_LEVELS`` numbers by hash: what ``hashing.seed`` does, at a third of its price."""
    return int.from_bytes(blake2b(text.encode(), digest_size=2).digest())
