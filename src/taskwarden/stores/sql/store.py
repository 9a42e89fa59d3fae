"""``SqlStore``: the face of the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import attrs

from taskwarden.core.instant import at_micros
from taskwarden.core.protocols import Ensured, Hint, TenantState
from taskwarden.errors import Closed, InvalidValue
from taskwarden.stores.memory.feed import Listeners
from taskwarden.stores.sql import definitions, incidents, leases, steering
from taskwarden.stores.sql.claims import Claiming
from taskwarden.stores.sql.completions import complete, defer
from taskwarden.stores.sql.feed import Feed
from taskwarden.stores.sql.known import KnownTasks
from taskwarden.stores.sql.reading import Reading
from taskwarden.stores.sql.statements import Statements
from taskwarden.stores.sql.writing import Writing, now_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection

    from taskwarden.core.change import Changes
    from taskwarden.core.claim import Claims, Completion, Deferral, Holds, Receipt, Renewal
    from taskwarden.core.decision import OpenIncident
    from taskwarden.core.protocols import Steer, TaskSpec
    from taskwarden.core.record import Incident, Run, Status, Tally, TaskStatus
    from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
    from taskwarden.stores.sql.database import Database
    from taskwarden.stores.sql.schema import Tables

__all__ = ["SqlStore"]

T = TypeVar("T")
_NOTHING: Final = timedelta(0)
_BATCH: Final = 500
"""Most completions in one transaction."""


@attrs.define(eq=False)
class SqlStore:
    """
    A ``Store`` in a database. Made by ``open_store`` or ``SqlStore.open``.

    Each method is one transaction. Several stores, in any number of processes, may share a database.
    """

    database: Database
    tables: Tables
    clock: Callable[[], datetime] | None = None
    _sql: Statements = attrs.field(init=False, repr=False)
    _known: KnownTasks = attrs.field(init=False, repr=False)
    _claiming: Claiming = attrs.field(init=False, repr=False)
    _feed: Feed = attrs.field(init=False, repr=False)
    _listeners: Listeners = attrs.field(factory=Listeners, init=False, repr=False)
    _fairly: bool = attrs.field(default=False, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        dialect = self.database.dialect
        self._sql = Statements(self.tables, dialect)
        self._known = KnownTasks(self.tables, dialect)
        self._claiming = Claiming(self.tables, dialect, count(1))
        self._feed = Feed(self.tables, dialect)

    # --- for runners --------------------------------------------------------------------------------------------

    async def now(self) -> datetime:
        dialect, clock = self.database.dialect, self.clock
        return await self.database.read(lambda conn: now_of(conn, dialect, clock))

    async def claim(self, *, runner: RunnerId, kinds: Collection[Kind], limit: int, lease: timedelta) -> Claims:
        if limit < 1:
            raise InvalidValue("limit", limit, "must be at least 1")
        _check_lease(lease)

        def work(writing: Writing, high_water: datetime) -> tuple[Claims, bool]:
            return self._claiming.claim(
                writing,
                runner=runner,
                kinds=kinds,
                limit=limit,
                lease=lease,
                high_water=high_water,
                fairly=self._fairly,
            )

        claims, self._fairly = await self._write(work)
        return claims

    async def renew(self, *, runner: RunnerId, holds: Holds, lease: timedelta) -> Renewal:
        _check_lease(lease)
        return await self._write(lambda writing, _: leases.renew(writing, runner, holds, lease))

    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        return await self._write(lambda writing, _: complete(writing, completions))

    async def defer(self, deferrals: Sequence[Deferral]) -> Sequence[Receipt]:
        return await self._write(lambda writing, _: defer(writing, deferrals))

    async def listen(self, hint: Callable[[Hint], None]) -> None:
        self._open()
        key = object()
        self._listeners.add(key, hint)
        try:
            await anyio.sleep_forever()
        finally:
            self._listeners.remove(key)

    async def open_incident(self, tenant: TenantId, incident: OpenIncident, task_id: TaskId | None = None) -> None:
        def work(writing: Writing, _: datetime) -> None:
            row = None if task_id is None else writing.own(tenant, task_id)
            incidents.apply(writing, [incident], tenant, row)

        await self._write(work)

    async def limit_kind(self, kind: Kind, max_running: int | None) -> None:
        await self._write(lambda writing, _: steering.limit_kind(writing, kind, max_running))

    # --- for wardens --------------------------------------------------------------------------------------------

    async def ensure(self, tenant: TenantId, spec: TaskSpec) -> Ensured:
        def work(writing: Writing, _: datetime) -> Ensured:
            row, how = definitions.ensure(writing, tenant, spec)
            writing.flush()
            return Ensured(self._reading(writing.conn, writing.now).get(tenant, row.task.id), how)

        return await self._write(work)

    async def get(self, tenant: TenantId, task_id: TaskId) -> TaskStatus:
        return await self._read(lambda reading: reading.get(tenant, task_id))

    async def find(self, tenant: TenantId, kind: Kind, key: str) -> TaskStatus | None:
        return await self._read(lambda reading: reading.find(tenant, kind, key))

    async def tasks(
        self, tenant: TenantId, *, kind: Kind | None, status: Status | None, after: TaskId | None, limit: int
    ) -> Sequence[TaskStatus]:
        return await self._read(
            lambda reading: reading.page(tenant, kind=kind, status=status, after=after, limit=limit)
        )

    async def pause(self, tenant: TenantId, task_id: TaskId, *, paused: bool, actor: str) -> bool:
        return await self._write(
            lambda writing, _: steering.pause(writing, writing.own(tenant, task_id), paused=paused, actor=actor)
        )

    async def steer(self, tenant: TenantId, task_id: TaskId, steer: Steer) -> bool:
        return await self._write(lambda writing, _: steering.steer(writing, writing.own(tenant, task_id), steer))

    async def request_run(self, tenant: TenantId, task_id: TaskId, *, at: datetime, actor: str) -> bool:
        return await self._write(
            lambda writing, _: steering.request_run(writing, writing.own(tenant, task_id), at=at, actor=actor)
        )

    async def delete(self, tenant: TenantId, task_id: TaskId, *, detach: bool, actor: str) -> None:
        await self._write(
            lambda writing, _: definitions.delete(writing, writing.own(tenant, task_id), detach=detach, actor=actor)
        )

    async def runs(
        self, tenant: TenantId, *, task_id: TaskId | None, before: RunId | None, limit: int
    ) -> Sequence[Run]:
        return await self._read(lambda reading: reading.runs(tenant, task_id=task_id, before=before, limit=limit))

    async def incidents(self, tenant: TenantId, *, open_only: bool) -> Sequence[Incident]:
        tables = self.tables
        return await self._read(lambda reading: incidents.incidents(reading.conn, tables, tenant, open_only=open_only))

    async def tallies(self, tenant: TenantId) -> Sequence[Tally]:
        return await self._read(lambda reading: reading.tallies(tenant))

    async def changes(self, after: int, *, limit: int, tenant: TenantId | None = None) -> Changes:
        return await self._read(lambda reading: self._feed.read(reading.conn, after, limit, tenant, monotonic()))

    async def cursor(self) -> int:
        return await self._read(lambda reading: self._feed.end(reading.conn, monotonic()))

    async def tenant(self, tenant: TenantId) -> TenantState:
        return await self._read(lambda reading: reading.tenant(tenant))

    async def set_tenant(
        self, tenant: TenantId, *, paused: bool | None = None, weight: int | None = None, max_running: int | None = -1
    ) -> None:
        await self._write(
            lambda writing, _: steering.set_tenant(
                writing, tenant, paused=paused, weight=weight, max_running=max_running
            )
        )

    async def report_activity(self, tenant: TenantId, kind: Kind | None, *, weight: int, until: datetime) -> None:
        await self._write(
            lambda writing, _: steering.report_activity(writing, tenant, kind, weight=weight, until=until)
        )

    async def close(self) -> None:
        await self.database.close()

    # --- one transaction ----------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self.database.closed:
            raise Closed(f"the store {self.database.name}")

    async def _write(self, work: Callable[[Writing, datetime], T]) -> T:
        self._open()
        hints: set[Hint] = set()

        def within(conn: Connection) -> T:
            hints.clear()
            life = conn.execute(self._sql.read_life).one()
            writing = Writing(conn, self._sql, self._known, now_of(conn, self.database.dialect, self.clock))
            high_water = at_micros(life.high_water)
            result = work(writing, high_water)
            writing.finish(high_water)
            if writing.due:
                hints.add(Hint.DUE)
            if writing.changes:
                hints.add(Hint.CHANGED)
            return result

        result = await self.database.write(within)
        for hint in hints:
            self._listeners.whisper(hint)
        return result

    async def _read(self, work: Callable[[Reading], T]) -> T:
        self._open()
        return await self.database.read(
            lambda conn: work(self._reading(conn, now_of(conn, self.database.dialect, self.clock)))
        )

    def _reading(self, conn: Connection, now: datetime) -> Reading:
        return Reading(conn, self._sql, self._known, now)


def _check_lease(lease: timedelta) -> None:
    if lease <= _NOTHING:
        raise InvalidValue("lease", lease, "must be positive")
