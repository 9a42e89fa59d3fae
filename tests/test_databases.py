"""The databases that tests get are fresh, and nothing of them outlives the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import psycopg
import pymysql
import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, make_url, text

from tests.databases import KINDS, Kind, PostgresServer, fresh_database, mariadb, postgres, postgres_database, programs

ROOT = Path(__file__).parents[1]
DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
SERVERS: tuple[Kind, ...] = ("postgresql", "mariadb")
PROGRAMS = {"system": programs.of_system, "wheel": programs.of_wheel}

each_kind = pytest.mark.parametrize("kind", KINDS)
each_server = pytest.mark.parametrize("kind", SERVERS)


def engine(url: str) -> Engine:
    parsed = make_url(url)
    return create_engine(parsed.set(drivername=DRIVERS[parsed.drivername]))


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    opened = engine(url)
    try:
        with opened.begin() as conn:
            yield conn
    finally:
        opened.dispose()


def contents(url: str) -> list[object]:
    with connected(url) as conn:
        return [*inspect(conn).get_table_names(), *inspect(conn).get_view_names(), *own_schemas(conn)]


def own_schemas(conn: Connection) -> list[str]:
    if conn.dialect.name != "postgresql":
        return []
    return [name for name in inspect(conn).get_schema_names() if name not in {"public", "information_schema"}]


def databases(kind: Kind) -> set[str]:
    """Return the names of all databases on the server of *kind*."""
    with fresh_database(kind, Path()) as url, connected(url) as conn:
        names = "SELECT datname FROM pg_database" if kind == "postgresql" else "SHOW DATABASES"
        return set(conn.execute(text(names)).scalars())


def python(program: str, **environment: str) -> subprocess.Popen[str]:
    """Start *program* in a process of its own, which may read a line to wait for us."""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, process.communicate()[1]
    return line


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- fresh databases ------------------------------------------------------------------------------


@each_kind
def test_a_database_is_empty_whatever_the_last_one_held(kind: Kind, tmp_path: Path) -> None:
    with fresh_database(kind, tmp_path) as url, connected(url) as conn:
        conn.execute(text("CREATE TABLE plain (id INT PRIMARY KEY)"))
        conn.execute(text("CREATE VIEW seen AS SELECT id FROM plain"))
        if kind == "postgresql":
            conn.execute(text("CREATE SCHEMA apart CREATE TABLE more (id INT PRIMARY KEY)"))

    with fresh_database(kind, tmp_path) as url:
        assert contents(url) == []


@each_kind
def test_databases_at_the_same_time_are_not_one(kind: Kind, tmp_path: Path) -> None:
    with fresh_database(kind, tmp_path) as one, fresh_database(kind, tmp_path) as other:
        with connected(one) as conn:
            conn.execute(text("CREATE TABLE plain (id INT PRIMARY KEY)"))

        assert contents(other) == []


@each_server
def test_a_connection_left_in_a_transaction_holds_nothing_up(kind: Kind, tmp_path: Path) -> None:
    with ExitStack() as later:
        with fresh_database(kind, tmp_path) as url:
            left = engine(url)
            later.callback(left.dispose)
            with connected(url) as conn:
                conn.execute(text("CREATE TABLE plain (id INT PRIMARY KEY)"))
            busy = left.connect()
            busy.execute(text("SELECT * FROM plain"))

        with pytest.raises(Exception, match="(?i)terminating connection|lost connection"):
            busy.execute(text("SELECT 1"))
        later.callback(busy.invalidate)

    with fresh_database(kind, tmp_path) as url:
        assert contents(url) == []


def test_the_public_schema_is_given_anew_with_its_first_owner_and_privileges(tmp_path: Path) -> None:
    privileges = "SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace WHERE nspname = 'public'"
    with postgres_database() as url, connected(url) as conn:
        name = make_url(url).database
        conn.execute(text("DROP SCHEMA public"))
    with postgres_database() as url, connected(url) as conn:
        emptied = conn.execute(text(privileges)).one()
        assert name == make_url(url).database  # it was not dropped instead

        with postgres_database() as another, connected(another) as conn_another:
            new = conn_another.execute(text(privileges)).one()

    assert emptied == new


@each_server
def test_no_database_outlives_its_process(kind: Kind) -> None:
    databases(kind)  # skips the test if there is no server, and clears away what is left before, not after
    process = python(f"""
from pathlib import Path
from tests.databases import fresh_database
with fresh_database({kind!r}, Path()) as url:
    print(url)
""")

    output, errors = process.communicate()

    assert errors == ""
    assert make_url(output.strip()).database not in databases(kind)


@each_server
def test_what_a_killed_process_left_is_dropped_by_the_next_one(kind: Kind) -> None:
    program = f"""
from pathlib import Path
from tests.databases import fresh_database
with fresh_database({kind!r}, Path()) as url:
    print(url, flush=True)
    input()
"""
    with fresh_database(kind, Path()) as url, python(program) as killed:  # ours is not touched: its process lives
        left = make_url(first_line(killed)).database
        killed.kill()
        killed.communicate()
        with python(program) as other:
            first_line(other)
            kept = databases(kind)
            other.communicate("\n")

    assert left not in kept
    assert make_url(url).database in kept


def test_a_server_that_was_asked_for_and_does_not_answer_is_an_error_and_no_skip(free_port: int) -> None:
    with pytest.raises(psycopg.OperationalError):
        postgres.server(f"postgresql://postgres@127.0.0.1:{free_port}/postgres")
    with pytest.raises(pymysql.err.OperationalError):
        mariadb.server(f"mysql://root@127.0.0.1:{free_port}")


def test_databases_can_be_switched_off() -> None:
    with pytest.raises(programs.NoPostgres, match="TASKWARDEN_TEST_POSTGRES=none"):
        postgres.server("none")
    with pytest.raises(mariadb.NoMariaDB, match="TASKWARDEN_TEST_MARIADB=none"):
        mariadb.server("none")


@pytest.mark.parametrize(
    ("version", "supported"),
    [
        ("10.11.19-MariaDB-0+deb12u1", True),
        ("5.5.5-10.6.0-MariaDB", True),
        ("10.5.9-MariaDB", False),
        ("8.0.36", True),
        ("5.7.44", False),
        ("unheard of", False),
    ],
)
def test_mariadb_from_10_6_and_mysql_from_8_on_will_do(version: str, supported: bool) -> None:
    assert mariadb.is_supported(version) is supported


def test_programs_that_are_missing_or_do_not_run_are_passed_over(tmp_path: Path) -> None:
    for program in programs.NEEDED:
        (tmp_path / program).touch()

    with pytest.raises(programs.NoPostgres, match="`postgres-server`"):
        programs.first_usable([tmp_path / "nowhere", tmp_path])


# --- a server of one's own ------------------------------------------------------------------------


@pytest.fixture
def free_port() -> int:
    from tests.databases.server import free_port

    return free_port()


def installed(*places: str) -> Path:
    """Return the folder of PostgreSQL's programs, or skip the test that needs them."""
    try:
        return programs.first_usable(chain.from_iterable(PROGRAMS[place]() for place in places))
    except programs.NoPostgres:
        pytest.skip(f"No PostgreSQL is installed by {' or '.join(places)}")


@pytest.fixture(params=PROGRAMS)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with PostgresServer(installed(request.param)) as made:
        yield made


def ask(server: PostgresServer, question: str) -> object:
    with psycopg.connect(server.url) as conn:
        row = conn.execute(question.encode()).fetchone()
        return row and row[0]


@pytest.mark.slow
def test_a_server_keeps_its_url_and_what_was_committed_through_a_crash(server: PostgresServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")

    url = server.url
    server.restart(immediate=True)

    assert url == server.url
    assert ask(server, "SELECT answer FROM kept") == 42


@pytest.mark.slow
def test_a_stopped_server_refuses_connections_until_it_is_started(server: PostgresServer) -> None:
    server.stop()
    with pytest.raises(psycopg.OperationalError):
        ask(server, "SELECT 1")

    server.start()

    assert ask(server, "SELECT 1") == 1


@pytest.mark.slow
def test_connections_are_cut_while_the_server_goes_on(server: PostgresServer) -> None:
    with psycopg.connect(server.url) as conn:
        server.cut_connections()
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")

    assert ask(server, "SELECT 1") == 1


@pytest.mark.slow
def test_a_closed_server_leaves_nothing_and_closes_once(server: PostgresServer) -> None:
    server.close()
    server.close()

    assert not answers(server.port)
    assert not server.folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_a_server_does_not_outlive_its_process_however_that_ends(end: signal.Signals | None) -> None:
    program = f"""
from pathlib import Path
from tests.databases import PostgresServer
server = PostgresServer(Path({str(installed(*PROGRAMS))!r}))
server.start()
print(server.port, server.folder, flush=True)
input()
"""
    with python(program) as process:
        port, folder = first_line(process).split()
        assert answers(int(port))
        if end is not None:
            process.send_signal(end)
        process.communicate("\n" if end is None else None)  # the keeper holds the error output open until it is done

    assert not answers(int(port))
    assert not Path(folder).exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="Only root starts a server as somebody else")
def test_programs_where_only_root_may_read_are_copied_for_the_server(tmp_path: Path) -> None:
    closed = programs.copied(installed("wheel"), tmp_path)
    tmp_path.chmod(0o700)

    with PostgresServer(closed) as server:
        assert server.folder in server.programs.parents
        assert ask(server, "SELECT 1") == 1

    assert not server.folder.exists()
