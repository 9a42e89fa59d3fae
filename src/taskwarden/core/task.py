"""What a task is: the durable definition that executors and policies may read."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

if TYPE_CHECKING:
    from taskwarden.core.protocols import IntervalPolicy
    from taskwarden.ids import Kind, TaskId, TenantId

__all__ = ["Priority", "Task", "TaskRecord"]

PayloadT_co = TypeVar("PayloadT_co", covariant=True)


class Priority(enum.IntEnum):
    """
    Who goes first within a tenant's turn. It never outranks another tenant's turn.

    Waiting raises it, so that nothing due waits for ever: see ``claim.urgency``.
    """

    CRITICAL = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3


class Task(Protocol[PayloadT_co]):
    """
    What executors and policies may read of a task. ``TaskRecord`` satisfies it.

    One durable, usually recurring unit of work of one tenant. (tenant, kind, key) identifies it.
    """

    @property
    def id(self) -> TaskId:
        """Opaque, unique in the store."""

    @property
    def tenant(self) -> TenantId:
        """Whose it is."""

    @property
    def kind(self) -> Kind:
        """Which executor runs it."""

    @property
    def key(self) -> str:
        """What identifies it within tenant and kind."""

    @property
    def payload(self) -> PayloadT_co:
        """The host's data, structured by the executor's payload class."""

    @property
    def priority(self) -> Priority:
        """Its rank within the tenant's turn."""

    @property
    def created_at(self) -> datetime:
        """When it was first ensured, by the store's clock."""


@attrs.frozen(kw_only=True)
class TaskRecord(Generic[PayloadT_co]):
    """
    A task's definition, as stored.

    Args:
        schedule: An interval policy of the task's own; None: the executor's.
        depends_on: Tasks of the same tenant whose successes release each slot of this one.
        payload_version: The executor's ``payload_version`` when the payload was stored.
        version: Raised by every change of the definition, from 1.
    """

    id: TaskId
    tenant: TenantId
    kind: Kind
    key: str
    payload: PayloadT_co
    payload_version: int = 1
    priority: Priority = Priority.MEDIUM
    schedule: IntervalPolicy | None = None
    depends_on: tuple[TaskId, ...] = ()
    created_at: datetime
    version: int = 1
