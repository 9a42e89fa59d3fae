"""
The ordinary completion, which nearly all are.

It is of a run of the schedule that nobody has steered, paused or asked for anew meanwhile, of a task that holds up no
other. Then the row need not be read before it is written: a guard says whether it still is what the claim has seen.
What the guard refuses, for whatever reason, takes the long way through ``completions``, which decides what it is.

On PostgreSQL all of a batch is one statement. Elsewhere the guarded updates come first, and if one of them met nothing
the batch begins anew, the long way.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    String,
    and_,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from taskwarden.core.change import ChangeName
from taskwarden.core.decision import Trigger
from taskwarden.core.health import encode
from taskwarden.core.lifecycle import Signal, State, apply
from taskwarden.core.outcome import Succeeded
from taskwarden.stores.sql.line import lowered, too_late
from taskwarden.stores.sql.records import run_values
from taskwarden.stores.sql.rows import cleaned, whole
from taskwarden.stores.sql.statements import arrays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from taskwarden.core.claim import Completion
    from taskwarden.stores.sql.dialect import Dialect
    from taskwarden.stores.sql.known import Known
    from taskwarden.stores.sql.schema import Tables

__all__ = ["InOneStatement", "OneByOne", "is_ordinary", "ordinary_values"]

_SCHEDULED: Final = apply(State.RUNNING, Signal.RESCHEDULE).value
_DONE: Final = apply(State.RUNNING, Signal.FINISH).value
_LONGEST_MEMORY: Final = 256
_HOUR: Final = 3_600_000_000
_OF_RUNS: Final = (
    *("task_id", "token", "tenant", "kind", "key", "attempt", "trigger", "slot_at", "due_at", "claimed_at"),
    *("started_at", "finished_at", "ending", "settled", "coalesced", "code", "message", "result", "phase"),
    *("next_run_at", "why", "runner", "counted"),
)


def is_ordinary(done: Completion) -> bool:
    """Tell whether *done* by itself might be ordinary."""
    claim = done.claim
    return (
        not done.effects
        and claim.trigger is not Trigger.MANUAL
        and claim.lost_by is None
        and not (done.settles and claim.task.depends_on)
        and len(done.memory) <= _LONGEST_MEMORY  # more is refused, by the long way
    )


def ordinary_values(done: Completion, number: int, known: Known) -> dict[str, Any]:
    """Return what an ordinary completion writes into ``due`` and ``run``, and its guard."""
    claim, health = done.claim, done.health
    text = encode(health)
    known.keep(text, health)
    succeeded = type(done.outcome) is Succeeded
    values = run_values(done, number, known.holder, None)
    values["of_epoch"] = claim.health.epoch
    values["of_version"] = claim.task.version
    values["succeeded"] = succeeded
    values["new_state"] = _DONE if done.slot_at is None else _SCHEDULED
    values["new_slot_at"] = whole(done.slot_at)
    values["new_attempt"] = done.attempt
    values["new_reason"] = cleaned(done.reason)
    values["urgent"] = done.urgent
    values["new_place"] = 0 if done.urgent else int(claim.task.priority)
    values["memory"] = cleaned(done.memory)
    values["health"] = text
    values["new_epoch"] = health.epoch
    values["lane_id"] = known.lane
    return values


def _guard(due: Any, new: Any) -> Any:
    """Return the condition that the row is as the claim has left it, and nothing else hangs on it."""
    return and_(
        due.task_id == new("task_id"),
        due.token == new("token"),
        due.runner == new("runner"),
        due.epoch == new("of_epoch"),
        due.version == new("of_version"),
        due.manual_at.is_(None),
        ~due.moved,
        ~due.paused,
        or_(~due.has_dependants, ~new("succeeded")),
    )


def _changes(due: Any, new: Any, now: Any) -> dict[str, Any]:
    """Return what the completion sets: ``moves.settle`` for this case."""
    return {
        "runner": null(),
        "lease_until": null(),
        "claimed_at": null(),
        "state": new("new_state"),
        "slot_at": new("new_slot_at"),
        "next_run_at": new("next_run_at"),
        "ready_at": new("next_run_at"),
        "place": new("new_place"),
        "attempt": new("new_attempt"),
        "plan_reason": new("new_reason"),
        "urgent": new("urgent"),
        "memory": new("memory"),
        "health": new("health"),
        "epoch": new("new_epoch"),
        "phase": new("phase"),
        "decided_at": case((new("finished_at") > now, new("finished_at")), else_=now),
        "last_token": new("token"),
        "done_by_success": new("succeeded"),
        "succeeded_from": case((new("succeeded"), new("started_at")), else_=due.succeeded_from),
        "succeeded_at": case((new("succeeded"), new("finished_at")), else_=due.succeeded_at),
    }


@attrs.define(eq=False)
class OneByOne:
    """The guarded update of one row, for databases that are in this process or take many in one call."""

    tables: Tables
    dialect: Dialect
    sql_dialect: Any
    _texts: dict[str, tuple[str, Any]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        due, run, change = self.tables.due, self.tables.run, self.tables.change
        types: dict[str, Any] = {name: run.c[name].type for name in _OF_RUNS}
        types |= {"succeeded": Boolean(), "urgent": Boolean()}

        def new(name: str) -> Any:
            return bindparam(f"b_{name}", type_=types.get(name, due.c[name].type if name in due.c else BigInteger()))

        guarded = (
            update(due).where(_guard(due.c, new)).values(_changes(due.c, new, bindparam("b_now", type_=BigInteger())))
        )
        self._keep("due", guarded)
        self._keep("run", insert(run).values({name: new(name) for name in _OF_RUNS}))
        told = {
            "at": bindparam("b_now"),
            "name": literal(ChangeName.RUN_FINISHED.value),
            "tenant": new("tenant"),
            "task_id": new("task_id"),
            "kind": new("kind"),
            "token": new("token"),
            "actor": literal(""),
            "detail": literal(""),
        }
        self._keep("change", insert(change).values(told))

    def _keep(self, name: str, statement: Any) -> None:
        compiled = statement.compile(dialect=self.sql_dialect, compile_kwargs={"literal_binds": False})
        order = compiled.positiontup
        constants = {key: value for key, value in compiled.params.items() if not key.startswith("b_")}
        self._texts[name] = (str(compiled), (order, constants))

    def complete(self, conn: Connection, rows: Sequence[dict[str, Any]], now: int) -> bool:
        """Write *rows*; False: one of them is not ordinary, and the transaction must begin anew."""
        for row in rows:
            row["now"] = now
        for name in ("due", "run", "change"):
            text, (order, constants) = self._texts[name]
            get = itemgetter(*(key.removeprefix("b_") for key in order))
            done = conn.exec_driver_sql(text, [get({**constants, **row}) if constants else get(row) for row in rows])
            if name == "due" and done.rowcount != len(rows):
                return False
        return True


@attrs.define(eq=False)
class InOneStatement:
    """All ordinary completions of a batch in one statement of PostgreSQL: rows, runs, statistics, lanes and feed."""

    tables: Tables
    now: Any
    _statement: Any = attrs.field(init=False)
    _names: list[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        t, now = self.tables, self.now
        due = t.due
        new = arrays(*self._columns(), name="new")
        self._names = [each.name for each in self._columns()]
        capped = or_(
            select(literal(1)).where(t.tenant.c.tenant == due.c.tenant, t.tenant.c.max_running.is_not(None)).exists(),
            select(literal(1)).where(t.kind.c.kind == due.c.kind, t.kind.c.max_running.is_not(None)).exists(),
        )
        updated = (
            update(due)
            .where(_guard(due.c, new.c.__getitem__), ~capped)
            .values(_changes(due.c, new.c.__getitem__, now))
            .returning(due.c.tenant, due.c.kind, due.c.lane_id, *(new.c[name] for name in self._of_new()))
            .cte("updated")
        )
        runs = (
            insert(t.run).from_select(_OF_RUNS, select(*(self._run_column(updated, it) for it in _OF_RUNS))).cte("runs")
        )
        told = {
            "at": now,
            "name": literal(ChangeName.RUN_FINISHED.value),
            "tenant": updated.c.tenant,
            "task_id": updated.c.task_id,
            "kind": updated.c.kind,
            "token": updated.c.token,
            "actor": literal(""),
            "detail": literal(""),
        }
        changes = insert(t.change).from_select(list(told), select(*told.values())).cte("changes")
        self._statement = select(updated.c.task_id).add_cte(
            runs, changes, self._rollups(updated), self._lanes(updated, now)
        )

    def complete(self, conn: Connection, rows: Sequence[dict[str, Any]], now: dict[str, Any]) -> set[int]:
        """Write *rows*, and return the keys of the tasks that were ordinary; of the others nothing was written."""
        parameters: dict[str, Any] = {f"{name}s": [row[name] for row in rows] for name in self._names}
        return set(conn.execute(self._statement, {**parameters, **now}).scalars())

    def _columns(self) -> list[Any]:
        run = self.tables.run
        of_guard = [column("of_epoch", BigInteger), column("of_version", Integer), column("succeeded", Boolean)]
        of_row = [
            column("new_state", String),
            column("new_slot_at", BigInteger),
            column("new_attempt", Integer),
            column("new_reason", String),
            column("urgent", Boolean),
            column("new_place", Integer),
            column("memory", String),
            column("health", String),
            column("new_epoch", BigInteger),
        ]
        of_run = [run.c[name] for name in _OF_RUNS if name not in {"tenant", "kind", "counted"}]
        return [*of_run, *of_guard, *of_row]

    def _of_new(self) -> list[str]:
        return [name for name in _OF_RUNS if name not in {"tenant", "kind", "counted"}]

    def _run_column(self, updated: Any, name: str) -> Any:
        return literal(value=True).label("counted") if name == "counted" else updated.c[name]

    def _rollups(self, updated: Any) -> Any:
        rollup = self.tables.rollup
        hour = updated.c.finished_at // _HOUR * _HOUR
        keys = (updated.c.tenant, updated.c.kind, hour.label("hour"), updated.c.ending, updated.c.code)
        counted = select(*keys, func.count().label("runs")).group_by(*keys).order_by(*keys)
        inserting = postgresql_insert(rollup).from_select([each.name for each in rollup.c], counted)
        return inserting.on_conflict_do_update(
            index_elements=[each.name for each in rollup.primary_key],
            set_={"runs": rollup.c.runs + inserting.excluded.runs},
        ).cte("rollups")

    def _lanes(self, updated: Any, now: Any) -> Any:
        lane = self.tables.lane
        at = func.greatest(func.min(updated.c.next_run_at), now)
        lowest = (
            select(updated.c.lane_id, at.label("at"))
            .where(updated.c.next_run_at.is_not(None))
            .group_by(updated.c.lane_id)
            .subquery("lowest")
        )
        return (
            update(lane)
            .where(lane.c.id == lowest.c.lane_id, too_late(lane, lowest.c.at, serial=False))
            .values(lowered(lane, lowest.c.at))
            .cte("lowered")
        )
