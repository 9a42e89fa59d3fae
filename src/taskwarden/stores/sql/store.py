"""``SqlStore``: the face of the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
from sqlalchemy import BigInteger, bindparam

from taskwarden.core.claim import Receipt
from taskwarden.core.instant import FAR_PAST, at_micros, micros
from taskwarden.core.protocols import Ensured, EnsuredAs, Hint, TenantState
from taskwarden.errors import Closed, InvalidValue, StoreUnavailable
from taskwarden.stores.sql import definitions, incidents, leases, steering
from taskwarden.stores.sql.claims import Claiming
from taskwarden.stores.sql.completing import Batch, NotOrdinary, complete_ordinary_first, complete_rest
from taskwarden.stores.sql.completions import complete, defer
from taskwarden.stores.sql.direct import Direct
from taskwarden.stores.sql.feed import Feed
from taskwarden.stores.sql.joined import within
from taskwarden.stores.sql.known import KnownTasks
from taskwarden.stores.sql.listening import Listening
from taskwarden.stores.sql.migrations import security
from taskwarden.stores.sql.ordinary import InOneStatement, OneByOne
from taskwarden.stores.sql.reading import Reading
from taskwarden.stores.sql.runners import runners
from taskwarden.stores.sql.sessions import Sessions
from taskwarden.stores.sql.statements import Statements
from taskwarden.stores.sql.writing import Writing, now_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy import Connection

    from taskwarden.core.change import Changes
    from taskwarden.core.claim import Claims, Completion, Deferral, Holds, Renewal
    from taskwarden.core.decision import OpenIncident
    from taskwarden.core.protocols import Steer, TaskSpec
    from taskwarden.core.record import Incident, Run, Status, Tally, TaskStatus
    from taskwarden.core.session import OpenSession
    from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
    from taskwarden.stores.sql.database import Database
    from taskwarden.stores.sql.runners import RunnerSeen
    from taskwarden.stores.sql.schema import Tables

__all__ = ["SqlStore"]

T = TypeVar("T")
_NOTHING: Final = timedelta(0)
_APART: Final = 1_000_000
"""How far the numbers of two claims' turns are apart: more than one claim ever takes."""
_SECOND: Final = timedelta(seconds=1)


@attrs.define(eq=False)
class SqlStore:
    """
    A ``Store`` in a database. Made by ``open_store`` or ``open_at``.

    Each method is one transaction. Several stores, in any number of processes, may share a database.

    Args:
        clock: The time of a database that has no clock of its own; None: the database's.
        bound: PostgreSQL's row-level security binds our role: a transaction sees the tenant that it names.
        listen_url: PostgreSQL: where to connect to hear of other processes' changes, if not as the engine does: the
            server's own address, where the engine's is that of PgBouncer in transaction mode. Empty: nowhere, so that
            tables are looked at every second.
        transaction_limit: How long ``context.transaction()`` may last; None: no limit but the run's.
    """

    database: Database
    tables: Tables
    clock: Callable[[], datetime] | None = None
    bound: bool = attrs.field(default=False, kw_only=True)
    listen_url: str | None = attrs.field(default=None, kw_only=True, repr=False)
    transaction_limit: timedelta | None = attrs.field(default=None, kw_only=True)
    _sql: Statements = attrs.field(init=False, repr=False)
    _known: KnownTasks = attrs.field(init=False, repr=False)
    _sessions: Sessions = attrs.field(init=False, repr=False)
    _claiming: Claiming = attrs.field(init=False, repr=False)
    _feed: Feed = attrs.field(init=False, repr=False)
    _listening: Listening = attrs.field(init=False, repr=False)
    _at_once: InOneStatement | None = attrs.field(default=None, init=False, repr=False)
    _one_by_one: OneByOne | None = attrs.field(default=None, init=False, repr=False)
    _direct: Direct | None = attrs.field(default=None, init=False, repr=False)
    _marked: datetime = attrs.field(default=FAR_PAST, init=False, repr=False)
    _fairly: bool = attrs.field(default=False, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        dialect = self.database.dialect
        self._sql = Statements(self.tables, dialect)
        turn = count(1, _APART)
        self._known = KnownTasks(self.tables, dialect)
        self._claiming = Claiming(self.tables, dialect, turn)
        self._feed = Feed(self.tables, dialect, self.bound)
        self._listening = Listening(self.database, self.tables, self.clock, self.listen_url)
        written = partial(self._written, apart=True)
        self._sessions = Sessions(self.database, written, self._listening.told, self._mark)
        if dialect.name == "postgresql":
            now = dialect.now() if self.clock is None else bindparam("now", type_=BigInteger())
            self._at_once = InOneStatement(self.tables, now)
            self._direct = Direct(self.tables, now, self.clock is not None, turn)
        elif dialect.serial:
            self._one_by_one = OneByOne(self.tables, dialect, self.database.engine.dialect)

    # --- for runners --------------------------------------------------------------------------------------------

    async def now(self) -> datetime:
        dialect, clock = self.database.dialect, self.clock
        return await self.database.read(lambda conn: now_of(conn, dialect, clock))

    async def claim(self, *, runner: RunnerId, kinds: Collection[Kind], limit: int, lease: timedelta) -> Claims:
        if limit < 1:
            raise InvalidValue("limit", limit, "must be at least 1")
        _check_lease(lease)
        if self.bound:
            rule = "must be one that row-level security does not bind, to claim the tasks of all tenants"
            raise InvalidValue("role", self.database.name, rule, "give runners the role that migrate named")
        self._listening.presence.claims(runner, kinds)
        if self._direct is not None:
            now = None if self.clock is None else micros(self.clock())
            asked = sorted(set(kinds))
            taken = await self._direct.try_claim(
                *(self.database, self._known),
                runner=runner,
                kinds=asked,
                limit=limit,
                lease=lease,
                now=now,
                fairly=self._fairly,
            )
            if taken is not None and taken.claims is not None:
                self._fairly = taken.more
                if taken.claims.claims:
                    await self._mark(taken.claims.now)
                return taken.claims

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
        self._listening.presence.holds(runner)
        return await self._write(lambda writing, _: leases.renew(writing, runner, holds, lease))

    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        batch = Batch.of(completions, self._known)
        if self._at_once is not None:
            return await self._complete_at_once(batch, self._at_once)
        try:
            return await self._write(
                lambda writing, _: complete_ordinary_first(writing, batch, self._one_by_one, micros(writing.now))
            )
        except NotOrdinary:
            return await self._write(lambda writing, _: complete(writing, completions))

    async def _complete_at_once(self, batch: Batch, at_once: InOneStatement) -> Sequence[Receipt]:
        ordinary: set[int] = set()
        if batch.rows:
            now = {} if self.clock is None else {"now": micros(self.clock())}
            ordinary = await self.database.alone(lambda conn: at_once.complete(conn, batch.rows, now))
            finished = max(done.finished_at for done in batch.completions)
            await self._mark(finished if self.clock is None else max(finished, self.clock()))
            if ordinary:
                self._listening.told({Hint.CHANGED})
        if len(ordinary) == len(batch.completions):
            return [Receipt.RECORDED] * len(ordinary)
        return await self._write(lambda writing, _: complete_rest(writing, batch, ordinary))

    async def _mark(self, at: datetime) -> None:
        """Remember that something was decided at *at*: exactly by a host's clock, else once a second."""
        if at > self._marked and (self.clock is not None or at >= self._marked + _SECOND):
            before, self._marked = self._marked, at
            parameters = {"mark": micros(at)}
            try:
                await self.database.alone(lambda conn: conn.execute(self._sql.raise_high_water, parameters))
            except StoreUnavailable:
                self._marked = before  # the next time will do: what has been claimed or written must not be lost for it

    async def defer(self, deferrals: Sequence[Deferral]) -> Sequence[Receipt]:
        return await self._write(lambda writing, _: defer(writing, deferrals))

    async def listen(self, hint: Callable[[Hint], None]) -> None:
        self._open()
        await self._listening.listen(hint)

    async def open_incident(self, tenant: TenantId, incident: OpenIncident, task_id: TaskId | None = None) -> None:
        def work(writing: Writing, _: datetime) -> None:
            row = None if task_id is None else writing.own(tenant, task_id)
            incidents.apply(writing, [incident], tenant, row)

        await self._write(work, tenant)

    async def limit_kind(self, kind: Kind, max_running: int | None) -> None:
        await self._write(lambda writing, _: steering.limit_kind(writing, kind, max_running))

    async def open_session(self, *, transaction: bool) -> OpenSession:
        self._open()
        return await self._sessions.open(transaction=transaction)

    def open_session_in_thread(self, *, transaction: bool) -> OpenSession:
        self._open()
        return self._sessions.open_in_thread(transaction=transaction)

    # --- for wardens --------------------------------------------------------------------------------------------

    async def ensure(self, tenant: TenantId, spec: TaskSpec, *, connection: object | None = None) -> Ensured:
        def work(writing: Writing, _: datetime) -> Ensured:
            row, how = definitions.ensure(writing, tenant, spec)
            writing.flush()
            status = Reading(writing.conn, self._sql, writing.known, writing.now).get(tenant, row.task.id)
            if how is not EnsuredAs.UNCHANGED:
                writing.known.forget(row.number)  # what was read may never be committed
            return Ensured(status, how)

        if connection is None:
            return await self._write(work, tenant)
        self._open()
        joined = partial(self._written, work=work, apart=True, foreign=True)
        return (await within(connection, self.database, joined))[0]

    async def get(self, tenant: TenantId, task_id: TaskId) -> TaskStatus:
        return await self._read(lambda reading: reading.get(tenant, task_id), tenant)

    async def find(self, tenant: TenantId, kind: Kind, key: str) -> TaskStatus | None:
        return await self._read(lambda reading: reading.find(tenant, kind, key), tenant)

    async def tasks(
        self, tenant: TenantId, *, kind: Kind | None, status: Status | None, after: TaskId | None, limit: int
    ) -> Sequence[TaskStatus]:
        return await self._read(
            lambda reading: reading.page(tenant, kind=kind, status=status, after=after, limit=limit), tenant
        )

    async def pause(self, tenant: TenantId, task_id: TaskId, *, paused: bool, actor: str) -> bool:
        return await self._write(
            lambda writing, _: steering.pause(writing, writing.own(tenant, task_id), paused=paused, actor=actor), tenant
        )

    async def steer(self, tenant: TenantId, task_id: TaskId, steer: Steer) -> bool:
        return await self._write(
            lambda writing, _: steering.steer(writing, writing.own(tenant, task_id), steer), tenant
        )

    async def request_run(self, tenant: TenantId, task_id: TaskId, *, at: datetime, actor: str) -> bool:
        return await self._write(
            lambda writing, _: steering.request_run(writing, writing.own(tenant, task_id), at=at, actor=actor), tenant
        )

    async def delete(self, tenant: TenantId, task_id: TaskId, *, detach: bool, actor: str) -> None:
        await self._write(
            lambda writing, _: definitions.delete(writing, writing.own(tenant, task_id), detach=detach, actor=actor),
            tenant,
        )

    async def runs(
        self, tenant: TenantId, *, task_id: TaskId | None, before: RunId | None, limit: int
    ) -> Sequence[Run]:
        return await self._read(
            lambda reading: reading.runs(tenant, task_id=task_id, before=before, limit=limit), tenant
        )

    async def incidents(self, tenant: TenantId, *, open_only: bool) -> Sequence[Incident]:
        tables = self.tables
        return await self._read(
            lambda reading: incidents.incidents(reading.conn, tables, tenant, open_only=open_only), tenant
        )

    async def tallies(self, tenant: TenantId) -> Sequence[Tally]:
        return await self._read(lambda reading: reading.tallies(tenant), tenant)

    async def changes(self, after: int, *, limit: int, tenant: TenantId | None = None) -> Changes:
        return await self._read(
            lambda reading: self._feed.read(reading.conn, after, limit, tenant, monotonic()), tenant
        )

    async def cursor(self) -> int:
        return await self._read(lambda reading: self._feed.end(reading.conn, monotonic()))

    async def tenant(self, tenant: TenantId) -> TenantState:
        return await self._read(lambda reading: reading.tenant(tenant), tenant)

    async def set_tenant(
        self, tenant: TenantId, *, paused: bool | None = None, weight: int | None = None, max_running: int | None = -1
    ) -> None:
        await self._write(
            lambda writing, _: steering.set_tenant(
                writing, tenant, paused=paused, weight=weight, max_running=max_running
            ),
            tenant,
        )

    async def report_activity(self, tenant: TenantId, kind: Kind | None, *, weight: int, until: datetime) -> None:
        await self._write(
            lambda writing, _: steering.report_activity(writing, tenant, kind, weight=weight, until=until), tenant
        )

    async def runners(self) -> Sequence[RunnerSeen]:
        """Return the runners, of all processes, that were seen within a day; those seen last come first."""
        return await self._read(lambda reading: runners(reading.conn, self.tables))

    async def close(self) -> None:
        await self.database.close()
        await self._sessions.close()
        await self._listening.close()

    # --- one transaction ----------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self.database.closed:
            raise Closed(f"the store {self.database.name}")

    async def _write(self, work: Callable[[Writing, datetime], T], tenant: TenantId | None = None) -> T:
        self._open()
        result, hints = await self.database.write(lambda conn: self._written(conn, work, tenant))
        self._listening.told(hints)
        return result

    def _written(
        self,
        conn: Connection,
        work: Callable[[Writing, datetime], T],
        tenant: TenantId | None = None,
        *,
        apart: bool = False,
        foreign: bool = False,
    ) -> tuple[T, set[Hint]]:
        """
        Return what *work* returns, done on *conn*, and what others should hear of it once it is committed.

        Args:
            apart: It is of more than this, and may last: nothing is remembered, what all writers share is left alone.
            foreign: It is the host's own, of whose end we do not learn.
        """
        self._enter(conn, tenant)
        life = conn.execute(self._sql.read_life).one()
        known = KnownTasks(self.tables, self.database.dialect) if apart else self._known
        clock = partial(now_of, conn, self.database.dialect, self.clock)
        writing = Writing(conn, self._sql, known, clock(), clock)
        high_water = at_micros(life.high_water)
        result = work(writing, high_water)
        writing.finish(None if apart else high_water)
        hints = {Hint.DUE} if writing.due else set()
        if writing.changes or writing.changed:
            hints.add(Hint.CHANGED)
        self._listening.notify(conn, hints, foreign=foreign)
        return result, hints

    async def _read(self, work: Callable[[Reading], T], tenant: TenantId | None = None) -> T:
        self._open()

        def within(conn: Connection) -> T:
            self._enter(conn, tenant)
            return work(self._reading(conn, now_of(conn, self.database.dialect, self.clock)))

        return await self.database.read(within)

    def _enter(self, conn: Connection, tenant: TenantId | None) -> None:
        """Let the transaction see what belongs to *tenant*, where row-level security binds our role."""
        if self.bound and tenant is not None:
            security.enter(conn, tenant)

    def _reading(self, conn: Connection, now: datetime) -> Reading:
        return Reading(conn, self._sql, self._known, now)


def _check_lease(lease: timedelta) -> None:
    if lease <= _NOTHING:
        raise InvalidValue("lease", lease, "must be positive")
