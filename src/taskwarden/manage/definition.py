"""What ``tasks.ensure`` is to make true: the caller's fields, checked and completed. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import attrs

from taskwarden.core.decision import IntervalState, Planned
from taskwarden.core.hashing import digest, seed
from taskwarden.core.instant import utc
from taskwarden.core.protocols import Ensured, IntervalPolicy, TaskSpec
from taskwarden.core.record import TaskStatus
from taskwarden.core.task import Priority
from taskwarden.errors import InvalidValue, PayloadRejected
from taskwarden.ids import TaskId, check_id

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.executor import TaskExecutor
    from taskwarden.core.outcome import JSON
    from taskwarden.ids import TenantId

__all__ = ["UNNAMED", "Fields", "Unnamed", "Upstream", "default_payload"]


class Unnamed(enum.Enum):
    """The type of ``UNNAMED``."""

    UNNAMED = "unnamed"

    def __repr__(self) -> str:
        return "UNNAMED"


UNNAMED: Final = Unnamed.UNNAMED
"""Stands for a field that the caller did not name: it keeps its value, or takes the default in a new task."""

Upstream: TypeAlias = str | TaskStatus | Ensured
"""A task to depend on: its id, or what ``get`` or ``ensure`` answered."""


@attrs.frozen(kw_only=True)
class Fields:
    """The fields of a task that a caller may name, as they were given."""

    payload: object = UNNAMED
    schedule: IntervalPolicy | Literal[Unnamed.UNNAMED] | None = UNNAMED
    priority: Priority | Literal[Unnamed.UNNAMED] = UNNAMED
    depends_on: Iterable[Upstream] | Literal[Unnamed.UNNAMED] = UNNAMED

    @property
    def named(self) -> frozenset[str]:
        """The names of those that were given."""
        given = attrs.asdict(self, recurse=False)
        return frozenset(name for name, value in given.items() if value is not UNNAMED)

    def spec(self, executor: TaskExecutor[Any], tenant: TenantId, key: str, payload: JSON, now: datetime) -> TaskSpec:
        """
        Return what the store is to make true.

        Args:
            payload: What to store where none was named.

        Raises:
            InvalidValue: A field breaks a rule, no schedule is in force, or the schedule has no first slot.
            PayloadRejected: The payload does not fit the executor's class.
        """
        kind = executor.kind
        own = None if self.schedule is UNNAMED else self.schedule
        in_force = _checked_schedule(executor.schedule if own is None else own, kind)
        return TaskSpec(
            kind=kind,  # type: ignore[arg-type]  # a Kind: checked when the executor was registered
            key=key,
            payload=payload if self.payload is UNNAMED else executor.dump(self.payload),
            payload_version=executor.payload_version,
            priority=Priority.MEDIUM if self.priority is UNNAMED else _checked_priority(self.priority),
            schedule=own,
            schedule_digest=digest(in_force),
            depends_on=() if self.depends_on is UNNAMED else upstream_ids(self.depends_on),
            first=_first(in_force, IntervalState(seed=seed(tenant, kind, key)), now),
            named=self.named,
        )


def default_payload(executor: TaskExecutor[Any]) -> JSON:
    """
    Return the payload of a new task whose caller named none: all defaults, or JSON null.

    Raises:
        PayloadRejected: The payload's class has fields without a default.
    """
    if executor.payload_type is None:
        return None
    try:
        payload = executor.payload_type()
    except Exception as error:
        problem = f"must be given to create the task ({error})"
        raise PayloadRejected(executor.kind, "$", UNNAMED, problem) from error
    return executor.dump(payload)


def upstream_ids(depends_on: object) -> tuple[TaskId, ...]:
    """
    Return the ids of *depends_on*, each once, in order.

    Raises:
        InvalidValue: It is no collection of ids, statuses or answers of ``ensure``.
    """
    if isinstance(depends_on, str | TaskStatus | Ensured) or not isinstance(depends_on, Iterable):
        rule = "must be a collection of tasks"
        raise InvalidValue("depends_on", depends_on, rule, "for a single one write depends_on=[task]")
    ids = (one.id if isinstance(one, TaskStatus | Ensured) else check_id(one, "depends_on") for one in depends_on)
    return tuple(TaskId(one) for one in dict.fromkeys(ids))


def _checked_priority(priority: object) -> Priority:
    if not isinstance(priority, Priority):
        known = ", ".join(f"Priority.{one.name}" for one in Priority)
        raise InvalidValue("priority", priority, f"must be one of {known}")
    return priority


def _checked_schedule(schedule: object, kind: str) -> IntervalPolicy:
    if schedule is None:
        rule = f"must be given, since the executor of {kind!r} has none"
        raise InvalidValue("schedule", schedule, rule, "for example schedule=every(minutes=15)")
    if isinstance(schedule, type) or not isinstance(schedule, IntervalPolicy):
        rule = "must be an interval policy"
        raise InvalidValue("schedule", schedule, rule, "for example every(minutes=15)")
    if " at 0x" in repr(schedule):
        # The store tells by the digest of its repr whether a schedule has changed.
        rule = "must have a repr that is the same in every process"
        raise InvalidValue("schedule", schedule, rule, "make it a frozen attrs class, or give it a stable __repr__")
    return schedule


def _first(schedule: IntervalPolicy, state: IntervalState, now: datetime) -> Planned:
    try:
        first = schedule.next(None, state, None, now)
    except Exception as error:
        raise InvalidValue("schedule", schedule, f"raised {error!r} when asked for its first slot") from error
    if not isinstance(first, Planned):
        raise InvalidValue("schedule", schedule, f"must answer Planned(...), and answered {first!r}")
    return first if first.at is None else first._replace(at=utc(first.at, "the schedule's first slot"))
