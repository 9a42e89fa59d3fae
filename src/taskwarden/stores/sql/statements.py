"""The statements that more than one operation needs, built once for each store: SQLAlchemy then compiles them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    String,
    bindparam,
    column,
    func,
    insert,
    select,
    union_all,
    update,
)

from taskwarden.stores.sql.dialect import Dialect
from taskwarden.stores.sql.line import lowered, too_late
from taskwarden.stores.sql.schema import Tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection, Table

__all__ = ["Statements", "arrays", "first_of_kinds", "series", "update_many"]


@attrs.define(eq=False)
class Statements:
    """Statements over *tables* in *dialect*."""

    tables: Tables
    dialect: Dialect
    lock_due: Any = attrs.field(init=False)
    read_due: Any = attrs.field(init=False)
    lock_task: Any = attrs.field(init=False)
    read_task: Any = attrs.field(init=False)
    edges_above: Any = attrs.field(init=False)
    edges_below: Any = attrs.field(init=False)
    make_task: Any = attrs.field(init=False)
    make_due: Any = attrs.field(init=False)
    read_lane: Any = attrs.field(init=False)
    make_lane: Any = attrs.field(init=False)
    lower_lane: Any = attrs.field(init=False)
    lock_capped_tenants: Any = attrs.field(init=False)
    capped_kinds: Any = attrs.field(init=False)
    reopen_lanes: Any = attrs.field(init=False)
    raise_high_water: Any = attrs.field(init=False)
    read_life: Any = attrs.field(init=False)
    add_rollup: Any = attrs.field(init=False)
    add_runs: Any = attrs.field(init=False)
    add_changes: Any = attrs.field(init=False)
    save_due: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        t, dialect = self.tables, self.dialect
        among = dialect.among
        self.read_due = select(t.due).where(among(t.due.c.task_id, "ids")).order_by(t.due.c.task_id)
        self.lock_due = dialect.locked(self.read_due)
        self.read_task = select(t.task.c.id).where(
            t.task.c.tenant == bindparam("tenant"),
            t.task.c.kind == bindparam("kind"),
            t.task.c.key == bindparam("key"),
        )
        self.lock_task = dialect.locked(self.read_task)
        self.edges_above = select(t.edge.c.task_id, t.edge.c.upstream_id).where(among(t.edge.c.task_id, "ids"))
        self.edges_below = select(t.edge.c.task_id, t.edge.c.upstream_id).where(among(t.edge.c.upstream_id, "ids"))
        inserting = insert(t.task)
        if dialect.name != "mysql":  # which tells of a row that is there already by an error only
            inserting = dialect.upsert(t.task, ("tenant", "kind", "key")).returning(t.task.c.id)  # type: ignore[attr-defined]
        self.make_task = inserting
        self.make_due = insert(t.due)
        lane = t.lane
        self.read_lane = select(lane.c.id).where(lane.c.tenant == bindparam("tenant"), lane.c.kind == bindparam("kind"))
        self.make_lane = dialect.upsert(lane, ("tenant", "kind"))
        at = bindparam("at", type_=BigInteger())
        lowering = update(lane).where(too_late(lane, at, serial=dialect.serial)).values(lowered(lane, at))
        self.lower_lane = lowering.where(lane.c.id == bindparam("lane"))
        self.reopen_lanes = lowering.where(among(lane.c.tenant, "tenants", lane.c.tenant.type))
        tenant, kind = t.tenant, t.kind
        capped = select(tenant.c.tenant).where(
            among(tenant.c.tenant, "names", tenant.c.tenant.type), tenant.c.max_running.is_not(None)
        )
        self.lock_capped_tenants = dialect.locked(capped.order_by(tenant.c.tenant))
        of_kinds = among(kind.c.kind, "names", kind.c.kind.type)
        self.capped_kinds = select(kind.c.kind).where(of_kinds, kind.c.max_running.is_not(None)).limit(1)
        life = t.life
        self.read_life = select(life)
        self.raise_high_water = (
            update(life).where(life.c.high_water < bindparam("mark")).values(high_water=bindparam("mark"))
        )
        self.add_rollup = dialect.upsert(t.rollup, ("tenant", "kind", "hour", "ending", "code"), adding=("runs",))
        self.add_runs = insert(t.run)
        self.add_changes = insert(t.change)
        self.save_due = update_many(dialect, t.due, "task_id", [c.name for c in t.due.c if c.name != "task_id"])

    def rows_of(self, conn: Connection, statement: Any, ids: Sequence[int]) -> Sequence[Any]:
        """Return what *statement* finds for the keys *ids*; nothing for none."""
        return conn.execute(statement, {"ids": list(ids)}).all() if ids else ()


def update_many(dialect: Dialect, table: Table, key: str, names: Sequence[str]) -> Any:
    """
    Return a function of a connection and rows that sets the columns *names* of those rows in *table*, by *key*.

    PostgreSQL takes arrays in one statement, SQLite one prepared statement many times in this process, MariaDB and
    MySQL an insert of rows that are all there.
    """
    if dialect.name == "postgresql":
        return _by_arrays(table, key, names)
    if dialect.name == "mysql":
        statement = dialect.upsert(table, [key], dict.fromkeys(names, ...))
        return lambda conn, rows: conn.execute(statement, list(rows))
    single = update(table).where(table.c[key] == bindparam(f"{key}_")).values({n: bindparam(n) for n in names})
    return lambda conn, rows: conn.execute(single, [{**row, f"{key}_": row[key]} for row in rows])


def _by_arrays(table: Table, key: str, names: Sequence[str]) -> Any:
    wanted = [table.c[name] for name in (key, *names)]
    new = arrays(*wanted, name="new")
    statement = (
        update(table)
        .where(table.c[key] == new.c[key])
        .values({name: new.c[name] for name in names})
        .execution_options(synchronize_session=False)
    )

    def execute(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> Any:
        return conn.execute(statement, {f"{each.name}s": [row[each.name] for row in rows] for each in wanted})

    return execute


def arrays(*columns: Any, name: str) -> Any:
    """Return a table of PostgreSQL, made of one array for each of *columns*, bound as its name with an ``s``."""
    types = [String() if isinstance(each.type, String) else each.type for each in columns]
    parameters = [bindparam(f"{each.name}s", type_=ARRAY(type_)) for each, type_ in zip(columns, types, strict=True)]
    shape = [column(each.name, type_) for each, type_ in zip(columns, types, strict=True)]
    return func.unnest(*parameters).table_valued(*shape).render_derived(name=name)


def series(of: Sequence[int], name: str) -> Any:
    """Return the whole numbers *of*, which follow one another, as a table of PostgreSQL with the column *name*."""
    # VALUES would do, but SQLAlchemy compiles a statement with it anew each time.
    return func.generate_series(of[0], of[-1]).table_valued(column(name, Integer)).render_derived(name=f"{name}s")


def first_of_kinds(
    conn: Connection,
    table: Table,
    kinds: Sequence[str],
    order: Sequence[Any],
    condition: Any,
    limit: int,
    columns: Sequence[Any] = (),
) -> list[Any]:
    """
    Return the first *limit* rows of *table*, of any of *kinds*, that meet *condition*, in *order*.

    Of each the *columns*, or if there are none, those of *order*.

    Each kind is a range of the index that begins with it, cut off after *limit*: rows of other kinds are not looked at.
    """
    parts = [
        select(
            select(*(columns or order)).where(table.c.kind == kind, condition).order_by(*order).limit(limit).subquery()
        )
        for kind in kinds
    ]
    if not parts:
        return []
    found = conn.execute(parts[0] if len(parts) == 1 else union_all(*parts)).all()
    names = [each.name for each in order]
    return sorted(found, key=lambda row: tuple(getattr(row, name) for name in names))[:limit]
