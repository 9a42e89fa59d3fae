"""
Engines of our own: which driver, and how it is set up.

PostgreSQL gets asyncpg where the event loop is asyncio's, else psycopg in threads; MariaDB and MySQL pymysql, SQLite
Python's own, both in threads. A URL that names a driver gets that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import anyio
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from taskwarden.errors import InvalidValue
from taskwarden.stores.sql.files import check_file, prepare_connection

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

    from taskwarden.stores.sql.address import Options

__all__ = ["check_loop", "engine_at", "url_with_driver"]

_CONNECTING: Final = 5
"""Seconds for a connection to be made, after which the database counts as out of reach."""
_BUSY: Final = 5.0
"""Seconds for which a transaction on SQLite waits for another that writes."""
_RECYCLED: Final = 1_800
"""Seconds after which a connection to MariaDB or MySQL is made anew: servers drop those that idle too long."""
_COMMON: Final[Mapping[str, Any]] = {"max_overflow": 0, "pool_reset_on_return": None}
"""Every transaction is ended by whoever began it: to roll back once more on return would be one more round trip."""
_EXTRAS: Final[Mapping[str, str]] = {"postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
_OF_LIBPQ: Final[Mapping[str, str]] = {"sslmode": "ssl", "connect_timeout": "timeout"}
"""Parameters as libpq calls them and as asyncpg does."""


def engine_at(url: URL, options: Options) -> Engine | AsyncEngine:
    """
    Return an engine for the database at *url*; nothing is connected yet.

    Raises:
        InvalidValue: The driver is not known, not installed, or needs another event loop; or the path of a SQLite
            database cannot be one.
    """
    url = url_with_driver(url)
    engine: Engine | AsyncEngine
    try:
        check_loop(is_async=url.get_dialect().is_async, driver=url.get_driver_name())
        match url.get_backend_name():
            case "sqlite":
                engine = _sqlite(url, options)
            case "postgresql" if url.get_driver_name() == "asyncpg":
                engine = _asyncpg(url, options)
            case "postgresql":
                engine = _made(url, isolation_level="READ COMMITTED", **_psycopg(url, options))
            case _:
                engine = _made(url, isolation_level="READ COMMITTED", **_mysql(options))
    except ImportError as error:
        # SQLAlchemy's own part for asyncio raises a plain ImportError where greenlet is missing.
        raise _absent(error.name or "greenlet", url.get_backend_name()) from error
    except (NoSuchModuleError, ArgumentError) as error:
        remedy = "leave it out: postgresql://, mysql://, mariadb:// and sqlite:// find theirs"
        raise InvalidValue(
            "driver of the store's URL", url.drivername, "must be one of SQLAlchemy's", remedy
        ) from error
    return engine


def url_with_driver(url: URL) -> URL:
    """
    Return *url* with a driver: the one that it names, else the one for its database and the running event loop.

    Raises:
        InvalidValue: No driver of the database is installed.
    """
    backend, separator, driver = url.drivername.partition("+")
    if backend == "mariadb":
        backend = "mysql"  # the same drivers, under which SQLAlchemy finds out by itself that it is a MariaDB
    if not separator:
        match backend:
            case "postgresql":
                driver = _of_postgresql()
            case "mysql":
                driver = "pymysql"
            case _:
                return url
    return url.set(drivername=f"{backend}+{driver}")


def check_loop(*, is_async: bool, driver: str) -> None:
    """
    Check that an engine can be used in the running event loop.

    Raises:
        InvalidValue: It needs asyncio, and this is trio.
    """
    if is_async and not _in_asyncio():
        remedy = "use one for threads: postgresql+psycopg://, or an engine made by create_engine()"
        raise InvalidValue("driver of the store", driver, "needs asyncio, and this event loop is trio's", remedy)


def _in_asyncio() -> bool:
    try:
        cancelled = anyio.get_cancelled_exc_class()
    except RuntimeError:  # no event loop runs: a command line, say
        return False
    return cancelled.__module__.partition(".")[0] == "asyncio"


def _of_postgresql() -> str:
    if _in_asyncio() and find_spec("asyncpg") and find_spec("greenlet"):
        return "asyncpg"
    if find_spec("psycopg"):
        return "psycopg"
    raise _absent("psycopg" if find_spec("asyncpg") else "asyncpg", "postgresql")


def _absent(module: str, backend: str) -> InvalidValue:
    extra = _EXTRAS.get(backend)
    remedy = f"pip install {module!r}" if extra is None else f"pip install 'taskwarden[{extra}]'"
    return InvalidValue("driver of the store's URL", module, "must be installed", remedy)


# --- SQLite -----------------------------------------------------------------------------------------------------


def _sqlite(url: URL, options: Options) -> Engine | AsyncEngine:
    check_file(url)
    if options.schema is not None:
        rule = "must be None on SQLite, which has no schemas"
        raise InvalidValue("schema", options.schema, rule, "tell stores apart by prefix=, or by file")
    # In autocommit the driver has no ways of its own with transactions, which differ between versions of Python.
    engine: Engine | AsyncEngine = _made(
        url, isolation_level="AUTOCOMMIT", pool_size=options.pool_size, connect_args={"timeout": _BUSY}, **_COMMON
    )
    event.listen(_synchronous(engine), "connect", prepare_connection)
    return engine


# --- PostgreSQL -------------------------------------------------------------------------------------------------


def _asyncpg(url: URL, options: Options) -> AsyncEngine:
    arguments: dict[str, Any] = {"timeout": _CONNECTING, "server_settings": _settings(url, options)}
    for name, value in url.query.items():
        if name in _OF_LIBPQ:
            arguments[_OF_LIBPQ[name]] = float(value) if name == "connect_timeout" else value  # type: ignore[arg-type]
    if options.pgbouncer:
        # With both caches off, a statement is prepared and run without a name, in one piece.
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    url = url.difference_update_query([*_OF_LIBPQ, "application_name"])
    made: AsyncEngine = _made(
        url, isolation_level="READ COMMITTED", pool_size=options.pool_size, connect_args=arguments, **_COMMON
    )
    return made


def _psycopg(url: URL, options: Options) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = _CONNECTING
    settings = _settings(url, options)
    arguments["application_name"] = settings.pop("application_name")
    if options.pgbouncer:
        arguments["prepare_threshold"] = None
    return {"pool_size": options.pool_size, "connect_args": arguments, **_COMMON}


def _settings(url: URL, options: Options) -> dict[str, str]:
    name = url.query.get("application_name", options.application or "taskwarden")
    # Plans are left to the server: forced to be general, that of the fair claim expects a tenth of all tasks in every
    # step of it, and took seconds where one made for its limit takes milliseconds.
    return {"application_name": str(name)}


# --- MariaDB and MySQL ------------------------------------------------------------------------------------------


def _mysql(options: Options) -> dict[str, Any]:
    # Outside of strict mode a text that is too long would be cut without a word.
    strict = "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
    arguments = {"connect_timeout": _CONNECTING, "charset": "utf8mb4", "init_command": strict}
    return {"pool_size": options.pool_size, "pool_recycle": _RECYCLED, "connect_args": arguments, **_COMMON}


# --- either kind of engine --------------------------------------------------------------------------------------


def _made(url: URL, **arguments: Any) -> Any:
    if not url.get_dialect().is_async:
        return create_engine(url, **arguments)
    # Not imported above: it needs greenlet, which only an extra brings.
    return import_module("sqlalchemy.ext.asyncio").create_async_engine(url, **arguments)


def _synchronous(engine: Engine | AsyncEngine) -> Engine:
    return engine if isinstance(engine, Engine) else engine.sync_engine
