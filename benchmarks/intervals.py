"""How long interval policies and the classifier take."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from benchmarks.table import Row
from taskwarden.classify import classify
from taskwarden.core.decision import Activity, IntervalState
from taskwarden.core.outcome import Succeeded
from taskwarden.policies.intervals import Each, between, cron, every, jittered
from taskwarden.policies.intervals.zone import segments

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
STATE = IntervalState(seed=123_456_789_123_456_789, activity=Activity(2, NOON + timedelta(days=9)))
DONE = Succeeded()


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the microseconds of each: five averages, in the order in which they were measured."""
    number = 500 if quick else 20_000
    rows: list[Row] = []

    def figure(name: str, action: Callable[[], object], number: int = number) -> None:
        action()
        averages = [seconds / number * 1e6 for seconds in timeit.repeat(action, number=number, repeat=5)]
        rows.append(Row(name, averages, "us"))

    for policy in (every(minutes=15), between(), cron("30 9 * * MON-FRI", "Europe/Berlin"), cron("*/5 * * * *")):
        slot = policy.next(None, STATE, None, NOON).at
        assert slot is not None
        now = slot + timedelta(seconds=3)
        name = f"next, steady: {policy.next(slot, STATE, DONE, now).reason}"
        figure(name, partial(policy.next, slot, STATE, DONE, now))
    daily = jittered(cron("0 0 * * *"), timedelta(hours=1))
    figure(f"next, steady: {daily.reason}", lambda: daily.next(NOON, STATE, DONE, NOON))

    later = NOON + timedelta(days=365)
    for missed in (every(seconds=1), cron("* * * * *", "Europe/Berlin")):
        figure(f"next, a year missed: {missed.reason}", partial(missed.next, NOON, STATE, DONE, later), number // 10)
    each = cron("* * * * *", "Europe/Berlin", missed=Each())
    figure(
        "next, a year missed, the last 100 each: cron each minute",
        lambda: each.next(NOON, STATE, DONE, later),
        number // 100,
    )
    figure("the rarest expression: a Sunday, 29 February", lambda: cron("0 0 29 2 */7").after(NOON, 0), number // 100)
    figure("a zone's year, the first time", lambda: segments.__wrapped__("Europe/Berlin", 2026), number // 100)

    wrapper = RuntimeError("given up")
    wrapper.__cause__ = TimeoutError("no answer")
    figure("classify a timeout behind a wrapper", lambda: classify(wrapper))
    return rows
