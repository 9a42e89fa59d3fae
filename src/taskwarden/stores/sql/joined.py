"""Work within a transaction of the host's own: it is done when that commits, and was never done if it does not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from taskwarden.errors import InvalidValue
from taskwarden.stores.sql.database import problem_of
from taskwarden.stores.sql.dialect import dialect_of

if TYPE_CHECKING:
    from taskwarden.stores.sql.database import Database

__all__ = ["within"]

T = TypeVar("T")


async def within(connection: object, database: Database, work: Callable[[Connection], T]) -> T:
    """
    Return what *work* returns, done on *connection*, which nobody else may use meanwhile.

    An ``AsyncConnection`` or ``AsyncSession`` is awaited; a ``Connection`` or ``Session`` is used here and now, as its
    owner would: it holds up the event loop for as long as the statements take.

    Raises:
        InvalidValue: It is none of these, or not of this family of databases; nothing was changed.
        StoreUnavailable: A statement failed; the host's transaction can only be rolled back.
    """

    def checked(conn: Connection) -> T:
        if dialect_of(conn.dialect.name) != database.dialect:
            rule = f"must be one to the store's database ({database.name})"
            raise InvalidValue("connection", conn.engine.url.render_as_string(), rule)
        return work(conn)

    def of_session(session: Session) -> T:
        return checked(session.connection())

    try:
        # Where nobody has imported SQLAlchemy's part for asyncio, which an extra brings, there is nothing made of it.
        waiting: Any = sys.modules.get("sqlalchemy.ext.asyncio")
        if waiting is not None and isinstance(connection, waiting.AsyncConnection):
            return cast("T", await connection.run_sync(checked))
        if waiting is not None and isinstance(connection, waiting.AsyncSession):
            return cast("T", await connection.run_sync(of_session))
        if isinstance(connection, Connection):
            return checked(connection)
        if isinstance(connection, Session):
            return of_session(connection)
    except (SQLAlchemyError, OSError) as error:
        raise problem_of(error, database.name) from error
    rule = "must be SQLAlchemy's Connection, AsyncConnection, Session or AsyncSession"
    raise InvalidValue("connection", connection, rule, "an engine is none: begin a transaction on it")
