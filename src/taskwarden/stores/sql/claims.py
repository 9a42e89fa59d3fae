"""Step 2 in a database: what others have lost, then what is due."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import bindparam, func, select, update

from taskwarden.core.claim import Claim, Claims
from taskwarden.core.instant import at_micros, later, micros
from taskwarden.stores.moves import take
from taskwarden.stores.sql import turns
from taskwarden.stores.sql.clock import mend
from taskwarden.stores.sql.lanes import Lanes
from taskwarden.stores.sql.rows import activity_of
from taskwarden.stores.sql.statements import first_of_kinds
from taskwarden.stores.sql.taking import claim_changes, claim_of, urgency
from taskwarden.stores.sql.turns import Candidate, Share

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import timedelta

    from sqlalchemy import Connection

    from taskwarden.core.decision import Activity
    from taskwarden.ids import RunnerId
    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.schema import Tables
    from taskwarden.stores.sql.writing import Writing

__all__ = ["Claiming"]

_PARKED: Final = 30_000_000
"""Microseconds until what waits for a cap or a pause is looked at again, should nobody say that it may go on."""
_BUSY: Final = 50_000
"""Microseconds until a claim that found all lanes held by others is tried again."""
_NO_CAP: Final = 2**62
_LOOKS: Final = 6
"""How often a claim looks further down the line for somebody who need not wait: each time at four times as many."""
_COLUMNS: Final = (
    *("task_id", "tenant", "version", "token", "lane_id", "place", "ready_at", "health", "memory", "attempt"),
    *("slot_at", "next_run_at", "manual_at", "manual_slot", "runner"),
)


@attrs.define(eq=False)
class Claiming:
    """
    The statements of claims.

    Args:
        turn: Numbers that grow, to tell who was served last where the clock does not.
    """

    tables: Tables
    dialect: Dialect
    turn: Iterator[int]
    lanes: Lanes = attrs.field(init=False)
    _expired: Any = attrs.field(init=False)
    _lock: Any = attrs.field(init=False)
    _claim: Any = attrs.field(init=False)
    _kinds: Any = attrs.field(init=False)
    _running_kinds: Any = attrs.field(init=False)
    _running_tenants: Any = attrs.field(init=False)
    _settings: Any = attrs.field(init=False)
    _hold: Any = attrs.field(init=False)
    _activity: Any = attrs.field(init=False)
    _others: Any = attrs.field(init=False)
    _credit: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        t, among, locked = self.tables, self.dialect.among, self.dialect.locked
        due, tenant, kind, lane = t.due, t.tenant, t.kind, t.lane
        self.lanes = Lanes(t, self.dialect)
        of_kinds = among(due.c.kind, "kinds", due.c.kind.type)
        paused = select(tenant.c.tenant).where(tenant.c.tenant == due.c.tenant, tenant.c.paused).exists()
        self._expired = locked(
            select(due)
            .where(due.c.lease_until <= bindparam("now"), of_kinds, ~paused)
            .order_by(due.c.lease_until, due.c.task_id)
            .limit(bindparam("most")),
            skip=True,
        )
        self._lock = locked(
            select(*self._columns()).where(among(due.c.task_id, "ids"), due.c.ready_at <= bindparam("now")), skip=True
        )
        self._claim = update(due).where(among(due.c.task_id, "ids")).ordered_values(*claim_changes(due.c))
        self._kinds = locked(
            select(kind)
            .where(among(kind.c.kind, "kinds", kind.c.kind.type), kind.c.max_running.is_not(None))
            .order_by(kind.c.kind)
        )
        runs = due.c.lease_until.is_not(None)
        self._running_kinds = select(due.c.kind, func.count()).where(runs, of_kinds).group_by(due.c.kind)
        of_tenants = among(due.c.tenant, "tenants", due.c.tenant.type)
        self._running_tenants = select(due.c.tenant, func.count()).where(runs, of_tenants).group_by(due.c.tenant)
        self._settings = select(tenant).where(among(tenant.c.tenant, "tenants", tenant.c.tenant.type))
        self._hold = locked(self._settings.where(tenant.c.max_running.is_not(None)), skip=True)
        self._activity = select(lane.c.id, lane.c.activity_weight, lane.c.activity_until).where(
            among(lane.c.id, "ids"), lane.c.activity_until > bindparam("now")
        )
        self._others = (
            select(due.c.lease_until)
            .where(due.c.lease_until > bindparam("now"), due.c.runner != bindparam("claimer"), of_kinds)
            .order_by(due.c.lease_until)
            .limit(1)
        )
        self._credit = update(tenant).where(tenant.c.tenant == bindparam("of")).values(credit=bindparam("new_credit"))

    def claim(
        self,
        writing: Writing,
        *,
        runner: RunnerId,
        kinds: Collection[str],
        limit: int,
        lease: timedelta,
        high_water: datetime,
        fairly: bool,
    ) -> tuple[Claims, bool]:
        """
        Do what ``Store.claim`` says.

        Args:
            fairly: There was more than fitted into the last claim, so the lanes are asked at once.

        Returns:
            What was claimed, and whether there is more than fitted.
        """
        if later(writing.now, lease) < high_water:
            mend(writing, lease)
        asked = sorted(set(kinds))
        room = self._room(writing.conn, asked)
        if room:
            writing.catch_up()  # another claim may have been counting for long
        # Where the clock went back a little, lanes may stand in line from a later instant on than their tasks are due.
        end = micros(max(writing.now, high_water))
        looked = micros(writing.now)
        taken = self._take_over(writing, runner, asked, limit, lease)
        left = limit - len(taken)
        in_turns = more = False
        if left and asked:
            rows = None if fairly or room else self._all(writing, asked, left)
            in_turns = rows is None
            if rows is None:
                taken += self._take(writing, self._in_turns(writing, asked, room, left, end), runner, lease)
            else:
                taken += self._take(writing, [row.task_id for row in rows], runner, lease, rows)
            # What is in line from a later instant on was looked at, unless the claim was full before.
            last = end if len(taken) == limit else micros(writing.now)
            more = in_turns and self.lanes.in_line(writing.conn, _open(asked, room), last)
        if more or (asked and not left):
            again: datetime | None = self._again(writing.now, taken)
        else:
            again = self._next_due(writing, runner, asked, looked)
        # Where others hold the lanes that are left, the next claim takes what there is without asking lanes.
        return Claims(tuple(taken), writing.now, again), more and bool(taken)

    def _room(self, conn: Connection, kinds: Sequence[str]) -> dict[str, int]:
        """Return how many tasks of each capped kind may still start. Held until the end: nobody else starts any."""
        caps = {row.kind: row.max_running for row in conn.execute(self._kinds, {"kinds": list(kinds)})} if kinds else {}
        if not caps:
            return {}
        running = _counts(conn, self._running_kinds, {"kinds": sorted(caps)})
        return {name: max(cap - running.get(name, 0), 0) for name, cap in caps.items()}

    def _take_over(
        self, writing: Writing, runner: RunnerId, kinds: Sequence[str], limit: int, lease: timedelta
    ) -> list[Claim]:
        """Claim what has expired. Of tenants that are paused it is left."""
        now, until = micros(writing.now), later(writing.now, lease)
        if not kinds:
            return []
        found = writing.conn.execute(self._expired, {"now": now, "kinds": list(kinds), "most": limit}).all()
        if not found:
            return []
        rows = writing.rows(found)
        active = self._active(writing.conn, [due.lane_id for due in found], now)
        taken = []
        for due in found:
            row = rows.get(due.task_id)
            if row is not None:
                interval = writing.known.entry(due.task_id).interval(due.memory, active.get(due.lane_id))
                taken.append(take(row, runner, interval, writing.now, until))
        self._mark(writing, [due.task_id for due in found if due.task_id in rows], runner, until)
        return taken

    # --- what is due --------------------------------------------------------------------------------------------

    def _columns(self) -> list[Any]:
        """Return what of a row a claim is made of."""
        return [self.tables.due.c[name] for name in _COLUMNS]

    def _all(self, writing: Writing, kinds: Sequence[str], limit: int) -> list[Any] | None:
        """Return all that is due, if it fits and nobody's cap or pause is among it: then there is nothing to share."""
        due, now = self.tables.due, micros(writing.now)
        found = first_of_kinds(
            *(writing.conn, due, kinds, (due.c.ready_at, due.c.task_id), due.c.ready_at <= now, limit + 1),
            columns=self._columns(),
        )
        if len(found) > limit:
            return None
        tenants = sorted({row.tenant for row in found})
        settings = writing.conn.execute(self._settings, {"tenants": tenants}).all() if tenants else []
        if any(row.paused or row.max_running is not None for row in settings):
            return None
        return found

    def _in_turns(
        self, writing: Writing, kinds: Sequence[str], room: dict[str, int], limit: int, end: int
    ) -> list[int]:
        """
        Return what the tenants in line get. Behind those who have to wait stand others, so the look grows longer.

        Args:
            end: From when on the last lane stands in line that is looked at.
        """
        chosen: list[int] = []
        asked: set[str] = set()
        size = limit
        for _ in range(_LOOKS):
            held = self.lanes.hold(writing.conn, _open(kinds, room), size, end, asked)
            chosen += self._shared(writing, held, room, limit - len(chosen), end)
            asked |= {lane.tenant for lane in held}
            if not held or len(chosen) == limit:
                break
            size *= 4
        return chosen

    def _shared(self, writing: Writing, held: Sequence[Any], room: dict[str, int], limit: int, end: int) -> list[int]:
        """Return what of lanes that are held is started, and say where they stand from now on."""
        conn, now = writing.conn, micros(writing.now)
        asked = self._line(conn, list(dict.fromkeys(lane.tenant for lane in held)))
        eligible = [lane.id for lane in held if lane.tenant in asked and asked[lane.tenant].room > 0]
        # Those who have more than their turns are looked up further only if others leave them room.
        for most in (turns.most_of_each(limit, [share.weight for share in asked.values()]), limit):
            line = {name: attrs.evolve(share, candidates=[]) for name, share in asked.items()}
            found: dict[int, int] = dict.fromkeys(eligible, 0)
            for number, tenant, kind, lane, place, ready_at in self.lanes.due(conn, eligible, most, now):
                found[lane] += 1
                line[tenant].candidates.append(Candidate(urgency(ready_at, place), number, kind, lane))
            left_of_kinds = dict(room)
            chosen = turns.share_out(line.values(), limit, left_of_kinds)
            more = {lane: count >= most for lane, count in found.items()}
            if len(chosen) == limit or not any(more.values()):
                break
        room.update(left_of_kinds)
        before = {share.tenant: share.credit for share in asked.values()}
        self._stand(writing, held, line, more, end)
        self._keep_credit(conn, line, before)
        return [candidate.number for candidate in chosen]

    def _line(self, conn: Connection, tenants: list[str]) -> dict[str, Share]:
        """Return *tenants*, in order, but for those whose running tasks another claim is counting."""
        if not tenants:
            return {}
        settings = {row.tenant: row for row in conn.execute(self._settings, {"tenants": tenants})}
        capped = sorted(name for name, row in settings.items() if row.max_running is not None)
        running: dict[str, int] = {}
        busy: set[str] = set()
        if capped:
            # Held, and counted in a new statement, hence as of now: nobody else starts any of theirs meanwhile.
            mine = {row.tenant: row for row in conn.execute(self._hold, {"tenants": capped})}
            settings |= mine
            busy = set(capped) - mine.keys()
            running = _counts(conn, self._running_tenants, {"tenants": capped})
        line = {}
        for name in tenants:
            row = settings.get(name)
            if row is None:
                line[name] = Share(name, 1, _NO_CAP, 0, [])
            elif name not in busy:
                cap = _NO_CAP if row.max_running is None else row.max_running
                room = 0 if row.paused else max(cap - running.get(name, 0), 0)
                line[name] = Share(name, row.weight, room, row.credit, [])
        return line

    def _stand(
        self, writing: Writing, held: Sequence[Any], line: dict[str, Share], more: dict[int, bool], end: int
    ) -> None:
        """Say where lanes that are held stand in line from now on."""
        lanes = self.lanes
        tails = {share.tenant: next(self.turn) for share in sorted(line.values(), key=_tail) if share.tail is not None}
        served: dict[int, tuple[int, int]] = {}
        emptied: dict[int, int] = {}
        for lane in held:
            share = line.get(lane.tenant)
            if share is None:
                continue
            waiting = (*share.candidates, *share.passed)
            left = more.get(lane.id, True) or any(candidate.lane == lane.id for candidate in waiting)
            if not left:
                taken = any(candidate.lane == lane.id for candidate in share.chosen)
                emptied[lane.id] = 0 if taken else lanes.looks(lane)
            elif share.room <= 0:
                served[lane.id] = (end + _PARKED, 0)
            elif share.tail is not None:
                served[lane.id] = (end, tails[lane.tenant])
        writing.lanes_served |= served
        writing.lanes_emptied |= emptied

    def _keep_credit(self, conn: Connection, line: dict[str, Share], before: dict[str, int]) -> None:
        """Remember what is left of turns; with a weight of 1 nothing ever is."""
        left_over = [
            {"of": share.tenant, "new_credit": share.credit}
            for share in sorted(line.values(), key=lambda it: it.tenant)
            if share.credit != before[share.tenant] and share.weight > 1
        ]
        if left_over:
            conn.execute(self._credit, left_over)

    def _take(
        self,
        writing: Writing,
        numbers: Sequence[int],
        runner: RunnerId,
        lease: timedelta,
        seen: Sequence[Any] = (),
    ) -> list[Claim]:
        """
        Claim tasks that were seen to be due, unless they are gone meanwhile; in the order of their urgency.

        The lease begins once they are locked: whatever was recorded of them before lies before it.

        Args:
            seen: Their rows, if they were read; they count where nobody else writes at the same time.
        """
        conn, now = writing.conn, micros(writing.now)
        order = {number: place for place, number in enumerate(numbers)}
        if numbers and not (seen and self.dialect.serial):
            seen = conn.execute(self._lock, {"ids": list(numbers), "now": now}).all()
            writing.catch_up()
        found, until = list(seen), later(writing.now, lease)
        known = writing.known.of(conn, {due.task_id: due.version for due in found})
        found = [due for due in found if due.task_id in known]
        self._mark(writing, [due.task_id for due in found], runner, until)
        self.lanes.raise_(conn, writing.lanes_served, writing.lanes_emptied, now)
        active = self._active(conn, [due.lane_id for due in found], now)
        if writing.lanes_served or writing.lanes_emptied:
            found.sort(key=lambda due: order[due.task_id])
        else:
            found.sort(key=lambda due: (urgency(due.ready_at, due.place), due.task_id))
        return [
            claim_of(due, known[due.task_id], active.get(due.lane_id), due.token + 1, writing.now, until, runner)
            for due in found
        ]

    def _mark(self, writing: Writing, numbers: Sequence[int], runner: RunnerId, until: datetime) -> None:
        if numbers:
            parameters = {"ids": sorted(numbers), "now": micros(writing.now), "until": micros(until), "claimer": runner}
            writing.conn.execute(self._claim, parameters)
            writing.decided = writing.now

    def _active(self, conn: Connection, lanes: Sequence[int], now: int) -> dict[int, Activity | None]:
        """Return the activity that is believed of *lanes*."""
        if not lanes:
            return {}
        rows = conn.execute(self._activity, {"ids": sorted(set(lanes)), "now": now})
        return {row.id: activity_of(row.activity_weight, row.activity_until) for row in rows}

    def _again(self, now: datetime, taken: Sequence[Claim]) -> datetime:
        """Return when to come back for more: at once if there is, a little later if others hold what is left."""
        return now if taken else at_micros(micros(now) + _BUSY)

    def _next_due(self, writing: Writing, runner: RunnerId, kinds: Sequence[str], looked: int) -> datetime | None:
        """
        Return when another claim may find more than was due when we *looked*.

        What waits for a cap does not count, as the end of that is a hint; nor do leases of *runner* itself, which it
        renews.
        """
        conn, now, due = writing.conn, micros(writing.now), self.tables.due
        if not kinds:
            return None
        first = first_of_kinds(conn, due, kinds, (due.c.ready_at,), due.c.ready_at > looked, 1)
        others = conn.execute(self._others, {"now": now, "claimer": runner, "kinds": list(kinds)}).scalars().all()
        earliest = min([row.ready_at for row in first] + list(others), default=None)
        return None if earliest is None else at_micros(earliest)


def _counts(conn: Connection, statement: Any, parameters: dict[str, Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in conn.execute(statement, parameters)}


def _tail(share: Share) -> int:
    return share.tail or 0


def _open(kinds: Sequence[str], room: dict[str, int]) -> list[str]:
    """Return the kinds that are not at their cap."""
    return [kind for kind in kinds if room.get(kind, 1) > 0]
