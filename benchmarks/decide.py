"""What one decision costs, and how large the health is that it keeps, for the presets and from calm to broken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from benchmarks.table import REPETITIONS, Row
from taskwarden.core.decision import Ran, Trigger
from taskwarden.core.failure import Failure
from taskwarden.core.health import HEALTHY, Health, encode
from taskwarden.core.outcome import Failed, Outcome, Succeeded
from taskwarden.policies import TaskPolicy, brief, decide, standard

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: Final = 20
MOST_US: Final = 10.0
MOST_BYTES: Final = 1024
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PERIOD = timedelta(minutes=15)
OK: Outcome = Succeeded()
TIMEOUT: Outcome = Failed(Failure("network_error.timeout"))


def event(health: Health, outcome: Outcome, now: datetime) -> Ran:
    """Return the run that comes next."""
    return Ran(health.last_token + 1, health.epoch, Trigger.SCHEDULED, outcome, now, now + PERIOD, PERIOD, 7)


def after(policy: TaskPolicy, outcomes: list[Outcome]) -> tuple[Health, datetime]:
    """Return health and time after *outcomes*, each at the time that was decided."""
    health, now = HEALTHY, NOON
    for outcome in outcomes:
        decision = decide(policy, health, event(health, outcome, now), now)
        health, now = decision.health, decision.next_at or now + PERIOD
    return health, now


def microseconds(call: Callable[[], object], rounds: int) -> float:
    """Return the median of many short *rounds* of calls, for one call."""
    taken = []
    for _ in range(rounds):
        start = perf_counter_ns()
        for _ in range(CALLS):
            call()
        taken.append((perf_counter_ns() - start) / CALLS / 1000)
    return median(taken)


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the microseconds of each decision, and the bytes of the health after it."""
    rounds = 100 if quick else 4_000
    cases: dict[str, tuple[list[Outcome], Outcome]] = {
        "healthy success": ([OK] * 25, OK),
        "first failure": ([OK] * 25, TIMEOUT),
        "failing": ([OK] * 25 + [TIMEOUT], TIMEOUT),
        "tripping": ([OK] * 25 + [TIMEOUT] * 2, TIMEOUT),
        "failing probe": ([OK] * 25 + [TIMEOUT] * 6, TIMEOUT),
        "recovery": ([OK] * 25 + [TIMEOUT] * 4 + [OK], OK),
    }
    rows: list[Row] = []
    for name, policy in (("standard", standard()), ("brief", brief())):
        for case, (before, outcome) in cases.items():
            health, now = after(policy, before)
            ran = event(health, outcome, now)
            call = partial(decide, policy, health, ran, now)
            taken = [microseconds(call, rounds) for _ in range(REPETITIONS)]
            rows += [
                Row(f"{name}, {case}: a decision", taken, "us", at_most=MOST_US),
                Row(f"{name}, {case}: health", [len(encode(call().health))], "bytes", at_most=MOST_BYTES),
            ]
    return rows
