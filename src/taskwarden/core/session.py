"""
What a store may offer besides ``Store``: sessions on its own database for runs, and outcomes written within them.

A store need not have any of this; runs that ask for a session on one that has not are told so.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import timedelta

    from taskwarden.core.claim import Claim, Completion, Receipt

__all__ = ["OpenSession", "Progress", "SessionBlock", "SessionOpener", "TransactionalStore"]


class OpenSession(Protocol):
    """
    A session that a store has opened for one run, by itself or within a transaction that the store ends.

    Attributes:
        session: What the executor gets.
    """

    @property
    def session(self) -> Any: ...

    async def leave(self) -> None:
        """
        Take the session back from the executor: what it holds is sent to the database, and the transaction stays open.

        Raises:
            Exception: The database refused; the transaction is rolled back.
        """

    async def complete(self, completion: Completion) -> Receipt:
        """
        Write *completion* within the transaction that was left, fenced as ``Store.complete`` does, and commit.

        Cancelled, it is either committed or rolled back in the end, and does not wait for which: what is written
        afterwards of the same claim is refused if this was committed.

        Returns:
            REFUSED: The transaction was rolled back. Otherwise it is committed.

        Raises:
            InvalidValue: The executor has ended the transaction itself; nothing of the completion was written.
            StoreUnavailable: Nothing was committed, as far as can be known.
        """

    async def close(self, *, cut_off: bool = False) -> None:
        """
        End the session, rolled back unless it was committed. Idempotent, shielded from cancellation, 5 s at most.

        Args:
            cut_off: Something may still be under way in it: its connection is not used again.
        """

    def leave_in_thread(self) -> None:
        """Do what ``leave`` does, in the worker thread that opened it."""

    def close_in_thread(self) -> None:
        """Do what ``close`` does, in the worker thread that opened it."""


@runtime_checkable
class TransactionalStore(Protocol):
    """A ``Store`` whose database runs may use, too."""

    @property
    def transaction_limit(self) -> timedelta | None:
        """How long a run's transaction may last, from when it is open until the run ends; None: no limit."""

    async def open_session(self, *, transaction: bool) -> OpenSession:
        """
        Open a session for an executor in the event loop; waits while too many are open.

        Raises:
            StoreUnavailable: The database could not be reached.
        """

    def open_session_in_thread(self, *, transaction: bool) -> OpenSession:
        """
        Open a session for blocking code, in the worker thread that it runs in.

        Raises:
            InvalidValue: There is no driver for it.
            StoreUnavailable: The database could not be reached.
        """


class SessionBlock(AbstractAsyncContextManager[Any, None], AbstractContextManager[Any, None], Protocol):
    """``async with`` it in the event loop, ``with`` it in a worker thread: it gives a session of SQLAlchemy."""


class Progress(Protocol):
    """
    A run's one transaction, as its runner sees it.

    Attributes:
        pending: Whether it is still to be ended.
    """

    @property
    def pending(self) -> bool: ...

    async def complete(self, completion: Completion) -> Receipt:
        """Write the run's outcome within it, and commit: see ``OpenSession.complete``."""

    async def close(self) -> None:
        """Roll it back unless it was committed. Idempotent, shielded from cancellation, bounded."""


class SessionOpener(Protocol):
    """What a runner gives its runs to open sessions with."""

    def session(self, run: Run) -> SessionBlock:
        """Return the block of a session by itself."""

    def transaction(self, run: Run) -> SessionBlock:
        """Return the block of the run's one transaction."""


class Run(Protocol):
    """What an opener must know of a run."""

    claim: Claim
    progress: Progress | None

    @property
    def lost(self) -> bool: ...
