"""The change feed: the newest changes of the whole store in one order, and those who want to be told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from taskwarden.core.change import Change, ChangeName, Changes
from taskwarden.core.decision import Notify
from taskwarden.core.record import Incident
from taskwarden.stores.memory.history import Facts, run_of

if TYPE_CHECKING:
    from datetime import datetime

    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import Kind, TaskId, TenantId

__all__ = ["Feed"]

_LOG: Final = logging.getLogger("taskwarden.store")

Subject: TypeAlias = "Incident | Notify | None"
Changed: TypeAlias = "tuple[datetime, str, TenantId, TaskId | None, Kind | None, Subject, str, str]"
"""at, name, tenant, task, kind, incident or notice, actor, detail."""


@attrs.define(eq=False)
class Feed:
    """
    The newest *kept* changes. A change costs one step to write, and becomes a ``Change`` only when it is read.

    Args:
        grown: Something was added since this was last set to False.
    """

    kept: int
    grown: bool = attrs.field(default=False, init=False)
    _items: list[Changed | Facts] = attrs.field(factory=list, init=False)
    _trimmed: int = attrs.field(default=0, init=False)
    _most: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._most = self.kept + self.kept // 16  # trimmed in pieces, as the front of a list is not cut for free

    @property
    def end(self) -> int:
        """The cursor after the last change."""
        return self._trimmed + len(self._items)

    def add(self, item: Changed | Facts) -> None:
        """Add one change, or the facts of a run that has ended."""
        self._items.append(item)
        self.grown = True
        if len(self._items) > self._most:
            self.trim(self.kept)

    def tell(self, at: datetime, name: ChangeName, task: TaskRecord[object], actor: str = "", detail: str = "") -> None:
        """Add what happened to *task*."""
        # The value, not the member: the collector need not look at a tuple of strings and instants (see `history`).
        self.add((at, name.value, task.tenant, task.id, task.kind, None, actor, detail))

    def trim(self, kept: int) -> None:
        """Drop all but the newest *kept* changes."""
        surplus = max(len(self._items) - kept, 0)
        del self._items[:surplus]
        self._trimmed += surplus

    def read(self, after: int, limit: int, tenant: TenantId | None) -> Changes:
        """Return what follows *after*. Costs what lies between it and the end of the page, others' changes included."""
        first = max(self._trimmed, self.end - self.kept)
        # Beyond the end is a cursor of an earlier life of the store.
        reset = 0 < after < first or after > self.end
        cursor = self.end if after > self.end else max(after, first)
        found: list[Change] = []
        while cursor < self.end and len(found) < limit:
            item = self._items[cursor - self._trimmed]
            cursor += 1
            if tenant is None or item[2] == tenant:
                found.append(_change(cursor, item))
        return Changes(tuple(found), cursor, reset)


def _change(seq: int, item: Changed | Facts) -> Change:
    if isinstance(item[0], int):
        _, task_id, tenant, at, kind = item[:5]
        name, run = ChangeName.RUN_FINISHED, run_of(item)
        return Change(seq=seq, at=at, name=name, tenant=tenant, task_id=task_id, kind=kind, run=run)
    at, name, tenant, task_id, kind, subject, actor, detail = item
    return Change(
        seq=seq,
        at=at,
        name=ChangeName(name),
        tenant=tenant,
        task_id=task_id,
        kind=kind,
        incident=subject if isinstance(subject, Incident) else None,
        notice=subject if isinstance(subject, Notify) else None,
        actor=actor,
        detail=detail,
    )
