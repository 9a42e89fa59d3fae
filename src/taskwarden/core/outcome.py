"""
Step 4: what a run ended with.

``Succeeded`` and ``Failed`` count; the four others are neutral: they move no detector of the failure policy.

=============  ==================================================  ==================
outcome        meaning                                             the due slot
=============  ==================================================  ==================
Succeeded      the work is done                                    settled
Failed         the work failed; the failure policy decides         kept for a retry
Skipped        there was nothing to do, or it was too late         settled
Snoozed        the executor asks to be called again at *until*     kept
Interrupted    the host stopped the run, the task is blameless     kept, due at once
Lost           the runner vanished; nobody knows how it ended      kept
=============  ==================================================  ==================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

from taskwarden.core.instant import utc

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.failure import Failure

__all__ = ["JSON", "Failed", "Interrupted", "Lost", "Outcome", "Skipped", "Snoozed", "Succeeded"]

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


def _utc(value: datetime) -> datetime:
    return utc(value, "until")


def _utc_or_none(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value, "run_by")


@attrs.frozen
class Succeeded:
    """
    The work is done.

    Args:
        result: JSON to keep with the run; at most 64 KiB once serialised.
        changed: Whether the run found something new; adaptive intervals learn from it.
        run_by: The task must run again by this instant: its next slot is pulled earlier and gains
            priority as the instant nears (a token that expires, say).
    """

    result: JSON = None
    changed: bool | None = attrs.field(default=None, kw_only=True)
    run_by: datetime | None = attrs.field(default=None, kw_only=True, converter=_utc_or_none)


@attrs.frozen
class Failed:
    """The work failed. Executors raise instead of returning this; the classifier builds the failure."""

    failure: Failure


@attrs.frozen
class Snoozed:
    """Neutral: call again at *until*, which is never before a Retry-After floor. The slot is kept."""

    until: datetime = attrs.field(converter=_utc)
    reason: str = ""


@attrs.frozen
class Skipped:
    """Neutral: nothing to do. The slot is settled."""

    reason: str = ""


@attrs.frozen
class Interrupted:
    """Neutral: the host stopped the run. Same slot, same attempt, due again at once."""

    reason: str = ""


@attrs.frozen
class Lost:
    """Neutral: the runner vanished with the run. Two in a row count as a failure, ``unknown.lost``."""

    reason: str = ""


Outcome: TypeAlias = Succeeded | Failed | Snoozed | Skipped | Interrupted | Lost
