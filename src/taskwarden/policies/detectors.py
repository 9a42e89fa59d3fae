"""
Detectors: what counts as a pattern of failure.

Each is an immutable value with three pure functions over its state, a tuple of integers that never outgrows a stated
size: what a success makes of it, what a failure makes of it, and whether it trips. The empty tuple is the state of one
that has seen nothing. Instants are microseconds since 1970, and times in a state stand at its end (``times_from``).
Only counted outcomes come here: neutral ones and failures of manual runs never do.

A detector's name carries its parameters. Its state is kept by that name, so adding or reordering rules resets nobody.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar, Final, TypeAlias

import attrs

from taskwarden.core.instant import FAR_FUTURE, MICROSECOND, micros
from taskwarden.errors import InvalidValue
from taskwarden.policies.composition import Rule
from taskwarden.policies.measure import count, derive, in_micros, millinats, ratio, ratio_or_none, short
from taskwarden.policies.verdict import NOTHING, Facts, Opinion, Severity, Verdict

__all__ = ["Consecutive", "Detector", "Duration", "Flapping", "Sequential", "Silence", "State", "Window"]

State: TypeAlias = tuple[int, ...]

_ZERO: Final = timedelta(0)
_DAY: Final = timedelta(days=1)
_LAST: Final = micros(FAR_FUTURE)
_COOL: Final = Verdict(Severity.COOL)
_MOST_BITS: Final = 64


class Detector(Rule):
    """A rule with a memory. It says ``COOL`` while it trips, else ``CONTINUE``."""

    __slots__ = ()
    name: str
    """Unique by kind and parameters; the key of its state, and what ``Decision.why`` says."""
    times_from: ClassVar[int] = 1
    """Where in the state the times begin."""

    def detectors(self) -> tuple[Detector, ...]:
        return (self,)

    @property
    def waits(self) -> bool:
        return True

    def judge(self, facts: Facts) -> Opinion:
        return _tripped(self.name) if self.name in facts.tripped else NOTHING

    def rebased(self, state: State, at: int) -> State:
        """Return *state* without times after *at*: they were never real."""
        start = self.times_from
        return state[:start] + tuple(min(time, at) for time in state[start:])

    @abstractmethod
    def passed(self, state: State) -> State:
        """Return the state after a success; the same object where nothing changes."""

    @abstractmethod
    def failed(self, state: State, at: int) -> State:
        """Return the state after a failure at *at*, which is not before an earlier one."""

    @abstractmethod
    def trips(self, state: State, at: int) -> bool:
        """Tell whether *state*, which a failure at *at* has made, is a pattern of failure. It is not empty."""

    @abstractmethod
    def largest(self) -> State:
        """Return a state that none outgrows once encoded."""


@lru_cache(maxsize=1024)
def _tripped(name: str) -> Opinion:
    return Opinion(_COOL, (name,))


class _Streak(Detector):
    """Failures in a row: how many, and since when. Subclasses say how many, over how long, are too many."""

    __slots__ = ()
    _most: int
    _span: int

    def passed(self, state: State) -> State:
        return ()

    def failed(self, state: State, at: int) -> State:
        if not state:
            return (1, at)
        return state if state[0] == self._most else (state[0] + 1, state[1])

    def trips(self, state: State, at: int) -> bool:
        return state[0] >= self._most and at - state[1] >= self._span

    def largest(self) -> State:
        return (self._most, _LAST)


@attrs.frozen
class Consecutive(_Streak):
    """
    Trip at *n* failures in a row, the first of them at least *min_span* ago.

    A span of some minutes keeps a restart of the provider, seen through fast retries, from looking like an outage.
    """

    n: int = attrs.field(default=3)
    min_span: timedelta = attrs.field(default=_ZERO, kw_only=True)
    name: str = attrs.field(init=False, repr=False, eq=False)
    _most: int = attrs.field(init=False, repr=False, eq=False)
    _span: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        count(self.n, "n", 1)
        name = f"consecutive({self.n},{short(self.min_span)})"
        derive(self, name=name, _most=self.n, _span=in_micros(self.min_span, "min_span"))


@attrs.frozen
class Duration(_Streak):
    """Trip when a task has failed for *failing_for* without one success, in at least *attempts* failures."""

    failing_for: timedelta = attrs.field(default=3 * _DAY)
    attempts: int = attrs.field(default=6)
    name: str = attrs.field(init=False, repr=False, eq=False)
    _most: int = attrs.field(init=False, repr=False, eq=False)
    _span: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        count(self.attempts, "attempts", 1)
        name = f"duration({short(self.failing_for)},{self.attempts})"
        derive(self, name=name, _most=self.attempts, _span=in_micros(self.failing_for, "failing_for", MICROSECOND))


@attrs.frozen
class Window(Detector):
    """
    Trip at *k* failures within a span, the span's ends included, exact to the microsecond.

    The *k* newest failure times suffice: it trips exactly when the oldest of them lies within the span.

    *min_ratio* gates it: of the last *of_last* runs, of which there were at least *min_runs*, at least that share must
    have failed. Without the gate a task that runs often trips on background noise: every 15 minutes at 0.5 % failures,
    "5 in 7 days" trips 87 % of healthy tasks within 4 weeks.
    """

    times_from: ClassVar[int] = 2

    k: int = attrs.field(default=5)
    within: timedelta = attrs.field(default=7 * _DAY)
    min_ratio: Fraction | None = attrs.field(default=None, kw_only=True, converter=ratio_or_none)
    of_last: int = attrs.field(default=20, kw_only=True)
    min_runs: int = attrs.field(default=10, kw_only=True)
    name: str = attrs.field(init=False, repr=False, eq=False)
    _within: int = attrs.field(init=False, repr=False, eq=False)
    _mask: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        count(self.k, "k", 1)
        count(self.of_last, "of_last", 1, _MOST_BITS)
        count(self.min_runs, "min_runs", 1, self.of_last)
        gate = "" if self.min_ratio is None else f",{self.min_ratio} of {self.of_last},{self.min_runs}"
        name = f"window({self.k},{short(self.within)}{gate})"
        mask = 0 if self.min_ratio is None else (1 << self.of_last) - 1
        derive(self, name=name, _within=in_micros(self.within, "within", MICROSECOND), _mask=mask)

    def passed(self, state: State) -> State:
        if not self._mask:
            return state
        if not state:
            return (1, 0)
        runs, bits = state[0], state[1] << 1 & self._mask
        if runs == self.of_last and bits == state[1]:
            return state
        return (min(runs + 1, self.of_last), bits, *state[2:])

    def failed(self, state: State, at: int) -> State:
        runs, bits = state[:2] or (0, 0)
        if self._mask:
            runs, bits = min(runs + 1, self.of_last), (bits << 1 | 1) & self._mask
        return (runs, bits, *(*state[2:], at)[-self.k :])

    def trips(self, state: State, at: int) -> bool:
        if len(state) < 2 + self.k or state[2] < at - self._within:
            return False
        if self.min_ratio is None:
            return True
        runs, failures = state[0], state[1].bit_count()
        return runs >= self.min_runs and failures * self.min_ratio.denominator >= runs * self.min_ratio.numerator

    def largest(self) -> State:
        return (self.of_last, self._mask, *[_LAST] * self.k)


@attrs.frozen
class Sequential(Detector):
    """
    Trip when the runs fit a failing task so much better than a healthy one that chance explains it no more.

    The sequential test of Page (CUSUM, Biometrika 41, 1954) on Bernoulli outcomes: each failure adds ln(p1/p0) to a
    sum, each success ln((1-p1)/(1-p0)), the sum never falls below 0, and it trips at ln(arl). By Lorden (Annals of
    Mathematical Statistics 42, 1971) a task that fails at rate *p0* then trips falsely once in *arl* runs at most, on
    average. Sums are whole thousandths of a nat: with the defaults +3219, -673 and 9210, so three failures in a row
    trip, two never do, and a task that flaps is caught as well.

    The sum is held one failure above the threshold, so that recovery is noticed as soon after a long outage as after
    a short one. *min_span* counts from when the sum last rose from 0.
    """

    p0: Fraction = attrs.field(default=Fraction(2, 100), converter=ratio)
    p1: Fraction = attrs.field(default=Fraction(1, 2), converter=ratio)
    arl: int = attrs.field(default=10_000)
    min_span: timedelta = attrs.field(default=timedelta(minutes=10), kw_only=True)
    name: str = attrs.field(init=False, repr=False, eq=False)
    up: int = attrs.field(init=False, repr=False, eq=False)
    down: int = attrs.field(init=False, repr=False, eq=False)
    threshold: int = attrs.field(init=False, repr=False, eq=False)
    _top: int = attrs.field(init=False, repr=False, eq=False)
    _span: int = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.p0 < self.p1 < 1:
            raise InvalidValue("p1", self.p1, f"must lie between p0 ({self.p0}) and 1, both excluded")
        count(self.arl, "arl", 2)
        name = f"sequential({self.p0},{self.p1},{self.arl},{short(self.min_span)})"
        up, threshold = max(1, millinats(self.p1 / self.p0)), millinats(Fraction(self.arl))
        down = -millinats((1 - self.p1) / (1 - self.p0))
        minimum = in_micros(self.min_span, "min_span")
        derive(self, name=name, up=up, down=down, threshold=threshold, _top=threshold + up, _span=minimum)

    def passed(self, state: State) -> State:
        if not state:
            return state
        total = state[0] - self.down
        return (total, state[1]) if total > 0 else ()

    def failed(self, state: State, at: int) -> State:
        if not state:
            return (self.up, at)
        total = state[0] + self.up
        if total > self._top:
            total = self._top
        return (total, state[1])

    def trips(self, state: State, at: int) -> bool:
        return state[0] >= self.threshold and at - state[1] >= self._span

    def largest(self) -> State:
        return (self._top, _LAST)


@attrs.frozen
class Flapping(Detector):
    """
    Trip while a task goes up and down: the weighted share of changes among the last *of_last* runs.

    The rule of Nagios: of 21 runs' 20 possible changes the oldest weighs 0.8, the newest 1.2, linearly between.
    Flapping begins at *high* and ends below *low*. Never before *of_last* runs were seen.
    """

    times_from: ClassVar[int] = 3

    of_last: int = attrs.field(default=21)
    high: Fraction = attrs.field(default=Fraction(1, 2), kw_only=True, converter=ratio)
    low: Fraction = attrs.field(default=Fraction(1, 4), kw_only=True, converter=ratio)
    name: str = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        count(self.of_last, "of_last", 3, _MOST_BITS)
        if self.low > self.high:
            raise InvalidValue("low", self.low, f"must be at most high ({self.high})")
        derive(self, name=f"flapping({self.of_last},{self.high},{self.low})")

    def passed(self, state: State) -> State:
        return self._seen(state, 0)

    def failed(self, state: State, at: int) -> State:
        return self._seen(state, 1)

    def trips(self, state: State, at: int) -> bool:
        return state[2] == 1

    def largest(self) -> State:
        return (self.of_last, (1 << self.of_last) - 1, 1)

    def _seen(self, state: State, bit: int) -> State:
        runs, bits, flapping = state or (0, 0, 0)
        after = (min(runs + 1, self.of_last), (bits << 1 | bit) & (1 << self.of_last) - 1)
        if after == (runs, bits) and not flapping:
            return state
        threshold = self.low if flapping else self.high
        return (*after, int(after[0] == self.of_last and self.changes(after[1]) >= threshold))

    def changes(self, bits: int) -> Fraction:
        """Return the weighted share of changes in *bits*, whose lowest bit is the newest run: 0 to 1."""
        most = self.of_last - 1
        changed = bits ^ bits >> 1
        # Weights 4(m-1)..6(m-1) in steps of 2 are 0.8..1.2 of their mean 5(m-1); their sum is 5m(m-1).
        total = sum(6 * (most - 1) - 2 * age for age in range(most) if changed >> age & 1)
        return Fraction(total, 5 * most * (most - 1))


@attrs.frozen
class Silence(Detector):
    """
    Open an incident when a task has owed an outcome for longer than *grace*: the event ``Silent``.

    It has no state and never trips on a failure.
    """

    grace: timedelta = attrs.field(default=timedelta(hours=1))
    name: str = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        in_micros(self.grace, "grace")
        derive(self, name=f"silence({short(self.grace)})")

    def exceeded(self, silent_for: timedelta) -> bool:
        """Tell whether that is longer than the grace."""
        return silent_for > self.grace

    def passed(self, state: State) -> State:
        return state

    def failed(self, state: State, at: int) -> State:
        return state

    def trips(self, state: State, at: int) -> bool:
        return False

    def largest(self) -> State:
        return ()
