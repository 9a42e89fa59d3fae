"""Leases in a database: prolonged for all that a runner holds, in one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, tuple_, update

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
    current: set[int] = set()
    if numbers:
        pairs = [(number, holds[name]) for number, name in numbers.items()]
        mine = select(due.c.task_id).where(due.c.runner.is_not(None), tuple_(due.c.task_id, due.c.token).in_(pairs))
        current = set(conn.execute(writing.sql.dialect.locked(mine.order_by(due.c.task_id))).scalars())
    if current:
        prolonged = {"lease_until": micros(until), "held_at": micros(now), "runner": runner}
        conn.execute(update(due).where(due.c.task_id.in_(sorted(current))).values(prolonged))
    writing.decided = now
    return Renewal(now, until, frozenset(lost | {name for number, name in numbers.items() if number not in current}))
