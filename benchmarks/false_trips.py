"""How often a policy holds a healthy task: independent failures at a low rate, every 15 minutes for 4 weeks."""

import random
from datetime import UTC, datetime, timedelta

from taskwarden.core.decision import Ran, Trigger
from taskwarden.core.failure import Failure
from taskwarden.core.health import HEALTHY, Phase
from taskwarden.core.outcome import Failed, Succeeded
from taskwarden.core.protocols import FailurePolicy
from taskwarden.policies import brief, standard

PERIOD, RUNS = timedelta(minutes=15), 4 * 7 * 24 * 4
START = datetime(2026, 1, 1, tzinfo=UTC)
HELD = {Phase.COOLING_OFF, Phase.NEEDS_INTERVENTION}
FAILED, SUCCEEDED = Failed(Failure("network_error.timeout")), Succeeded()
POLICIES = {"brief(strict=True)": brief(strict=True), "brief()": brief(), "standard()": standard()}


def held(policy: FailurePolicy, rate: float, rng: random.Random) -> bool:
    """Tell whether one healthy task, failing at *rate* by chance, is held within the four weeks."""
    health, now = HEALTHY, START
    for token in range(1, RUNS + 1):
        outcome = FAILED if rng.random() < rate else SUCCEEDED
        event = Ran(token, 0, Trigger.SCHEDULED, outcome, now, now + PERIOD, PERIOD)
        decision = policy.decide(health, event, now)
        health = decision.health
        if health.phase in HELD:
            return True
        now = max(decision.next_at or now + PERIOD, now)
    return False


def main(tasks: int = 500) -> None:
    """Print the share of healthy tasks that each policy holds."""
    print(f"{tasks} healthy tasks, every 15 min for 4 weeks: share that is held at least once")
    for name, policy in POLICIES.items():
        for rate in (0.005, 0.01, 0.02):
            rng = random.Random(f"{name} {rate}")
            share = sum(held(policy, rate, rng) for _ in range(tasks)) / tasks
            print(f"{name:20} at {rate:5.1%} failures: {share:6.1%}")


if __name__ == "__main__":
    main()
