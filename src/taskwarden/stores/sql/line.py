"""
When a lane stands in line, and that nothing is lost by it.

Its ``turn_at`` tells from when on it has something, or when it was served last; a claim takes the first of those in
line, and passes over those that others hold. *Nothing is lost*: whoever makes a task claimable lowers its lane's
``turn_at``, if it sees it to be later; only a claim that holds the lane raises it. A writer that has not committed yet,
and saw the lane before it was raised, would be missed: so a claim that finds nothing raises it by a second only, then
by two, by four and so on, and lets go of it after 18 hours without a find. A writer that sees this going on, and
would come too late for the look that is next, takes its lane as if it lowered it: no look comes between. Others are
older than the first look that found nothing, so what they have made claimable is looked for again within as long as
their transaction took after that, and a second more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Integer, case, cast, literal, or_

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

__all__ = ["LOOKS", "ONCE_MORE", "lowered", "too_late"]

ONCE_MORE: Final = 1_000_000
"""Microseconds until a lane that was found empty is looked at once more; each time it is found empty again, twice."""
LOOKS: Final = 16
"""How often that is done. Their number so far, negated, is the lane's ``turn``."""


def too_late(lane: Any, at: Any, *, serial: bool) -> ColumnElement[bool]:
    """
    Return whether *lane* may be asked too late for what is claimable from *at* on.

    Args:
        serial: One transaction writes at a time, so that a claim sees all that was made before it.
    """
    following = lane.c.turn_at
    if not serial:
        after = literal(ONCE_MORE, BigInteger).bitwise_lshift(cast(-lane.c.turn, Integer))
        following = case((lane.c.turn < 0, lane.c.turn_at + after), else_=lane.c.turn_at)
    return or_(lane.c.turn_at.is_(None), following > at)


def lowered(lane: Any, at: Any) -> dict[str, Any]:
    """Return what becomes of *lane* when something is claimable from *at* on."""
    return {"turn_at": case((lane.c.turn_at <= at, lane.c.turn_at), else_=at), "turn": 0}
