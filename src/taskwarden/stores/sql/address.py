"""Where a store is: a URL as SQLAlchemy takes it, with options of ours in its query."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from taskwarden.errors import InvalidValue
from taskwarden.stores.sql.schema import PREFIX

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["Options", "address", "masked"]

_OURS: Final = "tw_"
"""What the names of our options begin with in a URL."""
_PREFIX: Final = re.compile(r"[a-z_][a-z0-9_]{0,29}")
"""PostgreSQL cuts names at 63 bytes: this leaves room for the longest name of an index."""
_SCHEMA: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$-]{0,62}")
_LONGEST_APPLICATION: Final = 60


def _check_prefix(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    if _PREFIX.fullmatch(value) is None:
        raise InvalidValue(attribute.name, value, "must be 1 to 30 small letters, digits and _, no digit first")


def _check_schema(_: object, attribute: attrs.Attribute[str | None], value: str | None) -> None:
    if value is not None and _SCHEMA.fullmatch(value) is None:
        raise InvalidValue(attribute.name, value, "must be 1 to 63 letters, digits, _, $ and -, no digit first")


def _check_application(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    if len(value) > _LONGEST_APPLICATION or not value.isprintable() or value != value.strip():
        rule = f"must be at most {_LONGEST_APPLICATION} printable characters without outer blanks"
        raise InvalidValue(attribute.name, value, rule)


def _check_limit(_: object, attribute: attrs.Attribute[timedelta | None], value: timedelta | None) -> None:
    if value is not None and value <= timedelta(0):
        raise InvalidValue(attribute.name, value, "must be positive, or None")


def _check_pool_size(_: object, attribute: attrs.Attribute[int], value: int) -> None:
    if value < 1:
        raise InvalidValue(attribute.name, value, "must be at least 1", "a runner is at ease with 3 and more")


@attrs.frozen(kw_only=True)
class Options:
    """
    How a store is opened: see ``open_at``, whose arguments these are. In a URL each has ``tw_`` before its name.

    Raises:
        InvalidValue: One of them breaks its rule.
    """

    prefix: str = attrs.field(default=PREFIX, validator=_check_prefix)
    schema: str | None = attrs.field(default=None, validator=_check_schema)
    application: str = attrs.field(default="", validator=_check_application)
    pool_size: int = attrs.field(default=5, validator=_check_pool_size)
    create: bool | None = None
    pgbouncer: bool = False
    listen_url: str | None = attrs.field(default=None, repr=False)
    transaction_limit: timedelta | None = attrs.field(default=None, validator=_check_limit)


def address(url: str, options: Options) -> tuple[URL, Options]:
    """
    Take *url* apart: into what the driver gets, and *options* with those that the URL names instead.

    Raises:
        InvalidValue: It is no URL, or names an option that there is not, or one twice or wrongly. The text of the error
            does not show the URL, which may hold a password.
    """
    scheme = url.partition("://")[0]
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        remedy = "write driver://user:password@host:port/database, with %40 for an @ in a password, and so on"
        raise InvalidValue("URL of the store", f"{scheme}://…", "must be a URL of SQLAlchemy", remedy) from None
    said = {name: value for name, value in parsed.query.items() if name.startswith(_OURS)}
    return parsed.difference_update_query(said), attrs.evolve(options, **_read(said))


def masked(url: URL) -> str:
    """Return *url* as errors and logs show it: without its password, and without its query, which may hold one too."""
    return url.set(query={}).render_as_string(hide_password=True)


def _read(said: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, value in said.items():
        reader = _READERS.get(name.removeprefix(_OURS))
        if reader is None:
            known = ", ".join(f"{_OURS}{each}" for each in _READERS)
            raise InvalidValue("option in the store's URL", name, f"must be one of {known}", "check the spelling")
        if not isinstance(value, str):
            raise InvalidValue(f"option {name} in the store's URL", value, "must be there once")
        read[name.removeprefix(_OURS)] = reader(name, value)
    return read


def _text(_: str, value: str) -> str:
    return value


def _flag(name: str, value: str) -> bool:
    match value.lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
    raise InvalidValue(f"option {name} in the store's URL", value, "must be 1 or 0")


def _count(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise InvalidValue(f"option {name} in the store's URL", value, "must be a whole number") from error


def _seconds(name: str, value: str) -> timedelta:
    try:
        return timedelta(seconds=float(value))
    except (ValueError, OverflowError) as error:
        raise InvalidValue(f"option {name} in the store's URL", value, "must be a number of seconds") from error


_READERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "prefix": _text,
    "schema": _text,
    "application": _text,
    "pool_size": _count,
    "create": _flag,
    "pgbouncer": _flag,
    "listen_url": _text,
    "transaction_limit": _seconds,
}
