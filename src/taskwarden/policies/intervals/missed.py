"""What becomes of slots that nobody ran in time: the same three choices for every policy that has a grid."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeAlias

import attrs

from taskwarden.core.instant import span
from taskwarden.errors import InvalidValue

__all__ = ["COALESCE", "MOST_CATCH_UP", "Coalesce", "Each", "Missed", "Skip", "check_missed", "grace_of"]

MOST_CATCH_UP: Final = 100
"""Most slots behind now that ``Each`` runs one by one."""
LONGEST_GRACE: Final = timedelta(days=366)


@attrs.frozen
class Coalesce:
    """One run stands for all missed slots, however late; the next slot lies after now. The default."""


def _grace(value: object) -> timedelta:
    return span(value, "grace", hi=LONGEST_GRACE)


def _limit(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_CATCH_UP:
        remedy = "leave the rest to coalescing: it is counted"
        raise InvalidValue("limit", value, f"must be a whole number from 1 to {MOST_CATCH_UP}", remedy)
    return value


@attrs.frozen
class Skip:
    """
    A slot claimed later than *grace* after its time is skipped, not run.

    After a skipped slot comes the latest missed one that is still within *grace*, if there is one: a weekly task is
    not lost because the slot of the week before was too late.

    Args:
        grace: More than zero, at most 366 days. Keep it well above the time that a restart of the runner takes.
    """

    grace: timedelta = attrs.field(converter=_grace)


@attrs.frozen
class Each:
    """
    Missed slots are caught up one by one, oldest first: the last *limit* of them.

    Older ones are coalesced into the run that precedes the catching up, and counted there.

    Args:
        limit: From 1 to 100.
    """

    limit: int = attrs.field(default=MOST_CATCH_UP, converter=_limit)


Missed: TypeAlias = Coalesce | Skip | Each
COALESCE: Final[Missed] = Coalesce()


def check_missed(instance: object, attribute: attrs.Attribute[Missed], value: object) -> None:
    """
    Validate an attribute that is to be one of the three choices.

    Raises:
        InvalidValue: It is none of them.
    """
    del instance
    if not isinstance(value, Coalesce | Skip | Each):
        raise InvalidValue(attribute.name, value, "must be Coalesce(), Skip(grace) or Each(limit)")


def grace_of(missed: Missed) -> timedelta | None:
    """Return how late a slot may still be run; None: however late."""
    return missed.grace if isinstance(missed, Skip) else None
