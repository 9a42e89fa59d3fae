"""The kinds of columns and tables that revisions are made of. What a released revision uses never changes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Text, inspect
from sqlalchemy import text as sql
from sqlalchemy.dialects import mysql, postgresql

if TYPE_CHECKING:
    from alembic.operations import Operations

__all__ = ["OFTEN_CHANGED", "create_index", "create_table", "flag", "instant", "name", "number", "text"]

_OF_MYSQL: Final[Mapping[str, str]] = {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}
_OPTIONS: Final[Mapping[str, Any]] = {
    f"{dialect}_{option}": value for dialect in ("mysql", "mariadb") for option, value in _OF_MYSQL.items()
}
OFTEN_CHANGED: Final[Mapping[str, Any]] = {
    "fillfactor": 70,
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_vacuum_cost_delay": 0,
}
"""Of PostgreSQL, for tables whose rows change all the time: room beside them, and a vacuum that keeps up."""


def name(length: int = 200) -> Any:
    """Return the type of a text of at most *length* characters, compared byte by byte everywhere."""
    of_mysql = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    plain = String(length).with_variant(of_mysql, "mysql", "mariadb")
    return plain.with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")


def text() -> Any:
    """Return the type of a text of any length."""
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")


def number() -> Any:
    """Return the type of a key that the database counts up."""
    return BigInteger().with_variant(Integer(), "sqlite")


def instant(column: str, *, nullable: bool = True) -> Column[int]:
    """Return a column of microseconds since 1970."""
    return Column(column, BigInteger(), nullable=nullable)


def flag(column: str) -> Column[bool]:
    """Return a column that says yes or no."""
    return Column(column, Boolean(create_constraint=False), nullable=False)


def create_table(op: Operations, table: str, *parts: Any, **options: Any) -> None:
    """Create *table* of *parts*, unless a migration that was cut off did."""
    if not _made_before(op, table, options.get("schema")):
        op.create_table(table, *parts, **_OPTIONS, **options)


def create_index(
    op: Operations,
    index: str,
    table: str,
    columns: Sequence[str],
    schema: str | None,
    *,
    where: str = "",
    **options: Any,
) -> None:
    """Create *index*, of the rows *where* something holds if the database knows such, unless one cut off did."""
    if not _made_before(op, table, schema, index):
        if where:
            options |= {f"{dialect}_where": sql(where) for dialect in ("postgresql", "sqlite")}
        op.create_index(index, table, list(columns), schema=schema, **options)


def _made_before(op: Operations, table: str, schema: str | None, index: str | None = None) -> bool:
    """Tell what a migration that was cut off has left: MariaDB and MySQL commit each statement, others none."""
    conn = None if op.get_context().as_sql else op.get_bind()
    if conn is None or conn.dialect.name not in {"mysql", "mariadb"}:
        return False
    seen = inspect(conn)
    if index is None:
        return seen.has_table(table, schema=schema)
    return any(each["name"] == index for each in seen.get_indexes(table, schema=schema))
