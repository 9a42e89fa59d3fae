"""When the next run is due: what each ``Due`` of the table means, and the floor under all of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, assert_never

from taskwarden.core.decision import Decision
from taskwarden.core.instant import FAR_FUTURE, later
from taskwarden.core.outcome import Snoozed
from taskwarden.policies.backoff import base_delay, delay, spread_after
from taskwarden.policies.transitions import Due, Move

if TYPE_CHECKING:
    from taskwarden.core.decision import Ran
    from taskwarden.core.failure import Failure
    from taskwarden.policies.draft import Draft
    from taskwarden.policies.policy import TaskPolicy

__all__ = ["concluded", "raise_floor"]

_BACKOFF: Final = Due.BACKOFF  # what nearly every failure comes to, by a global name: its class is slow to ask


def concluded(
    policy: TaskPolicy,
    draft: Draft,
    event: Ran,
    move: Move,
    why: tuple[str, ...],
    *,
    settles: bool = False,
    counts: bool = False,
    failure: Failure | None = None,
    earliest: datetime | None = None,
    shadow: tuple[str, ...] = (),
) -> Decision:
    """
    Make *move*, find when the next run is due, and return the decision.

    Args:
        failure: What failed, where something did.
        earliest: A rule says not to come before.
    """
    draft.phase, due = move
    at = _backoff(policy, draft, event, failure) if due is _BACKOFF else _at(policy, draft, event, due, failure)
    if earliest is not None and at is not None:
        at = max(at, earliest)
    if draft.floor is not None:
        wanted = at or event.planned_at
        if wanted is not None and wanted < draft.floor:
            at, why = draft.floor, (*why, "retry_after")
    draft.next_at = at or event.planned_at
    return Decision(draft.health(), at, settles, counts, tuple(draft.effects), why, shadow)


def _at(policy: TaskPolicy, draft: Draft, event: Ran, due: Due, failure: Failure | None) -> datetime | None:
    match due:
        case Due.HELD if draft.definitive:
            return _courtesy(policy, draft)
        case Due.HELD if policy.hold is not None:
            return later(draft.at, policy.hold)
        case Due.HELD | Due.BACKOFF:
            return _backoff(policy, draft, event, failure)
        case Due.PLANNED | Due.KEPT:
            return None
        case Due.SOON:
            return later(draft.at, base_delay(event.period))
        case Due.NOW:
            return draft.at
        case Due.UNTIL:
            return max(draft.at, event.outcome.until) if isinstance(event.outcome, Snoozed) else draft.at
        case Due.COURTESY:
            return _courtesy(policy, draft)
        case _:
            assert_never(due)


def _courtesy(policy: TaskPolicy, draft: Draft) -> datetime:
    return FAR_FUTURE if policy.courtesy is None else later(draft.at, policy.courtesy)


def _backoff(policy: TaskPolicy, draft: Draft, event: Ran, failure: Failure | None) -> datetime:
    if failure is not None and failure.definitive and draft.suspect_at is not None:
        return max(draft.at, later(draft.suspect_at, policy.confirm_after))  # one call to confirm it
    code = "unknown" if failure is None else failure.code
    if failure is not None and failure.retry_after and code.startswith("api_limit"):
        return draft.at  # the provider has said when: its word replaces the curve, and stands as the floor
    return later(draft.at, delay(code, draft.step, event.period, event.key, draft.epoch))


def raise_floor(draft: Draft, failure: Failure, event: Ran) -> None:
    """Remember that the provider asked not to be called for a while; an earlier word that lasts longer stands."""
    asked = failure.retry_after
    if asked:
        spread = spread_after(asked, key=event.key, epoch=draft.epoch, step=draft.step)
        draft.floor = draft.floored(later(draft.at, asked + spread))
