"""One transaction that writes: what it has read, and what it writes when it ends."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import select

from taskwarden.core.change import ChangeName
from taskwarden.core.instant import at_micros, later, micros
from taskwarden.errors import TaskNotFound
from taskwarden.stores.moves import ready
from taskwarden.stores.sql.rows import Row, cleaned, due_values, number_of, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from taskwarden.ids import TaskId, TenantId
    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.known import KnownTasks
    from taskwarden.stores.sql.schema import Tables
    from taskwarden.stores.sql.statements import Statements

__all__ = ["Writing", "now_of"]

SOON: Final = timedelta(seconds=30)
"""Runners look by themselves at least this often, so that what is due later needs no hint."""
_HOUR: Final = 3_600_000_000


def now_of(conn: Connection, dialect: Dialect, host_clock: Callable[[], datetime] | None) -> datetime:
    """Return the store's time: the database's, or the host's where the database has none of its own."""
    if host_clock is not None:
        return host_clock()
    return at_micros(int(conn.execute(select(dialect.now())).scalar_one()))


@attrs.define(eq=False)
class Writing:
    """
    A transaction in progress.

    Args:
        now: The store's time: everything in it happens then.
        clock: What tells it, as of the moment.
        changes: For the feed, in order.
        runs: For the history and the statistics.
        ordinary: Runs that are in the history already, for the statistics.
        earliest: For lanes, when something of them became claimable.
        saved: Tasks that were changed.
        reopened: Tenants whose lanes stand in line again.
        lanes_served, lanes_emptied: What a claim decided on the lanes that it holds.
        decided: The latest instant at which something was decided, asked for, taken or renewed.
        due: Something may be due earlier than was known.
        changed: The feed has grown by more than *changes*.
    """

    conn: Connection
    sql: Statements
    known: KnownTasks
    now: datetime
    clock: Callable[[], datetime]
    changes: list[dict[str, Any]] = attrs.field(factory=list)
    runs: list[dict[str, Any]] = attrs.field(factory=list)
    ordinary: Sequence[dict[str, Any]] = ()
    earliest: dict[int, int] = attrs.field(factory=dict)
    saved: dict[int, Row] = attrs.field(factory=dict)
    reopened: set[str] = attrs.field(factory=set)
    lanes_served: dict[int, tuple[int, int]] = attrs.field(factory=dict)
    lanes_emptied: dict[int, int] = attrs.field(factory=dict)
    decided: datetime | None = None
    due: bool = False
    changed: bool = False

    @property
    def t(self) -> Tables:
        """The tables."""
        return self.sql.tables

    def catch_up(self) -> None:
        """Take the time anew, after locks that may have been waited for."""
        self.now = self.clock()

    # --- reading ------------------------------------------------------------------------------------------------

    def lock(self, numbers: Iterable[int]) -> dict[int, Row]:
        """Return tasks, locked until the end, in the order of their keys; those that are gone are left out."""
        return self.rows(self.sql.rows_of(self.conn, self.sql.lock_due, sorted(numbers)))

    def read(self, numbers: Iterable[int]) -> dict[int, Row]:
        """Return tasks as they are now, without locks."""
        return self.rows(self.sql.rows_of(self.conn, self.sql.read_due, sorted(numbers)))

    def own(self, tenant: TenantId, task_id: TaskId) -> Row:
        """
        Return the tenant's task, locked.

        Raises:
            TaskNotFound: The tenant has none of that id.
        """
        number = number_of(tenant, task_id)
        row = self.lock([number]).get(number)
        if row is None or row.task.tenant != tenant:
            raise TaskNotFound(tenant, task_id)
        return row

    def rows(self, found: Sequence[Any]) -> dict[int, Row]:
        """Return rows of ``due`` with their definitions, by key; of those that are gone meanwhile there is none."""
        known = self.known.of(self.conn, {due.task_id: due.version for due in found})
        made = {}
        for due in found:
            entry = known.get(due.task_id)
            if entry is not None:
                health, interval = entry.health(due.health), entry.interval(due.memory, None)
                made[due.task_id] = stored(due, entry.record, entry.digest, health, interval)
        return made

    # --- writing ------------------------------------------------------------------------------------------------

    def save(self, row: Row, *, hint: bool = True) -> None:
        """
        Write *row* at the end, and let its lane stand in line for what it has become.

        Args:
            hint: Whether others should be told that something may be due; a runner knows what it completes.
        """
        self.saved[row.number] = row
        self.decided = max(self.decided or row.decided_at, row.decided_at)
        claimable = ready(row)
        if claimable is None:
            return
        self.line_up(row.lane_id, micros(claimable[0]))
        self.due = self.due or (hint and claimable[0] < later(self.now, SOON))

    def line_up(self, lane: int, at: int) -> None:
        """Let *lane* stand in line from *at* on, and not before now: nobody jumps the queue by being late."""
        at = max(at, micros(self.now))
        if at < self.earliest.get(lane, at + 1):
            self.earliest[lane] = at

    def tell(
        self,
        name: ChangeName,
        tenant: TenantId,
        *,
        number: int | None = None,
        kind: str | None = None,
        token: int | None = None,
        subject: str | None = None,
        actor: str = "",
        detail: str = "",
        at: datetime | None = None,
    ) -> None:
        """Add one change to the feed."""
        self.changes.append(
            {
                "at": micros(self.now if at is None else at),
                "name": name.value,
                "tenant": tenant,
                "task_id": number,
                "kind": kind,
                "token": token,
                "subject": subject,
                "actor": cleaned(actor),
                "detail": cleaned(detail),
            }
        )

    def tell_of(self, name: ChangeName, row: Row, actor: str = "", detail: str = "") -> None:
        """Add what happened to a task."""
        self.tell(name, row.task.tenant, number=row.number, kind=row.task.kind, actor=actor, detail=detail)

    def flush(self) -> None:
        """Write the tasks that were changed so far."""
        if self.saved:
            self.sql.save_due(self.conn, [due_values(row) for _, row in sorted(self.saved.items())])
            self.saved.clear()

    def finish(self, high_water: datetime | None = None) -> None:
        """
        Write what was gathered. Locks are taken in one order everywhere: tasks, tenants, rollups, lanes.

        Args:
            high_water: What is stored of it; None: it is kept elsewhere.
        """
        conn, sql = self.conn, self.sql
        self.flush()
        if self.runs:
            conn.execute(sql.add_runs, self.runs)
        if self.runs or self.ordinary:
            conn.execute(sql.add_rollup, rollups([*self.runs, *self.ordinary]))
        if self.reopened:
            conn.execute(sql.reopen_lanes, {"tenants": sorted(self.reopened), "at": micros(self.now)})
        if self.earliest:
            conn.execute(sql.lower_lane, [{"lane": lane, "at": at} for lane, at in sorted(self.earliest.items())])
        if self.changes:
            conn.execute(sql.add_changes, self.changes)
        if high_water is not None and self.decided is not None and self.decided > high_water:
            conn.execute(sql.raise_high_water, {"mark": micros(self.decided)})


def rollups(runs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what *runs* add to the statistics, in the order of the keys: two writers never wait in a circle."""
    counted = Counter(
        (run["tenant"], run["kind"], run["finished_at"] // _HOUR * _HOUR, run["ending"], run["code"]) for run in runs
    )
    names = ("tenant", "kind", "hour", "ending", "code")
    return [{**dict(zip(names, key, strict=True)), "runs": runs} for key, runs in sorted(counted.items())]
