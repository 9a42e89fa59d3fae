"""A transaction that is held open for one run, as functions of its ``Connection``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs
from sqlalchemy.exc import SQLAlchemyError

from taskwarden.core.claim import Receipt
from taskwarden.errors import InvalidValue
from taskwarden.stores.sql.completions import complete
from taskwarden.stores.sql.database import transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from taskwarden.core.claim import Completion
    from taskwarden.core.protocols import Hint
    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.writing import Writing

__all__ = ["JOINED", "SHIELD", "Held", "RolledBack", "Written"]

Written: TypeAlias = "Callable[[Connection, Callable[[Writing, datetime], Receipt]], tuple[Receipt, set[Hint]]]"
JOINED: Final[dict[str, Any]] = {
    "join_transaction_mode": "create_savepoint",
    "expire_on_commit": False,
    "close_resets_only": False,
}
"""How a session joins a transaction that it does not end."""
SHIELD: Final = 5.0
"""Most seconds that giving a session back may take."""


class RolledBack(Exception):
    """Ends the block of a transaction."""


@attrs.define(eq=False)
class Held:
    """
    A transaction on a connection, held open for one run. Its methods speak to the database.

    Args:
        written: Writes in a transaction that is not the store's.
    """

    dialect: Dialect
    written: Written
    conn: Connection
    _root: Any = attrs.field(init=False)
    _stack: ExitStack = attrs.field(factory=ExitStack, init=False)

    def begin(self) -> None:
        """Begin it; on SQLite it has the one place of the writer then."""
        self._stack.enter_context(transaction(self.conn, self.dialect))
        self._root = self.conn.get_transaction()

    def complete(self, completion: Completion) -> tuple[Receipt, set[Hint]]:
        """Write *completion* and commit, or roll back."""
        try:
            self._check()
            receipt, hints = self.written(self.conn, lambda writing, _: complete(writing, [completion])[0])
        except BaseException:
            self.roll_back()
            raise
        if receipt is Receipt.REFUSED:
            self.roll_back()
            return receipt, set()
        self._stack.close()
        return receipt, hints

    def roll_back(self) -> None:
        """Roll it back. Idempotent."""
        error = RolledBack()
        with suppress(RolledBack):
            self._stack.__exit__(RolledBack, error, None)

    def forget(self) -> None:
        """Take note that its connection was given back or thrown away, and it with that."""
        with suppress(SQLAlchemyError):
            self.roll_back()

    def _check(self) -> None:
        root, raw = self._root, self.conn.connection.driver_connection
        inside = not self.dialect.serial or bool(getattr(raw, "in_transaction", True))
        if not inside or root is None or not root.is_active or self.conn.get_transaction() is not root:
            rule = "must be left to the runner to end"
            remedy = "its session's commit() and rollback() are yours, those of its connection are not"
            raise InvalidValue("the transaction of context.transaction()", "ended", rule, remedy)
