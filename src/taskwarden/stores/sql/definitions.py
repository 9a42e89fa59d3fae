"""What wardens do to a task's definition, in a database: make it, change what is named, delete it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import delete as deletion
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import IntervalState
from taskwarden.core.hashing import seed
from taskwarden.core.instant import micros
from taskwarden.core.lifecycle import State
from taskwarden.core.protocols import EnsuredAs
from taskwarden.core.task import TaskRecord
from taskwarden.errors import DependencyCycle, HasDependants, InvalidValue, TaskNotFound
from taskwarden.stores import moves
from taskwarden.stores.sql.completions import block
from taskwarden.stores.sql.lanes import ended
from taskwarden.stores.sql.rows import Row, check_figure, cleaned, due_values, number_of, schedule_text, task_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from taskwarden.core.outcome import JSON
    from taskwarden.core.protocols import TaskSpec
    from taskwarden.ids import TaskId, TenantId
    from taskwarden.stores.sql.writing import Writing

__all__ = ["delete", "ensure"]

_ATTEMPTS: Final = 5
"""How often somebody else may be faster; more: what they have done cannot be seen."""


def ensure(writing: Writing, tenant: TenantId, spec: TaskSpec) -> tuple[Row, EnsuredAs]:
    """Do what ``Store.ensure`` says, in the transaction *writing*."""
    conn, sql = writing.conn, writing.sql
    IntervalState(spec.first.memory)  # a memory that is too long is refused before anything is written
    schedule_text(spec.schedule)
    check_figure("payload_version", spec.payload_version)
    name = {"tenant": tenant, "kind": spec.kind, "key": spec.key}
    number = conn.execute(sql.read_task, name).scalar_one_or_none()
    if spec.depends_on:
        _hold_edges(writing, tenant)
    for _ in range(_ATTEMPTS):  # until nobody deletes it, or makes it, just before us
        if number is None:
            upstream = _upstream(writing, tenant, spec.depends_on)
            number = _insert(writing, tenant, spec)
            if number is not None:
                return _create(writing, tenant, spec, number, upstream), EnsuredAs.CREATED
        else:
            row = writing.lock([number]).get(number)
            if row is not None:
                return row, _update(writing, row, spec)
        number = conn.execute(sql.lock_task, name).scalar_one_or_none()  # sees what others have committed since
    rule = "must see what others have committed since it began"
    raise InvalidValue("connection", f"a transaction older than task {spec.key!r}", rule, "use READ COMMITTED")


def delete(writing: Writing, row: Row, *, detach: bool, actor: str) -> None:
    """Do what ``Store.delete`` says, in the transaction *writing*."""
    t, conn = writing.t, writing.conn
    edges = writing.sql.rows_of(conn, writing.sql.edges_below, [row.number])
    below = sorted({edge.task_id for edge in edges})
    if below:
        _hold_edges(writing, row.task.tenant)
    dependants = list(writing.lock(below).values())
    if dependants and not detach:
        raise HasDependants(row.task.id, [dependant.task.key for dependant in dependants])
    conn.execute(deletion(t.edge).where(t.edge.c.upstream_id == row.number))
    conn.execute(deletion(t.edge).where(t.edge.c.task_id == row.number))
    conn.execute(deletion(t.due).where(t.due.c.task_id == row.number))
    conn.execute(deletion(t.task).where(t.task.c.id == row.number))
    if row.runner is not None:
        ended(writing, {row.task.tenant}, {row.task.kind})
    for dependant in dependants:
        left = tuple(upstream for upstream in dependant.task.depends_on if upstream != row.task.id)
        _redefine(writing, dependant, attrs.evolve(dependant.task, depends_on=left))
        moves.release(dependant, _above(writing, dependant), writing.now)
        writing.save(dependant)
    writing.known.forget(row.number)
    writing.tell_of(ChangeName.TASK_DELETED, row, actor)


# --- creating ---------------------------------------------------------------------------------------------------


def _insert(writing: Writing, tenant: TenantId, spec: TaskSpec) -> int | None:
    """Insert the definition and return its key; None: somebody else was faster."""
    dialect = writing.sql.dialect
    values = {
        "tenant": tenant,
        "kind": spec.kind,
        "key": spec.key,
        "digest": spec.schedule_digest,
        "version": 1,
        "created_at": micros(writing.now),
        **_definition(spec),
    }
    if dialect.name != "mysql":
        inserted: int | None = writing.conn.execute(writing.sql.make_task, values).scalar_one_or_none()
        return inserted
    try:
        with writing.conn.begin_nested():
            made = writing.conn.execute(writing.sql.make_task, values)
            return int(made.inserted_primary_key[0])  # type: ignore[index]
    except IntegrityError:
        return None


def _create(writing: Writing, tenant: TenantId, spec: TaskSpec, number: int, upstream: Mapping[TaskId, Row]) -> Row:
    first = spec.first
    record: TaskRecord[Any] = TaskRecord(
        id=task_id(number),
        tenant=tenant,
        kind=spec.kind,
        key=spec.key,
        payload=json.loads(_text(spec.payload)),
        payload_version=spec.payload_version,
        priority=spec.priority,
        schedule=spec.schedule,
        depends_on=spec.depends_on,
        created_at=writing.now,
    )
    row = Row(
        record,
        spec.schedule_digest,
        IntervalState(first.memory, seed(tenant, spec.kind, spec.key)),
        first.at,
        first.at,
        writing.now,
        first.reason,
        number=number,
        lane_id=_lane(writing, tenant, spec.kind),
    )
    _draw(writing, row, spec.depends_on)
    if first.at is None:
        row.state = State.DONE
    else:
        block(row, upstream)
    writing.conn.execute(writing.sql.make_due, due_values(row))
    writing.save(row)
    del writing.saved[number]  # it was written just now; its lane is what was left to do
    writing.tell_of(ChangeName.TASK_CREATED, row)
    return row


def _lane(writing: Writing, tenant: TenantId, kind: str) -> int:
    """Return the key of the lane, making it if need be, with the activity that was reported for all kinds."""
    t, conn, query, name = writing.t, writing.conn, writing.sql.read_lane, {"tenant": tenant, "kind": kind}
    known: int | None = conn.execute(query, name).scalar_one_or_none()
    if known is None:
        row = conn.execute(select(t.tenant).where(t.tenant.c.tenant == tenant)).one_or_none()
        values = {
            "tenant": tenant,
            "kind": kind,
            "turn_at": None,
            "turn": 0,
            "activity_weight": None if row is None else row.activity_weight,
            "activity_until": None if row is None else row.activity_until,
        }
        conn.execute(writing.sql.make_lane, values)
        known = conn.execute(query, name).scalar_one()
    return known


# --- changing ---------------------------------------------------------------------------------------------------


def _update(writing: Writing, row: Row, spec: TaskSpec) -> EnsuredAs:
    task = row.task
    wanted: dict[str, Any] = {name: getattr(spec, name) for name in spec.named}
    if "payload" in wanted:
        wanted |= {"payload": json.loads(_text(spec.payload)), "payload_version": spec.payload_version}
    upstream = _upstream(writing, task.tenant, spec.depends_on)
    if "depends_on" in wanted:
        _check_acyclic(writing, row, spec.depends_on)
    another = ("schedule" in wanted or task.schedule is None) and row.digest != spec.schedule_digest
    changed = attrs.evolve(task, **wanted)
    if changed == task and _text(changed.payload) == _text(task.payload) and not another:
        return EnsuredAs.UNCHANGED
    if another:
        moves.change_slot(row, spec, IntervalState(spec.first.memory, row.interval.seed))
        row.decided_at = writing.now
    _redefine(writing, row, changed)
    if changed.depends_on != task.depends_on:
        writing.conn.execute(deletion(writing.t.edge).where(writing.t.edge.c.task_id == row.number))
        _draw(writing, row, changed.depends_on)
        moves.release(row, upstream, writing.now)
        if row.state is State.SCHEDULED and row.attempt == 1:  # a retry's slot was released already
            block(row, upstream)
    writing.tell_of(ChangeName.TASK_UPDATED, row)
    writing.save(row)
    return EnsuredAs.UPDATED


def _redefine(writing: Writing, row: Row, changed: TaskRecord[Any]) -> None:
    """Write a changed definition as a new version."""
    table = writing.t.task
    row.task = attrs.evolve(changed, version=row.task.version + 1)
    values = {"digest": row.digest, "version": row.task.version, **_definition(row.task)}
    writing.conn.execute(update(table).where(table.c.id == row.number).values(values))


def _definition(of: TaskSpec | TaskRecord[Any]) -> dict[str, Any]:
    return {
        "payload": _text(of.payload),
        "payload_version": of.payload_version,
        "priority": int(of.priority),
        "schedule": schedule_text(of.schedule),
    }


def _text(payload: JSON) -> str:
    # To Python 1, 1.0 and True are equal; in JSON they are not.
    return cleaned(json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


# --- dependencies -----------------------------------------------------------------------------------------------


def _hold_edges(writing: Writing, tenant: TenantId) -> None:
    """Let nobody else change dependencies of this tenant: two changes could close a cycle that neither sees."""
    t, conn, dialect = writing.t, writing.conn, writing.sql.dialect
    if dialect.serial:
        return
    conn.execute(dialect.upsert(t.tenant, ("tenant",)), {"tenant": tenant})
    conn.execute(dialect.locked(select(t.tenant.c.tenant).where(t.tenant.c.tenant == tenant)))


def _upstream(writing: Writing, tenant: TenantId, names: Sequence[TaskId]) -> dict[TaskId, Row]:
    """
    Return the upstream tasks, locked.

    Raises:
        TaskNotFound: One is not this tenant's.
    """
    numbers = {name: number_of(tenant, name) for name in names}
    rows = writing.lock(set(numbers.values())) if numbers else {}
    for name, number in numbers.items():
        if number not in rows or rows[number].task.tenant != tenant:
            raise TaskNotFound(tenant, name)
    return {row.task.id: row for row in rows.values()}


def _above(writing: Writing, row: Row) -> dict[TaskId, Row]:
    """Return those whom *row* waits for, as they are now."""
    tenant = row.task.tenant
    return {
        above.task.id: above for above in writing.read({number_of(tenant, it) for it in row.task.depends_on}).values()
    }


def _draw(writing: Writing, row: Row, depends_on: Iterable[TaskId]) -> None:
    """Write the edges of *row*, and let the upstream tasks know that somebody depends on them."""
    t, conn, tenant = writing.t, writing.conn, row.task.tenant
    numbers = [number_of(tenant, name) for name in dict.fromkeys(depends_on)]
    if not numbers:
        return
    edges = [
        {"task_id": row.number, "upstream_id": number, "tenant": tenant, "place": place}
        for place, number in enumerate(numbers)
    ]
    conn.execute(insert(t.edge), edges)
    conn.execute(update(t.due).where(t.due.c.task_id.in_(numbers)).values(has_dependants=True))


def _check_acyclic(writing: Writing, row: Row, depends_on: Iterable[TaskId]) -> None:
    """
    Check that *row* may depend on *depends_on*. Costs what lies above it.

    Raises:
        DependencyCycle: It would wait for itself; names the keys on the way.
    """
    tenant = row.task.tenant
    paths: dict[int, tuple[int, ...]] = {number_of(tenant, name): () for name in depends_on}
    layer = list(paths)
    while layer:
        if row.number in paths:
            keys = writing.read(paths[row.number])
            raise DependencyCycle((row.task.key, *(keys[it].task.key for it in paths[row.number]), row.task.key))
        above = []
        for edge in writing.sql.rows_of(writing.conn, writing.sql.edges_above, sorted(layer)):
            if edge.upstream_id not in paths:
                paths[edge.upstream_id] = (*paths[edge.task_id], edge.task_id)
                above.append(edge.upstream_id)
        layer = above
