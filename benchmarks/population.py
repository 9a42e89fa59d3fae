"""
Databases full of tasks, in little time: one task for each tenant is ensured, and its rows are copied with other keys.

So the rows are what ``ensure`` writes, whatever the tables look like. What is not copied is the change feed, which
tells of the ensured tasks only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs
from sqlalchemy import (
    BigInteger,
    Connection,
    String,
    bindparam,
    cast,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
    update,
)

from taskwarden import IntervalPolicy
from taskwarden.core.decision import IntervalState
from taskwarden.core.hashing import digest, seed
from taskwarden.core.instant import MICROSECOND, micros
from taskwarden.ids import Kind, TenantId
from taskwarden.stores.sql import SqlStore, definitions
from taskwarden.testing.builders import spec

__all__ = ["Group", "fill", "move_to_phases"]

TOGETHER: Final = 200
"""Tasks that are ensured in one transaction."""
MAINTENANCE: Final = {"postgresql": "VACUUM (ANALYZE) {}", "mysql": "ANALYZE TABLE {}"}
"""What the server would do by itself soon after so many rows were written, and in the midst of what is measured."""


@attrs.frozen(kw_only=True)
class Group:
    """
    Tasks that are alike.

    Args:
        name: What their keys begin with; of each group in a database another.
        tenants: Whose they are.
        each: How many each of them has.
        schedule: The one in force, by the executor of *kind*.
        first: When the first of each tenant is due.
        apart: How much later than that the next one is.
    """

    name: str
    kind: str
    tenants: Sequence[str]
    each: int
    schedule: IntervalPolicy
    first: datetime
    apart: timedelta = timedelta(0)


async def fill(store: SqlStore, *groups: Group) -> None:
    """Store the tasks of *groups*, and leave the tables as the server's own maintenance would."""
    for group in groups:
        for begin in range(0, len(group.tenants), TOGETHER):
            await _ensure(store, group, group.tenants[begin : begin + TOGETHER])
        if group.each > 1:
            await store.database.write(partial(_copy, store, group))
    await _maintain(store)


async def move_to_phases(store: SqlStore, group: Group) -> None:
    """Let the first slot of each task of *group* be where its schedule has it, after that of the group."""
    t, after = store.tables, group.first
    mine = select(t.task.c.id, t.task.c.tenant, t.task.c.kind, t.task.c.key).where(t.task.c.kind == group.kind)
    at: Any = bindparam("at")
    moved = update(t.due).where(t.due.c.task_id == bindparam("task")).values(ready_at=at, slot_at=at, next_run_at=at)

    def work(conn: Connection) -> None:
        slots = []
        for number, *parts in conn.execute(mine):
            planned = group.schedule.next(None, IntervalState(seed=seed(*parts)), None, after)
            assert planned.at is not None
            slots.append({"task": number, "at": micros(planned.at)})
        conn.execute(moved, slots)

    await store.database.write(work)
    await _maintain(store)


async def _ensure(store: SqlStore, group: Group, tenants: Sequence[str]) -> None:
    made = spec(Kind(group.kind), group.name, at=group.first, payload=None, digest=digest(group.schedule))

    def work(writing: Any, _: datetime) -> None:
        for tenant in tenants:
            definitions.ensure(writing, TenantId(tenant), made)

    await store._write(work)  # noqa: SLF001  many tasks in one transaction is nothing that the library offers


def _copy(store: SqlStore, group: Group, conn: Connection) -> None:
    """Copy the rows of the ensured tasks, as often as each tenant has further tasks."""
    task, due = store.tables.task, store.tables.due
    place = (func.row_number().over(order_by=task.c.id) - 1).label("place")
    ensured = select(task.c.id, place).where(task.c.kind == group.kind, task.c.key == group.name).subquery("ensured")
    last = conn.execute(select(func.max(task.c.id))).scalar_one()
    numbers = _numbers(group.each - 1)
    number = last + 1 + numbers.c.number * len(group.tenants) + ensured.c.place
    later = (numbers.c.number + 1) * literal(group.apart // MICROSECOND, BigInteger)
    changed_key = {"id": number, "key": task.c.key + literal("-") + cast(numbers.c.number + 1, String(10))}
    moments = {name: due.c[name] + later for name in ("ready_at", "slot_at", "next_run_at")}
    for table, key, changed in ((task, task.c.id, changed_key), (due, due.c.task_id, {"task_id": number, **moments})):
        columns = [changed.get(column.name, column) for column in table.columns]
        # This always holds, as below: SQLAlchemy takes a join without a condition for a mistake.
        each_with_each = ensured.c.place <= numbers.c.number + len(group.tenants)
        rows = select(*columns).select_from(table.join(ensured, key == ensured.c.id).join(numbers, each_with_each))
        conn.execute(insert(table).from_select([column.name for column in table.columns], rows))
    if store.database.dialect.name == "postgresql":  # elsewhere keys that were given count as used
        sequence = func.pg_get_serial_sequence(task.fullname, "id")
        conn.execute(select(func.setval(sequence, select(func.max(task.c.id)).scalar_subquery())))


def _numbers(count: int) -> Any:
    """Return the whole numbers from 0 to before *count*, as a table that every database can make."""
    rows: Any = None
    first: Any = None
    number: Any = literal(0, BigInteger)
    for power in range(len(str(count))):
        digits = union_all(*(select(literal(digit).label("digit")) for digit in range(10))).subquery(f"digits{power}")
        number += digits.c.digit * literal(10**power, BigInteger)
        if rows is None:
            first = rows = digits
        else:
            rows = rows.join(digits, digits.c.digit <= first.c.digit + 10)
    return select(number.label("number")).select_from(rows).where(number < count).subquery("numbers")


async def _maintain(store: SqlStore) -> None:
    statement = MAINTENANCE.get(store.database.dialect.name)
    if statement is None:
        return
    for table in (store.tables.task, store.tables.due, store.tables.lane):
        order = text(statement.format(table.fullname))
        await store.database.alone(lambda conn, order=order: conn.execute(order).close())  # type: ignore[misc]
