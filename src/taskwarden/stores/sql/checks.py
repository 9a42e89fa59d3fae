"""What is looked at when a store is opened, so that what is wrong is said then, and by what to do about it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import delete, false, func, insert, select, update

from taskwarden.core.instant import at_micros
from taskwarden.errors import AccessDenied, InvalidValue, SchemaMismatch, StoreTaken
from taskwarden.stores.sql.migrations import security
from taskwarden.stores.sql.migrations.revisions import Course, Found, Standing, found_in
from taskwarden.stores.sql.schema import PREFIX

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from taskwarden.errors import StoreUnavailable, TaskwardenError
    from taskwarden.stores.sql.address import Options
    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.schema import Tables

__all__ = ["check_access", "check_application", "check_clock", "check_schema", "check_server", "is_bound", "refusal"]

_LOG: Final = logging.getLogger("taskwarden.store")
_OLDEST: Final = {"PostgreSQL": (15,), "MariaDB": (10, 6), "MySQL": (8, 0), "SQLite": (3, 35)}
_APART: Final = timedelta(minutes=5)
"""How far the clocks of host and database may be apart without a word."""


def check_server(conn: Connection) -> None:
    """
    Check that the server is recent enough.

    Raises:
        InvalidValue: It is older than what is supported.
    """
    kind = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}.get(conn.dialect.name, "MySQL")
    if getattr(conn.dialect, "is_mariadb", False):
        kind = "MariaDB"
    version = conn.dialect.server_version_info or ()
    if version < _OLDEST[kind]:
        supported = ", ".join(f"{name} {'.'.join(map(str, oldest))}" for name, oldest in _OLDEST.items())
        raise InvalidValue("database", f"{kind} {'.'.join(map(str, version))}", f"must be at least {supported}")


def check_schema(conn: Connection, course: Course, options: Options, name: str) -> tuple[Standing, Found | None]:
    """
    Return what the tables are to this version; one line of log where they are newer and will do.

    Raises:
        SchemaMismatch: They are too new, or missing or too old and not to be created.
    """
    found = found_in(conn, options.prefix, options.schema)
    standing = course.standing(found)
    revision = None if found is None else found.revision
    if found is not None and standing is Standing.NEWER:
        needed = f"at least {found.needed}" if found.needed else "the version that upgraded it"
        raise SchemaMismatch(name, revision, course.head.id, f"upgrade taskwarden here to {needed}")
    if standing is Standing.EXPANDED:
        _LOG.info(
            "Store %s has schema %s, which has all that this version knows (%s): it goes on as before.",
            *(name, revision, course.head.id),
        )
    elif standing is not Standing.CURRENT and not (
        conn.dialect.name == "sqlite" if options.create is None else options.create
    ):
        remedy = f"run: {_command(options, name)}"
        if standing is Standing.MISSING:
            remedy = f"{remedy}, or open the store with create=True"
        raise SchemaMismatch(name, revision, course.head.id, remedy)
    return standing, found


def _command(options: Options, name: str) -> str:
    prefix = "" if options.prefix == PREFIX else f" --prefix {options.prefix}"
    schema = "" if options.schema is None else f" --schema {options.schema}"
    return f"taskwarden migrate '{name}'{prefix}{schema}"


def check_application(conn: Connection, tables: Tables, application: str, name: str) -> None:
    """
    Check whose tables these are; tables of nobody become those of *application*.

    Raises:
        StoreTaken: They belong to another one.
    """
    if not application:
        return
    life = tables.life
    owner = conn.execute(select(life.c.application)).scalar_one()
    if not owner:
        conn.execute(update(life).where(life.c.application == "").values(application=application))
        owner = conn.execute(select(life.c.application)).scalar_one()
    if owner != application:
        raise StoreTaken(name, tables.prefix, owner, application)


def check_access(conn: Connection, tables: Tables, name: str) -> None:
    """
    Check that this role may write, by statements that change nothing: what is not allowed is said by the database.

    Raises:
        AccessDenied: It may not use a sequence (PostgreSQL).
        DBAPIError: It may not do something else.
    """
    run = tables.run
    conn.execute(update(tables.due).where(false()).values(token=0))
    conn.execute(delete(tables.task).where(false()))
    conn.execute(insert(run).from_select([each.name for each in run.c], select(run).where(false())))
    if conn.dialect.name != "postgresql":
        return
    for table in (tables.task, tables.lane, run, tables.change, tables.incident):
        key = table.primary_key.columns[0].name
        sequence = func.pg_get_serial_sequence(conn.dialect.identifier_preparer.format_table(table), key)
        if conn.execute(select(func.has_sequence_privilege(sequence, "USAGE"))).scalar() is False:
            remedy = "GRANT USAGE ON ALL SEQUENCES IN the schema of the store TO this role"
            raise AccessDenied(name, f"no permission for the sequence of {table.name}", remedy)


def check_clock(conn: Connection, dialect: Dialect, host: datetime, name: str) -> None:
    """Write one line of warning where the clocks of *host* and database are far apart."""
    of_database = at_micros(int(conn.execute(select(dialect.now())).scalar_one()))
    apart = of_database - host
    if abs(apart) > _APART:
        _LOG.warning(
            "The clock of this host is %s %s that of the database %s. Tasks run by the database's, so nothing is lost; "
            "times that your own code takes from this host's do not match theirs.",
            *(abs(apart), "behind" if apart > timedelta() else "ahead of", name),
        )


def is_bound(conn: Connection, tables: Tables, name: str) -> bool:
    """Tell whether row-level security lets this role see one tenant at a time; one line of log if it does."""
    if conn.dialect.name != "postgresql" or not security.is_bound(conn, tables):
        return False
    _LOG.info(
        "Row-level security binds this role in store %s: it serves tenants, one at a time. A runner needs %r.",
        *(name, security.runner_role_of(conn, tables)),
    )
    return True


# --- what databases refuse --------------------------------------------------------------------------------------


@attrs.frozen
class _Refusal:
    """Errors of databases that come again however often one tries, and what to do about them."""

    states: Sequence[str]
    numbers: Sequence[int]
    words: str
    remedy: str


_REFUSALS: Final = (
    _Refusal(
        ["28P01", "28000"],
        [1045, 1698],
        'password authentication failed|no pg_hba.conf entry|no password supplied|role ".*" does not exist',
        "check user and password in the URL, and whom the server lets in from here",
    ),
    _Refusal(
        ["3D000"],
        [1049],
        'database ".*" does not exist',
        "check the URL, or create the database",
    ),
    _Refusal(
        ["08P01"],
        [],
        "unsupported startup parameter",
        "this is PgBouncer: open the store with pgbouncer=True, or add ?tw_pgbouncer=1 to its URL",
    ),
    _Refusal(
        ["42501"],
        [1044, 1142, 1143, 1227],
        "permission denied|command denied",
        "grant this role SELECT, INSERT, UPDATE and DELETE on the store's tables, and USAGE on its sequences if it has "
        "any; to create or change them, it must own them",
    ),
    _Refusal(
        [],
        [],
        "readonly database|unable to open database file",
        "let this process write to the file and to its folder, where SQLite keeps its log",
    ),
    _Refusal([], [], "invalid connection option", "check the parameters in the URL: those of ours begin with tw_"),
    _Refusal([], [], "file is not a database", "check the path: the file is something else, or encrypted"),
)


def refusal(error: StoreUnavailable) -> TaskwardenError:
    """Return what *error*, met while opening, comes to: itself, if the database may be there the next time."""
    cause: Any = getattr(error.__cause__, "orig", None) or error.__cause__
    state = getattr(cause, "sqlstate", None)
    number = next(iter(getattr(cause, "args", ())), None)
    for each in _REFUSALS:
        if state in each.states or number in each.numbers or re.search(each.words, error.problem):
            return AccessDenied(error.store, error.problem, each.remedy)
    return error
