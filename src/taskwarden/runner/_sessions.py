"""
Sessions on the store's database for runs, and the one transaction that a run's outcome may be part of.

Theory. The block of a transaction ends before the run does: what its executor returns is decided on first, and then
written in that transaction by the worker, which also rolls it back in whatever other way the run ends. A block in a
thread that nobody waits for any more is rolled back by that thread, when it comes to the block's end.
"""

from __future__ import annotations

import enum
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio.from_thread
import anyio.lowlevel
import attrs

from taskwarden.core.session import TransactionalStore
from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from taskwarden.core.claim import Completion, Receipt
    from taskwarden.core.protocols import Store
    from taskwarden.core.session import OpenSession, Run, SessionBlock
    from taskwarden.ids import TaskId

__all__ = ["Sessions"]

_REMEDY: Final = "open the warden on a database: sqlite:///tasks.db, postgresql:// or mysql://"


class _Stage(enum.Enum):
    """How far a block is."""

    NEW = enum.auto()
    OPEN = enum.auto()
    LEFT = enum.auto()
    """Its transaction waits for the outcome."""
    CLOSED = enum.auto()


@attrs.define(eq=False)
class Sessions:
    """
    Opens sessions for the runs of one runner. Implements ``SessionOpener``.

    Args:
        bound: Called when a run of a task has opened a transaction which may last only so many seconds from now on.
    """

    store: Store
    bound: Callable[[TaskId, float], None]

    def session(self, run: Run) -> SessionBlock:
        """Return the block of a session by itself."""
        return Block(self._store("context.session()"), run)

    def transaction(self, run: Run) -> SessionBlock:
        """Return the block of the run's one transaction."""
        store = self._store("context.transaction()")
        limit = store.transaction_limit
        bound = None if limit is None else partial(self.bound, run.claim.task.id, limit.total_seconds())
        return Transaction(store, run, bound)

    def _store(self, name: str) -> TransactionalStore:
        if not isinstance(self.store, TransactionalStore):
            raise InvalidValue(name, type(self.store).__name__, "needs a store in a database", _REMEDY)
        return self.store


@attrs.define(eq=False)
class Block:
    """The block of one session. Implements ``SessionBlock``."""

    store: TransactionalStore
    run: Run
    _open: OpenSession | None = attrs.field(default=None, init=False)
    _stage: _Stage = attrs.field(default=_Stage.NEW, init=False)
    _in_thread: bool = attrs.field(default=False, init=False)

    _transaction = False

    async def __aenter__(self) -> Any:
        self._enter()
        # A run that holds something must have waited: one that has not is over before anybody could look at it.
        await anyio.lowlevel.checkpoint()
        self._open = await self.store.open_session(transaction=self._transaction)
        self._stage = _Stage.OPEN
        self._limit()
        return self._open.session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._stage = self._taken(), _Stage.CLOSED
        if not self._keeps(error):
            await opened.close(cut_off=error is not None and not isinstance(error, Exception))
            return
        await opened.leave()
        self._stage = _Stage.LEFT

    def __enter__(self) -> Any:
        try:
            anyio.from_thread.run_sync(self._enter)
        except RuntimeError as error:
            rule = "must be entered by `async with` in the event loop, and by `with` in a thread of the runner"
            raise InvalidValue("the block of a session", self.run.claim.task.id, rule) from error
        self._in_thread = True
        self._open = self.store.open_session_in_thread(transaction=self._transaction)
        self._stage = _Stage.OPEN
        anyio.from_thread.run_sync(self._limit)
        return self._open.session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._stage = self._taken(), _Stage.CLOSED
        if not self._keeps(error):
            opened.close_in_thread()
            return
        opened.leave_in_thread()
        if not self._left_in_thread():
            opened.close_in_thread()

    def _enter(self) -> None:
        if self._stage is not _Stage.NEW:
            rule = "may be entered once"
            raise InvalidValue("the block of a session", self.run.claim.task.id, rule, "ask the context for another")

    def _limit(self) -> None:
        """Bound the run, in the event loop."""

    def _keeps(self, error: BaseException | None) -> bool:
        """Tell whether the session stays open after its block."""
        del error
        return False

    def _left_in_thread(self) -> bool:
        """Take note that a session that stays open was left; return False if it is no longer wanted."""
        return False

    def _taken(self) -> OpenSession:
        if self._open is None:
            raise AssertionError("a block was left that was not entered")
        return self._open


@attrs.define(eq=False)
class Transaction(Block):
    """The block of a run's one transaction, and what its runner does with that. Implements ``Progress``."""

    bound: Callable[[], None] | None

    _transaction = True

    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _unwanted: bool = attrs.field(default=False, init=False)

    @property
    def pending(self) -> bool:
        """Whether it is still to be ended."""
        return self._stage in {_Stage.OPEN, _Stage.LEFT}

    async def complete(self, completion: Completion) -> Receipt:
        """Write the run's outcome, and commit."""
        if self._stage is not _Stage.LEFT:
            rule = "must have been left when the run ends"
            raise InvalidValue("the block of context.transaction()", self._stage.name.lower(), rule)
        opened, self._stage = self._taken(), _Stage.CLOSED
        return await opened.complete(completion)

    async def close(self) -> None:
        """Roll it back unless it has ended. One whose block still runs in a thread is rolled back there."""
        with self._lock:
            self._unwanted = True
            mine = self._stage is _Stage.LEFT or (self._stage is _Stage.OPEN and not self._in_thread)
            if mine:
                self._stage = _Stage.CLOSED
        if mine:
            await self._taken().close()

    def _enter(self) -> None:
        super()._enter()
        if self.run.progress is not None:
            remedy = "write all that belongs together in one block, the rest in context.session()"
            raise InvalidValue("context.transaction()", self.run.claim.task.id, "may be opened once in a run", remedy)
        self.run.progress = self

    def _limit(self) -> None:
        if self.bound is not None:
            self.bound()

    def _keeps(self, error: BaseException | None) -> bool:
        return error is None and not self.run.lost

    def _left_in_thread(self) -> bool:
        with self._lock:
            if not self._unwanted:
                self._stage = _Stage.LEFT
            return not self._unwanted
