"""A closed loop: a world that is up or down, and a task that calls it whenever its policy says so."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from taskwarden.core.health import HEALTHY, Health
from taskwarden.core.outcome import Outcome
from taskwarden.core.protocols import FailurePolicy
from tests.policies.cases import NOON, OK, TIMEOUT, ran

Outages = Sequence[tuple[timedelta, timedelta]]
"""When the world is down: from and to, after noon; disjoint, in order."""


class Call(NamedTuple):
    at: datetime
    failed: bool
    before: Health
    after: Health
    next_at: datetime


def calls(
    policy: FailurePolicy,
    outages: Outages,
    *,
    until: timedelta,
    period: timedelta,
    key: int = 7,
    health: Health = HEALTHY,
    failure: Outcome = TIMEOUT,
) -> list[Call]:
    """Return the calls that a task of *period* makes until *until* after noon, few of them while all is well."""
    now, made = NOON, list[Call]()
    while now <= NOON + until:
        down = any(NOON + start <= now < NOON + end for start, end in outages)
        decision = policy.decide(health, ran(failure if down else OK, health, now, period=period, key=key), now)
        next_at = decision.next_at or now + period
        made.append(Call(now, down, health, decision.health, next_at))
        now, health = next_at, decision.health
        if decision.next_at is None:  # all is well: on to the last slot before the next outage
            ahead = [NOON + start - now for start, _ in outages if NOON + start > now]
            if not ahead:
                break
            now += min(ahead) // period * period
    return made


def failing_runs(made: Sequence[Call]) -> list[list[Call]]:
    """Return the calls of each unbroken run of failures, with the success that ended it as the last."""
    runs, current = list[list[Call]](), list[Call]()
    for call in made:
        if call.failed or current:
            current.append(call)
        if current and not call.failed:
            runs.append(current)
            current = []
    return runs
