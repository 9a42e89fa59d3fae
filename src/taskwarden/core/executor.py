"""Step 3: how a kind is run. The host subclasses ``TaskExecutor`` (or ``BlockingTaskExecutor``) once for each kind."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, Protocol, TypeVar, final, get_args, get_origin

import attrs

from taskwarden.core.payload import structured, unstructured
from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskwarden.core.claim import Claim
    from taskwarden.core.failure import Failure
    from taskwarden.core.outcome import JSON, Outcome
    from taskwarden.core.protocols import FailurePolicy, IntervalPolicy
    from taskwarden.core.session import Progress, SessionBlock, SessionOpener
    from taskwarden.core.task import Task

__all__ = ["BlockingTaskExecutor", "RunContext", "TaskExecutor"]

_LOGGER = logging.getLogger("taskwarden.run")

PayloadT = TypeVar("PayloadT")
P = ParamSpec("P")
T = TypeVar("T")


class InThread(Protocol):
    """Call blocking code in a worker thread. Cancellation does not wait for the thread."""

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``function(*args, **kwargs)`` returns."""


@attrs.define(eq=False)
class RunContext:
    """
    What an executor may know of the run that it is in.

    Args:
        claim: The claim: slot, attempt, trigger, token, lease.
        deadline: When the run is cancelled, by the store's clock; None: it has no timeout.
        in_thread: Calls blocking code in one of the runner's worker threads: ``await context.in_thread(f, x)``.
        progress: The run's one transaction, once there is one. For runners.
    """

    claim: Claim
    deadline: datetime | None
    in_thread: InThread
    _sessions: SessionOpener | None = None
    progress: Progress | None = attrs.field(default=None, init=False)
    _lost: bool = attrs.field(default=False, init=False)

    @property
    def slot_at(self) -> datetime:
        """The due slot that this run is for."""
        return self.claim.slot_at

    @property
    def attempt(self) -> int:
        """1-based within the slot."""
        return self.claim.attempt

    @property
    def lost(self) -> bool:
        """
        Whether the run's outcome no longer counts: the lease was lost, the deadline passed, or the host stops.

        Async code is cancelled as well. Blocking code in a thread cannot be: it should ask, and return.
        """
        return self._lost

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry tenant, kind, key, task and attempt."""
        task = self.claim.task
        extra = {"tenant": task.tenant, "kind": task.kind, "key": task.key, "task": task.id, "attempt": self.attempt}
        return logging.LoggerAdapter(_LOGGER, extra)

    def session(self) -> SessionBlock:
        """
        Return the block of a session of the run's own on the store's database: ``async with context.session() as s:``.

        It is SQLAlchemy's ``AsyncSession`` where the store has an engine for asyncio, else a plain ``Session``, whose
        statements hold up the event loop: call them through ``in_thread``. Blocking executors write ``with`` and get a
        ``Session``. It is always closed; what the block has not committed is rolled back. What it commits, stays,
        whatever becomes of the run: for both together see ``transaction``. A few may be open at the same time, two less
        than the store's pool has connections; others wait, their timeout running.

        Raises:
            InvalidValue: The store has no database.
            StoreUnavailable: The database could not be reached. These two when the block is entered.
        """
        return self._opener().session(self)

    def transaction(self) -> SessionBlock:
        """
        Return the block of the run's one transaction: what is written in it commits together with the run's outcome.

        It gives a session as ``session`` does. Open it after remote calls, as late as can be. When the block ends well
        its transaction stays open, the run returns its outcome, and that is written within it, guarded by the run's
        token: either all of it is there, or the run has not been. Exactly once, then, for what is in this database.

        It is rolled back if the block raises, if the run fails or is cancelled, or if its claim is no longer current.
        Within it ``session.commit()`` only ends a savepoint, and ``session.rollback()`` goes back to the last one. On
        SQLite, where nobody else can write meanwhile, it may last 1 s from its opening to the run's end, unless the
        store was opened with another limit; then the run fails.

        Raises:
            InvalidValue: The run has opened one before, or the store has no database.
            StoreUnavailable: The database could not be reached. These two when the block is entered.
        """
        return self._opener().transaction(self)

    def _opener(self) -> SessionOpener:
        if self._sessions is None:
            raise InvalidValue("context", self, "must be that of a run to open sessions", "a runner makes it")
        return self._sessions

    def mark_lost(self) -> None:
        """Tell the executor that its outcome no longer counts. For runners."""
        self._lost = True


class TaskExecutor(ABC, Generic[PayloadT]):
    """
    How a kind of task is run: subclass it, say the kind, write ``execute``.

    One instance serves all tasks of its kind, of all tenants, at the same time: keep what belongs to one run in
    local variables. The payload's class is the type argument: an attrs class, or ``JSON`` to take it as it comes.

    Example::

        class CheckSite(TaskExecutor[Site]):
            kind = "site.check"
            schedule = every(minutes=15)
            timeout = timedelta(seconds=30)

            async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
                response = await client.get(task.payload.url)
                response.raise_for_status()
                return Succeeded({"bytes": len(response.content)})

    Attributes:
        kind: Ties tasks to this executor: letters, digits and underscores in parts joined by ``.`` or ``-``.
        schedule: When tasks run that have no schedule of their own; None: each task must bring one.
        failure_policy: What follows a failure; None: the runner's default, ``standard()``.
        timeout: How long one run may take; None: no bound but the lease's renewal.
        resources: The shared things that the runs depend on (``"google"``), or override ``resources_of``.
        max_running: Most tasks of this kind that run at the same time, over all runners of the store; None: no cap.
        payload_version: Stored beside each payload; raise it with an incompatible change and override ``upgrade``.
    """

    kind: ClassVar[str]
    schedule: ClassVar[IntervalPolicy | None] = None
    failure_policy: ClassVar[FailurePolicy | None] = None
    timeout: ClassVar[timedelta | None] = timedelta(minutes=10)
    resources: ClassVar[tuple[str, ...]] = ()
    max_running: ClassVar[int | None] = None
    payload_version: ClassVar[int] = 1
    payload_type: ClassVar[type[Any] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take the payload's class from the type argument."""
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, TaskExecutor):
                (argument,) = get_args(base)
                if isinstance(argument, type) and attrs.has(argument):
                    cls.payload_type = argument

    @abstractmethod
    async def execute(self, task: Task[PayloadT], context: RunContext) -> Outcome | None:
        """
        Do the work of one run.

        May be called more than once for a slot after a crash: make it idempotent. Cancellation means that the
        lease was lost, the timeout passed or the host stops: clean up, and let it pass.

        Returns:
            ``Succeeded`` (None means the same), ``Skipped`` or ``Snoozed``.

        Raises:
            TaskFailure: To say exactly what failed. Any other exception is classified.
        """

    def classify(self, error: Exception) -> Failure | None:
        """Say what failed, where this kind knows better than the classifier; None: let it decide."""
        del error
        return None

    def resources_of(self, task: Task[PayloadT]) -> tuple[str, ...]:
        """Return the shared things that *task* depends on, for one whose payload names them."""
        del task
        return self.resources

    def upgrade(self, payload: JSON, version: int) -> JSON:
        """
        Return a *payload* stored under an older *version* in today's shape.

        What it raises ends that run as ``config_error.payload``.
        """
        del version
        return payload

    def load(self, payload: JSON, version: int) -> PayloadT:
        """
        Return a stored payload, upgraded and structured.

        Raises:
            PayloadRejected: It does not fit the class.
        """
        if version != self.payload_version:
            payload = self.upgrade(payload, version)
        return structured(payload, self.payload_type, self.kind)  # type: ignore[return-value, arg-type]  # None: JSON

    def dump(self, payload: object) -> JSON:
        """
        Return *payload*, an instance or plain JSON, as the JSON to store.

        Raises:
            PayloadRejected: It does not fit the class, is not JSON, or is too large.
        """
        return unstructured(payload, self.payload_type, self.kind)  # type: ignore[arg-type]  # checked when registered


class BlockingTaskExecutor(TaskExecutor[PayloadT]):
    """
    How a kind is run by blocking code: write ``run``, which is called in a worker thread.

    A thread cannot be cancelled. At its timeout, or when the lease is lost, the run ends for the warden, and the
    thread goes on until it returns; ``context.lost`` tells it that its outcome no longer counts.
    """

    @abstractmethod
    def run(self, task: Task[PayloadT], context: RunContext) -> Outcome | None:
        """Do the work of one run, as ``TaskExecutor.execute`` does."""

    @final
    async def execute(self, task: Task[PayloadT], context: RunContext) -> Outcome | None:
        """Call ``run`` in a worker thread."""
        return await context.in_thread(self.run, task, context)
