"""
The claim in one statement of PostgreSQL, for where no caps, pauses, lost leases or faults of the clock are about.

*Plain*: all that is due, if it fits: then there is nothing to share out, and no lane is touched. *Fair*: under backlog,
the lanes in line, the most urgent of each, shared out in turns. Whatever is special is seen by the statement itself,
which then changes nothing, and the claim is made again the long way, in ``claims``.

Both see one snapshot. A task that becomes due beside it is not lost: the lanes' rule (see ``lanes``) holds whatever the
snapshot, and the runner comes back.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import (
    BigInteger,
    and_,
    func,
    literal,
    or_,
    select,
    true,
)

from taskwarden.core.claim import AGING, Claim, Claims
from taskwarden.core.instant import MICROSECOND, at_micros
from taskwarden.stores.sql.direct_fair import Fair
from taskwarden.stores.sql.direct_parts import Parts, most
from taskwarden.stores.sql.rows import activity_of
from taskwarden.stores.sql.taking import claim_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from sqlalchemy import ColumnElement, Connection

    from taskwarden.ids import RunnerId
    from taskwarden.stores.sql.database import Database
    from taskwarden.stores.sql.known import KnownTasks
    from taskwarden.stores.sql.schema import Tables

__all__ = ["Direct", "Taken"]

_AGING: Final = literal(AGING // MICROSECOND, BigInteger)
_WATCH: Final = 1.0
"""Seconds between two looks at the leases of other runners."""
_SPECIAL: Final = 1.0
"""Seconds for which claims take the long way after one that had to."""


@attrs.frozen
class Taken:
    """
    What a statement did.

    Args:
        claims: What was claimed; None: something special is about, and nothing was changed.
        more: There is more than fitted.
    """

    claims: Claims | None
    more: bool


@attrs.define(eq=False)
class Direct:
    """
    The two statements.

    Args:
        now: The time: the database's, or bound as ``now`` where the host's clock is the store's.
        turn: Numbers that grow, to tell who was served last where the clock does not.
    """

    tables: Tables
    now: ColumnElement[int]
    host_clock: bool
    turn: Iterator[int]
    _parts: Parts = attrs.field(init=False)
    _plain: Any = attrs.field(init=False)
    _fair: Any = attrs.field(init=False)
    _special_until: float = attrs.field(default=0.0, init=False)
    _lost: dict[str, tuple[float, int | None]] = attrs.field(factory=dict, init=False)
    """For each runner: until when not to look at others' leases again, and when the next of them ends."""

    def __attrs_post_init__(self) -> None:
        self._parts = Parts(self.tables, self.now)
        self._plain, self._fair = self._plainly(), Fair(self._parts).statement()

    async def try_claim(
        self,
        database: Database,
        known: KnownTasks,
        *,
        runner: RunnerId,
        kinds: Sequence[str],
        limit: int,
        lease: timedelta,
        now: int | None,
        fairly: bool,
    ) -> Taken | None:
        """
        Claim plainly, or if there is more than fits, fairly.

        Args:
            fairly: There was more than fitted last time: no plain attempt.

        Returns:
            None: the long way is to be taken: something special is about, or was a moment ago, or others hold what is
            left, which the long way waits for.
        """
        if monotonic() < self._special_until:
            return None
        for how in (True,) if fairly else (False, True):
            taken = await database.alone(
                partial(
                    self.claim,
                    known=known,
                    runner=runner,
                    kinds=kinds,
                    limit=limit,
                    lease=lease,
                    now=now,
                    fairly=how,
                )
            )
            if taken.claims is not None:
                return None if taken.more and not taken.claims.claims else taken
            if not taken.more:
                self._special_until = monotonic() + _SPECIAL
                return None
        return None

    def claim(
        self,
        conn: Connection,
        *,
        known: KnownTasks,
        runner: RunnerId,
        kinds: Sequence[str],
        limit: int,
        lease: timedelta,
        now: int | None,
        fairly: bool,
    ) -> Taken:
        """Claim for *runner* in a statement that commits itself; a second reads definitions that are not known yet."""
        parameters: dict[str, Any] = {
            "kinds": list(kinds),
            "most": limit,
            "claimer": runner,
            "lease": lease // MICROSECOND,
        }
        look_again, lost_at = self._lost.get(runner, (0.0, None))
        parameters["watch"] = self.host_clock or monotonic() >= look_again
        if self.host_clock:
            parameters["now"] = now
        if fairly:
            parameters["tail"] = next(self.turn)
        rows = conn.execute(self._fair if fairly else self._plain, parameters).all()
        facts = rows[0]
        if facts.special or (not fairly and facts.found > limit):
            return Taken(None, more=not facts.special)
        if parameters["watch"]:
            lost_at = facts.next_lost
            self._lost[runner] = monotonic() + _WATCH, lost_at
        again = facts.moment if facts.more else _sooner(facts.next_due, lost_at, facts.moment)
        claims = tuple(self._claims(conn, known, rows, runner, lease))
        return Taken(
            Claims(claims, at_micros(facts.moment), None if again is None else at_micros(again)), bool(facts.more)
        )

    def _claims(
        self, conn: Connection, known: KnownTasks, rows: Sequence[Any], runner: RunnerId, lease: timedelta
    ) -> Iterator[Claim]:
        facts = rows[0]
        now = at_micros(facts.moment)
        until = now + lease
        taken = [row for row in rows if row.task_id is not None]
        entries = known.of(conn, {row.task_id: row.version for row in taken})
        for row in sorted(taken, key=attrgetter("rank", "task_id")):  # by urgency, or by the turns
            entry = entries.get(row.task_id)
            if entry is not None:
                activity = None
                if row.activity_until is not None and row.activity_until > facts.moment:
                    activity = activity_of(row.activity_weight, row.activity_until)
                yield claim_of(row, entry, activity, row.token, now, until, runner)

    # --- plain --------------------------------------------------------------------------------------------------

    def _plainly(self) -> Any:
        due, now = self.tables.due, self.now
        asked = self._parts.asked()
        each = (
            select(due.c.task_id, due.c.tenant, (due.c.ready_at + due.c.place * _AGING).label("rank"))
            .where(due.c.kind == asked.c.kind, due.c.ready_at <= now, self._parts.settled())
            .order_by(due.c.ready_at)
            .limit(most() + 1)
            .with_for_update(skip_locked=True)
            .lateral("each")
        )
        found = select(each).select_from(asked.join(each, true())).cte("found")
        count = select(func.count()).select_from(found).scalar_subquery()
        facts = select(
            now.label("moment"),
            count.label("found"),
            or_(self._parts.special(), self._parts.restricted(found)).label("special"),
            self._parts.next_due().label("next_due"),
            self._parts.next_lost().label("next_lost"),
            literal(value=False).label("more"),
        ).cte("facts")
        allowed = select(and_(facts.c.found <= most(), ~facts.c.special)).scalar_subquery()
        wanted = select(found.c.task_id).where(allowed)
        return self._parts.claimed(facts, wanted, place=found)


def _sooner(due_at: int | None, lost_at: int | None, now: int) -> int | None:
    """Return the earlier of two instants, either of which may be missing; the second counts only if it is to come."""
    if lost_at is None or lost_at <= now:
        return due_at
    return lost_at if due_at is None else min(due_at, lost_at)
