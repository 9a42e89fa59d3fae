"""
The slow oracle of P3: from the whole log of a task, with plain integers, what the policy must have come to.

Written from the pages, not from the code: nothing of ``taskwarden.policies`` is used. Nothing compact is kept: evidence
is the list of all counted outcomes since the last pardon, and each detector is recomputed from all of it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from taskwarden.core.decision import Event, Ran, Resumed, RevisionChanged, Silent, Trigger
from taskwarden.core.outcome import Failed, Interrupted, Lost, Skipped, Snoozed, Succeeded

MICRO = timedelta(microseconds=1)
MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
Evidence = list[tuple[int, bool]]
"""Counted outcomes: when, in microseconds, and whether it failed."""


class Spec(NamedTuple):
    """One detector: its kind, its figures in order, and whether its trip parks."""

    kind: str
    figures: tuple[int, ...]
    parks: bool


def micros(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // MICRO


def trips(spec: Spec, evidence: Evidence) -> bool:
    """Tell whether *spec* trips at the last of *evidence*, which is a failure."""
    now = evidence[-1][0]
    trailing: list[int] = []
    for at, failed in reversed(evidence):
        if not failed:
            break
        trailing.append(at)
    match spec:
        case Spec("consecutive" | "duration", (n, span)):
            return len(trailing) >= n and now - trailing[-1] >= span
        case Spec("window", (k, within)):
            return sum(failed and now - at <= within for at, failed in evidence) >= k
        case Spec("gated", (k, within, of_last, percent, least)):
            recent = evidence[-of_last:]
            share = 100 * sum(failed for _, failed in recent) >= percent * len(recent)
            enough = sum(failed and now - at <= within for at, failed in evidence) >= k
            return enough and share and len(recent) >= least
        case Spec("sequential", (span,)):
            total, rose = 0, now
            for at, failed in evidence:
                rose = at if total == 0 else rose
                total = min(total + 3219, 9210 + 3219) if failed else max(total - 673, 0)
            return total >= 9210 and now - rose >= span
        case Spec("flapping", ()):
            flapping = False
            for end in range(21, len(evidence) + 1):
                window = [failed for _, failed in evidence[end - 21 : end]]
                weights = [Fraction(8, 10) + Fraction(4, 10) * i / 19 for i in range(20)]
                changed = sum(w for w, a, b in zip(weights, window, window[1:], strict=False) if a != b)
                flapping = changed / 20 >= (Fraction(1, 4) if flapping else Fraction(1, 2))
            return flapping
    raise AssertionError(spec)


class Expected(NamedTuple):
    """What must hold after the log's last event. *due* are the earliest and latest next time; None: it is left."""

    phase: str
    epoch: int
    streak: int
    step: int
    due: tuple[int, int] | None
    settles: bool
    counts: bool


class Oracle:
    """Walks a log from its start. Fields are the facts that the pages speak of."""

    def __init__(self, specs: Sequence[Spec], *, hold: int | None) -> None:
        self.specs, self.hold = specs, hold
        self.phase, self.epoch, self.token = "healthy", 0, 0
        self.clock: int | None = None
        self.floor: tuple[int, int] | None = None
        self.pardon()

    def pardon(self) -> None:
        self.evidence: Evidence = []
        self.streak = self.step = self.oks = self.lost = 0
        self.suspect: tuple[str, int] | None = None
        self.definitive = False
        self.relapse: tuple[int, int] | None = None

    def walk(self, log: Sequence[tuple[datetime, Event]]) -> Expected:
        expected = Expected("healthy", 0, 0, 0, None, settles=False, counts=False)
        for now, event in log:
            expected = self.step_on(micros(now), event)
        return expected

    def answer(self, due: tuple[int, int] | None, *, settles: bool = False, counts: bool = False) -> Expected:
        if due is not None and self.floor is not None:
            due = (max(due[0], self.floor[0]), max(due[1], self.floor[1]))
        return Expected(self.phase, self.epoch, self.streak, self.step, due, settles, counts)

    def step_on(self, now: int, event: Event) -> Expected:
        at = now if self.clock is None else max(now, self.clock)
        match event:
            case Silent():
                self.clock = at
                return self.answer(None)
            case Resumed() | RevisionChanged():
                self.clock = at
                self.pardon()
                self.epoch += 1
                self.phase = "healthy" if self.phase in ("healthy", "backing_off") else "probing"
                if isinstance(event, Resumed) and event.force:
                    self.floor = None
                return self.answer((at, at))
        settling = isinstance(event.outcome, Succeeded | Skipped) and event.trigger is not Trigger.MANUAL
        if event.epoch < self.epoch:
            return self.answer(None, settles=settling)
        if event.token <= self.token:
            return self.answer(None)
        self.clock, self.token = at, event.token
        if self.floor is not None and self.floor[1] <= at:
            self.floor = None
        if self.relapse is not None and self.relapse[0] <= at:
            self.relapse = None
        return self.ran(at, event)

    def ran(self, at: int, event: Ran) -> Expected:
        outcome, manual = event.outcome, event.trigger is Trigger.MANUAL
        period = None if event.period is None else event.period // MICRO
        base = min(5 * MINUTE, period or 5 * MINUTE)
        planned = None if event.planned_at is None else micros(event.planned_at)
        if manual:
            if isinstance(outcome, Succeeded):
                return self.answer((at, at) if self.succeed(at, probe=False, one_off=False) else None)
            if isinstance(outcome, Failed):
                self.ask(at, outcome)
            return self.answer(None)
        if isinstance(outcome, Lost):
            self.lost += 1
            if self.lost >= 2:
                return self.fail(at, "unknown", None, base, period)
            return self.answer((at + base, at + base), counts=True)
        self.lost = 0
        match outcome:
            case Succeeded():
                self.succeed(at, probe=True, one_off=planned is None)
                due = planned if self.phase == "healthy" else at + base
                return self.answer(None if due is None else (due, due), settles=True)
            case Skipped():
                return self.answer(None if planned is None else (planned, planned), settles=True)
            case Snoozed(until=until):
                return self.answer((max(at, micros(until)),) * 2)
            case Interrupted():
                return self.answer((at, at))
            case Failed(failure=failure):
                if failure.code.startswith("unknown.internal"):
                    self.ask(at, outcome)
                    return self.answer((at + base, at + base), counts=True)
                cause = (failure.fingerprint or failure.code) if failure.definitive else None
                return self.fail(at, failure.code, cause, base, period, outcome)
        raise AssertionError(outcome)

    def ask(self, at: int, outcome: Failed) -> None:
        if outcome.failure.retry_after:
            asked = outcome.failure.retry_after // MICRO
            lo, hi = at + asked, at + asked + min(asked // 10, MINUTE)
            self.floor = (lo, hi) if self.floor is None else (max(lo, self.floor[0]), max(hi, self.floor[1]))

    def succeed(self, at: int, *, probe: bool, one_off: bool) -> bool:
        """Take a success; tell whether the phase became healthy by it."""
        self.streak, self.suspect = 0, None
        self.evidence.append((at, False))
        if self.phase in ("healthy", "backing_off"):
            self.step = 0
            was, self.phase = self.phase, "healthy"
            return was == "backing_off"
        self.oks += 1
        if self.phase == "cooling_off" and probe:
            self.phase = "probing"
        if self.oks < 2 and not one_off:
            return False
        half = self.step // 2
        self.pardon()
        self.relapse = (at + DAY, half)
        self.phase = "healthy"
        return True

    def fail(
        self, at: int, code: str, cause: str | None, base: int, period: int | None, outcome: Failed | None = None
    ) -> Expected:
        self.streak, self.oks = self.streak + 1, 0
        if self.phase == "healthy" and self.relapse is not None:
            self.step, self.relapse = self.relapse[1], None
        self.step = min(self.step + 1, 64)
        self.evidence.append((at, True))
        if outcome is not None:
            self.ask(at, outcome)
        confirmed = False
        if cause is not None:
            confirmed = self.suspect is not None and self.suspect[0] == cause and at - self.suspect[1] >= 5 * MINUTE
            if self.suspect is None or self.suspect[0] != cause:
                self.suspect = (cause, at)
        parked = any(spec.parks and trips(spec, self.evidence) for spec in self.specs)
        cooled = any(trips(spec, self.evidence) for spec in self.specs)
        needs = confirmed or parked or self.phase == "needs_intervention"
        held = cooled or self.phase in ("cooling_off", "probing")
        self.phase = "needs_intervention" if needs else "cooling_off" if held else "backing_off"
        self.definitive = self.definitive or confirmed
        if needs and (confirmed or self.definitive):
            return self.answer((at + 7 * DAY,) * 2, counts=True)
        if needs and self.hold is not None:
            return self.answer((at + self.hold,) * 2, counts=True)
        if cause is not None and self.suspect is not None:
            return self.answer((max(at, self.suspect[1] + 5 * MINUTE),) * 2, counts=True)
        low, high = self.delays(code, base, period)
        return self.answer((at + low, at + high), counts=True)

    def delays(self, code: str, base: int, period: int | None) -> tuple[int, int]:
        cap = max(DAY, period or 0)
        if code.startswith(("api_limit.quota", "api_limit.billing")):
            base, cap = 6 * 60 * MINUTE, DAY
        elif code.startswith("api_limit"):
            base, cap = MINUTE, 60 * MINUTE
        elif code.startswith("auth_error.client"):
            base, cap = 60 * MINUTE, DAY
        nominal = min(cap, base * 2 ** (self.step - 1))
        return nominal * 3 // 4, nominal
