"""What a store remembers of tasks so as not to read or decode it again: their definitions, and their last health."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import select

from taskwarden.core.decision import Activity, IntervalState
from taskwarden.core.hashing import seed
from taskwarden.core.health import HEALTHY, Health, decode
from taskwarden.stores.sql.rows import record_of, task_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from taskwarden.core.task import TaskRecord
    from taskwarden.ids import TaskId
    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.schema import Tables

__all__ = ["Known", "KnownTasks"]

KEPT: Final = 100_000
"""Most definitions that are remembered, the last used; one costs 1 to 2 KiB besides its payload."""


@attrs.define(eq=False)
class Known:
    """
    One task's definition at one version, and the health that was read or written last.

    Args:
        digest: Names the schedule in force.
        lane, holder: Where it stands, and which runner claimed it last through this store; 0 and "": not known.
    """

    record: TaskRecord[Any]
    digest: str
    seed: int
    lane: int = 0
    holder: str = ""
    _text: str = ""
    _health: Health = HEALTHY
    _interval: IntervalState | None = None

    def health(self, text: str) -> Health:
        """Return the health that *text* encodes."""
        if text != self._text:
            self._health, self._text = decode(text), text
        return self._health

    def keep(self, text: str, health: Health) -> None:
        """Remember that *text* encodes *health*."""
        self._text, self._health = text, health

    def interval(self, memory: str, activity: Activity | None) -> IntervalState:
        """Return what the interval policy may know."""
        known = self._interval
        if known is None or known.memory != memory or known.activity != activity:
            self._interval = known = IntervalState(memory, self.seed, activity)
        return known


@attrs.define(eq=False)
class KnownTasks:
    """
    The definitions that are remembered, by the key of the task.

    They are shared by all threads that run transactions: each entry is valid for one version of its task, and every
    reader says which version it means.
    """

    tables: Tables
    dialect: Dialect
    _known: OrderedDict[int, Known] = attrs.field(factory=OrderedDict, init=False)
    _select: Any = attrs.field(init=False)
    _select_edges: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        task, edge = self.tables.task, self.tables.edge
        self._select = select(task).where(self.dialect.among(task.c.id, "ids"))
        self._select_edges = (
            select(edge.c.task_id, edge.c.upstream_id)
            .where(self.dialect.among(edge.c.task_id, "ids"))
            .order_by(edge.c.task_id, edge.c.place)
        )

    def of(self, conn: Connection, versions: Mapping[int, int]) -> dict[int, Known]:
        """Return the definitions of tasks at their *versions*, reading those that are not remembered."""
        found: dict[int, Known] = {}
        missing: list[int] = []
        for number, version in versions.items():
            known = self._known.get(number)
            if known is None or known.record.version != version:
                missing.append(number)
            else:
                found[number] = known
        if missing:
            found |= self.read(conn, missing)
        return found

    def read(self, conn: Connection, numbers: Iterable[int]) -> dict[int, Known]:
        """Read definitions as they are now, and remember them."""
        wanted = {"ids": list(numbers)}
        tasks = conn.execute(self._select, wanted).all()
        upstreams: dict[int, list[TaskId]] = {}
        for number, upstream in conn.execute(self._select_edges, wanted):
            upstreams.setdefault(number, []).append(task_id(upstream))
        read = {task.id: known_of(task, tuple(upstreams.get(task.id, ()))) for task in tasks}
        for number, known in read.items():
            self._known[number] = known
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return read

    def entry(self, number: int) -> Known:
        """Return what is remembered of a task that was looked up in this transaction."""
        return self._known[number]

    def get(self, number: int) -> Known | None:
        """Return what is remembered of a task, if anything is."""
        return self._known.get(number)

    def forget(self, number: int) -> None:
        """Forget a task: what was read of it may not be what was committed."""
        self._known.pop(number, None)


def known_of(task: Any, depends_on: tuple[TaskId, ...]) -> Known:
    """Return what is remembered of a row of ``task``."""
    record = record_of(task, depends_on)
    return Known(record, task.digest, seed(record.tenant, record.kind, record.key))
