"""
Hypothesis strategies for failure policies: failures, outcomes, events, histories, healths, rules, policies, instants.

A host property-tests its own policy with them::

    @given(healths(MY_POLICY), outcomes(), instants())
    def test_my_policy_never_waits_for_more_than_a_day(health, outcome, now): ...

Histories are those of one task, as a store and runners would make them: tokens grow, epochs follow the operator's
words, time goes on. ``disturbed`` adds what should change little or nothing: duplicates, late outcomes, clocks that
step back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs
from hypothesis import strategies as st

from taskwarden.core.decision import Event, Ran, Resumed, RevisionChanged, Silent, Trigger
from taskwarden.core.failure import Confidence, Failure
from taskwarden.core.instant import later
from taskwarden.core.outcome import Failed, Interrupted, Lost, Outcome, Skipped, Snoozed, Succeeded
from taskwarden.policies import (
    Code,
    Consecutive,
    Detector,
    Duration,
    Flapping,
    Rule,
    Sequential,
    Severity,
    Silence,
    TaskPolicy,
    Window,
    brief,
    cap,
    cool,
    deny,
    first,
    fold,
    park,
    shadow,
    standard,
    wait,
    when,
)
from taskwarden.testing.schedules import instants

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from taskwarden.core.health import Health
    from taskwarden.core.protocols import FailurePolicy

__all__ = [
    "History",
    "detectors",
    "disturbed",
    "failures",
    "gaps",
    "healths",
    "histories",
    "instants",
    "outcomes",
    "periods",
    "policies",
    "rules",
    "transient_failures",
]

History: TypeAlias = list[tuple[datetime, Event]]
"""What happened to one task: each event with the instant at which it was decided on."""

_Word: TypeAlias = Outcome | Resumed | RevisionChanged | Silent

_ZERO: Final = timedelta(0)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_TRANSIENT: Final = ("network_error.timeout", "network_error.upstream", "api_limit.rate", "unknown.bug")
_CODES: Final = (
    *_TRANSIENT,
    "api_limit.quota_daily",
    "api_limit.billing",
    "auth_error.expired",
    "auth_error.client",
    "config_error.not_found",
    "unknown",
    "unknown.internal_db",
)
_DEFINITIVE: Final = ("auth_error.revoked", "config_error.payload")


def periods() -> SearchStrategy[timedelta | None]:
    """Return distances of a task's slots, from a second to a month; None: no recurrence."""
    usual = st.sampled_from([15 * _MINUTE, _MINUTE, _HOUR, _DAY, 7 * _DAY, None])
    return usual | st.timedeltas(timedelta(seconds=1), timedelta(days=31))


def gaps() -> SearchStrategy[timedelta]:
    """Return spans between a task's events, the interesting ones often: none, and those that thresholds stand at."""
    small = [_ZERO, timedelta(microseconds=1), _MINUTE, 5 * _MINUTE, 10 * _MINUTE]
    return (
        st.sampled_from([*small, _HOUR, _DAY, 7 * _DAY])
        | st.timedeltas(_ZERO, 3 * _HOUR)
        | st.timedeltas(_ZERO, 8 * _DAY)
    )


def transient_failures() -> SearchStrategy[Failure]:
    """Return failures that may pass by themselves, without a Retry-After."""
    return st.builds(Failure, st.sampled_from(_TRANSIENT))


def failures() -> SearchStrategy[Failure]:
    """Return failures of every reason: transient and definitive ones, the host's own, with a Retry-After or without."""
    asked = st.none() | st.timedeltas(-_MINUTE, 8 * _DAY)
    codes, sure = st.sampled_from(_CODES), st.sampled_from(Confidence)
    transient = st.builds(Failure, codes, st.text(max_size=5), retry_after=asked, confidence=sure)
    revoked = [Failure(code, definitive=True, fingerprint=mark) for code in _DEFINITIVE for mark in ("", "other")]
    return transient | st.sampled_from(revoked)


def outcomes(failed: SearchStrategy[Failure] | None = None) -> SearchStrategy[Outcome]:
    """Return outcomes of every kind, mostly successes and failures (of *failed*, if given)."""
    succeeded: SearchStrategy[Outcome] = st.just(Succeeded())
    counted = st.builds(Failed, failures() if failed is None else failed)
    neutral = st.sampled_from([Skipped("nothing new"), Interrupted(), Lost()])
    return st.one_of(succeeded, counted, succeeded, counted, neutral, st.builds(Snoozed, instants()))


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    of: SearchStrategy[Outcome] | None = None,
    period: SearchStrategy[timedelta | None] | None = None,
    manual: bool = True,
    operators: bool = True,
    max_size: int = 25,
) -> History:
    """
    Draw the history of one task, oldest event first.

    Args:
        of: Outcomes of its runs; None: of every kind.
        period: The distance of its slots; None: any.
        manual: Manual runs occur.
        operators: Operators, revisions and sweeps have their say.
    """
    now = draw(instants())
    every = draw(periods() if period is None else period)
    key = draw(st.integers(0, 2**63 - 1))
    triggers = st.sampled_from([Trigger.SCHEDULED, *((Trigger.MANUAL,) if manual else ())])
    runs = st.tuples(gaps(), outcomes() if of is None else of, triggers)
    said = [Resumed("eve"), Resumed("eve", force=True), RevisionChanged("r2"), Silent(now)]
    words: SearchStrategy[_Word] = st.sampled_from(said)
    steps: SearchStrategy[tuple[timedelta, _Word, Trigger]] = runs
    if operators:
        steps = runs | runs | st.tuples(gaps(), words, triggers)
    history: History = []
    epoch = 0
    for token, (gap, what, trigger) in enumerate(draw(st.lists(steps, max_size=max_size)), start=1):
        now += gap
        if isinstance(what, Resumed | RevisionChanged):
            epoch += 1
            history.append((now, what))
        elif isinstance(what, Silent):
            history.append((now, Silent(now - _DAY, epoch, key)))
        else:
            planned = None if every is None or trigger is Trigger.MANUAL else later(now, every)
            history.append((now, Ran(token, epoch, trigger, what, now, planned, every, key)))
    return history


@st.composite
def disturbed(draw: st.DrawFn, history: History) -> History:
    """Draw *history* with outcomes delivered twice, or again much later, and clocks that step back a little."""
    noisy: History = []
    seen: list[Event] = []
    for now, event in history:
        back = draw(st.sampled_from([0, 0, 0, 1, 59]))
        noisy.append((now - timedelta(seconds=back), event))
        if isinstance(event, Ran):
            seen.append(event)
        again = draw(st.none() | st.sampled_from(seen)) if seen else None
        if again is not None:
            noisy.append((now, again))
    return noisy


def detectors() -> SearchStrategy[Detector]:
    """Return detectors of every kind, mostly of small figures."""
    spans = st.sampled_from([timedelta(microseconds=1), 10 * _MINUTE, _HOUR, _DAY, 7 * _DAY])
    ratios = st.sampled_from([None, "0.25", "1/2", "1"])
    return st.one_of(
        st.builds(Consecutive, st.integers(1, 5), min_span=st.just(_ZERO) | spans),
        st.builds(Window, st.integers(1, 5), spans, min_ratio=ratios, min_runs=st.integers(1, 12)),
        st.builds(Sequential, p0=st.sampled_from(["0.02", "0.05"]), min_span=st.just(_ZERO) | spans),
        st.builds(Flapping, st.integers(3, 21)),
        st.builds(Duration, spans, st.integers(1, 6)),
        st.builds(Silence, spans),
    )


def rules(leaves: SearchStrategy[Detector] | None = None, *, max_leaves: int = 4) -> SearchStrategy[Rule]:
    """Return rules of every form, made of at most *max_leaves* detectors (of *leaves*, if given)."""
    guards = st.sampled_from([Code("auth_error"), Code("network_error", "api_limit.rate")])
    constants = st.timedeltas(timedelta(microseconds=1), _DAY).map(wait)

    def extended(smaller: SearchStrategy[Rule]) -> SearchStrategy[Rule]:
        return st.one_of(
            st.tuples(smaller, smaller).map(lambda pair: pair[0] | pair[1]),
            st.tuples(smaller, smaller).map(lambda pair: pair[0] & pair[1]),
            st.lists(smaller, min_size=1, max_size=3).map(lambda some: first(*some)),
            st.builds(when, guards, smaller),
            st.builds(cap, smaller, st.sampled_from([*Severity])),
            st.builds(cool, smaller, st.timedeltas(_ZERO, _DAY)),
            smaller.map(shadow),
            smaller.map(park),
        )

    return st.recursive((detectors() if leaves is None else leaves) | constants, extended, max_leaves=max_leaves)


def policies(*, final: bool = True) -> SearchStrategy[TaskPolicy]:
    """
    Return failure policies: the presets, and made ones.

    Args:
        final: Among them are some that never run a task again once they have given it up.
    """
    made = st.builds(
        TaskPolicy,
        rules(max_leaves=3),
        recovery=st.integers(1, 3),
        courtesy=st.sampled_from([7 * _DAY, _DAY, None] if final else [7 * _DAY, _DAY]),
        hold=st.sampled_from([None, 7 * _DAY]),
        relapse=st.sampled_from([_ZERO, _DAY]),
    )
    presets = st.sampled_from([standard(), brief(), brief(strict=True)])
    denying = made.map(lambda policy: attrs.evolve(policy, rules=deny(policy.rules)))
    return presets | made | denying if final else presets | made


def healths(policy: FailurePolicy, *, period: SearchStrategy[timedelta | None] | None = None) -> SearchStrategy[Health]:
    """Return healths that *policy* can reach: each is what it makes of some history."""
    return histories(period=period).map(lambda history: fold(policy, history))
