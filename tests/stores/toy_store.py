"""
A third store, written from the docstrings of ``Store`` alone: lists of rows and plain loops.

Every question is answered by looking at everything. That makes it slow and easy to believe: the agreement test holds
the real stores against it. ``toy_ledger`` is what it keeps, ``toy_claims`` how claims go out and come back.
"""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import attrs

from taskwarden.core.change import Change, ChangeName, Changes
from taskwarden.core.claim import Claim, Claims, Completion, Deferral, Holds, Receipt, Renewal
from taskwarden.core.decision import Activity, OpenIncident
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import Signal, State, apply
from taskwarden.core.protocols import Clock, Ensured, EnsuredAs, Hint, Steer, TaskSpec, TenantState
from taskwarden.core.record import Incident, Run, Status, Tally, TaskStatus
from taskwarden.core.task import TaskRecord
from taskwarden.errors import Closed, DependencyCycle, HasDependants, InvalidValue
from taskwarden.ids import Kind, RunId, RunnerId, TaskId, TenantId
from tests.stores import toy_claims
from tests.stores.toy_ledger import Ledger, Row, Tenant

NOTHING = timedelta(0)


async def open_store(url: str, *, clock: Clock | None = None) -> "ToyStore":
    """Open a fresh toy store: what the entry point ``toy`` names."""
    del url
    return ToyStore(Ledger(clock.now if clock is not None else lambda: datetime.now(UTC)))


@attrs.define(eq=False)
class ToyStore:
    """A ``Store`` over plain lists. Each method is one step of the loop, hence atomic."""

    ledger: Ledger
    _closed: bool = False

    def _open(self) -> tuple[Ledger, datetime]:
        """Return what is kept, and the time."""
        if self._closed:
            raise Closed("the toy store")
        return self.ledger, self.ledger.now()

    # --- for runners -------------------------------------------------------------------------------

    async def now(self) -> datetime:
        return self._open()[1]

    async def claim(self, *, runner: RunnerId, kinds: Collection[Kind], limit: int, lease: timedelta) -> Claims:
        ledger, now = self._open()
        _check("limit", limit, limit >= 1, "must be at least 1")
        _check("lease", lease, lease > NOTHING, "must be positive")
        toy_claims.mend_clock_faults(ledger, now, lease)
        taken: list[Claim] = []
        while len(taken) < limit and (row := toy_claims.next_claimable(ledger, kinds, now)) is not None:
            taken.append(toy_claims.take(ledger, row, runner, now, lease))
        return Claims(tuple(taken), now, toy_claims.next_due(ledger, kinds, now))

    async def renew(self, *, runner: RunnerId, holds: Holds, lease: timedelta) -> Renewal:
        ledger, now = self._open()
        _check("lease", lease, lease > NOTHING, "must be positive")
        lost = set()
        for task_id, token in holds.items():
            row = ledger.held(task_id, token)
            if row is None or row.lease is None:
                lost.add(task_id)
            else:
                row.lease.renewed, row.lease.until = now, now + lease
        return Renewal(now, now + lease, frozenset(lost))

    async def complete(self, completions: Sequence[Completion]) -> Sequence[Receipt]:
        ledger, _ = self._open()
        receipts = [toy_claims.complete(ledger, done) for done in completions]
        ledger.tell()
        return receipts

    async def defer(self, deferrals: Sequence[Deferral]) -> Sequence[Receipt]:
        ledger, _ = self._open()
        receipts = [toy_claims.defer(ledger, deferral) for deferral in deferrals]
        ledger.tell()
        return receipts

    async def listen(self, hint: Callable[[Hint], None]) -> None:
        ledger, _ = self._open()
        ledger.listeners.append(hint)
        hint(Hint.DUE)
        hint(Hint.CHANGED)
        try:
            await anyio.sleep_forever()
        finally:
            ledger.listeners.remove(hint)

    async def open_incident(self, tenant: TenantId, incident: OpenIncident, task_id: TaskId | None = None) -> None:
        ledger, _ = self._open()
        ledger.apply(incident, tenant, *([] if task_id is None else [ledger.row(tenant, task_id).task]))
        ledger.tell()

    async def limit_kind(self, kind: Kind, max_running: int | None) -> None:
        ledger, _ = self._open()
        ledger.kind_caps[kind] = max_running
        ledger.tell()

    # --- for wardens -------------------------------------------------------------------------------

    async def ensure(self, tenant: TenantId, spec: TaskSpec, *, connection: object | None = None) -> Ensured:
        ledger, now = self._open()
        if connection is not None:
            raise InvalidValue("connection", connection, "must be None: a toy takes part in no transaction")
        for upstream in spec.depends_on:
            ledger.row(tenant, upstream)
        row = ledger.named(tenant, spec.kind, spec.key)
        if row is None:
            row, how = _create(ledger, tenant, spec, now), EnsuredAs.CREATED
        else:
            how = _update(ledger, row, spec, now)
        ledger.tell()
        return Ensured(ledger.status(row), how)

    async def get(self, tenant: TenantId, task_id: TaskId) -> TaskStatus:
        ledger, _ = self._open()
        return ledger.status(ledger.row(tenant, task_id))

    async def find(self, tenant: TenantId, kind: Kind, key: str) -> TaskStatus | None:
        ledger, _ = self._open()
        row = ledger.named(tenant, kind, key)
        return None if row is None else ledger.status(row)

    async def tasks(
        self, tenant: TenantId, *, kind: Kind | None, status: Status | None, after: TaskId | None, limit: int
    ) -> Sequence[TaskStatus]:
        ledger, _ = self._open()
        found = [
            ledger.status(row)
            for row in ledger.rows
            if row.task.tenant == tenant and kind in {None, row.task.kind} and (after is None or row.task.id > after)
        ]
        return [each for each in found if status in {None, each.status}][:limit]

    async def pause(self, tenant: TenantId, task_id: TaskId, *, paused: bool, actor: str) -> bool:
        ledger, _ = self._open()
        row = ledger.row(tenant, task_id)
        if row.paused == paused:
            return False
        row.paused = paused
        ledger.record(ChangeName.TASK_PAUSED if paused else ChangeName.TASK_RESUMED, row.task, actor=actor)
        ledger.tell()
        return True

    async def steer(self, tenant: TenantId, task_id: TaskId, steer: Steer) -> bool:
        ledger, now = self._open()
        row = ledger.row(tenant, task_id)
        if (row.health.epoch, row.health.last_token) != (steer.epoch, steer.health.last_token):
            return False
        slot_at = steer.slot_at or (steer.next_run_at if row.rest is State.DONE else row.slot_at)
        if slot_at != row.slot_at:
            row.slot_at, row.attempt = slot_at, 1
        row.health, row.next_run_at, row.decided_at = steer.health, steer.next_run_at, now
        row.memory = row.memory if steer.memory is None else steer.memory
        row.deferred_until, row.deferred_why, row.reason = None, "", steer.detail
        row.move(Signal.STEER)
        if row.lease is not None:
            row.lease.rest = apply(row.lease.rest, Signal.STEER)
        ledger.record(ChangeName(steer.name), row.task, actor=steer.actor, detail=steer.detail)
        for effect in steer.effects:
            ledger.apply(effect, tenant, row.task)
        ledger.tell()
        return True

    async def request_run(self, tenant: TenantId, task_id: TaskId, *, at: datetime, actor: str) -> bool:
        ledger, _ = self._open()
        row = ledger.row(tenant, task_id)
        if row.manual_at is not None:
            return False
        row.manual_at = at
        ledger.record(ChangeName.RUN_REQUESTED, row.task, actor=actor)
        ledger.tell()
        return True

    async def delete(self, tenant: TenantId, task_id: TaskId, *, detach: bool, actor: str) -> None:
        ledger, _ = self._open()
        row = ledger.row(tenant, task_id)
        dependants = [each for each in ledger.rows if task_id in each.task.depends_on]
        if dependants and not detach:
            raise HasDependants(task_id, [each.task.key for each in dependants])
        ledger.rows.remove(row)
        for each in dependants:
            left = tuple(upstream for upstream in each.task.depends_on if upstream != task_id)
            each.task = attrs.evolve(each.task, depends_on=left, version=each.task.version + 1)
            ledger.release(each)
        ledger.record(ChangeName.TASK_DELETED, row.task, actor=actor)
        ledger.tell()

    async def runs(
        self, tenant: TenantId, *, task_id: TaskId | None, before: RunId | None, limit: int
    ) -> Sequence[Run]:
        ledger, _ = self._open()
        found = [
            run
            for run in reversed(ledger.runs)
            if run.tenant == tenant and task_id in {None, run.task_id} and (before is None or run.id < before)
        ]
        return found[:limit]

    async def incidents(self, tenant: TenantId, *, open_only: bool) -> Sequence[Incident]:
        ledger, _ = self._open()
        found = [each for each in reversed(ledger.incidents) if each.tenant == tenant]
        return [each for each in found if each.resolved_at is None] if open_only else found

    async def tallies(self, tenant: TenantId) -> Sequence[Tally]:
        ledger, _ = self._open()
        return [Tally(*counter, runs) for counter, runs in ledger.tallies.items() if counter[0] == tenant]

    async def changes(self, after: int, *, limit: int, tenant: TenantId | None = None) -> Changes:
        ledger, _ = self._open()
        end = await self.cursor()
        if after > end:
            return Changes((), end, reset=True)
        found: list[Change] = []
        cursor = max(after, ledger.forgotten)
        for change in ledger.changes:
            if change.seq > cursor and len(found) < limit:
                cursor = change.seq
                if tenant in {None, change.tenant}:
                    found.append(change)
        return Changes(tuple(found), cursor, reset=0 < after < ledger.forgotten)

    async def cursor(self) -> int:
        ledger, _ = self._open()
        return ledger.forgotten + len(ledger.changes)

    async def tenant(self, tenant: TenantId) -> TenantState:
        ledger, now = self._open()
        known = next((each for each in ledger.tenants if each.id == tenant), Tenant(tenant))
        rows = [row for row in ledger.rows if row.task.tenant == tenant]
        return TenantState(
            tenant=tenant,
            paused=known.paused,
            weight=known.weight,
            max_running=known.max_running,
            running=sum(row.lease is not None for row in rows),
            due=sum(row.is_due(now) for row in rows),
        )

    async def set_tenant(
        self,
        tenant: TenantId,
        *,
        paused: bool | None = None,
        weight: int | None = None,
        max_running: int | None = -1,
    ) -> None:
        ledger, _ = self._open()
        _check("weight", weight, weight is None or weight >= 1, "must be at least 1")
        known = ledger.tenant(tenant)
        known.paused = known.paused if paused is None else paused
        known.weight = known.weight if weight is None else weight
        known.max_running = known.max_running if max_running == -1 else max_running
        ledger.tell()

    async def report_activity(self, tenant: TenantId, kind: Kind | None, *, weight: int, until: datetime) -> None:
        ledger, _ = self._open()
        ledger.activities.append((tenant, kind, Activity(weight, until)))

    async def close(self) -> None:
        self._closed = True


def _create(ledger: Ledger, tenant: TenantId, spec: TaskSpec, now: datetime) -> Row:
    ledger.tasks_made += 1
    ledger.tenant(tenant)
    task: TaskRecord[Any] = TaskRecord(
        id=TaskId(f"task-{ledger.tasks_made:08}"),
        tenant=tenant,
        kind=spec.kind,
        key=spec.key,
        payload=_copied(spec.payload),
        payload_version=spec.payload_version,
        priority=spec.priority,
        schedule=spec.schedule,
        depends_on=spec.depends_on,
        created_at=now,
    )
    first = spec.first
    row = Row(task, spec.schedule_digest, first.at, first.at, now, first.reason, first.memory)
    if first.at is None:
        row.state = State.DONE
    elif ledger.unreleased(row):
        row.move(Signal.BLOCK)
    ledger.rows.append(row)
    ledger.record(ChangeName.TASK_CREATED, task)
    return row


def _update(ledger: Ledger, row: Row, spec: TaskSpec, now: datetime) -> EnsuredAs:
    wanted: dict[str, Any] = {name: getattr(spec, name) for name in spec.named}
    if "payload" in wanted:
        wanted |= {"payload": _copied(spec.payload), "payload_version": spec.payload_version}
    if "depends_on" in wanted:
        _check_cycle(ledger, row, spec.depends_on, (row.task.key,))
    moves = ("schedule" in wanted or row.task.schedule is None) and row.digest != spec.schedule_digest
    changed = attrs.evolve(row.task, **wanted)
    # By text: in Python, but not in JSON, 1 is equal to True and to 1.0.
    if changed == row.task and _text(changed.payload) == _text(row.task.payload) and not moves:
        return EnsuredAs.UNCHANGED
    had = row.task.depends_on
    row.task = attrs.evolve(changed, version=row.task.version + 1)
    if moves:
        _reanchor(row, spec, now)
    if row.task.depends_on != had:
        ledger.release(row)
        if row.state is State.SCHEDULED and row.attempt == 1 and ledger.unreleased(row):
            row.move(Signal.BLOCK)
    ledger.record(ChangeName.TASK_UPDATED, row.task)
    return EnsuredAs.UPDATED


def _reanchor(row: Row, spec: TaskSpec, now: datetime) -> None:
    first = spec.first
    row.digest, row.decided_at = spec.schedule_digest, now
    if first.at is None:
        return  # never again: what is planned is the last
    row.slot_at, row.attempt, row.reason, row.memory = first.at, 1, first.reason, first.memory
    row.urgent = False
    if row.health.phase is Phase.HEALTHY or row.rest is State.DONE:
        row.next_run_at = first.at
        row.deferred_until, row.deferred_why = None, ""
    if row.state is State.DONE:
        row.move(Signal.STEER)
    elif row.rest is State.DONE and row.lease is not None:
        row.lease.rest = apply(row.lease.rest, Signal.STEER)


def _check_cycle(ledger: Ledger, row: Row, depends_on: Sequence[TaskId], path: tuple[str, ...]) -> None:
    for upstream in ledger.rows:
        if upstream.task.id in depends_on:
            if upstream is row:
                raise DependencyCycle([*path, row.task.key])
            _check_cycle(ledger, row, upstream.task.depends_on, (*path, upstream.task.key))


def _text(payload: object) -> str:
    return json.dumps(payload, sort_keys=True)


def _copied(payload: object) -> Any:
    return json.loads(json.dumps(payload))


def _check(name: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise InvalidValue(name, value, rule)
