"""At one instant: ``once(at)``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from taskwarden.core.decision import IntervalState, Planned
from taskwarden.core.instant import span, utc

if TYPE_CHECKING:
    from taskwarden.core.outcome import Outcome

__all__ = ["Once", "once"]


def _at(value: object) -> datetime:
    return utc(value, "at")


def _grace(instance: Once, attribute: attrs.Attribute[timedelta | None], value: timedelta | None) -> None:
    del instance
    if value is not None:
        span(value, attribute.name)


@attrs.frozen
class Once:
    """
    One slot, and the task is done when it is settled. A slot that is past already is due at once.

    Args:
        at: Aware; kept in UTC.
        grace: Later than this after *at* it is skipped instead of run; None: run it however late.

    Raises:
        InvalidValue: *at* is naive, or *grace* is no positive span.
    """

    at: datetime = attrs.field(converter=_at)
    grace: timedelta | None = attrs.field(default=None, kw_only=True, validator=_grace)

    def next(self, slot: datetime | None, state: IntervalState, outcome: Outcome | None, now: datetime) -> Planned:
        if slot is None:
            return Planned(self.at, "once")
        return Planned(None, "once, and that is over")


def once(at: datetime, *, grace: timedelta | None = None) -> Once:
    """
    Return ``Once``: one run at *at*, or as soon as possible thereafter.

    Raises:
        InvalidValue: *at* is naive, or *grace* is no positive span.
    """
    return Once(at, grace=grace)
