"""
The first schema.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, SmallInteger, Table, UniqueConstraint, insert

from taskwarden.stores.sql.migrations.columns import (
    OFTEN_CHANGED,
    create_index,
    create_table,
    flag,
    instant,
    name,
    number,
    text,
)

if TYPE_CHECKING:
    from alembic.operations import Operations

revision: Final = "0001"
down_revision: Final = None


def upgrade(op: Operations, prefix: str, schema: str | None) -> None:
    """Create all tables, and the one row of ``life``."""
    _definitions(op, prefix, schema)
    _due(op, prefix, schema)
    _lanes(op, prefix, schema)
    _settings(op, prefix, schema)
    _runs(op, prefix, schema)
    _statistics(op, prefix, schema)
    _feed(op, prefix, schema)
    _incidents(op, prefix, schema)
    _others(op, prefix, schema)


def _definitions(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}task",
        Column("id", number(), primary_key=True),
        Column("tenant", name(), nullable=False),
        Column("kind", name(), nullable=False),
        Column("key", name(), nullable=False),
        Column("payload", text(), nullable=False),
        Column("payload_version", Integer(), nullable=False),
        Column("priority", SmallInteger(), nullable=False),
        Column("schedule", text()),
        Column("digest", text(), nullable=False),
        Column("version", Integer(), nullable=False),
        instant("created_at", nullable=False),
        UniqueConstraint("tenant", "kind", "key", name=f"{prefix}task_key"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    create_index(op, f"{prefix}task_page", f"{prefix}task", ["tenant", "id"], schema)
    create_table(
        op,
        f"{prefix}edge",
        Column("task_id", BigInteger(), primary_key=True, autoincrement=False),
        Column("upstream_id", BigInteger(), primary_key=True, autoincrement=False),
        Column("tenant", name(), nullable=False),
        Column("place", Integer(), nullable=False),
        schema=schema,
    )
    create_index(op, f"{prefix}edge_upstream", f"{prefix}edge", ["upstream_id"], schema)


def _due(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}due",
        Column("task_id", BigInteger(), primary_key=True, autoincrement=False),
        Column("tenant", name(), nullable=False),
        Column("kind", name(), nullable=False),
        Column("lane_id", BigInteger(), nullable=False),
        Column("version", Integer(), nullable=False),
        Column("priority", SmallInteger(), nullable=False),
        Column("place", SmallInteger(), nullable=False),
        instant("ready_at"),
        instant("lease_until"),
        Column("token", BigInteger(), nullable=False),
        Column("epoch", BigInteger(), nullable=False),
        Column("state", name(12), nullable=False),
        Column("rest", name(12), nullable=False),
        flag("paused"),
        flag("urgent"),
        flag("moved"),
        flag("done_by_success"),
        flag("has_dependants"),
        Column("attempt", Integer(), nullable=False),
        instant("slot_at"),
        instant("next_run_at"),
        instant("decided_at", nullable=False),
        instant("manual_at"),
        instant("asked_at"),
        instant("manual_slot"),
        instant("deferred_until"),
        Column("deferred_why", text(), nullable=False),
        Column("runner", name()),
        instant("held_at"),
        instant("claimed_at"),
        Column("last_token", BigInteger(), nullable=False),
        instant("succeeded_from"),
        instant("succeeded_at"),
        Column("phase", name(20), nullable=False),
        Column("health", text(), nullable=False),
        Column("memory", text(), nullable=False),
        Column("plan_reason", text(), nullable=False),
        schema=schema,
        postgresql_with=OFTEN_CHANGED,
    )
    ready, leased = "ready_at IS NOT NULL", "lease_until IS NOT NULL"
    create_index(op, f"{prefix}due_ready", f"{prefix}due", ["kind", "ready_at"], schema, where=ready)
    in_lane = ["lane_id", "place", "ready_at", "task_id"]
    create_index(op, f"{prefix}due_lane", f"{prefix}due", in_lane, schema, where=ready)
    create_index(op, f"{prefix}due_lease", f"{prefix}due", ["lease_until"], schema, where=leased)


def _lanes(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}lane",
        Column("id", number(), primary_key=True),
        Column("tenant", name(), nullable=False),
        Column("kind", name(), nullable=False),
        instant("turn_at"),
        Column("turn", BigInteger(), nullable=False),
        Column("activity_weight", Integer()),
        instant("activity_until"),
        UniqueConstraint("tenant", "kind", name=f"{prefix}lane_key"),
        schema=schema,
        postgresql_with={**OFTEN_CHANGED, "fillfactor": 50},
    )
    create_index(op, f"{prefix}lane_turn", f"{prefix}lane", ["kind", "turn_at", "turn"], schema)


def _settings(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}tenant",
        Column("tenant", name(), primary_key=True),
        flag("paused"),
        Column("weight", Integer(), nullable=False),
        Column("max_running", Integer()),
        Column("credit", Integer(), nullable=False),
        Column("activity_weight", Integer()),
        instant("activity_until"),
        schema=schema,
    )
    create_table(
        op,
        f"{prefix}kind",
        Column("kind", name(), primary_key=True),
        Column("max_running", Integer()),
        schema=schema,
    )


def _runs(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}run",
        Column("id", number(), primary_key=True),
        Column("task_id", BigInteger(), nullable=False),
        Column("token", BigInteger(), nullable=False),
        Column("tenant", name(), nullable=False),
        Column("kind", name(), nullable=False),
        Column("key", name(), nullable=False),
        Column("attempt", Integer(), nullable=False),
        Column("trigger", name(12), nullable=False),
        instant("slot_at", nullable=False),
        instant("due_at", nullable=False),
        instant("claimed_at", nullable=False),
        instant("started_at", nullable=False),
        instant("finished_at", nullable=False),
        Column("ending", name(12), nullable=False),
        flag("settled"),
        Column("coalesced", BigInteger(), nullable=False),
        Column("code", name(100), nullable=False),
        Column("message", text(), nullable=False),
        Column("result", text()),
        Column("phase", name(20), nullable=False),
        instant("next_run_at"),
        Column("why", text(), nullable=False),
        Column("runner", name(), nullable=False),
        flag("counted"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    create_index(op, f"{prefix}run_token", f"{prefix}run", ["task_id", "token"], schema, unique=True)
    create_index(op, f"{prefix}run_page", f"{prefix}run", ["tenant", "id"], schema)


def _statistics(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}rollup",
        Column("tenant", name(), primary_key=True),
        Column("kind", name(), primary_key=True),
        Column("hour", BigInteger(), primary_key=True, autoincrement=False),
        Column("ending", name(20), primary_key=True),
        Column("code", name(100), primary_key=True),
        Column("runs", BigInteger(), nullable=False),
        schema=schema,
        postgresql_with=OFTEN_CHANGED,
    )


def _feed(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}change",
        Column("seq", number(), primary_key=True),
        instant("at", nullable=False),
        Column("name", name(40), nullable=False),
        Column("tenant", name(), nullable=False),
        Column("task_id", BigInteger()),
        Column("kind", name()),
        Column("token", BigInteger()),
        Column("subject", text()),
        Column("actor", text(), nullable=False),
        Column("detail", text(), nullable=False),
        schema=schema,
        sqlite_autoincrement=True,
    )
    create_index(op, f"{prefix}change_page", f"{prefix}change", ["tenant", "seq"], schema)


def _incidents(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}incident",
        Column("id", number(), primary_key=True),
        Column("tenant", name(), nullable=False),
        Column("key", text(), nullable=False),
        Column("open_key", name(64)),
        Column("code", text(), nullable=False),
        Column("title", text(), nullable=False),
        Column("level", name(12), nullable=False),
        instant("opened_at", nullable=False),
        instant("last_seen_at", nullable=False),
        Column("sightings", BigInteger(), nullable=False),
        Column("task_ids", text(), nullable=False),
        instant("resolved_at"),
        UniqueConstraint("tenant", "open_key", name=f"{prefix}incident_open"),
        schema=schema,
        sqlite_autoincrement=True,
    )
    create_index(op, f"{prefix}incident_page", f"{prefix}incident", ["tenant", "id"], schema)


def _others(op: Operations, prefix: str, schema: str | None) -> None:
    create_table(
        op,
        f"{prefix}runner",
        Column("runner", name(), primary_key=True),
        Column("host", name(255), nullable=False),
        Column("pid", BigInteger(), nullable=False),
        Column("kinds", text(), nullable=False),
        instant("started_at", nullable=False),
        instant("seen_at", nullable=False),
        schema=schema,
    )
    create_table(
        op,
        f"{prefix}life",
        Column("id", SmallInteger(), primary_key=True, autoincrement=False),
        Column("application", name(), nullable=False),
        instant("high_water", nullable=False),
        Column("feed_floor", BigInteger(), nullable=False),
        schema=schema,
    )
    life = Table(
        f"{prefix}life",
        MetaData(schema=schema),
        *(Column(each, BigInteger()) for each in ("id", "high_water", "feed_floor")),
        Column("application", name()),
    )
    op.execute(insert(life).values(id=1, application="", high_water=0, feed_floor=0))
