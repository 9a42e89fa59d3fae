"""What differs between the databases, in one place. Everything else is written once."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import ARRAY, BigInteger, String, TypeDecorator, any_, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError

from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, CursorResult, Executable, Select, Table

__all__ = ["Dialect", "dialect_of", "rows_matched", "with_patience"]


class _Listed(TypeDecorator[Any]):
    """Numbers or names as one JSON text: their number is not part of the statement then."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str:
        return json.dumps(list(value))


_INSERTS: Final[dict[str, Any]] = {
    "postgresql": postgresql_insert,
    "sqlite": sqlite_insert,
    "mysql": mysql_insert,
}


@attrs.frozen
class Dialect:
    """
    One family of databases.

    Args:
        name: ``postgresql``, ``sqlite`` or ``mysql`` (which MariaDB is, too).
    """

    name: str

    @property
    def serial(self) -> bool:
        """Whether one transaction writes at a time, so that rows need no locks."""
        return self.name == "sqlite"

    def now(self) -> ColumnElement[int]:
        """Return the database's time in microseconds, as of this statement; SQLite has no clock of its own."""
        if self.name == "postgresql":
            # Not volatile, unlike clock_timestamp(), so that an index may be searched by it.
            return cast(func.extract("epoch", func.statement_timestamp()) * 1_000_000, BigInteger)
        if self.name == "mysql":
            # UNIX_TIMESTAMP() would go through the session's time zone, and back an hour in autumn.
            return func.timestampdiff(
                literal_column("MICROSECOND"), "1970-01-01", func.utc_timestamp(literal_column("6"))
            )
        raise AssertionError("the clock of SQLite is the host's")

    def among(self, column: ColumnElement[Any], name: str, type_: Any = BigInteger) -> ColumnElement[bool]:
        """Return the condition that *column* is one of the values bound as *name*: one text for any number of them."""
        if self.name == "postgresql":
            plain = String() if isinstance(type_, String) else type_
            return column == any_(bindparam(name, type_=ARRAY(plain)))
        if self.name == "sqlite":
            each = func.json_each(bindparam(name, type_=_Listed())).table_valued("value")
            return column.in_(select(each.c.value))
        return column.in_(bindparam(name, expanding=True, type_=type_))

    def locked(self, select: Select[Any], *, skip: bool = False, of: Table | None = None) -> Select[Any]:
        """Return *select* taking locks on what it returns; *skip*: leaving out what others have locked."""
        if self.serial:
            return select
        return select.with_for_update(skip_locked=skip, of=of)

    def upsert(
        self,
        table: Table,
        keys: Collection[str],
        change: Mapping[str, Any] | None = None,
        *,
        adding: Sequence[str] = (),
    ) -> Executable:
        """
        Return an insert of rows into *table* that, where one with the same *keys* is there, changes it instead.

        Args:
            change: Column to new value, None: nothing is changed.
            adding: Columns whose inserted value is added to the stored one.
        """
        insert = _INSERTS[self.name](table)
        new = insert.inserted if self.name == "mysql" else insert.excluded
        values = {name: new[name] if value is ... else value for name, value in (change or {}).items()}
        values |= {name: table.c[name] + new[name] for name in adding}
        if self.name == "mysql":
            if not values:  # a change of nothing: INSERT IGNORE would hide other errors, too
                values = {key: table.c[key] for key in list(keys)[:1]}
            upserting: Executable = insert.on_duplicate_key_update(values)
        elif values:
            upserting = insert.on_conflict_do_update(index_elements=list(keys), set_=values)
        else:
            upserting = insert.on_conflict_do_nothing(index_elements=list(keys))
        return upserting


_NO_LOCK: Final = "55P03"
"""PostgreSQL: a lock was not to be had within ``lock_timeout``."""
_WAITED: Final = 1205
"""MariaDB and MySQL: one was not to be had within ``innodb_lock_wait_timeout``; only the statement is undone."""
_KNOWN: Final = {"postgresql": "postgresql", "sqlite": "sqlite", "mysql": "mysql", "mariadb": "mysql"}


def dialect_of(name: str) -> Dialect:
    """
    Return the family that SQLAlchemy's dialect *name* belongs to.

    Raises:
        InvalidValue: It is none of those that are supported.
    """
    if name not in _KNOWN:
        rule = "must be one of SQLite, PostgreSQL, MariaDB and MySQL"
        raise InvalidValue("database", name, rule, "other databases lack SKIP LOCKED, or were never tried")
    return Dialect(_KNOWN[name])


def with_patience(conn: Connection, work: Callable[[], CursorResult[Any]], milliseconds: int) -> Sequence[Any] | None:
    """
    Return the rows that *work* returns, a statement that waits for locks; None: they were not to be had in that time.

    MariaDB and MySQL count in seconds: they wait for one. SQLite waits for no row.
    """
    if conn.dialect.name == "sqlite":
        return work().all()
    try:
        if conn.dialect.name == "postgresql":
            with conn.begin_nested():
                conn.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds:d}")
                rows = work().all()
                conn.exec_driver_sql("SET LOCAL lock_timeout = DEFAULT")
                return rows
        conn.exec_driver_sql("SET @patience = @@innodb_lock_wait_timeout, SESSION innodb_lock_wait_timeout = 1")
        try:
            with conn.begin_nested():  # so that a server that undoes more than the statement is found out
                return work().all()
        finally:
            conn.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = @patience")
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _NO_LOCK and getattr(error.orig, "args", ())[:1] != (_WAITED,):
            raise
        return None


def rows_matched(conn: Connection, statement: Executable, parameters: Mapping[str, Any]) -> int:
    """Return how many rows *statement* has changed."""
    return conn.execute(statement, parameters).rowcount
