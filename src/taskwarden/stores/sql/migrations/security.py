"""
Row-level security of PostgreSQL: the database itself keeps tenants apart.

A policy on every table with a tenant lets a role see the rows of the tenant that its transaction has named, and none
if it has named none. Another lets the role of runners see all. Owners of tables are bound by them too; only superusers
and roles with ``BYPASSRLS`` are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects import postgresql

from taskwarden.errors import AccessDenied

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

    from taskwarden.ids import TenantId
    from taskwarden.stores.sql.schema import Tables

__all__ = ["check_roles", "enter", "is_bound", "runner_role_of", "statements"]

SETTING: Final = "taskwarden.tenant"
"""The parameter of a transaction that names its tenant."""
_QUOTE: Final = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call] # by SQLAlchemy


def enter(conn: Connection, tenant: TenantId) -> None:
    """Let the transaction of *conn*, until its end, see what belongs to *tenant*: before its first other statement."""
    conn.execute(select(func.set_config(SETTING, tenant, True)))  # noqa: FBT003 - until the end of the transaction


def is_bound(conn: Connection, tables: Tables) -> bool:
    """Tell whether the role of *conn* sees one tenant at a time: it cannot serve a runner."""
    active = select(func.row_security_active(_QUOTE.format_table(tables.due)))
    if not conn.execute(active).scalar():
        return False
    role = runner_role_of(conn, tables)
    return role is None or not conn.execute(select(func.pg_has_role(role, "USAGE"))).scalar()


def runner_role_of(conn: Connection, tables: Tables) -> str | None:
    """Return the role that sees all tenants; None: row-level security is off."""
    query = text(
        "SELECT rolname FROM pg_policy JOIN pg_roles ON pg_roles.oid = ANY (polroles)"
        " WHERE polname = :policy AND polrelid = to_regclass(:due)"
    )
    names = {"policy": f"{tables.prefix}runner", "due": _QUOTE.format_table(tables.due)}
    return conn.execute(query, names).scalar()


def check_roles(conn: Connection, tables: Tables, runner_role: str | None, name: str) -> None:
    """
    Check that a migration can go on in the database *name*.

    Raises:
        AccessDenied: There is no *runner_role*; or rows would be hidden from a migration that has to move them.
    """
    if runner_role is None:
        return
    if conn.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": runner_role}).first() is None:
        role = _QUOTE.quote(runner_role)
        remedy = f"CREATE ROLE {role} NOLOGIN, then GRANT {role} TO the role that your runners connect as"
        raise AccessDenied(name, f"there is no role {runner_role!r}", remedy)
    if runner_role_of(conn, tables) is not None and is_bound(conn, tables):
        problem = "row-level security hides rows from the role that migrates"
        raise AccessDenied(name, problem, f"migrate as a member of {runner_role_of(conn, tables)!r}, or with BYPASSRLS")


def statements(tables: Tables, runner_role: str) -> list[str]:
    """Return what switches row-level security on, or renews it."""
    own = f"tenant = (SELECT current_setting('{SETTING}', true))"
    made: list[str] = []
    for table in tables.metadata.sorted_tables:
        if "tenant" in table.c:
            made += _of_table(table, f"{tables.prefix}tenant", "PUBLIC", own)
            made += _of_table(table, f"{tables.prefix}runner", _QUOTE.quote(runner_role), "true")
            name = _QUOTE.format_table(table)
            made += [f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY", f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY"]
    return made


def _of_table(table: Table, policy: str, role: str, condition: str) -> list[str]:
    name = _QUOTE.format_table(table)
    return [
        f"DROP POLICY IF EXISTS {policy} ON {name}",
        f"CREATE POLICY {policy} ON {name} TO {role} USING ({condition}) WITH CHECK ({condition})",
    ]
