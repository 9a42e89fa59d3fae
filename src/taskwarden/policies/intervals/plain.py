"""
Interval policies as plain data, for stores and configuration: one key names the policy, its value the arguments.

``every(minutes=15)`` is ``{"every": {"period": 900000000}}``. Spans are whole microseconds, instants ISO 8601 in UTC;
arguments at their defaults are left out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.core.instant import MICROSECOND
from taskwarden.errors import InvalidValue
from taskwarden.policies.intervals.activity import Between
from taskwarden.policies.intervals.cron import Cron
from taskwarden.policies.intervals.every import Every
from taskwarden.policies.intervals.jitter import Jittered
from taskwarden.policies.intervals.missed import Coalesce, Each, Skip
from taskwarden.policies.intervals.once import Once

if TYPE_CHECKING:
    from taskwarden.core.outcome import JSON
    from taskwarden.core.protocols import IntervalPolicy

__all__ = ["from_data", "to_data"]

_POLICIES: Final[dict[str, type[Any]]] = {
    "between": Between,
    "cron": Cron,
    "every": Every,
    "jittered": Jittered,
    "once": Once,
}
_MISSED: Final[dict[str, type[Any]]] = {"coalesce": Coalesce, "each": Each, "skip": Skip}
_NAMES: Final = {each: name for name, each in (_POLICIES | _MISSED).items()}
_SPANS: Final = frozenset({"period", "within", "lo", "hi", "grace"})
_INSTANTS: Final = frozenset({"anchor", "at"})


def to_data(policy: IntervalPolicy) -> JSON:
    """
    Return *policy*, one of those that ship, as JSON: ``from_data`` restores an equal one.

    Raises:
        InvalidValue: It is a policy of the host's own, which only its executor can bring.
    """
    if type(policy) not in _POLICIES.values():
        remedy = "set it as the executor's schedule; a task's own must be every, cron, once, jittered or between"
        raise InvalidValue("schedule", policy, "must be one of the policies that ship", remedy)
    return _dumped(policy)


def from_data(data: JSON) -> IntervalPolicy:
    """
    Return the policy that ``to_data`` gave as *data*.

    Raises:
        InvalidValue: *data* is nothing of the kind; names the path of what is wrong.
    """
    policy: IntervalPolicy = _loaded(data, "schedule", _POLICIES)
    return policy


def _dumped(value: Any) -> JSON:
    given = {field: getattr(value, field.name) for field in attrs.fields(type(value)) if field.init}
    changed = {field.name: _plain(each) for field, each in given.items() if each != field.default}
    return {_NAMES[type(value)]: changed}


def _plain(value: Any) -> JSON:
    if isinstance(value, timedelta):
        return value // MICROSECOND
    if isinstance(value, datetime):
        return value.isoformat()
    if type(value) in _NAMES:
        return _dumped(value)
    plain: JSON = value
    return plain


def _loaded(data: object, path: str, known: dict[str, type[Any]]) -> Any:
    if not isinstance(data, dict) or len(data) != 1:
        raise InvalidValue(path, data, f"must be an object with one key of {', '.join(known)}")
    ((name, arguments),) = data.items()
    if name not in known:
        raise InvalidValue(path, name, f"must have one key of {', '.join(known)}")
    path = f"{path}.{name}"
    fields = [field.name for field in attrs.fields(known[name]) if field.init]
    if not isinstance(arguments, dict) or not arguments.keys() <= set(fields):
        raise InvalidValue(path, arguments, f"must be an object with keys of {', '.join(fields) or 'no name'}")
    loaded = {key: _argument(value, key, f"{path}.{key}") for key, value in arguments.items()}
    try:
        return known[name](**loaded)
    except InvalidValue as error:
        raise InvalidValue(f"{path}: {error.name}", error.value, error.rule, error.remedy) from error
    except TypeError as error:
        raise InvalidValue(path, arguments, f"must have every argument without a default ({error})") from error


def _argument(value: object, key: str, path: str) -> object:
    if key in _SPANS and value is not None:
        return _span(value, path)
    if key in _INSTANTS and value is not None:
        return _instant(value, path)
    if key == "missed":
        return _loaded(value, path, _MISSED)
    if key == "policy":
        return _loaded(value, path, _POLICIES)
    return value


def _span(value: object, path: str) -> timedelta:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(path, value, "must be a whole number of microseconds")
    try:
        return value * MICROSECOND
    except OverflowError as error:
        raise InvalidValue(path, value, "must be a span of at most 999999999 days") from error


def _instant(value: object, path: str) -> datetime:
    try:
        return datetime.fromisoformat(value)  # type: ignore[arg-type]  # what is no text raises TypeError
    except (TypeError, ValueError) as error:
        raise InvalidValue(path, value, f"must be an instant in ISO 8601 ({error})") from error
