"""Every released schema is brought to the latest with all it holds, while runners of the version before go on."""

from __future__ import annotations

import io
import logging
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, inspect, make_url, text

from taskwarden.core.outcome import Succeeded
from taskwarden.errors import SchemaMismatch, StoreUnavailable
from taskwarden.ids import TenantId
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.stores.sql.migrations.revisions import OURS, Course, Found, Revision, Standing, found_in, history
from taskwarden.stores.sql.migrations.upgrade import include_object, upgrade, upgrade_sql
from taskwarden.stores.sql.schema import tables
from taskwarden.testing.builders import completed, spec
from taskwarden.testing.clock import VirtualClock
from taskwarden.testing.conformance.suite import snapshot
from tests.databases import KINDS, Kind, fresh_database
from tests.stores.released_stores import ALICE, BOB, HOUR, KINDS_RUN, RUNNER, engine_of, load, populate, released

each_kind = pytest.mark.parametrize("kind", KINDS)
BOOKKEEPING = ("schema_version", "schema_history")


@pytest.fixture
def url(kind: Kind, tmp_path: Path) -> Iterator[str]:
    with fresh_database(kind, tmp_path) as url:
        yield url


@asynccontextmanager
async def opened(target: Any, **options: Any) -> AsyncIterator[SqlStore]:
    store = await open_at(target, **options)
    try:
        yield store
    finally:
        await store.close()


def upgraded(url: str, **options: Any) -> list[str]:
    """Upgrade the database at *url* as a host does: within a transaction of its own."""
    engine = engine_of(url)
    try:
        with engine.begin() as conn:
            return upgrade(conn, **options)
    finally:
        engine.dispose()


@asynccontextmanager
async def course(folder: Path, *steps: tuple[Revision, str]) -> AsyncIterator[Course]:
    """Give the course of a later version: ours, and *steps* by the body of their ``upgrade``."""
    shutil.copytree(OURS.folder / "versions", folder / "versions", ignore=shutil.ignore_patterns("__pycache__"))
    known = list(OURS.revisions)
    for revision, body in steps:
        (folder / "versions" / f"revision_{revision.id}.py").write_text(
            f"import sqlalchemy as sa\nrevision = {revision.id!r}\ndown_revision = {known[-1].id!r}\n"
            f"def upgrade(op, prefix, schema):\n    {body}\n"
        )
        known.append(revision)
    yield Course(tuple(known), folder)


EXPANSION = (
    Revision("0002", compatible_from="0001", since="0.2.0"),
    'op.add_column(f"{prefix}task", sa.Column("colour", sa.String(20), server_default="grey"), schema=schema)',
)
CONTRACTION = (
    Revision("0003", compatible_from="0002", since="0.3.0"),
    'op.drop_column(f"{prefix}run", "why", schema=schema)',
)
FAILURE = (
    Revision("0002", compatible_from="0001", since="0.2.0"),
    'op.create_table(f"{prefix}more", sa.Column("id", sa.Integer)); raise ArithmeticError',
)


# --- what the revisions make is what the statements are written for ----------------------------------------------


def catalogue(conn: Connection, names: set[str], schema: str | None) -> Any:
    """Return all that the database knows of tables, down to collations and storage, in words that can be compared."""
    match conn.dialect.name:
        case "sqlite":
            found = conn.execute(text("SELECT tbl_name, name, sql FROM sqlite_master ORDER BY tbl_name, name"))
            return [
                (row.tbl_name, row.name, " ".join((row.sql or "").split())) for row in found if row.tbl_name in names
            ]
        case "mysql":
            shown = {name: str(conn.execute(text(f"SHOW CREATE TABLE {name}")).one()[1]) for name in sorted(names)}
            counted = re.compile(r" AUTO_INCREMENT=\d+|,$", re.MULTILINE)
            # Sorted: indexes stand there in the order in which they were made.
            return {name: sorted(counted.sub("", each).splitlines()) for name, each in shown.items()}
    columns = (
        "SELECT table_name, ordinal_position, column_name, data_type, collation_name, is_nullable, column_default,"
        " character_maximum_length FROM information_schema.columns WHERE table_schema = :schema ORDER BY 1, 2"
    )
    indexes = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = :schema ORDER BY 1, 2"
    options = (
        "SELECT relname, reloptions FROM pg_class WHERE relnamespace = (:schema)::regnamespace AND relkind = 'r'"
        " ORDER BY 1"
    )
    where = {"schema": schema or "public"}
    queries = (columns, indexes, options)
    return [tuple(row) for query in queries for row in conn.execute(text(query), where) if row[0] in names]


@each_kind
def test_the_revisions_come_to_the_tables_that_the_statements_are_written_for(url: str) -> None:
    made = tables()
    names = {table.name for table in made.metadata.sorted_tables}
    engine = engine_of(url)
    upgraded(url)
    with engine.begin() as conn:
        context = MigrationContext.configure(conn, opts={"include_object": without_bookkeeping})
        differences = compare_metadata(context, made.metadata)
        by_revisions = catalogue(conn, names, None)
        made.metadata.drop_all(conn)
        made.metadata.create_all(conn)
        by_metadata = catalogue(conn, names, None)
    engine.dispose()

    assert differences == []
    assert by_metadata == by_revisions


def without_bookkeeping(object_: Any, name: str | None, type_: str, reflected: bool, compare_to: object) -> bool:
    return not (type_ == "table" and (name or "").endswith(BOOKKEEPING))


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_prefix_and_a_schema_change_names_and_nothing_else(kind: Kind, url: str, tmp_path: Path) -> None:
    engine = engine_of(url)
    with fresh_database(kind, tmp_path) as other:
        schema = "apart" if kind == "postgresql" else str(make_url(other).database)
        assert upgraded(url, prefix="own_", schema=schema) == [each.id for each in OURS.revisions]
        with engine.begin() as conn:
            made = tables("own_", schema)
            context = MigrationContext.configure(
                conn,
                opts={"include_object": without_bookkeeping, "include_schemas": True, "include_name": only(schema)},
            )
            assert compare_metadata(context, made.metadata) == []
            assert inspect(conn).get_table_names() == []
            assert found_in(conn, "own_", schema) == Found(OURS.head.id, OURS.head.compatible_from, "0.1.0")
            if kind == "postgresql":
                conn.execute(text("DROP SCHEMA apart CASCADE"))
        engine.dispose()


def only(schema: str) -> Any:
    return lambda name, type_, parents: type_ != "schema" or name == schema


@each_kind
async def test_the_sql_that_is_printed_does_the_same(kind: Kind, url: str) -> None:
    names = {table.name for table in tables().metadata.sorted_tables}
    engine = engine_of(url)
    raw = engine.raw_connection()
    cursor = raw.cursor()
    for statement in upgrade_sql("mysql" if kind == "mariadb" else kind).split(";\n\n"):
        if statement.strip() and not statement.startswith(("BEGIN", "COMMIT")):
            cursor.execute(statement)
    raw.commit()
    raw.close()
    with engine.begin() as conn:
        printed = catalogue(conn, names, None)
    async with opened(url, create=False) as store:
        await store.ensure(ALICE, spec("site.check", "home", at=None))
    with engine.begin() as conn:
        metadata = MetaData()
        metadata.reflect(conn)
        metadata.drop_all(conn)
    upgraded(url)
    with engine.begin() as conn:
        done = catalogue(conn, names, None)
    engine.dispose()

    assert done == printed


def test_each_revision_has_a_step_and_follows_the_one_before() -> None:
    ids = [each.id for each in OURS.revisions]

    assert ids == sorted(ids)
    assert [f"revision_{id}.py" for id in ids] == sorted(
        file.name for file in (OURS.folder / "versions").glob("revision_*.py")
    )
    for before, each in zip((OURS.revisions[0], *OURS.revisions), OURS.revisions, strict=False):
        assert before.compatible_from <= each.compatible_from <= each.id


def test_the_reference_names_every_table_and_column() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "schema.md").read_text(encoding="utf-8")
    sections = {
        name: section
        for section in page.split("\n## ")[1:]
        for name in re.findall(r"`(tw_\w+)`", section.splitlines()[0])
    }
    missing = [
        f"{table.name}.{column.name}"
        for table in (*tables().metadata.sorted_tables, history("tw_", None))
        for column in table.c
        if f"`{column.name}`" not in sections.get(table.name, "")
    ]

    assert missing == []


# --- upgrading --------------------------------------------------------------------------------------------------


@each_kind
def test_a_second_upgrade_finds_nothing_to_do(url: str) -> None:
    assert upgraded(url) == [each.id for each in OURS.revisions]
    assert upgraded(url) == []


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_upgrades_at_the_same_time_wait_for_one_another(url: str) -> None:
    applied: list[str] = []

    async def one() -> None:
        applied.extend(await anyio.to_thread.run_sync(upgraded, url))

    async with anyio.create_task_group() as tg:
        for _ in range(4):
            tg.start_soon(one)

    assert applied == [each.id for each in OURS.revisions]
    async with opened(url):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
async def test_a_table_that_is_in_use_is_waited_for_shortly_and_not_queued_for(url: str, tmp_path: Path) -> None:
    upgraded(url)
    engine = engine_of(url)
    with engine.connect() as conn:
        conn.execute(text("SELECT id FROM tw_task"))  # whose transaction lasts
        async with course(tmp_path, EXPANSION) as later:
            with anyio.fail_after(30), pytest.raises(StoreUnavailable, match="(?i)lock"):
                await open_at(url, create=True, course=later)
            conn.rollback()
            async with opened(url, create=True, course=later):
                pass
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_upgrade_that_fails_leaves_nothing_of_itself(url: str, tmp_path: Path) -> None:
    async with course(tmp_path, FAILURE) as later:
        with pytest.raises(ArithmeticError):
            await open_at(url, create=True, course=later)
    engine = engine_of(url)
    with engine.connect() as conn:
        assert inspect(conn).get_table_names() == []
    engine.dispose()


@pytest.mark.parametrize("kind", ["mariadb"])
async def test_an_upgrade_that_was_cut_off_goes_on_where_statements_commit(url: str) -> None:
    names = {table.name for table in tables().metadata.sorted_tables}
    upgraded(url)
    engine = engine_of(url)
    with engine.begin() as conn:
        whole = catalogue(conn, names, None)
        for table in ("tw_incident", "tw_runner", "tw_life"):
            conn.execute(text(f"DROP TABLE {table}"))
        conn.execute(text("DROP INDEX tw_change_page ON tw_change"))
        for table in ("tw_schema_version", "tw_schema_history"):
            conn.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of ours

    assert upgraded(url) == [each.id for each in OURS.revisions]
    with engine.begin() as conn:
        assert catalogue(conn, names, None) == whole
    engine.dispose()
    async with opened(url):
        pass


@each_kind
async def test_an_older_schema_is_refused_with_the_command_and_upgraded_if_asked(url: str, tmp_path: Path) -> None:
    upgraded(url)
    async with course(tmp_path, EXPANSION) as later:
        with pytest.raises(SchemaMismatch, match="has schema 0001, and this version works with schema 0002; run: task"):
            await open_at(url, course=later, create=False)
        async with opened(url, course=later, create=True):
            pass
        assert upgraded(url, course=later) == []


# --- a live system ----------------------------------------------------------------------------------------------


@each_kind
async def test_a_runner_of_the_version_before_goes_on_over_an_expansion_and_can_start_anew(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "taskwarden.store")

    async def work(store: SqlStore, key: str) -> None:
        await store.ensure(ALICE, spec("site.check", key, at=await store.now()))
        (claim,) = (await store.claim(runner=RUNNER, kinds=KINDS_RUN, limit=10, lease=HOUR)).claims
        await store.complete([completed(claim)])
        assert len(await store.runs(ALICE, task_id=claim.task.id, before=None, limit=9)) == 1

    async with course(tmp_path, EXPANSION) as later, opened(url, create=True) as running:
        await work(running, "before")
        async with opened(url, create=True, course=later) as upgraded_store:
            await work(running, "during")
            await work(upgraded_store, "after")
        async with opened(url) as anew:
            await work(anew, "anew")
        with pytest.raises(SchemaMismatch, match="upgrade taskwarden to the version that brought schema 0002"):
            upgraded(url)

    assert ["schema 0002, which has all that this version knows (0001)" in each for each in caplog.messages] == [True]


@each_kind
async def test_a_schema_that_lost_what_this_version_needs_says_which_version_can_use_it(
    url: str, tmp_path: Path
) -> None:
    async with course(tmp_path, EXPANSION, CONTRACTION) as later:
        upgraded(url, course=later)

    with pytest.raises(
        SchemaMismatch, match=r"has schema 0003, .* schema 0001; upgrade taskwarden here to at least 0\.2\.0"
    ):
        await open_at(url)


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (None, Standing.MISSING),
        (Found("0001", "0001", "0.1.0"), Standing.OLDER),
        (Found("0002", "0001", "0.1.0"), Standing.CURRENT),
        (Found("0003", "0001", "0.1.0"), Standing.EXPANDED),
        (Found("0003", "0002", "0.2.0"), Standing.EXPANDED),
        (Found("0009", "0003", "0.3.0"), Standing.NEWER),
    ],
)
def test_what_a_schema_is_to_a_version_follows_from_the_oldest_version_that_can_use_it(
    found: Found | None, standing: Standing
) -> None:
    known = Course((Revision("0001", "0001", "0.1.0"), Revision("0002", "0001", "0.2.0")), Path())

    assert known.standing(found) is standing


# --- what was released ------------------------------------------------------------------------------------------


@each_kind
def test_every_revision_is_kept_as_it_was_released(kind: Kind) -> None:
    assert released(kind) == [each.id for each in OURS.revisions]


@pytest.mark.parametrize(("kind", "revision"), [(kind, revision) for kind in KINDS for revision in released(kind)])
async def test_a_store_of_a_released_version_is_upgraded_with_all_it_holds_and_runs_on(
    kind: Kind, revision: str, url: str, tmp_path: Path
) -> None:
    clock, fresh = VirtualClock(), VirtualClock()
    load(url, kind, revision)
    upgraded(url)
    with fresh_database(kind, tmp_path) as another:
        async with opened(another, create=True, clock=fresh.now) as store:
            await populate(store, fresh)
            expected = await snapshot(store, (ALICE, BOB))
    clock = VirtualClock(fresh.now())
    async with opened(url, clock=clock.now) as store:
        assert expected == await snapshot(store, (ALICE, BOB))

        await clock.advance(24 * HOUR)
        ran = set()
        while True:
            taken = (await store.claim(runner=RUNNER, kinds=KINDS_RUN, limit=100, lease=HOUR)).claims
            if not taken:
                break
            ran |= {claim.task.key for claim in taken}
            await store.complete([completed(claim, Succeeded(), last=True) for claim in taken])
        await store.ensure(BOB, spec("mail.send", "more", at=clock.now()))
        more = await store.find(BOB, KINDS_RUN[0], "more")

    assert ran == {"home", "new", "slow", "down", "over", "after"}
    assert more is not None


@each_kind
def test_what_is_kept_of_the_latest_revision_is_its_schema(kind: Kind, url: str, tmp_path: Path) -> None:
    """Fails while a revision is being written, until ``python -m tests.stores.released_stores`` was run."""
    names = {table.name for table in tables().metadata.sorted_tables}
    load(url, kind, OURS.head.id)
    with fresh_database(kind, tmp_path) as another:
        upgraded(another)
        seen = []
        for each in (url, another):
            engine = engine_of(each)
            with engine.connect() as conn:
                seen.append(catalogue(conn, names, None))
            engine.dispose()

    assert seen[1] == seen[0]


# --- within a host's own Alembic --------------------------------------------------------------------------------

ENV = """
from alembic import context
config = context.config
attributes = config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes["metadata"],
    include_object=attributes["include_object"],
)
with context.begin_transaction():
    context.run_migrations()
"""
STEP = """
import sqlalchemy as sa
from alembic import op
from taskwarden.stores.sql.migrations.upgrade import upgrade as upgrade_taskwarden
revision = "first"
down_revision = None
def upgrade():
    op.create_table("customer", sa.Column("id", sa.Integer(), primary_key=True))
    upgrade_taskwarden(op.get_bind(), prefix="own_")
    op.create_table("invoice", sa.Column("id", sa.Integer(), primary_key=True))
"""


@each_kind
async def test_a_hosts_own_alembic_runs_our_upgrade_and_leaves_our_tables_alone(url: str, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "script.py.mako").write_text("${upgrades if upgrades else 'pass'}")
    (tmp_path / "versions" / "first.py").write_text(STEP)
    metadata = MetaData()
    config = Config(stdout=io.StringIO(), attributes={"metadata": metadata, "include_object": include_object("own_")})
    config.set_main_option("script_location", str(tmp_path))
    engine = engine_of(url)
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
    with engine.begin() as conn:
        for table in ("customer", "invoice"):
            Table(table, metadata, autoload_with=conn)
        config.attributes["connection"] = conn
        command.check(config)  # it raises if autogenerate would change anything
    engine.dispose()
    async with opened(url, prefix="own_", create=False) as store:
        await store.ensure(TenantId("alice"), spec("site.check", "home", at=None))


def test_tables_of_others_are_left_to_the_hosts_alembic() -> None:
    included = include_object("own_", "apart")
    ours, theirs = tables("own_", "apart").task, Table("own_customer", MetaData())

    assert not included(ours, ours.name, "table", True, None)
    assert not any(included(index, index.name, "index", True, None) for index in ours.indexes)
    assert included(theirs, theirs.name, "table", True, None)
    assert included(tables("own_").task, ours.name, "table", True, None)
