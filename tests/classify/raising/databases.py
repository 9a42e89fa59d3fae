"""Drivers of databases."""

from collections.abc import Iterator
from importlib import import_module

from tests.classify import servers
from tests.classify.raising.case import SHORT, Case, on_asyncio, over
from tests.classify.servers import Web


def _psycopg(port: int) -> None:
    import_module("psycopg").connect(
        f"host=127.0.0.1 port={port} user=x password=x dbname=x sslmode=disable connect_timeout=2"
    )


def _asyncpg(port: int) -> None:
    asyncpg = import_module("asyncpg")

    async def connect() -> None:
        await asyncpg.connect(host="127.0.0.1", port=port, user="x", password="x", database="x", ssl=False, timeout=2)

    on_asyncio(connect)


def _pymysql(port: int) -> None:
    import_module("pymysql").connect(host="127.0.0.1", port=port, user="x", password="x", connect_timeout=2)


def _redis(port: int) -> None:
    redis = import_module("redis")
    retry = import_module("redis.retry").Retry(import_module("redis.backoff").NoBackoff(), 0)
    with redis.Redis(port=port, socket_timeout=SHORT, protocol=2, retry=retry, driver_info=None) as client:
        client.get("key")


STATES = (
    ("28P01", 'password authentication failed for user "x"', "unknown.internal_db"),
    ("3D000", 'database "x" does not exist', "unknown.internal_db"),
    ("53300", "sorry, too many clients already", "unknown.internal_pool"),
    ("57P03", "the database system is starting up", "unknown.internal_db"),
    ("57P01", "terminating connection due to administrator command", "unknown.internal_db"),
)


def databases_cases() -> Iterator[Case]:
    for library, connect in (("psycopg", _psycopg), ("asyncpg", _asyncpg)):
        for state, message, code in STATES:
            yield Case(library, f"SQLSTATE {state}", code, over(servers.postgres(state, message), connect))
    yield Case("psycopg", "nobody listens", "unknown.internal_db", lambda _: _psycopg(servers.closed_port()))
    for number, state, message, code in (
        (1040, "08004", "Too many connections", "unknown.internal_pool"),
        (1129, "HY000", "Host 'x' is blocked because of many connection errors", "unknown.internal_db"),
        (1045, "28000", "Access denied for user 'x'@'localhost' (using password: YES)", "unknown.internal_db"),
        (1049, "42000", "Unknown database 'x'", "unknown.internal_db"),
    ):
        yield Case("pymysql", f"number {number}", code, over(servers.mysql(number, state, message), _pymysql))
    yield Case("pymysql", "nobody listens", "unknown.internal_db", lambda _: _pymysql(servers.closed_port()))
    for answer, code in (
        (b"-NOAUTH Authentication required.", "unknown.internal_db"),
        (b"-LOADING Redis is loading the dataset in memory", "unknown.internal_db"),
        (b"-WRONGTYPE Operation against a key holding the wrong kind of value", "unknown.bug"),
        (b"-READONLY You can't write against a read only replica.", "unknown.internal_db"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.", "unknown.internal_db"),
    ):
        yield Case("redis", f"answer {answer.split()[0].decode()}", code, over(servers.redis(answer), _redis))
    yield Case("redis", "nobody listens", "unknown.internal_db", lambda _: _redis(servers.closed_port()))
    yield Case("redis", "a server that never answers", "unknown.internal_db", over(servers.silent, _redis))
    yield Case("python", "sqlite: a locked database", "unknown.internal_db", _locked)
    yield Case("python", "sqlite: a statement with a mistake", "unknown.bug", lambda _: _sqlite("selct 1"))


def _sqlite(statement: str) -> None:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(statement)
    finally:
        connection.close()


def _locked(_: Web) -> None:
    import sqlite3
    import tempfile
    from contextlib import closing
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "x.db"))
        with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(path, timeout=0)) as other:
            one.execute("create table t (x)")
            one.execute("begin exclusive")
            other.execute("insert into t values (1)")
