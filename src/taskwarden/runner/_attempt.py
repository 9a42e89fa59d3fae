"""
Steps 3 to 6 of a run, on one screen: a claim is executed, its outcome taken, the decision made, the completion built.

Nothing here waits but for the executor itself, and nothing here writes: what comes out is handed to the writer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from taskwarden.core.claim import Completion, Deferral
from taskwarden.core.decision import Planned, Ran, Trigger
from taskwarden.core.health import Phase
from taskwarden.core.instant import FAR_FUTURE, later
from taskwarden.core.outcome import Lost, Skipped, Succeeded
from taskwarden.policies import Admit, Defer, admit

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.claim import Claim
    from taskwarden.core.decision import Effect
    from taskwarden.core.outcome import Outcome
    from taskwarden.runner._kind import KindRules

__all__ = ["complete", "unrun"]

_UNPLANNED = Planned(None, "a manual run is beside the schedule")


def unrun(claim: Claim, rules: KindRules) -> Outcome | Deferral | None:
    """Return what becomes of a claim that is not to be executed (step 2b), or None where it is."""
    if claim.lost_by is not None:
        return Lost(f"the lease of {claim.lost_by} expired")
    if claim.claimed_at > claim.slot_at and claim.trigger is Trigger.SCHEDULED and claim.attempt == 1:
        late, grace = claim.claimed_at - claim.slot_at, rules.grace(claim.task)
        if grace is not None and late > grace:
            return Skipped(f"missed: {late} late, grace {grace}")
    health = claim.health
    if health.phase is Phase.HEALTHY and health.floor is None:
        return None
    match admit(health, claim.trigger, claim.claimed_at):
        case Admit():
            return None
        case Defer(until, why):
            return Deferral(claim=claim, until=until, why=why)
        case denied:
            return Deferral(claim=claim, until=FAR_FUTURE, why=denied.why)


def complete(
    claim: Claim,
    rules: KindRules,
    outcome: Outcome,
    started_at: datetime,
    now: datetime,
    result: str | None = None,
    effects: tuple[Effect, ...] = (),
) -> Completion:
    """
    Return what follows *outcome*: the interval policy plans, the failure policy decides, here they are put together.

    Pure but for the host's policies, and total: one that raises is replaced by the default, and an incident says so.
    """
    manual = claim.trigger is Trigger.MANUAL
    planned, broken_plan = (_UNPLANNED, ()) if manual else rules.plan(claim, outcome, now)
    event = Ran(
        claim.token,
        claim.health.epoch,
        claim.trigger,
        outcome,
        claim.slot_at,
        planned.at,
        planned.period,
        claim.state.seed,
    )
    decision = rules.decide(claim.health, event, now)

    slot_at: datetime | None = claim.slot_at
    next_run_at, attempt, memory = decision.next_at, claim.attempt, claim.state.memory
    settles = decision.settles and not manual
    if manual:
        slot_at = None  # no slot is touched; next_run_at None leaves the schedule as it is
    elif settles:
        slot_at, attempt, memory = planned.at, 1, planned.memory
        if slot_at is None or next_run_at is None:
            next_run_at = slot_at
    else:
        next_run_at = next_run_at or later(now, rules.base_delay)
        attempt += decision.counts_attempt

    return Completion(
        claim=claim,
        outcome=outcome,
        started_at=started_at,
        finished_at=now,
        health=decision.health,
        settles=settles,
        slot_at=slot_at,
        next_run_at=next_run_at,
        attempt=attempt,
        memory=memory,
        coalesced=planned.coalesced if settles else 0,
        urgent=settles and type(outcome) is Succeeded and outcome.run_by is not None,
        effects=decision.effects + broken_plan + effects,
        why=decision.why,
        reason=planned.reason,
        result=result,
    )
