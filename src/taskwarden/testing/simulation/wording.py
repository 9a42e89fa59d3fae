"""How calls read in the trace: in words that are the same in every run of a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskwarden.core.claim import Claim, Completion
    from taskwarden.testing.simulation.interception import Call

__all__ = ["named", "worded"]


def named(claim: Claim) -> str:
    """Return the task and token of *claim*."""
    return f"{claim.task.tenant}/{claim.task.kind}/{claim.task.key}#{claim.token}"


def worded(call: Call, answer: Any) -> str:
    """Return what *call* did, with everything that later steps depend on."""
    match call.name:
        case "claim":
            return f"claim -> {', '.join(map(_claim, answer.claims)) or 'nothing'}; next due {answer.next_due}"
        case "complete":
            completions = call.argument(0, "completions")
            return f"complete {'; '.join(map(_completion, completions, answer))}"
        case "renew":
            tokens = sorted(call.kwargs["holds"].values())
            return f"renew {tokens} until {answer.lease_until}, {len(answer.lost)} lost"
        case _:
            return call.name


def _claim(claim: Claim) -> str:
    lost = " LOST" if claim.lost_by else ""
    return f"{named(claim)} {claim.trigger} slot {claim.slot_at} attempt {claim.attempt}{lost}"


def _completion(completion: Completion, receipt: str) -> str:
    ending = type(completion.outcome).__name__
    return f"{named(completion.claim)} {ending} {completion.health.phase} -> {completion.next_run_at} {receipt}"
