"""Step 5: what follows an outcome, as values. Policies make them; stores persist them; nobody else decides."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import attrs

from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from taskwarden.core.health import Health
    from taskwarden.core.outcome import Outcome

__all__ = [
    "Activity",
    "Decision",
    "Effect",
    "Event",
    "IntervalState",
    "Level",
    "Notify",
    "OpenIncident",
    "Planned",
    "Ran",
    "ResolveIncident",
    "Resumed",
    "RevisionChanged",
    "Silent",
    "Trigger",
]


class Trigger(enum.StrEnum):
    """Why a run was started."""

    SCHEDULED = "scheduled"
    RETRY = "retry"
    PROBE = "probe"
    MANUAL = "manual"


class Level(enum.StrEnum):
    """How urgently people should know."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


# What is made for each run, and at the moment a policy trips, is a tuple: a frozen class takes twice as long to make.
class OpenIncident(NamedTuple):
    """Effect: an incident named *key* within the task's tenant opens, or gains one more sighting."""

    key: str
    code: str
    title: str
    level: Level = Level.WARNING


class ResolveIncident(NamedTuple):
    """Effect: the incident named *key* is over; unknown keys are ignored."""

    key: str


class Notify(NamedTuple):
    """Effect: people should be told. Delivered at least once, after the write that carries it."""

    level: Level
    code: str
    message: str


Effect: TypeAlias = OpenIncident | ResolveIncident | Notify


class Ran(NamedTuple):
    """
    Event: a run ended.

    Args:
        token: The claim's fencing token. One that is not greater than the health's last changes nothing.
        epoch: The health's epoch when the task was claimed. An older one is never counted.
        trigger: Why the run was started.
        outcome: What it ended with.
        slot_at: The due slot that the run was for.
        planned_at: When the interval policy wants the next slot; None: there is none.
        period: The nominal distance between slots here; None: the task has no recurrence.
        key: The task's stable seed, for jitter.
    """

    token: int
    epoch: int
    trigger: Trigger
    outcome: Outcome
    slot_at: datetime
    planned_at: datetime | None = None
    period: timedelta | None = None
    key: int = 0


@attrs.frozen
class Resumed:
    """Event: an operator clears the policy's hold (``tasks.retry``). *force* overrides a Retry-After floor."""

    actor: str = ""
    force: bool = False


@attrs.frozen
class RevisionChanged:
    """Event: a credential or a configuration has a new revision; what failed definitively may work again."""

    revision: str
    resource: str = ""


@attrs.frozen
class Silent:
    """Event: the task owes an outcome since *since* and none has come. Fenced by *epoch*; *key* is the task's seed."""

    since: datetime
    epoch: int = 0
    key: int = 0


Event: TypeAlias = Ran | Resumed | RevisionChanged | Silent


class Decision(NamedTuple):
    """
    What follows an event.

    Args:
        health: What the policy remembers from now on.
        next_at: When the task may run next; None: when the interval policy planned it, or, where nothing settles
            (a manual run, ``Silent``), as it was.
        settles: The due slot is over: the next run is for the planned slot. Otherwise the slot is kept.
        counts_attempt: The run used up one attempt of its slot.
        effects: What others must be told, persisted in the same write.
        why: The rules that made the decision, most decisive first; empty for "all is well, go on".
        shadow: What rules in shadow would have said, as ``severity:rule``; it changed nothing.
    """

    health: Health
    next_at: datetime | None = None
    settles: bool = True
    counts_attempt: bool = False
    effects: tuple[Effect, ...] = ()
    why: tuple[str, ...] = ()
    shadow: tuple[str, ...] = ()


@attrs.frozen
class Activity:
    """How much is going on at a tenant's: a weight above 0 (1 is ordinary), believed *until* an instant."""

    weight: int
    until: datetime


LARGEST_MEMORY: Final = 256


def _small(instance: object, attribute: attrs.Attribute[str], value: str) -> None:
    del instance, attribute
    if len(value) > LARGEST_MEMORY:
        rule = f"must be at most {LARGEST_MEMORY} characters"
        raise InvalidValue("memory", value, rule, "keep sums and instants, not histories")


@attrs.frozen
class IntervalState:
    """
    What an interval policy may know of a task besides its arguments.

    Args:
        memory: What the policy itself remembered: text (JSON by custom), at most 256 characters, empty at first.
        seed: ``hashing.seed(tenant, kind, key)``: stable bits of the task, for phases and jitter; not to be remembered.
        activity: What the host last reported for the tenant and kind, if still believed.
    """

    memory: str = attrs.field(default="", validator=_small)
    seed: int = 0
    activity: Activity | None = None


class Planned(NamedTuple):
    """
    The next slot.

    Args:
        at: When; None: never again, the task is done once its slot is settled.
        reason: For people, e.g. ``"every 15 min"``.
        memory: What the policy wants to find in ``IntervalState.memory`` next time.
        coalesced: How many slots in the past this one replaces.
        period: The nominal distance between slots here; None: no recurrence.
    """

    at: datetime | None
    reason: str = ""
    memory: str = ""
    coalesced: int = 0
    period: timedelta | None = None
