"""``taskwarden migrate`` makes the tables, says what it did in a line, and never shows a password."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import inspect, make_url, text

from taskwarden.cli.command import command
from taskwarden.stores.sql import open_at
from taskwarden.stores.sql.schema import PREFIX
from tests.cli.test_command import environment, taskwarden_cli
from tests.databases import KINDS, Kind, fresh_database, postgres_database
from tests.stores.released_stores import engine_of

each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def url(kind: Kind, tmp_path: Path) -> Iterator[str]:
    with fresh_database(kind, tmp_path) as url:
        yield url


def migrate(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["migrate", *arguments])


def opens(url: str, **options: str) -> bool:
    async def once() -> None:
        await (await open_at(url, create=False, **options)).close()  # type: ignore[arg-type]

    anyio.run(once)
    return True


def tables_of(url: str) -> list[str]:
    engine = engine_of(url)
    with engine.connect() as conn:
        found = inspect(conn).get_table_names()
    engine.dispose()
    return found


@each_kind
def test_it_makes_the_tables_and_says_so_and_a_second_time_that_they_are_there(url: str) -> None:
    first, second = migrate(url), migrate(url)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.output == f"{url}: applied 0001\n"
    assert second.output == f"{url}: nothing to do, it has schema 0001\n"
    assert opens(url)


@each_kind
def test_check_changes_nothing_and_tells_by_its_status_whether_there_is_something_to_do(url: str) -> None:
    before = migrate(url, "--check")
    untouched = tables_of(url)
    migrate(url)
    after = migrate(url, "--check")

    assert (before.exit_code, untouched, after.exit_code) == (1, [], 0)
    assert before.output.endswith("no tables; this version would create schema 0001\n")
    assert after.output.endswith("schema 0001, as it should be\n")


@each_kind
def test_check_finds_tables_that_are_newer_and_will_do_and_those_that_will_not(url: str) -> None:
    migrate(url)
    engine = engine_of(url)
    with engine.begin() as conn:
        conn.execute(text("UPDATE tw_schema_version SET version_num = '0002'"))
        conn.execute(text("INSERT INTO tw_schema_history VALUES ('0002', '0001', '0.2.0', 0)"))
    fine = migrate(url, "--check")
    with engine.begin() as conn:
        conn.execute(text("UPDATE tw_schema_history SET compatible_from = '0002' WHERE revision = '0002'"))
    engine.dispose()
    beyond = migrate(url, "--check")

    assert (fine.exit_code, beyond.exit_code) == (0, 1)
    assert fine.output.endswith("schema 0002, newer than this version's 0001, which goes on with it\n")
    assert "upgrade taskwarden here to at least 0.2.0" in beyond.output


def test_a_prefix_and_a_schema_are_taken_as_options_or_from_the_url() -> None:
    with postgres_database() as url:
        migrate(url, "--prefix", "own_", "--schema", "apart")
        migrate(f"{url}?tw_prefix=other_&tw_schema=apart")

        assert opens(url, prefix="own_", schema="apart")
        assert opens(url, prefix="other_", schema="apart")
        assert tables_of(url) == []


def test_what_is_wrong_is_one_plain_line_without_the_password() -> None:
    with postgres_database() as url:
        wrong = make_url(url).set(password="s3cret", database="nowhere").render_as_string(hide_password=False)
        ended = migrate(wrong)

    assert ended.exit_code == 1
    assert "***" in ended.output
    assert 'database "nowhere" does not exist; check the URL, or create the database' in ended.output
    assert "s3cret" not in ended.output
    assert len(ended.output.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("sqlite://",),
        ("nonsense",),
        ("sqlite:///x.db", "--prefix", "No"),
        ("mysql://h/d", "--sql", "--row-level-security"),
        ("postgresql://h/d", "--sql", "--since", "9999"),
        ("oracle://h/d", "--sql"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...]) -> None:
    ended = migrate(*arguments)

    assert ended.exit_code in {1, 2}
    assert "Traceback" not in ended.output
    assert "Error: " in ended.output


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nowhere/x", ["BEGIN;", "BIGSERIAL", "COMMIT;"]),
        ("mariadb://nowhere/x", ["ENGINE=InnoDB"]),
        ("sqlite:///nowhere/x.db", ["AUTOINCREMENT"]),
    ],
)
def test_sql_is_printed_without_connecting(url: str, words: list[str]) -> None:
    printed = migrate(f"{url}?tw_prefix=own_", "--sql")

    assert printed.exit_code == 0
    for word in (*words, "CREATE TABLE own_task", "INSERT INTO own_schema_version (version_num) VALUES ('0001')"):
        assert word in printed.output
    assert "CREATE TABLE" not in migrate(url, "--sql", "--since", "0001").output


def test_row_level_security_is_printed_and_switched_on() -> None:
    printed = migrate("postgresql://", "--sql", "--row-level-security", "--runner-role", "postgres")

    assert "CREATE POLICY tw_runner ON tw_due TO postgres" in printed.output
    with postgres_database() as url:
        role = str(make_url(url).username)
        done = migrate(url, "--row-level-security", "--runner-role", role)
        absent = migrate(url, "--row-level-security", "--runner-role", "nobody_at_all")

        assert done.output == f"{url}: applied 0001; row-level security is on, {role} sees all tenants\n"
        assert "CREATE ROLE nobody_at_all NOLOGIN" in absent.output


def test_the_prefix_by_default_is_the_stores() -> None:
    options = {each.name: each.default for each in command.commands["migrate"].params}

    assert options["prefix"] == PREFIX


@each_kind
def test_two_processes_at_the_same_time_apply_each_revision_once(url: str) -> None:
    program = [sys.executable, "-m", "taskwarden", "migrate", url]
    both = [
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        for _ in range(2)
    ]
    ended = [each.communicate() for each in both]

    assert [errors for _, errors in ended] == ["", ""]
    assert sorted(output.rpartition(": ")[2] for output, _ in ended) == [
        "applied 0001\n",
        "nothing to do, it has schema 0001\n",
    ]
    assert opens(url)


def test_as_a_process_it_ends_with_the_status_that_scripts_read(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'tasks.db').as_posix()}"

    assert taskwarden_cli("migrate", url, "--check").returncode == 1
    assert taskwarden_cli("migrate", url).returncode == 0
    assert taskwarden_cli("migrate", url, "--check").returncode == 0
