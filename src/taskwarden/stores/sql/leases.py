"""Leases in a database: prolonged for all that a runner holds, in two statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from taskwarden.core.claim import Renewal
from taskwarden.core.instant import later, micros
from taskwarden.stores.sql.rows import LARGEST_KEY, number_or_none

if TYPE_CHECKING:
    from datetime import timedelta

    from taskwarden.core.claim import Holds
    from taskwarden.ids import RunnerId, TaskId
    from taskwarden.stores.sql.writing import Writing

__all__ = ["renew"]


def renew(writing: Writing, runner: RunnerId, holds: Holds, lease: timedelta) -> Renewal:
    """Do what ``Store.renew`` says, in the transaction *writing*."""
    del runner  # whoever has a current token may: it is given to nobody else
    due, conn, now = writing.t.due, writing.conn, writing.now
    until = later(now, lease)
    numbers: dict[int, TaskId] = {}
    lost = set()
    for name, token in holds.items():
        number = number_or_none(name)
        if number is None or not 0 < token <= LARGEST_KEY:
            lost.add(name)
        else:
            numbers[number] = name
    dialect = writing.sql.dialect
    these = dialect.among(due.c.task_id, "ids")
    held = select(due.c.task_id, due.c.token).where(these, due.c.runner.is_not(None)).order_by(due.c.task_id)
    prolonged = update(due).where(these).values(lease_until=micros(until), held_at=micros(now))
    rows = writing.sql.rows_of(conn, dialect.locked(held), sorted(numbers))
    current = {row.task_id for row in rows if row.token == holds[numbers[row.task_id]]}
    if current:
        conn.execute(prolonged, {"ids": sorted(current)})
    writing.decided = now
    return Renewal(now, until, frozenset(lost | {name for number, name in numbers.items() if number not in current}))
