"""
Verdicts: what a rule says of a failure, on one ladder, and what it may know when it says so.

The ladder is a total order, so the strictest of several verdicts (``max``) and the mildest (``min``) are the join and
the meet of a distributive lattice; ``|`` and ``&`` of rules are these two.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from taskwarden.core.failure import Failure

__all__ = ["CONTINUE", "NOTHING", "Facts", "Opinion", "Severity", "Verdict"]


class Severity(enum.IntEnum):
    """The rungs, mildest first."""

    CONTINUE = 0
    """Nothing: the delays grow as they would."""
    RETRY_AT = 1
    """Nothing but a time before which not to retry."""
    COOL = 2
    """Trip: the task cools off, and single runs probe."""
    PARK = 3
    """Trip: the task needs intervention, and single runs probe."""
    DENY = 4
    """Trip: the task needs intervention, and nothing runs until somebody intervenes."""


class Verdict(NamedTuple):
    """
    What a rule says. Ordered by severity, then by time: later is stricter.

    Args:
        severity: The rung.
        at: Not to run again before; microseconds since 1970; 0: the delays alone decide.
    """

    severity: Severity
    at: int = 0


CONTINUE: Final = Verdict(Severity.CONTINUE)
"""The mildest verdict, and the only one of its rung: the unit of ``|``."""


class Opinion(NamedTuple):
    """
    A rule's verdict, and how it came to it.

    Args:
        why: The names of the leaves without which the verdict would be milder; empty if it is ``CONTINUE``.
        shadow: What the parts in shadow would have said, as ``severity:leaf``.
    """

    verdict: Verdict = CONTINUE
    why: tuple[str, ...] = ()
    shadow: tuple[str, ...] = ()


NOTHING: Final = Opinion()
"""The opinion of a rule that is not concerned."""


class Facts(NamedTuple):
    """
    What a rule may know when a failure is judged.

    Args:
        failure: The failure.
        at: When, in microseconds since 1970; the detectors have counted it already.
        tripped: The names of the detectors that trip.
    """

    failure: Failure
    at: int
    tripped: frozenset[str]
