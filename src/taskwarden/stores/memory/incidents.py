"""Incidents: what people should know, grouped by tenant and key."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.core.record import Incident

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from taskwarden.core.decision import OpenIncident
    from taskwarden.ids import TaskId, TenantId

__all__ = ["Incidents"]

KEPT: Final = 1_000
"""Most resolved incidents of a tenant; the newest are kept."""
NAMED: Final = 100
"""Most tasks that an incident names: those seen first."""


@attrs.define(eq=False)
class Incidents:
    """All tenants' incidents."""

    _open: dict[TenantId, dict[str, Incident]] = attrs.field(factory=dict, init=False)
    _resolved: dict[TenantId, deque[Incident]] = attrs.field(factory=dict, init=False)

    def open(
        self, tenant: TenantId, effect: OpenIncident, task_ids: Iterable[TaskId], now: datetime
    ) -> tuple[Incident, bool]:
        """Open an incident, or add a sighting to the open one; return it, and whether it is new."""
        opened = self._open.setdefault(tenant, {})
        known = opened.get(effect.key)
        before = () if known is None else known.task_ids
        if len(before) < NAMED:
            before = tuple(dict.fromkeys((*before, *task_ids)))[:NAMED]
        if known is None:
            incident = Incident(
                tenant=tenant,
                key=effect.key,
                code=effect.code,
                title=effect.title,
                level=effect.level,
                opened_at=now,
                last_seen_at=now,
                sightings=1,
                task_ids=before,
            )
        else:
            incident = attrs.evolve(known, last_seen_at=now, sightings=known.sightings + 1, task_ids=before)
        opened[effect.key] = incident
        return incident, known is None

    def resolve(self, tenant: TenantId, key: str, now: datetime) -> Incident | None:
        """Close the open incident *key* and return it; None: none is open."""
        known = self._open.get(tenant, {}).pop(key, None)
        if known is None:
            return None
        incident = attrs.evolve(known, resolved_at=now)
        self._resolved.setdefault(tenant, deque(maxlen=KEPT)).append(incident)
        return incident

    def of(self, tenant: TenantId, *, open_only: bool) -> list[Incident]:
        """Return the tenant's incidents, newest first."""
        found = [] if open_only else list(self._resolved.get(tenant, ()))
        found += self._open.get(tenant, {}).values()
        found.sort(key=lambda incident: incident.opened_at)
        return found[::-1]
