"""How the tests of policies say things briefly."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from taskwarden.core.decision import Decision, Event, Ran, Trigger
from taskwarden.core.failure import Failure
from taskwarden.core.health import HEALTHY, Health, Phase
from taskwarden.core.instant import later
from taskwarden.core.outcome import Failed, Outcome, Succeeded
from taskwarden.core.protocols import FailurePolicy
from taskwarden.policies import fold

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
QUARTER = 15 * MINUTE
OK = Succeeded()
TIMEOUT = Failed(Failure("network_error.timeout"))
REVOKED = Failed(Failure("auth_error.revoked", definitive=True))
HELD = frozenset({Phase.COOLING_OFF, Phase.PROBING, Phase.NEEDS_INTERVENTION})
SEVERITY = {Phase.HEALTHY: 0, Phase.BACKING_OFF: 1, Phase.COOLING_OFF: 2, Phase.PROBING: 2, Phase.NEEDS_INTERVENTION: 3}


def failed(code: str, **named: Any) -> Failed:
    return Failed(Failure(code, **named))


def ran(outcome: Outcome, health: Health, now: datetime, **named: Any) -> Ran:
    """Return the run that comes next for *health*, of a task that runs each quarter of an hour unless it says so."""
    period = named.pop("period", QUARTER)
    fields: dict[str, Any] = {
        "token": health.last_token + 1,
        "epoch": health.epoch,
        "trigger": Trigger.SCHEDULED,
        "slot_at": now,
        "planned_at": None if period is None else later(now, period),
        "period": period,
        "key": 7,
    }
    return Ran(outcome=outcome, **fields | named)


@attrs.define(eq=False)
class Task:
    """A task under a policy: give it outcomes, each at the time that was decided, and look at what came of it."""

    policy: FailurePolicy
    health: Health = HEALTHY
    now: datetime = NOON
    period: timedelta | None = QUARTER
    key: int = 7
    last: Decision = attrs.field(factory=lambda: Decision(HEALTHY))

    def give(self, *outcomes: Outcome, trigger: Trigger = Trigger.SCHEDULED) -> Decision:
        """Let runs end with *outcomes* now, and each time go on to when the next is due."""
        for outcome in outcomes:
            event = ran(outcome, self.health, self.now, trigger=trigger, period=self.period, key=self.key)
            self.tell(event)
            if trigger is not Trigger.MANUAL:
                self.now = max(self.now, self.last.next_at or event.planned_at or self.now)
        return self.last

    def tell(self, event: Event) -> Decision:
        """Let *event* happen now."""
        self.last = self.policy.decide(self.health, event, self.now)
        self.health = self.last.health
        return self.last

    @property
    def phase(self) -> Phase:
        return self.health.phase


def decisions(policy: FailurePolicy, history: list[tuple[datetime, Event]], health: Health = HEALTHY) -> list[Decision]:
    """Return each decision of *history*, one by one."""
    made = []
    for now, event in history:
        made.append(policy.decide(health, event, now))
        health = made[-1].health
    return made


def held(policy: FailurePolicy, history: list[tuple[datetime, Event]]) -> Task:
    """Return a task with that history which then fails until the policy holds it, at the time of its next probe."""
    task = Task(policy, health=fold(policy, history))
    task.now = max(task.health.high_water or NOON, task.health.next_at or NOON, task.health.floor or NOON)
    while task.phase not in HELD:
        task.give(TIMEOUT)
    task.give(TIMEOUT)
    return task
