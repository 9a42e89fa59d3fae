"""Slots moved apart: ``jittered(cron("0 0 * * *"), timedelta(minutes=30))``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from taskwarden.core.hashing import seed as hashed
from taskwarden.core.instant import MICROSECOND, later, micros, span
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals.grid import Grid, planned
from taskwarden.policies.intervals.missed import grace_of
from taskwarden.policies.intervals.reason import spoken

if TYPE_CHECKING:
    from taskwarden.core.decision import IntervalState, Planned
    from taskwarden.core.outcome import Outcome
    from taskwarden.policies.intervals.missed import Missed

__all__ = ["Jittered", "jittered"]


def _grid(value: object) -> Grid:
    if isinstance(value, type) or not isinstance(value, Grid):
        remedy = "jitter moves slots that lie on a grid: every(...) or cron(...)"
        raise InvalidValue("policy", value, "must be a policy on a grid", remedy)
    if isinstance(value, Jittered):
        raise InvalidValue("policy", value, "must not be jittered already", "choose one wider span")
    return value


def _within(value: object) -> timedelta:
    return span(value, "within")


@attrs.frozen
class Jittered:
    """
    Each slot of *policy* moved later, by less than *within*, as a hash of task and slot says.

    The moved slots are a grid again: nothing drifts, their order is that of *policy*, whose choice for missed slots
    holds. Where two slots lie nearer to each other than *within*, the earlier one moves by less than their distance.

    Args:
        policy: ``every`` or ``cron``, or another policy with the properties of ``Grid``.
        within: More than zero, at most the policy's smallest distance between slots.

    Raises:
        InvalidValue: An argument breaks its rule.
    """

    policy: Grid = attrs.field(converter=_grid)
    within: timedelta = attrs.field(converter=_within)

    def __attrs_post_init__(self) -> None:
        if self.within > self.policy.shortest:
            rule = f"must be at most {self.policy.shortest}, the smallest distance between slots"
            raise InvalidValue("within", self.within, rule, "or slots would overtake each other")

    @property
    def missed(self) -> Missed:
        return self.policy.missed

    @property
    def grace(self) -> timedelta | None:
        return grace_of(self.missed)

    @property
    def shortest(self) -> timedelta:
        """Two neighbours may come as near as one microsecond."""
        return MICROSECOND

    @property
    def reason(self) -> str:
        return f"{self.policy.reason}, moved by less than {spoken(self.within)}"

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        return planned(self, slot, state.seed, outcome, now)

    def after(self, instant: datetime, seed: int) -> datetime | None:
        base = self.policy.after(later(instant, -self.within), seed)
        while base is not None:
            at = self._moved(base, seed)
            if at is None or at > instant:
                return at
            base = self.policy.after(base, seed)
        return None

    def count(self, after: datetime, until: datetime, seed: int) -> int:
        moved_in, moved_out = self._pending(after, seed), self._pending(until, seed)
        return self.policy.count(after, until, seed) + moved_in - moved_out

    def _pending(self, instant: datetime, seed: int) -> int:
        """Return 1 if a slot lies before *instant*, or at it, that is moved beyond it, else 0: there is one at most."""
        base = self.policy.after(later(instant, -self.within), seed)
        while base is not None and base <= instant:
            at = self._moved(base, seed)
            if at is None or at > instant:
                return 1
            base = self.policy.after(base, seed)
        return 0

    def _moved(self, base: datetime, seed: int) -> datetime | None:
        """Return where the slot at *base* moves; None: beyond the calendar."""
        beyond = self.policy.after(base, seed)
        room = self.within if beyond is None else min(self.within, beyond - base)
        by = hashed("jitter", seed, micros(base)) % (room // MICROSECOND)
        try:
            return base + by * MICROSECOND
        except OverflowError:
            return None


def jittered(policy: Grid, within: timedelta) -> Jittered:
    """
    Return *policy* with each slot moved later by less than *within*: a thousand tasks at midnight are spread.

    Raises:
        InvalidValue: *policy* has no grid, or *within* exceeds its smallest distance between slots.
    """
    return Jittered(policy, within)
