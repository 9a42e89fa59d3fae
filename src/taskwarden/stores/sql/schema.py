"""
The tables, once for every database.

==========  ========================================================================  ============================
table       one row for each                                                          written
==========  ========================================================================  ============================
task        task: its definition                                                      seldom
due         task: where it stands; narrow, and the only one that claims look through  twice a run
edge        dependency of a task on another                                           seldom
lane        tenant and kind with tasks: whose turn it is under backlog                seldom, or once a turn
tenant      tenant with settings of its own                                           seldom
kind        kind with settings of its own                                             seldom
run         run: the history                                                          once a run, never changed
rollup      hour, tenant, kind, ending and code: the statistics                       once a batch
change      change: the feed                                                          once a run
incident    incident                                                                  when something is wrong
runner      runner that was seen                                                      twice a minute
life        the store itself: one row                                                 seldom
==========  ========================================================================  ============================

Instants are whole microseconds since 1970 in integers: exact, the same in every database, and deaf to the time zones of
servers, sessions and drivers. Texts that people wrote lie in text columns, JSON too: nothing in the database needs to
look into it. Every table but ``kind``, ``runner`` and ``life`` has the tenant, and every index that serves a tenant's
reads begins with it. There are no foreign keys: they cost a sixth of the throughput, and every writer is in this
package.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql, postgresql

__all__ = ["PREFIX", "Tables", "tables"]

PREFIX: Final = "tw_"
"""What the names of all tables begin with, if not told otherwise."""

_NAME: Final = 200
"""Most characters of a tenant, kind or key: ``ids.LONGEST``."""


def _name(length: int = _NAME) -> String:
    # Names are compared byte by byte everywhere: MariaDB and MySQL would take 'a' and 'A' for equal, and PostgreSQL's
    # order would depend on how the database was made.
    mine = String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), "mysql")
    return mine.with_variant(postgresql.VARCHAR(length, collation="C"), "postgresql")


def _text() -> Text:
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql")


def _number() -> Any:
    # SQLite counts rows by itself only where the column is declared INTEGER.
    return BigInteger().with_variant(Integer(), "sqlite")


def _instant(name: str, *, nullable: bool = True) -> Column[int]:
    return Column(name, BigInteger(), nullable=nullable)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean(create_constraint=False), nullable=False, default=False)


@attrs.frozen
class Tables:
    """All tables of one store."""

    metadata: MetaData
    prefix: str
    task: Table
    due: Table
    edge: Table
    lane: Table
    tenant: Table
    kind: Table
    run: Table
    rollup: Table
    change: Table
    incident: Table
    runner: Table
    life: Table


_OPTIONS: Final[dict[str, Any]] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_OFTEN_WRITTEN: Final[dict[str, Any]] = {
    "postgresql_with": {
        "fillfactor": 70,
        "autovacuum_vacuum_scale_factor": 0.02,
        "autovacuum_vacuum_cost_delay": 0,
    }
}


def tables(prefix: str = PREFIX, schema: str | None = None) -> Tables:
    """Return the tables whose names begin with *prefix*, in *schema* (None: the connection's own)."""
    metadata = MetaData(schema=schema)

    def table(name: str, *columns: Any, **options: Any) -> Table:
        return Table(f"{prefix}{name}", metadata, *columns, **_OPTIONS, **options)

    return Tables(
        metadata,
        prefix,
        task=_task(table, prefix),
        due=_due(table, prefix),
        edge=table(
            "edge",
            Column("task_id", BigInteger(), primary_key=True, autoincrement=False),
            Column("upstream_id", BigInteger(), primary_key=True, autoincrement=False),
            Column("tenant", _name(), nullable=False),
            Column("place", Integer(), nullable=False),
            Index(f"{prefix}edge_upstream", "upstream_id"),
        ),
        lane=_lane(table, prefix),
        tenant=table(
            "tenant",
            Column("tenant", _name(), primary_key=True),
            _flag("paused"),
            Column("weight", Integer(), nullable=False, default=1),
            Column("max_running", Integer()),
            Column("credit", Integer(), nullable=False, default=0),
            Column("activity_weight", Integer()),
            _instant("activity_until"),
        ),
        kind=table("kind", Column("kind", _name(), primary_key=True), Column("max_running", Integer())),
        run=_run(table, prefix),
        rollup=table(
            "rollup",
            Column("tenant", _name(), primary_key=True),
            Column("kind", _name(), primary_key=True),
            Column("hour", BigInteger(), primary_key=True, autoincrement=False),
            Column("ending", _name(20), primary_key=True),
            Column("code", _name(100), primary_key=True),
            Column("runs", BigInteger(), nullable=False),
            **_OFTEN_WRITTEN,
        ),
        change=_change(table, prefix),
        incident=_incident(table, prefix),
        runner=table(
            "runner",
            Column("runner", _name(), primary_key=True),
            Column("host", _name(255), nullable=False),
            Column("pid", BigInteger(), nullable=False),
            Column("kinds", _text(), nullable=False),
            _instant("started_at", nullable=False),
            _instant("seen_at", nullable=False),
        ),
        life=table(
            "life",
            Column("id", SmallInteger(), primary_key=True, autoincrement=False),
            Column("application", _name(), nullable=False, default=""),
            _instant("high_water", nullable=False),
            Column("feed_floor", BigInteger(), nullable=False, default=0),
        ),
    )


def _task(table: Any, prefix: str) -> Table:
    made: Table = table(
        "task",
        Column("id", _number(), primary_key=True),
        Column("tenant", _name(), nullable=False),
        Column("kind", _name(), nullable=False),
        Column("key", _name(), nullable=False),
        Column("payload", _text(), nullable=False),
        Column("payload_version", Integer(), nullable=False),
        Column("priority", SmallInteger(), nullable=False),
        Column("schedule", _text()),
        Column("digest", _text(), nullable=False),
        Column("version", Integer(), nullable=False),
        _instant("created_at", nullable=False),
        UniqueConstraint("tenant", "kind", "key", name=f"{prefix}task_key"),
        Index(f"{prefix}task_page", "tenant", "id"),
        sqlite_autoincrement=True,  # or ids of deleted tasks would be given again
    )
    return made


def _due(table: Any, prefix: str) -> Table:
    """
    Return where tasks stand.

    ``ready_at`` says from when on the task can be claimed, NULL that it cannot: it runs, or is paused, blocked or done.
    ``place`` is the priority that it is claimed with. Both follow from the rest; every writer sets them anew. What runs
    has a ``lease_until`` instead, so that each row is in one of the indexes of claims and looked at only in its time.
    """
    due: Table = table(
        "due",
        Column("task_id", BigInteger(), primary_key=True, autoincrement=False),
        Column("tenant", _name(), nullable=False),
        Column("kind", _name(), nullable=False),
        Column("lane_id", BigInteger(), nullable=False),
        Column("version", Integer(), nullable=False),
        Column("priority", SmallInteger(), nullable=False),
        Column("place", SmallInteger(), nullable=False),
        _instant("ready_at"),
        _instant("lease_until"),
        Column("token", BigInteger(), nullable=False),
        Column("epoch", BigInteger(), nullable=False),
        Column("state", _name(12), nullable=False),
        Column("rest", _name(12), nullable=False),
        _flag("paused"),
        _flag("urgent"),
        _flag("moved"),
        _flag("done_by_success"),
        _flag("has_dependants"),
        Column("attempt", Integer(), nullable=False),
        _instant("slot_at"),
        _instant("next_run_at"),
        _instant("decided_at", nullable=False),
        _instant("manual_at"),
        _instant("asked_at"),
        _instant("manual_slot"),
        _instant("deferred_until"),
        Column("deferred_why", _text(), nullable=False),
        Column("runner", _name()),
        _instant("held_at"),
        _instant("claimed_at"),
        Column("last_token", BigInteger(), nullable=False),
        _instant("succeeded_from"),
        _instant("succeeded_at"),
        Column("phase", _name(20), nullable=False),
        Column("health", _text(), nullable=False),
        Column("memory", _text(), nullable=False),
        Column("plan_reason", _text(), nullable=False),
        **_OFTEN_WRITTEN,
    )
    ready, leased = due.c.ready_at.is_not(None), due.c.lease_until.is_not(None)
    Index(f"{prefix}due_ready", due.c.kind, due.c.ready_at, postgresql_where=ready, sqlite_where=ready)
    Index(
        f"{prefix}due_lane",
        *(due.c.lane_id, due.c.place, due.c.ready_at, due.c.task_id),
        postgresql_where=ready,
        sqlite_where=ready,
    )
    Index(f"{prefix}due_lease", due.c.lease_until, postgresql_where=leased, sqlite_where=leased)
    return due


def _lane(table: Any, prefix: str) -> Table:
    """
    Return whose turn it is.

    ``turn_at`` is from when on the lane stands in line, and its place there: the earliest ``ready_at`` of its tasks or
    earlier, or when it was last served and something is left. NULL: it has nothing. Among equals the least ``turn``
    goes first. A lane that is looked at in vain costs a visit; one that is not looked at in time would be a loss: only
    a claim that holds the lane raises ``turn_at``.
    """
    made: Table = table(
        "lane",
        Column("id", _number(), primary_key=True),
        Column("tenant", _name(), nullable=False),
        Column("kind", _name(), nullable=False),
        _instant("turn_at"),
        Column("turn", BigInteger(), nullable=False, default=0),
        Column("activity_weight", Integer()),
        _instant("activity_until"),
        UniqueConstraint("tenant", "kind", name=f"{prefix}lane_key"),
        Index(f"{prefix}lane_turn", "kind", "turn_at", "turn"),
        postgresql_with={
            "fillfactor": 50,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_vacuum_cost_delay": 0,
        },
    )
    return made


def _run(table: Any, prefix: str) -> Table:
    """Return the history. A task's tokens are never given twice, so (task, token) is more than (task, slot, token)."""
    made: Table = table(
        "run",
        Column("id", _number(), primary_key=True),
        Column("task_id", BigInteger(), nullable=False),
        Column("token", BigInteger(), nullable=False),
        Column("tenant", _name(), nullable=False),
        Column("kind", _name(), nullable=False),
        Column("key", _name(), nullable=False),
        Column("attempt", Integer(), nullable=False),
        Column("trigger", _name(12), nullable=False),
        _instant("slot_at", nullable=False),
        _instant("due_at", nullable=False),
        _instant("claimed_at", nullable=False),
        _instant("started_at", nullable=False),
        _instant("finished_at", nullable=False),
        Column("ending", _name(12), nullable=False),
        _flag("settled"),
        Column("coalesced", BigInteger(), nullable=False),
        Column("code", _name(100), nullable=False),
        Column("message", _text(), nullable=False),
        Column("result", _text()),
        Column("phase", _name(20), nullable=False),
        _instant("next_run_at"),
        Column("why", _text(), nullable=False),
        Column("runner", _name(), nullable=False),
        _flag("counted"),
        Index(f"{prefix}run_token", "task_id", "token", unique=True),
        Index(f"{prefix}run_page", "tenant", "id"),
        sqlite_autoincrement=True,
    )
    return made


def _change(table: Any, prefix: str) -> Table:
    """
    Return the feed.

    ``seq`` is given when the row is written and seen when its transaction ends, so that readers may meet a gap that is
    filled later: see ``feed``. A finished run is told by its place in the history; ``subject`` is an incident or a
    notice as it stood.
    """
    made: Table = table(
        "change",
        Column("seq", _number(), primary_key=True),
        _instant("at", nullable=False),
        Column("name", _name(40), nullable=False),
        Column("tenant", _name(), nullable=False),
        Column("task_id", BigInteger()),
        Column("kind", _name()),
        Column("token", BigInteger()),
        Column("subject", _text()),
        Column("actor", _text(), nullable=False),
        Column("detail", _text(), nullable=False),
        Index(f"{prefix}change_page", "tenant", "seq"),
        sqlite_autoincrement=True,
    )
    return made


def _incident(table: Any, prefix: str) -> Table:
    """
    Return the incidents.

    ``open_key`` is the key while the incident is open and NULL afterwards: unique, it makes two reports at the same
    time sightings of one incident.
    """
    made: Table = table(
        "incident",
        Column("id", _number(), primary_key=True),
        Column("tenant", _name(), nullable=False),
        Column("key", _text(), nullable=False),
        Column("open_key", _name(64)),
        Column("code", _text(), nullable=False),
        Column("title", _text(), nullable=False),
        Column("level", _name(12), nullable=False),
        _instant("opened_at", nullable=False),
        _instant("last_seen_at", nullable=False),
        Column("sightings", BigInteger(), nullable=False),
        Column("task_ids", _text(), nullable=False),
        _instant("resolved_at"),
        UniqueConstraint("tenant", "open_key", name=f"{prefix}incident_open"),
        Index(f"{prefix}incident_page", "tenant", "id"),
        sqlite_autoincrement=True,
    )
    return made
