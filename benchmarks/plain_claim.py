"""
The plain claim on PostgreSQL: what has been due for longest, whoever's it is. What the fair claim is compared with.

It changes the same columns of the same rows and returns the same; it asks for no tenants, turns, caps, pauses or lost
leases, and does not say when there will be more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import ARRAY, BigInteger, Integer, String, any_, bindparam, func, select, update

from benchmarks.cycles import BATCH, LEASE, RUNNER
from taskwarden.core.claim import Claims
from taskwarden.core.instant import MICROSECOND, at_micros
from taskwarden.stores.sql.direct_parts import CLAIMED
from taskwarden.stores.sql.taking import claim_changes, claim_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from taskwarden.stores.sql import SqlStore

__all__ = ["PlainClaim"]


@attrs.define(eq=False)
class PlainClaim:
    """Claims tasks of *kind* from *store*, by a statement of its own."""

    store: SqlStore
    kind: str
    _statement: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        due, now = self.store.tables.due, self.store.database.dialect.now()
        until = now + bindparam("lease", type_=BigInteger)
        oldest = (
            select(due.c.task_id)
            .where(due.c.kind == any_(bindparam("kinds", type_=ARRAY(String()))), due.c.ready_at <= now)
            .order_by(due.c.ready_at)
            .limit(bindparam("most", type_=Integer))
            .with_for_update(skip_locked=True)
        )
        changes = claim_changes(due.c, now=now, until=until, claimer=bindparam("claimer", type_=String))
        self._statement = (
            update(due)
            .where(due.c.task_id == any_(func.array(oldest.scalar_subquery())))
            .ordered_values(*changes)
            .returning(*(due.c[name] for name in CLAIMED), due.c.claimed_at)
        )

    async def __call__(self) -> Claims:
        """Claim a batch."""
        return await self.store.database.alone(self._claim)

    def _claim(self, conn: Connection) -> Claims:
        lease = LEASE // MICROSECOND
        rows = conn.execute(
            self._statement, {"kinds": [self.kind], "most": BATCH, "claimer": RUNNER, "lease": lease}
        ).all()
        now = at_micros(rows[0].claimed_at)
        remembered = self.store._known  # noqa: SLF001  as the store's own claim has it
        known = remembered.of(conn, {row.task_id: row.version for row in rows})
        claims = [claim_of(row, known[row.task_id], None, row.token, now, now + LEASE, RUNNER) for row in rows]
        return Claims(tuple(claims), now, now)
