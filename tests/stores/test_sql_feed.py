"""The feed where several transactions write at a time: it shows no change before those that come before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, insert, make_url, select, update

from taskwarden.core.change import ChangeName
from taskwarden.stores.sql.dialect import Dialect, dialect_of
from taskwarden.stores.sql.feed import Feed
from taskwarden.stores.sql.schema import Tables, tables
from tests.databases import Kind, fresh_database
from tests.stores.sql_stores import DRIVERS

HELD_BACK: Final = 10
WRITERS: Final = (0, 1, 2)
Ending: TypeAlias = Literal["commit", "rollback"]
STEPS: Final = [
    *(("write", writer) for writer in WRITERS),
    *(("commit", writer) for writer in WRITERS),
    ("rollback", 0),
    *(("read", limit) for limit in (1, 2, 1_000)),
]


@attrs.define(eq=False, repr=False)
class World:
    """The tables of a feed, those who write to it, each in a transaction of its own, and one who reads it."""

    engine: Engine
    tables: Tables
    dialect: Dialect
    told: int = 0
    """How many changes were written, committed or not."""
    elapsed: float = 0.0
    conns: dict[int, Connection] = attrs.field(factory=dict)
    stack: ExitStack = attrs.field(factory=ExitStack)

    def write(self, writer: int, *, age: int = 0) -> str:
        """Write a change that is *age* seconds old, and return its name; the transaction stays open."""
        conn = self.conn(writer)
        self.told += 1
        detail = f"{self.told}"
        at = conn.execute(select(self.dialect.now())).scalar_one() - age * 1_000_000
        values = {"at": at, "name": ChangeName.NOTICE, "tenant": "alice", "actor": "", "detail": detail}
        conn.execute(insert(self.tables.change), values)
        return detail

    def end(self, writer: int, how: Ending) -> None:
        """End the transaction of *writer*."""
        conn = self.conn(writer)
        if how == "commit":
            conn.commit()
        else:
            conn.rollback()

    def conn(self, writer: int) -> Connection:
        if writer not in self.conns:
            self.conns[writer] = self.stack.enter_context(self.engine.connect())
        return self.conns[writer]

    def feed(self) -> Feed:
        """Return the feed as a store that was just opened sees it."""
        return Feed(self.tables, self.dialect)

    def read(self, feed: Feed, after: int = 0, limit: int = 1_000) -> tuple[list[str], int, bool]:
        """Return what is new, the cursor, and whether to start anew."""
        with self.engine.begin() as conn:
            page = feed.read(conn, after, limit, None, self.elapsed)
        return [change.detail for change in page.changes], page.cursor, page.reset

    def restart(self) -> None:
        """Empty the feed, and let its counter begin anew."""
        change = self.tables.change
        with self.engine.begin() as conn:
            again = " RESTART IDENTITY" if self.dialect.name == "postgresql" else ""
            conn.exec_driver_sql(f"TRUNCATE TABLE {change}{again}")

    @contextmanager
    def fresh(self) -> Iterator[World]:
        """Give a world without a past."""
        self.restart()
        with self.engine.begin() as conn:
            conn.execute(update(self.tables.life).values(feed_floor=0))
        with ExitStack() as stack:
            yield World(self.engine, self.tables, self.dialect, stack=stack)


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Provide a world on each database in which several transactions write at a time."""
    kind: Kind = request.param
    with fresh_database(kind, Path()) as url:
        level = "READ COMMITTED"
        engine = create_engine(make_url(url).set(drivername=DRIVERS[kind]), isolation_level=level)
        feed = tables("of_")
        feed.metadata.create_all(engine, [feed.change, feed.life, feed.run])
        with engine.begin() as conn:
            conn.execute(insert(feed.life), {"id": 1, "application": "", "high_water": 0, "feed_floor": 0})
        yield World(engine, feed, dialect_of(engine.dialect.name))
        engine.dispose()


@pytest.fixture
def world(made: World) -> Iterator[World]:
    """Provide a world without a past."""
    with made.fresh() as fresh:
        yield fresh


@given(story=st.lists(st.sampled_from(STEPS), min_size=10, max_size=40), strangers=st.booleans())
def test_a_reader_misses_nothing_and_reads_nothing_twice_however_transactions_end(
    made: World, story: list[tuple[str, int]], strangers: bool
) -> None:
    with made.fresh() as world:
        written: dict[int, list[str]] = {writer: [] for writer in WRITERS}
        committed: list[str] = []
        read: list[str] = []
        cursor, feed = 0, world.feed()
        for step, number in story:
            match step:
                case "write":
                    written[number].append(world.write(number))
                case "commit" | "rollback":
                    world.end(number, "commit" if step == "commit" else "rollback")
                    committed += written[number] if step == "commit" else []
                    written[number].clear()
                case _:
                    news, cursor, reset = world.read(world.feed() if strangers else feed, cursor, number)
                    read += news
                    assert not reset
        for writer in WRITERS:
            world.end(writer, "rollback")
        for _ in range(3):  # seen now; gone; what was hidden by it, too
            while news := (page := world.read(feed, cursor, 2))[0]:
                read, cursor = read + news, page[1]
            world.elapsed += HELD_BACK

        assert read == sorted(committed, key=int)


def test_what_was_rolled_back_holds_nobody_up(world: World) -> None:
    world.write(0)
    world.end(0, "rollback")
    after = world.write(0, age=HELD_BACK)
    world.end(0, "commit")

    assert world.read(world.feed())[0] == [after]


def test_a_gap_is_waited_for_while_it_may_be_filled(world: World) -> None:
    first, second = world.write(0), world.write(1)
    world.end(1, "commit")
    feed = world.feed()

    before = [world.read(feed)[0] for _ in range(3)]
    world.end(0, "commit")

    assert before == [[], [], []]
    assert world.read(feed)[0] == [first, second]


def test_all_gaps_that_were_there_are_waited_for_together(world: World) -> None:
    for _ in range(3):
        world.write(0)
        world.end(0, "rollback")
        world.write(1)
        world.end(1, "commit")
    world.write(0)
    last = world.write(1)
    world.end(1, "commit")
    feed = world.feed()

    world.read(feed)
    world.end(0, "rollback")
    world.elapsed += HELD_BACK

    assert world.read(feed)[0][-1] == last


def test_a_gap_after_one_that_was_filled_is_waited_for_anew(world: World) -> None:
    feed = world.feed()
    world.write(0)
    world.write(1)
    world.end(1, "commit")
    world.read(feed)
    world.end(0, "commit")
    world.elapsed += HELD_BACK
    late, last = world.write(0), world.write(1)
    world.end(1, "commit")

    before = world.read(feed)[0]
    world.end(0, "commit")

    assert last not in before
    assert world.read(feed)[0][-2:] == [late, last]


def test_a_cursor_that_is_ahead_of_ones_own_view_of_the_feed_is_no_stranger(world: World) -> None:
    ahead, behind = world.feed(), world.feed()
    world.write(0)
    world.write(1)
    world.end(1, "commit")
    world.read(ahead)
    world.end(0, "rollback")
    world.elapsed += HELD_BACK
    cursor = world.read(ahead)[1]
    world.write(0)
    world.write(1)
    world.end(1, "commit")

    assert world.read(behind, cursor) == ([], cursor, False)


def test_the_first_change_after_all_were_dropped_is_no_gap(world: World) -> None:
    world.write(0)
    world.write(0)
    world.end(0, "commit")
    with world.engine.begin() as conn:
        world.feed().trim(conn, 0)
    first = world.write(1)
    world.end(1, "commit")
    world.write(2)  # still goes on: it might be the one to fill a gap

    assert world.read(world.feed())[0] == [first]


def test_a_counter_that_begins_anew_is_read_from_its_start(world: World) -> None:
    feed = world.feed()
    for _ in range(3):
        world.write(0)
    world.end(0, "commit")
    _, cursor, _ = world.read(feed)
    with world.engine.begin() as conn:
        world.feed().trim(conn, 1)
    world.restart()
    world.write(0)
    world.end(0, "commit")

    news, anew, reset = world.read(feed, cursor)

    assert (news, reset) == ([], True)
    assert world.read(feed, 0)[0] == ["4"]
    assert world.read(feed, anew) == ([], anew, False)
