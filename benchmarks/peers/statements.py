# ruff: noqa: S608 - what is put into these statements are constants of this module
"""
The statements of the limit: what PostgreSQL is asked for a batch of runs, in one place.

The tables are the store's own, and so is what a claim and a completion must write: the row of the task twice, the run,
its place in the feed, and the statistics. What is left out does not belong to every run: turns of tenants, caps,
dependencies, incidents. Written as ``:name`` with CAST, which SQLAlchemy's ``text()`` and pgbench take as they are;
``numbered`` makes them what asyncpg takes.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CLAIM",
    "CLAIM_FOR_PGBENCH",
    "COMPLETE",
    "FILL",
    "HEALTH",
    "KIND",
    "LAST_RUN",
    "PREFIX",
    "TENANT",
    "WARM",
    "numbered",
]

PREFIX: Final = "tw_"
KIND: Final = "bench.nothing"
TENANT: Final = "somebody"

_NOW: Final = "CAST(extract(epoch FROM statement_timestamp()) * 1000000 AS bigint)"

HEALTH: Final = (
    '{"v":1,"phase":"healthy","since":1795000000000000,"step":0,"last_token":1234,"failures":0,"successes":17,'
    '"ratio":"ffffffffffffffffffff","relapse":{"at":null,"count":0},"lost":0,"floor":null,"spent":{"minute":1,"day":96},'
    '"first_failure_at":null,"last_success_at":1795000000000000,"last_code":""}'
)
"""As long as health is, about 300 bytes: it is read by each claim and written by each completion."""

FILL: Final = f"""
INSERT INTO {PREFIX}due (task_id, tenant, kind, lane_id, version, priority, place, ready_at, token, epoch, state, rest,
  paused, urgent, moved, done_by_success, has_dependants, attempt, slot_at, next_run_at, decided_at, deferred_why,
  last_token, phase, health, memory, plan_reason)
SELECT number, '{TENANT}', '{KIND}', 1, 1, 2, 2, {_NOW}, 0, 0, 'scheduled', 'scheduled',
  false, false, false, false, false, 1, {_NOW}, {_NOW}, {_NOW}, '',
  0, 'healthy', CAST(:health AS text), '', 'every hour'
FROM generate_series(1, CAST(:tasks AS bigint)) AS number
"""
"""Store as many tasks, all of them due."""

WARM: Final = f"ANALYZE {PREFIX}due"

CLAIM: Final = f"""
UPDATE {PREFIX}due AS t SET ready_at = NULL, lease_until = {_NOW} + 60000000, token = t.token + 1, state = 'running',
  runner = CAST(:runner AS text), claimed_at = {_NOW}, held_at = {_NOW}
WHERE t.task_id = ANY(ARRAY(
  SELECT task_id FROM {PREFIX}due WHERE kind = CAST(:kind AS text) AND ready_at <= {_NOW}
  ORDER BY ready_at LIMIT CAST(:batch AS bigint) FOR UPDATE SKIP LOCKED))
RETURNING t.task_id, t.version, t.token, t.epoch, t.attempt, t.slot_at, t.next_run_at, t.decided_at, t.claimed_at,
  t.rest, t.phase, t.health, t.memory, t.last_token, t.priority
"""
"""Claim the *batch* tasks of *kind* that have been due for longest, for *runner*."""

_ARRAYS: Final = {
    "task_id": "bigint",
    "token": "bigint",
    "epoch": "bigint",
    "attempt": "int",
    "slot_at": "bigint",
    "due_at": "bigint",
    "claimed_at": "bigint",
    "started_at": "bigint",
    "finished_at": "bigint",
    "next_run_at": "bigint",
    "ending": "text",
    "code": "text",
    "message": "text",
    "result": "text",
    "phase": "text",
    "health": "text",
    "memory": "text",
    "why": "text",
}
"""What a completion is given for each run, and of which type: one array for each."""

COMPLETE: Final = f"""
WITH d AS (
  SELECT * FROM unnest({", ".join(f"CAST(:{name} AS {type_}[])" for name, type_ in _ARRAYS.items())})
    AS d({", ".join(_ARRAYS)})
), u AS (
  UPDATE {PREFIX}due AS t SET ready_at = d.next_run_at, lease_until = NULL, state = 'scheduled', runner = NULL,
    slot_at = d.next_run_at, next_run_at = d.next_run_at, attempt = 1, decided_at = d.finished_at,
    last_token = d.token, succeeded_from = d.started_at, succeeded_at = d.finished_at,
    phase = d.phase, health = d.health, memory = d.memory, plan_reason = d.why
  FROM d WHERE t.task_id = d.task_id AND t.token = d.token AND t.epoch = d.epoch
  RETURNING t.tenant, t.kind, d.*
), r AS (
  INSERT INTO {PREFIX}run (task_id, token, tenant, kind, key, attempt, trigger, slot_at, due_at, claimed_at, started_at,
    finished_at, ending, settled, coalesced, code, message, result, phase, next_run_at, why, runner, counted)
  SELECT task_id, token, tenant, kind, CAST(task_id AS text), attempt, 'schedule', slot_at, due_at, claimed_at,
    started_at, finished_at, ending, true, 0, code, message, result, phase, next_run_at, why, CAST(:runner AS text),
    true
  FROM u
), c AS (
  INSERT INTO {PREFIX}change (at, name, tenant, task_id, kind, token, actor, detail)
  SELECT finished_at, 'run.finished', tenant, task_id, kind, token, '', '' FROM u
), s AS (
  INSERT INTO {PREFIX}rollup AS s (tenant, kind, hour, ending, code, runs)
  SELECT tenant, kind, finished_at / 3600000000, ending, code, count(*) FROM u GROUP BY 1, 2, 3, 4, 5
  ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (tenant, kind, hour, ending, code) DO UPDATE SET runs = s.runs + excluded.runs
)
SELECT task_id FROM u
"""
"""Complete the runs in the arrays for *runner*, each where its token and epoch still stand; the rest is not written."""

CLAIM_FOR_PGBENCH: Final = f"""
WITH claimed AS ({CLAIM})
SELECT count(*) AS claimed, {
    ", ".join(
        f"array_agg({expression}) AS {name}"
        for name, expression in {
            **{name: name for name in ("task_id", "token", "epoch", "attempt", "slot_at", "claimed_at")},
            "due_at": "slot_at",
            **dict.fromkeys(("started_at", "finished_at", "next_run_at"), _NOW),
            "ending": "CAST('succeeded' AS text)",
            **dict.fromkeys(("code", "message", "result"), "CAST('' AS text)"),
            **{name: name for name in ("phase", "health", "memory")},
            "why": "CAST('every hour' AS text)",
        }.items()
    )
} FROM claimed
"""
"""The same claim, answered as the arrays that a completion takes: pgbench computes nothing by itself."""

LAST_RUN: Final = f"SELECT coalesce(max(id), 0) FROM {PREFIX}run"
"""How many runs there are, or were: batches are never broken off."""

AGREED: Final = f"""
SELECT (SELECT count(*) FROM {PREFIX}run) = (SELECT sum(runs) FROM {PREFIX}rollup)
  AND (SELECT count(*) FROM {PREFIX}run) = (SELECT count(*) FROM {PREFIX}change)
  AND (SELECT count(*) FROM {PREFIX}run) = (SELECT sum(token) FROM {PREFIX}due)
"""
"""Whether history, statistics, feed and tasks tell of equally many runs, while none is under way."""

_NAMED: Final = re.compile(r"(?<!:):([a-z_]+)")


def numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """Return *statement* with ``$1`` for the first name, as asyncpg takes it, and the names in their order."""
    names = tuple(dict.fromkeys(_NAMED.findall(statement)))
    return _NAMED.sub(lambda found: f"${names.index(found[1]) + 1}", statement), names
