"""
Stores as a released version left them: SQL texts in ``released``, one for each revision and database.

``python -m tests.stores.released_stores`` writes those of the revision that is now the latest. It is run once for a
release that has a new one, by which the texts become what every later version must be able to upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, create_engine, insert, make_url, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from taskwarden import ids
from taskwarden.core.claim import Claim
from taskwarden.core.decision import OpenIncident
from taskwarden.core.outcome import JSON, Succeeded
from taskwarden.core.protocols import Store
from taskwarden.core.task import Priority
from taskwarden.ids import RunnerId, TenantId
from taskwarden.stores.sql import open_at
from taskwarden.stores.sql.migrations.revisions import OURS, history, version_table_name
from taskwarden.stores.sql.migrations.upgrade import upgrade_sql
from taskwarden.stores.sql.schema import tables
from taskwarden.testing.builders import completed, failed, spec
from taskwarden.testing.clock import VirtualClock
from tests.databases import KINDS, Kind, fresh_database

__all__ = ["ALICE", "BOB", "KINDS_RUN", "RUNNER", "engine_of", "load", "populate", "released"]

FOLDER: Final = Path(__file__).parent / "released"
ALICE, BOB = TenantId("alice"), TenantId("bob's ☕")
CHECK, SEND = ids.Kind("site.check"), ids.Kind("mail.send")
KINDS_RUN: Final = (SEND, CHECK)
RUNNER: Final = RunnerId("runner-1")
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
END: Final = ";\n"


def engine_of(url: str) -> Engine:
    parsed = make_url(url)
    return create_engine(parsed.set(drivername=DRIVERS[parsed.drivername]))


# --- what is in one ---------------------------------------------------------------------------------------------


async def populate(store: Store, clock: VirtualClock) -> None:
    """
    Fill an empty store with tasks in every state, runs of every kind, incidents, settings, and an hour of the feed.

    Tasks: *home* has run, *new* is due, *slow* runs, *down* fails, *asleep* is paused, *over* is done and asked to run
    once more, *after* waits for *down*.
    """
    now = clock.now()
    payload: JSON = {"url": "https://example.org/%41?a='b'&c=\"d\"", "words": ["naïve", "日本", "\\", "a;\nb"]}
    await store.ensure(ALICE, spec(CHECK, "home", at=now, payload=payload, priority=Priority.HIGH))
    down = (await store.ensure(ALICE, spec(CHECK, "down", at=now))).status
    over = (await store.ensure(BOB, spec(SEND, "over", at=now))).status
    first = {claim.task.key: claim for claim in await claims(store)}
    await clock.advance(MINUTE)
    await store.complete(
        [
            completed(
                first["home"],
                Succeeded({"status": 200}),
                result='{"status":200}',
                next_run_at=clock.now() + HOUR,
            ),
            completed(first["down"], failed(message="no answer; 'quoted' 100 %"), next_run_at=clock.now() + HOUR),
            completed(first["over"], last=True),
        ]
    )
    await store.open_incident(ALICE, OpenIncident("down", "network_error.timeout", "It’s down"), down.id)
    asleep = (await store.ensure(BOB, spec(SEND, "asleep", at=now))).status
    await store.pause(BOB, asleep.id, paused=True, actor="ann")
    await store.ensure(ALICE, spec(CHECK, "slow", at=clock.now()))
    await claims(store)
    await store.ensure(ALICE, spec(CHECK, "new", at=clock.now()))
    await store.ensure(ALICE, spec(CHECK, "after", at=now, depends_on=[down.id]))
    await store.set_tenant(BOB, weight=3, max_running=7)
    await store.limit_kind(SEND, 50)
    await store.request_run(BOB, over.id, at=clock.now(), actor="ann")


async def claims(store: Store) -> tuple[Claim, ...]:
    return (await store.claim(runner=RUNNER, kinds=KINDS_RUN, limit=100, lease=MINUTE)).claims


# --- reading and writing the texts ------------------------------------------------------------------------------


def released(kind: Kind) -> list[str]:
    """Return the revisions of which there is a text for *kind*."""
    return sorted(file.name.partition("-")[0] for file in FOLDER.glob(f"*-{kind}.sql"))


def load(url: str, kind: Kind, revision: str) -> None:
    """Fill the empty database at *url* with what a version of *revision* left."""
    engine = engine_of(url)
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        for statement in (FOLDER / f"{revision}-{kind}.sql").read_text(encoding="utf-8").split(f"{END}\n"):
            if statement.strip():
                cursor.execute(statement)
        raw.commit()
    finally:
        raw.close()
        engine.dispose()


def dumped(conn: Connection) -> Iterator[str]:
    """Yield statements that make the tables of the store that *conn* finds, and their rows."""
    name = conn.dialect.name
    kept = [line for line in upgrade_sql(name).split(f"{END}\n") if not line.startswith(("BEGIN", "COMMIT", "INSERT"))]
    yield from (statement.strip() for statement in kept if statement.strip())
    dialect = {"sqlite": sqlite, "postgresql": postgresql, "mysql": mysql}[name].dialect(paramstyle="named")
    made = tables()
    version = table_of_version(made.prefix)
    for table in (version, history(made.prefix, None), *made.metadata.sorted_tables):
        for row in conn.execute(select(table).order_by(*table.primary_key)).mappings():
            values = dict(row) | ({"applied_at": 0} if "applied_at" in row else {})
            literal = insert(table).values(**values).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            yield str(literal)
        counted = table.autoincrement_column
        if name == "postgresql" and counted is not None and table in made.metadata.sorted_tables:
            where = f"pg_get_serial_sequence('{table.name}', '{counted.name}')"
            yield f"SELECT setval({where}, max({counted.name})) FROM {table.name}"  # noqa: S608 - names of ours


def table_of_version(prefix: str) -> Table:
    return Table(version_table_name(prefix), MetaData(), Column("version_num", String(32), primary_key=True))


async def freeze(kind: Kind, url: str) -> None:
    """Write the text of *kind*, by a store in the empty database at *url*."""
    clock = VirtualClock()
    store = await open_at(url, create=True, clock=clock.now)
    try:
        await populate(store, clock)
    finally:
        await store.close()
    engine = engine_of(url)
    with engine.connect() as conn:
        statements = "".join(f"{statement}{END}\n" for statement in dumped(conn))
    engine.dispose()
    (FOLDER / f"{OURS.head.id}-{kind}.sql").write_text(statements, encoding="utf-8")


def main() -> None:
    for kind in KINDS:
        with TemporaryDirectory() as folder, fresh_database(kind, Path(folder)) as url:
            anyio.run(freeze, kind, url)


if __name__ == "__main__":
    main()
