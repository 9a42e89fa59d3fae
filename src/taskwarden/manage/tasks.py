"""What one may do with the tasks of one tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

import attrs

from taskwarden.core.decision import Resumed
from taskwarden.core.instant import utc
from taskwarden.core.record import Status, TaskStatus
from taskwarden.errors import InvalidValue, TaskNotFound
from taskwarden.ids import TaskId, check_actor, check_id, check_key, check_kind
from taskwarden.manage import steering
from taskwarden.manage.bounds import LARGEST_PAGE, count
from taskwarden.manage.definition import UNNAMED, Fields, Unnamed, default_payload
from taskwarden.manage.explain import Explanation, Snapshot, explain
from taskwarden.policies import decide

if TYPE_CHECKING:
    from typing import Any

    from taskwarden.core.executor import TaskExecutor
    from taskwarden.core.outcome import JSON
    from taskwarden.core.protocols import Ensured, IntervalPolicy, Steer, Store
    from taskwarden.core.task import Priority
    from taskwarden.ids import TenantId
    from taskwarden.manage.access import Access
    from taskwarden.manage.definition import Upstream

__all__ = ["TaskActions"]

_MOST_UPSTREAMS_EXPLAINED: Final = 20


@attrs.frozen
class TaskActions:
    """
    The tasks of one tenant. No method can name another tenant; other tenants' ids read as absent.

    In every method *actor* is who asks, for the feed; empty: the application itself.

    Raises, from every method:
        InvalidValue: An argument breaks a rule; nothing was changed.
        Closed: The warden's block has ended; nothing was done.
        StoreUnavailable: The store could not be reached; nothing was changed.
    """

    _access: Access = attrs.field(repr=False)
    _tenant: TenantId

    async def ensure(
        self,
        kind: str,
        *,
        key: str,
        payload: object = UNNAMED,
        schedule: IntervalPolicy | Literal[Unnamed.UNNAMED] | None = UNNAMED,
        priority: Priority | Literal[Unnamed.UNNAMED] = UNNAMED,
        depends_on: Iterable[Upstream] | Literal[Unnamed.UNNAMED] = UNNAMED,
        connection: object | None = None,
    ) -> Ensured:
        """
        Create the task (kind, key), or change the fields that are named here of the one that exists.

        Call it at every start: it is idempotent, concurrent calls make one task, and the next time moves only if
        the schedule in force has changed. A field that is not named keeps its value.

        Args:
            payload: An instance of the executor's payload class, or the JSON of one. A new task of which none is
                given takes the class's defaults, or JSON null.
            schedule: The task's own; None: the executor's.
            priority: Within the tenant's turn; MEDIUM in a new task.
            depends_on: Tasks of this tenant, each of which must succeed before each slot of this one.
            connection: A transaction of your own on the store's database: SQLAlchemy's ``AsyncConnection``,
                ``AsyncSession``, ``Connection`` or ``Session``. The task is there if and when that commits, and never
                was if it does not. None: a transaction by itself.

        Returns:
            The task as it is now, and whether it was created, updated or unchanged.

        Raises:
            UnknownKind: No executor is registered for *kind* here.
            PayloadRejected: The payload does not fit; names the path of the wrong field.
            InvalidValue: A field breaks a rule, no schedule is in force, or the store cannot take part in
                *connection*. Nothing was changed.
            TaskNotFound: A task to depend on is not this tenant's.
            DependencyCycle: The task would wait for itself.
        """
        store, key = self._access.store, check_key(key)
        executor = self._access.registry.executor(check_kind(kind))
        fields = Fields(payload=payload, schedule=schedule, priority=priority, depends_on=depends_on)
        present: JSON = None
        if payload is UNNAMED:
            present = await self._present_payload(executor, key)
        spec = fields.spec(executor, self._tenant, key, present, await store.now())
        return await store.ensure(self._tenant, spec, connection=connection)

    async def _present_payload(self, executor: TaskExecutor[Any], key: str) -> JSON:
        """Return what a task keeps, or a new one begins with, where no payload is named."""
        found = await self.find(executor.kind, key)
        # Given along for the case that the task is deleted before the store is asked to keep its payload.
        return default_payload(executor) if found is None else found.task.payload

    async def get(self, task_id: str) -> TaskStatus:
        """
        Return the task as it stands; its payload is JSON as stored.

        Raises:
            TaskNotFound: The tenant has no such task.
        """
        return await self._access.store.get(self._tenant, _id(task_id))

    async def find(self, kind: str, key: str) -> TaskStatus | None:
        """Return the task (kind, key) as it stands, or None. The kind need not be registered here."""
        return await self._access.store.find(self._tenant, check_kind(kind), check_key(key))

    async def list(
        self, *, kind: str | None = None, status: Status | None = None, limit: int = 100, after: str | None = None
    ) -> Sequence[TaskStatus]:
        """
        Return at most *limit* tasks, in order of creation.

        Args:
            kind: Of this kind only.
            status: Of which this is the one word to show.
            limit: From 1 to 1,000.
            after: The id of the last task of the page before this one.
        """
        if status is not None and not isinstance(status, Status):
            raise InvalidValue("status", status, f"must be one of {', '.join(f'Status.{one.name}' for one in Status)}")
        return await self._access.store.tasks(
            self._tenant,
            kind=None if kind is None else check_kind(kind),
            status=status,
            after=None if after is None else _id(after, "after"),
            limit=count(limit, "limit", most=LARGEST_PAGE),
        )

    async def pause(self, task_id: str, *, actor: str = "") -> bool:
        """
        Hold the task back until it is resumed: the flag only. Its health and next time stay; a run goes on.

        Returns:
            Whether it was not paused before.

        Raises:
            TaskNotFound: The tenant has no such task.
        """
        return await self._access.store.pause(self._tenant, _id(task_id), paused=True, actor=check_actor(actor))

    async def resume(self, task_id: str, *, actor: str = "") -> bool:
        """
        Take back ``pause``: the flag only. It does not clear a hold of the failure policy: ``retry`` does.

        Returns:
            Whether it was paused before.

        Raises:
            TaskNotFound: The tenant has no such task.
        """
        return await self._access.store.pause(self._tenant, _id(task_id), paused=False, actor=check_actor(actor))

    async def retry(self, task_id: str, *, force: bool = False, actor: str = "") -> datetime:
        """
        Clear the failure policy's hold: the task is due now, or at its Retry-After floor.

        A run in progress goes on, and its outcome is recorded but not counted. A task that is paused or blocked
        stays so.

        Args:
            force: Override the Retry-After floor. The feed tells who did.

        Returns:
            The instant from which it may run.

        Raises:
            TaskNotFound: The tenant has no such task.
            UnknownKind: Its executor, whose failure policy must decide, is not registered here.
        """
        task_id, actor = _id(task_id), check_actor(actor)

        def word(status: TaskStatus) -> Steer:
            default = self._access.policy
            policy = self._access.registry.executor(status.kind).failure_policy or default
            decision = decide(policy, status.health, Resumed(actor, force), status.as_of, default=default)
            return steering.retried(status, decision, actor=actor, force=force)

        return await self._steer(task_id, word)

    async def run_now(self, task_id: str, *, actor: str = "") -> datetime:
        """
        Ask for one run beside the schedule, also of a task that is paused, blocked, held or done.

        A run in progress ends first. A success is evidence of recovery; a failure counts nothing. The schedule
        stays as it is. Asking again before the run has started asks for nothing more.

        Returns:
            The instant from which it may run: now, or the Retry-After floor; of the request that stands, if there is
            one already.

        Raises:
            TaskNotFound: The tenant has no such task.
        """
        store, task_id = self._access.store, _id(task_id)
        status = await store.get(self._tenant, task_id)
        at = steering.not_before_floor(status.as_of, status)
        if await store.request_run(self._tenant, task_id, at=at, actor=check_actor(actor)):
            return at
        standing = (await store.get(self._tenant, task_id)).manual_at
        return at if standing is None else standing  # None: it was taken up in between

    async def reschedule(self, task_id: str, at: datetime, *, actor: str = "") -> datetime:
        """
        Move the next slot to *at*; an instant in the past means at once. The slots after it follow the schedule.

        A run in progress goes on, and its outcome is recorded but not counted. A hold of the failure policy stays:
        the run at that time is its next try.

        Returns:
            The instant from which it may run: *at*, or the Retry-After floor.

        Raises:
            TaskNotFound: The tenant has no such task.
        """
        task_id, at, actor = _id(task_id), utc(at, "at"), check_actor(actor)
        return await self._steer(task_id, lambda status: steering.rescheduled(status, at, actor=actor))

    async def delete(self, task_id: str, *, detach: bool = False, actor: str = "") -> None:
        """
        Delete the task. Its runs are kept; a run in progress is cancelled when its lease is next renewed.

        Args:
            detach: Cut the edges of tasks that depend on it.

        Raises:
            TaskNotFound: The tenant has no such task.
            HasDependants: Tasks depend on it, and *detach* is False.
        """
        await self._access.store.delete(self._tenant, _id(task_id), detach=detach, actor=check_actor(actor))

    async def explain(self, task_id: str) -> Explanation:
        """
        Return why the task does not run now: every reason, in the order in which one should look.

        Raises:
            TaskNotFound: The tenant has no such task.
        """
        store = self._access.store
        status = await store.get(self._tenant, _id(task_id))
        blocked_by = status.blocked_by[:_MOST_UPSTREAMS_EXPLAINED]
        found = [await self._get_or_none(store, upstream) for upstream in blocked_by]
        snapshot = Snapshot(
            status=status,
            tenant=await store.tenant(self._tenant),
            registered=status.kind in self._access.registry.kinds,
            upstreams=tuple(upstream for upstream in found if upstream is not None),
        )
        return explain(snapshot)

    async def _get_or_none(self, store: Store, task_id: TaskId) -> TaskStatus | None:
        try:
            return await store.get(self._tenant, task_id)
        except TaskNotFound:  # deleted since the dependant was read
            return None

    async def _steer(self, task_id: TaskId, word: Callable[[TaskStatus], Steer]) -> datetime:
        """Read, decide and write until nobody has steered the task in between; each refusal is another's progress."""
        store = self._access.store
        while True:
            steer = word(await store.get(self._tenant, task_id))
            if await store.steer(self._tenant, task_id, steer):
                return steer.next_run_at


def _id(value: object, name: str = "task_id") -> TaskId:
    return TaskId(check_id(value, name))
