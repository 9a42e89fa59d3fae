"""Policies as runners call them: whatever a host's policy does, there is a decision."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from taskwarden.core.decision import Decision, Level, OpenIncident, Ran
from taskwarden.core.health import HEALTHY, Health
from taskwarden.errors import shown
from taskwarden.policies.presets import standard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from taskwarden.core.decision import Event
    from taskwarden.core.protocols import FailurePolicy

__all__ = ["decide", "fold"]

_DEFAULT: Final = standard()


def decide(
    policy: FailurePolicy, health: Health, event: Event, now: datetime, *, default: FailurePolicy = _DEFAULT
) -> Decision:
    """
    Return what *policy* says follows *event*; never raises.

    A policy that raises, or returns no ``Decision`` that a store could keep, harms its own run only: *default* decides
    instead, and the decision's last effect is an incident ``broken:failure_policy:...`` that names it. Should that
    fail as well (*now* is no instant, say), the health stays as it is and nothing settles.
    """
    try:
        decision = policy.decide(health, event, now)
    except Exception as error:
        return _instead(policy, health, event, now, default, f"raised {type(error).__name__}: {_said(error)}")
    made: object = decision
    if isinstance(made, Decision) and isinstance(made.health, Health):
        at: object = made.next_at
        if at is None or (isinstance(at, datetime) and at.tzinfo is UTC):
            return made
        return _instead(policy, health, event, now, default, f"returned next_at {shown(at)}, which is not aware UTC")
    return _instead(policy, health, event, now, default, f"returned {shown(decision)}")


def _instead(
    policy: FailurePolicy, health: Health, event: Event, now: datetime, default: FailurePolicy, problem: str
) -> Decision:
    name = type(policy).__name__
    title = f"The failure policy {name} {problem}; the default decided instead"
    incident = OpenIncident(f"broken:failure_policy:{name}", "config_error.policy", title, Level.ERROR)
    try:
        made = default.decide(health, event, now)
        return Decision(
            made.health,
            made.next_at,
            made.settles,
            made.counts_attempt,
            (*made.effects, incident),
            ("policy_raised", *made.why),
            made.shadow,
        )
    except Exception:
        return Decision(health, None, settles=False, effects=(incident,), why=("policy_raised",))


def _said(error: Exception) -> str:
    try:
        return str(error)[:300]
    except Exception:
        return "(its text raises, too)"


def fold(policy: FailurePolicy, history: Iterable[tuple[datetime, Event]], health: Health = HEALTHY) -> Health:
    """
    Return the health after *history*: each event with the instant at which it was decided on.

    Events of one instant are taken in one order whatever order they came in: runs by token, then the others.
    """
    for now, event in sorted(history, key=_order):
        health = decide(policy, health, event, now).health
    return health


def _order(entry: tuple[datetime, Event]) -> tuple[datetime, bool, int, str]:
    now, event = entry
    if isinstance(event, Ran):
        return now, False, event.token, ""
    return now, True, 0, repr(event)
