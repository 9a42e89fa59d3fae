"""Incidents in a database: what people should know, grouped by tenant and key."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import Notify, OpenIncident, ResolveIncident
from taskwarden.core.instant import micros
from taskwarden.stores.sql.records import incident_of, subject_text
from taskwarden.stores.sql.rows import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from taskwarden.core.decision import Effect
    from taskwarden.core.record import Incident
    from taskwarden.ids import TenantId
    from taskwarden.stores.sql.rows import Row
    from taskwarden.stores.sql.schema import Tables
    from taskwarden.stores.sql.writing import Writing

__all__ = ["apply", "incidents", "report"]

NAMED: Final = 100
"""Most tasks that an incident names: those seen first."""


def apply(writing: Writing, effects: Iterable[Effect], tenant: TenantId, row: Row | None) -> None:
    """Write effects on the task *row*, or on the tenant alone."""
    number, kind = (None, None) if row is None else (row.number, row.task.kind)
    for effect in effects:
        match effect:
            case OpenIncident():
                report(writing, effect, tenant, [] if row is None else [row])
            case ResolveIncident():
                _resolve(writing, effect.key, tenant, number, kind)
            case Notify():
                said = subject_text(effect)
                writing.tell(ChangeName.NOTICE, tenant, number=number, kind=kind, subject=said, detail=effect.message)


def report(writing: Writing, effect: OpenIncident, tenant: TenantId, rows: Sequence[Row]) -> None:
    """Open an incident, or add one sighting to it, on the tasks *rows*."""
    key, table = cleaned(effect.key), writing.t.incident
    now, conn = micros(writing.now), writing.conn
    known = _open(writing, tenant, key)
    seen = [] if known is None else json.loads(known["task_ids"])
    if len(seen) < NAMED:
        seen = list(dict.fromkeys([*seen, *(row.task.id for row in rows)]))[:NAMED]
    changed: dict[str, Any] = {"last_seen_at": now, "task_ids": json.dumps(seen)}
    if known is None:
        fresh = {
            "tenant": tenant,
            "key": key,
            "open_key": _digest(key),
            "code": cleaned(effect.code),
            "title": cleaned(effect.title),
            "level": effect.level.value,
            "opened_at": now,
            "sightings": 1,
            "resolved_at": None,
            **changed,
        }
        conn.execute(insert(table), fresh)  # of two at the same time, one is refused, tried again, and finds the other
        now_stands = fresh
    else:
        changed["sightings"] = known["sightings"] + 1
        conn.execute(update(table).where(table.c.id == known["id"]).values(changed))
        now_stands = {**known, **changed}
    number, kind = (rows[0].number, rows[0].task.kind) if len(rows) == 1 else (None, None)
    name = ChangeName.INCIDENT_OPENED if known is None else ChangeName.INCIDENT_SEEN
    writing.tell(name, tenant, number=number, kind=kind, subject=subject_text(_shown(now_stands)))


def incidents(conn: Connection, tables: Tables, tenant: TenantId, *, open_only: bool) -> list[Incident]:
    """Return the tenant's incidents, newest first."""
    table = tables.incident
    query = select(table).where(table.c.tenant == tenant).order_by(table.c.opened_at.desc(), table.c.id.desc())
    if open_only:
        query = query.where(table.c.open_key.is_not(None))
    return [incident_of(dict(row)) for row in conn.execute(query).mappings()]


def _resolve(writing: Writing, key: str, tenant: TenantId, number: int | None, kind: str | None) -> None:
    known = _open(writing, tenant, cleaned(key))
    if known is None:
        return
    table = writing.t.incident
    changed = {"resolved_at": micros(writing.now), "open_key": None}
    writing.conn.execute(update(table).where(table.c.id == known["id"]).values(changed))
    said = subject_text(_shown({**known, **changed}))
    writing.tell(ChangeName.INCIDENT_RESOLVED, tenant, number=number, kind=kind, subject=said)


def _open(writing: Writing, tenant: TenantId, key: str) -> dict[str, Any] | None:
    table = writing.t.incident
    query = select(table).where(table.c.tenant == tenant, table.c.open_key == _digest(key))
    found = writing.conn.execute(writing.sql.dialect.locked(query)).mappings().first()
    return None if found is None else dict(found)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"id", "open_key"}}


def _digest(key: str) -> str:
    """Return what is unique of an open incident: a key may be longer than an index takes."""
    return blake2b(key.encode(), digest_size=32).hexdigest()
