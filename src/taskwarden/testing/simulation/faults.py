"""What may go wrong in a simulation, and how often. All of it is drawn from the seed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from random import Random

__all__ = ["CALM", "HARSH", "Faults", "drawn"]


@attrs.frozen(kw_only=True)
class Faults:
    """
    Chances, each from 0 to 1, and what happens from outside.

    Args:
        crash: That a process dies at a store call of its own, before or after the call took effect.
        crash_in_run: That a process dies while an executor runs in it.
        meddling: That an operator acts on a task just while it runs.
        ambiguous: That a store call takes effect, and its caller is told that the store is unavailable.
        latency: That a store call is slow, on its way there or back; ``longest_latency`` bounds both.
        lost_hint: That a hint of the store does not arrive.
        every: Mean time between two ``events``; None: there are none.
        events: Weights of what happens then: ``outage`` (of the store, for all), ``partition`` (of one process),
            ``freeze`` (one process stands still, and goes on as if nothing had been), ``crash``, ``restart`` (with
            drain), ``backward`` and ``forward`` (jumps of the store's clock).
        longest: Longest outage, partition and freeze.
        longest_jump: Of the store's clock.
        drift: By how much, at most, the monotonic clock of a process is too fast or too slow, as a fraction.
        skew: By how much, at most, the wall clock of a process is wrong.
    """

    crash: float = 0
    crash_in_run: float = 0
    meddling: float = 0
    ambiguous: float = 0
    latency: float = 0
    longest_latency: timedelta = timedelta(seconds=5)
    lost_hint: float = 0
    every: timedelta | None = None
    events: Mapping[str, int] = attrs.field(factory=dict)
    longest: timedelta = timedelta(minutes=10)
    longest_jump: timedelta = timedelta(days=800)
    drift: float = 0
    skew: timedelta = timedelta(0)


CALM: Final = Faults()
"""Nothing goes wrong."""

HARSH: Final = Faults(
    crash=0.004,
    crash_in_run=0.01,
    meddling=0.03,
    ambiguous=0.01,
    latency=0.2,
    lost_hint=0.3,
    every=timedelta(minutes=20),
    events={"outage": 3, "partition": 3, "freeze": 4, "crash": 3, "restart": 3, "backward": 1, "forward": 1},
    drift=0.05,
    skew=timedelta(days=3_650),
)
"""Worse than any day in production, for every day of a simulation."""


def drawn(rng: Random, longest: timedelta) -> timedelta:
    """Return a span of up to *longest*: mostly short, sometimes long, in whole milliseconds."""
    return timedelta(milliseconds=int(longest / timedelta(milliseconds=1) * rng.random() ** 3))
