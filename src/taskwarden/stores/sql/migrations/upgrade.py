"""Bringing the tables of a database to the schema of this version, with Alembic."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, cast, func, insert, inspect, literal, select, text
from sqlalchemy.schema import CreateSchema, CreateTable

from taskwarden.errors import SchemaMismatch, StoreUnavailable
from taskwarden.stores.sql.dialect import dialect_of
from taskwarden.stores.sql.migrations import security
from taskwarden.stores.sql.migrations.revisions import (
    OURS,
    Course,
    Standing,
    found_in,
    history,
    version_table_name,
)
from taskwarden.stores.sql.schema import PREFIX, tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["include_object", "upgrade", "upgrade_sql"]

_WAITING: Final = 60
"""Seconds for which a migration of MariaDB or MySQL waits for another one to end."""
_LOCKED: Final = 5
"""Seconds for which a change of a table waits for whoever uses it: all others queue up behind it."""


def upgrade(
    connection: Connection,
    *,
    prefix: str = PREFIX,
    schema: str | None = None,
    runner_role: str | None = None,
    course: Course = OURS,
) -> list[str]:
    """
    Create the tables of a store, or bring them to this version's schema; nothing if they are there already.

    It works in the transaction of *connection*, and leaves it to the caller to commit: all of it then happens at once
    on PostgreSQL and SQLite. On MariaDB and MySQL each statement commits, and a second call goes on where one was cut
    off. Where two processes call it, one waits for the other, and finds nothing left to do.

    Args:
        schema: Where the tables are; None: where *connection* makes them. On PostgreSQL it is made if it is not there.
        runner_role: Switch row-level security on, or renew it: what this role may see, with those that are members of
            it, is not limited to one tenant. PostgreSQL only.

    Returns:
        The revisions that were applied, in order.

    Raises:
        SchemaMismatch: A later version of taskwarden has upgraded the tables beyond what this one knows.
        AccessDenied: Row-level security keeps rows from this role, so that it cannot move them; or there is no
            *runner_role*.
        StoreUnavailable: Another migration is in progress for a minute already (MariaDB and MySQL).
        DBAPIError: Something else went wrong; a table was in use for 5 s, say.
    """
    name = connection.engine.url.render_as_string(hide_password=True)
    made = tables(prefix, schema)
    with _one_at_a_time(connection, prefix, schema, name):
        if (
            connection.dialect.name == "postgresql"
            and schema is not None
            and not inspect(connection).has_schema(schema)
        ):
            connection.execute(CreateSchema(schema))
        found = found_in(connection, prefix, schema)
        standing = course.standing(found)
        if found is not None and standing in {Standing.EXPANDED, Standing.NEWER}:
            remedy = f"upgrade taskwarden to the version that brought schema {found.revision}"
            raise SchemaMismatch(name, found.revision, course.head.id, remedy)
        secured = None
        if connection.dialect.name == "postgresql":
            secured = runner_role or security.runner_role_of(connection, made)
            security.check_roles(connection, made, secured, name)
        applied: list[str] = []
        if standing is not Standing.CURRENT:
            history(prefix, schema).create(connection, checkfirst=True)
            applied = _run(_context(course, prefix, schema, connection=connection), course, prefix, schema)
        if secured is not None and (applied or runner_role is not None):
            for statement in security.statements(made, secured):
                connection.execute(text(statement))
    return applied


def upgrade_sql(
    dialect: str,
    *,
    prefix: str = PREFIX,
    schema: str | None = None,
    since: str | None = None,
    runner_role: str | None = None,
    course: Course = OURS,
) -> str:
    """
    Return what ``upgrade`` does as SQL, for those who may not let a program change a schema.

    Args:
        dialect: ``sqlite``, ``postgresql`` or ``mysql`` (MariaDB, too).
        since: The revision that the tables have; None: there are none.
    """
    output = io.StringIO()
    context = _context(course, prefix, schema, dialect=dialect_of(dialect).name, since=since, output=output)
    with context.begin_transaction():
        if since is None:
            if schema is not None and context.dialect.name == "postgresql":
                context.execute(CreateSchema(schema, if_not_exists=True))
            context.execute(CreateTable(history(prefix, schema)))
        _run(context, course, prefix, schema)
        if runner_role is not None:
            for statement in security.statements(tables(prefix, schema), runner_role):
                context.execute(text(statement))
    return output.getvalue()


def include_object(prefix: str = PREFIX, schema: str | None = None) -> Any:
    """
    Return a function for ``include_object`` of a host's own Alembic, whose autogenerate then leaves our tables alone.

    Args:
        schema: As the store was given it; None: in any, or by default.
    """
    ours = {*(table.name for table in tables(prefix).metadata.sorted_tables)}
    ours |= {version_table_name(prefix), history(prefix, schema).name}

    def include(object_: Any, name: str | None, type_: str, reflected: bool, compare_to: object) -> bool:  # noqa: FBT001 - as Alembic calls it
        del name, reflected, compare_to
        table = object_ if type_ == "table" else getattr(object_, "table", None)
        if table is None or table.name not in ours:
            return True
        return schema is not None and table.schema != schema

    return include


# --- with Alembic -----------------------------------------------------------------------------------------------


def _context(
    course: Course,
    prefix: str,
    schema: str | None,
    *,
    connection: Connection | None = None,
    dialect: str | None = None,
    since: str | None = None,
    output: io.StringIO | None = None,
) -> MigrationContext:
    # Without Alembic's EnvironmentContext: its `op` is one for the whole process, and the host's may be in use.
    options: dict[str, Any] = {
        "version_table": version_table_name(prefix),
        "version_table_schema": schema,
        "fn": partial(_steps, ScriptDirectory(course.folder)),
        "on_version_apply": (partial(_tell, course, prefix, schema),),
    }
    if connection is not None:
        return MigrationContext.configure(connection, opts=options)
    options |= {"as_sql": True, "output_buffer": output, "literal_binds": True, "starting_rev": since}
    return MigrationContext.configure(dialect_name=dialect, dialect_opts={"paramstyle": "named"}, opts=options)


def _run(context: MigrationContext, course: Course, prefix: str, schema: str | None) -> list[str]:
    before = context.get_current_revision()
    context.run_migrations(op=Operations(context), prefix=prefix, schema=schema)
    return [each.id for each in course.revisions if before is None or each.id > before]


def _steps(script: ScriptDirectory, heads: tuple[str, ...], _: MigrationContext) -> list[Any]:
    ahead = list(script.iterate_revisions("head", heads[0] if heads else "base", implicit_base=True))
    return [MigrationStep.upgrade_from_script(script.revision_map, each) for each in reversed(ahead)]


def _tell(
    course: Course,
    prefix: str,
    schema: str | None,
    *,
    ctx: MigrationContext,
    step: Any,
    heads: set[str],
    run_args: dict[str, Any],
) -> None:
    """Write a revision that was just applied into the history."""
    del heads, run_args
    revision = next(each for each in course.revisions if each.id == step.up_revision_id)
    if ctx.dialect.name == "sqlite":
        now: Any = cast(func.strftime("%s", "now"), BigInteger) * 1_000_000
    else:
        now = dialect_of(ctx.dialect.name).now()
    ctx.execute(
        insert(history(prefix, schema)).values(
            revision=revision.id, compatible_from=revision.compatible_from, since=revision.since, applied_at=now
        )
    )


# --- one at a time ----------------------------------------------------------------------------------------------


@contextmanager
def _one_at_a_time(connection: Connection, prefix: str, schema: str | None, name: str) -> Iterator[None]:
    """Hold a lock of this store's schema; SQLite has one writer at a time anyway."""
    match connection.dialect.name:
        case "postgresql":
            # Until the end of the transaction, also through PgBouncer.
            where = func.concat("taskwarden ", func.coalesce(literal(schema), func.current_schema()), " ", prefix)
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(where, 0))))
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCKED}s'"))
            yield
        case "mysql" | "mariadb":
            where = func.concat(func.coalesce(literal(schema), func.database()), " ", prefix)
            lock = func.concat("taskwarden ", func.sha1(where))
            if connection.execute(select(func.get_lock(lock, _WAITING))).scalar() != 1:
                raise StoreUnavailable(name, "another migration of its tables is in progress")
            before = connection.execute(text("SELECT @@SESSION.lock_wait_timeout")).scalar()
            connection.execute(text(f"SET SESSION lock_wait_timeout = {_LOCKED}"))
            try:
                yield
                # As each change of a table did: whoever has waited for the lock must see the rows, too.
                connection.exec_driver_sql("COMMIT")
            finally:
                connection.execute(text("SET SESSION lock_wait_timeout = :before"), {"before": before})
                connection.execute(select(func.release_lock(lock)))
        case _:
            yield
