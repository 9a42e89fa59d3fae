"""What a claim makes of a row of ``due``: in the row, and for the runner. ``moves.take``, for many rows at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, String, and_, bindparam, case, false, null, or_

from taskwarden.core.claim import AGING, Claim, trigger_of
from taskwarden.core.instant import MICROSECOND, at_micros, micros
from taskwarden.core.lifecycle import State

if TYPE_CHECKING:
    from taskwarden.core.decision import Activity
    from taskwarden.stores.sql.known import Known

__all__ = ["claim_changes", "claim_of", "urgency"]

_AGING: Final = AGING // MICROSECOND


def urgency(ready_at: int, place: int) -> int:
    """Return the claim order of a task within its tenant's turn: see ``core.claim.urgency``."""
    return ready_at + place * _AGING


def claim_changes(due: Any, *, now: Any = None, until: Any = None, claimer: Any = None) -> list[tuple[Any, Any]]:
    """
    Return what a claim changes in a row of ``due``: ``moves.take`` in SQL, with what is None bound by its name.

    In this order, as MariaDB and MySQL assign from left to right and read what was assigned before.
    """
    now = bindparam("now", type_=BigInteger) if now is None else now
    until = bindparam("until", type_=BigInteger) if until is None else until
    claimer = bindparam("claimer", type_=String) if claimer is None else claimer
    fresh = due.runner.is_(None)
    asked = and_(due.manual_at.is_not(None), due.manual_at <= now)
    manual = or_(and_(fresh, asked), and_(due.runner.is_not(None), due.manual_slot.is_not(None)))
    return [
        (due.deferred_until, case((manual, due.deferred_until), else_=null())),
        (due.deferred_why, case((manual, due.deferred_why), else_="")),
        (due.rest, case((fresh, due.state), else_=due.rest)),
        (due.state, State.RUNNING.value),
        (due.manual_slot, case((and_(fresh, asked), due.manual_at), (fresh, null()), else_=due.manual_slot)),
        (due.manual_at, case((and_(fresh, asked), null()), else_=due.manual_at)),
        (due.moved, false()),
        (due.token, due.token + 1),
        (due.ready_at, null()),
        (due.lease_until, until),
        (due.held_at, now),
        (due.claimed_at, now),
        (due.runner, claimer),
    ]


def claim_of(
    due: Any, known: Known, activity: Activity | None, token: int, now: datetime, until: datetime, runner: str
) -> Claim:
    """Return the claim of what was due: ``moves.take`` for a row as it stood before, or as the claim has left it."""
    health = known.health(due.health)
    known.lane, known.holder = due.lane_id, runner
    asked = due.manual_slot if due.runner is not None else due.manual_at
    if asked is not None and (due.runner is not None or asked <= micros(now)):
        attempt, slot_at, manual = 1, at_micros(asked), True
        due_at = slot_at
    else:
        attempt, manual = due.attempt, False
        due_at = at_micros(due.next_run_at)
        slot_at = due_at if due.slot_at >= due.next_run_at else at_micros(due.slot_at)
    return Claim(
        task=known.record,
        token=token,
        health=health,
        state=known.interval(due.memory, activity),
        trigger=trigger_of(health, attempt, manual=manual),
        slot_at=slot_at,
        due_at=due_at,
        attempt=attempt,
        claimed_at=now,
        lease_until=until,
    )
