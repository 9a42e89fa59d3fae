"""``MemoryStore``: the face of the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from taskwarden.core.instant import FAR_FUTURE
from taskwarden.core.protocols import Ensured, TenantState
from taskwarden.errors import Closed, InvalidValue
from taskwarden.stores.memory import claims, definitions, snapshot, steering
from taskwarden.stores.memory.completions import complete, defer
from taskwarden.stores.memory.feed import Feed
from taskwarden.stores.memory.history import History, number_of, run_of
from taskwarden.stores.memory.tables import Tables, WallClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from taskwarden.core.change import Changes
    from taskwarden.core.claim import Claims, Completion, Deferral, Holds, Receipt, Renewal
    from taskwarden.core.decision import OpenIncident
    from taskwarden.core.protocols import Clock, Hint, Steer, TaskSpec
    from taskwarden.core.record import Incident, Run, Status, Tally, TaskStatus
    from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId

__all__ = ["MemoryStore", "open_store"]

_NOTHING: Final = timedelta(0)


@attrs.frozen
class SystemClock:
    """The system's wall clock."""

    def now(self) -> datetime:
        """Return the time, aware UTC."""
        return datetime.now(UTC)


def _count(instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    del instance
    if value < 1:
        raise InvalidValue(attribute.name, value, "must be at least 1", "what is kept costs about 1 KiB each")


@attrs.define(eq=False)
class MemoryStore:
    """
    A ``Store`` in this process's memory, for one event loop: the reference for others.

    No method suspends (but ``listen``), so each is atomic within its event loop, and cancellation never falls into
    one. It is not to be used from several threads or loops at once.

    Claiming and completing a task cost the logarithm of what is due; the number of stored tasks does not matter.

    Args:
        clock: Read for the wall clock only.
        runs_kept: Most runs in history, the newest of the whole store; each task's last run is kept besides, and the
            tallies are not affected.
        changes_kept: Most changes in the feed; a reader that lags behind more is told by ``Changes.reset``.
    """

    _clock: WallClock = attrs.field(factory=SystemClock)
    runs_kept: int = attrs.field(default=100_000, kw_only=True, validator=_count)
    changes_kept: int = attrs.field(default=100_000, kw_only=True, validator=_count)
    _tables: Tables = attrs.field(init=False, repr=False)
    _closed: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._tables = Tables(self._clock, History(self.runs_kept), Feed(self.changes_kept))

    # --- for runners ---

    async def now(self) -> datetime:
        return self._open().clock.now()

    async def claim(self, *, runner: RunnerId, kinds: Collection[Kind], limit: int, lease: timedelta) -> Claims:
        tables = self._open()
        if limit < 1:
            raise InvalidValue("limit", limit, "must be at least 1")
        _check_lease(lease)
        taken = claims.claim(tables, runner, kinds, limit, lease)
        tables.whisper()
        return taken

    async def renew(self, *, runner: RunnerId, holds: Holds, lease: timedelta) -> Renewal:
        tables = self._open()
        _check_lease(lease)
        return claims.renew(tables, runner, holds, lease)

    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        tables = self._open()
        receipts = complete(tables, completions)
        tables.whisper()
        return receipts

    async def defer(self, deferrals: Sequence[Deferral]) -> Sequence[Receipt]:
        tables = self._open()
        receipts = defer(tables, deferrals)
        tables.whisper()
        return receipts

    async def listen(self, hint: Callable[[Hint], None]) -> None:
        """Call *hint* in this event loop, within the operation that changed something. See ``Store.listen``."""
        tables, key = self._open(), object()
        listeners = tables.listeners
        tables.horizon = FAR_FUTURE  # a new listener was told nothing yet
        listeners.add(key, hint)
        try:
            await anyio.sleep_forever()
        finally:
            listeners.remove(key)

    async def open_incident(self, tenant: TenantId, incident: OpenIncident, task_id: TaskId | None = None) -> None:
        tables = self._open()
        task = None if task_id is None else tables.row(tenant, task_id).task
        tables.apply([incident], tenant, task, tables.clock.now())
        tables.whisper()

    async def limit_kind(self, kind: Kind, max_running: int | None) -> None:
        tables = self._open()
        steering.limit_kind(tables, kind, max_running)
        tables.whisper()

    # --- for wardens ---

    async def ensure(self, tenant: TenantId, spec: TaskSpec, *, connection: object | None = None) -> Ensured:
        tables = self._open()
        if connection is not None:
            rule = "must be None: what is in memory takes part in no transaction"
            raise InvalidValue("connection", connection, rule, "open a store in the database, or leave it out")
        row, how = definitions.ensure(tables, tenant, spec)
        tables.whisper()
        return Ensured(snapshot.status_of(tables, row, tables.clock.now()), how)

    async def get(self, tenant: TenantId, task_id: TaskId) -> TaskStatus:
        tables = self._open()
        return snapshot.status_of(tables, tables.row(tenant, task_id), tables.clock.now())

    async def find(self, tenant: TenantId, kind: Kind, key: str) -> TaskStatus | None:
        tables = self._open()
        known = tables.tenants.get(tenant)
        row = None if known is None else known.named.get((kind, key))
        return None if row is None else snapshot.status_of(tables, row, tables.clock.now())

    async def tasks(
        self, tenant: TenantId, *, kind: Kind | None, status: Status | None, after: TaskId | None, limit: int
    ) -> Sequence[TaskStatus]:
        tables = self._open()
        known = tables.tenants.get(tenant)
        if known is None:
            return []
        return snapshot.page(tables, known, kind=kind, status=status, after=after, limit=limit)

    async def pause(self, tenant: TenantId, task_id: TaskId, *, paused: bool, actor: str) -> bool:
        tables = self._open()
        changed = steering.pause(tables, tables.row(tenant, task_id), paused=paused, actor=actor)
        tables.whisper()
        return changed

    async def steer(self, tenant: TenantId, task_id: TaskId, steer: Steer) -> bool:
        tables = self._open()
        written = steering.steer(tables, tables.row(tenant, task_id), steer)
        tables.whisper()
        return written

    async def request_run(self, tenant: TenantId, task_id: TaskId, *, at: datetime, actor: str) -> bool:
        tables = self._open()
        asked = steering.request_run(tables, tables.row(tenant, task_id), at=at, actor=actor)
        tables.whisper()
        return asked

    async def delete(self, tenant: TenantId, task_id: TaskId, *, detach: bool, actor: str) -> None:
        tables = self._open()
        definitions.delete(tables, tables.row(tenant, task_id), detach=detach, actor=actor)
        tables.whisper()

    async def runs(
        self, tenant: TenantId, *, task_id: TaskId | None, before: RunId | None, limit: int
    ) -> Sequence[Run]:
        tables = self._open()
        known, row = tables.tenants.get(tenant), None if task_id is None else tables.rows.get(task_id)
        if known is None:
            return []
        if row is not None and row.task.tenant == tenant:
            runs = tables.history.of_task(0 if row.last is None else row.last[0])
        else:
            # All of the tenant's, or those of a deleted task, which is nowhere else to be found.
            runs = tables.history.of_tenant(known.last)
        end = tables.history.written + 1 if before is None else number_of(before)
        wanted = (facts for facts in runs if facts[0] < end and task_id in {None, facts[1]})
        return [run_of(facts) for facts in islice(wanted, limit)]

    async def incidents(self, tenant: TenantId, *, open_only: bool) -> Sequence[Incident]:
        return self._open().incidents.of(tenant, open_only=open_only)

    async def tallies(self, tenant: TenantId) -> Sequence[Tally]:
        known = self._open().tenants.get(tenant)
        return [] if known is None else snapshot.tallies(known)

    async def changes(self, after: int, *, limit: int, tenant: TenantId | None = None) -> Changes:
        return self._open().feed.read(after, limit, tenant)

    async def cursor(self) -> int:
        return self._open().feed.end

    async def tenant(self, tenant: TenantId) -> TenantState:
        tables = self._open()
        known = tables.tenants.get(tenant)
        return TenantState(tenant=tenant) if known is None else snapshot.tenant_state(tables, known)

    async def set_tenant(
        self, tenant: TenantId, *, paused: bool | None = None, weight: int | None = None, max_running: int | None = -1
    ) -> None:
        tables = self._open()
        steering.set_tenant(tables, tenant, paused=paused, weight=weight, max_running=max_running)
        tables.whisper()

    async def report_activity(self, tenant: TenantId, kind: Kind | None, *, weight: int, until: datetime) -> None:
        steering.report_activity(self._open(), tenant, kind, weight=weight, until=until)

    async def close(self) -> None:
        self._closed = True

    def _open(self) -> Tables:
        if self._closed:
            raise Closed("the memory store")
        return self._tables


async def open_store(url: str, *, clock: Clock | None = None) -> MemoryStore:
    """
    Open an empty store for ``memory://``.

    Raises:
        InvalidValue: Anything follows; nothing was opened.
    """
    if url != "memory://":
        rule = "must be 'memory://' and nothing else"
        raise InvalidValue("url", url, rule, "it has no name: share the store object itself")
    return MemoryStore() if clock is None else MemoryStore(clock)


def _check_lease(lease: timedelta) -> None:
    if lease <= _NOTHING:
        raise InvalidValue("lease", lease, "must be positive")
