"""Payloads: attrs classes or plain JSON, structured with cattrs and refused where they do not fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import cattrs
from cattrs.preconf.json import make_converter
from cattrs.v import format_exception

from taskwarden.core.instant import utc
from taskwarden.errors import InvalidValue, PayloadRejected, shown

if TYPE_CHECKING:
    from taskwarden.core.outcome import JSON
    from taskwarden.ids import Kind

__all__ = ["LARGEST", "structured", "to_json_text", "unstructured"]

LARGEST: Final = 64 * 1024
"""Most bytes of a payload or a result, as UTF-8 JSON."""

T = TypeVar("T")


def _make() -> cattrs.Converter:
    converter = make_converter(forbid_extra_keys=True, detailed_validation=True)
    for plain in (bool, int, str):
        converter.register_structure_hook(plain, _exactly(plain))
    converter.register_structure_hook(float, lambda value, _: float(_number(value)))
    converter.register_unstructure_hook(datetime, lambda value: utc(value).isoformat())
    converter.register_structure_hook(datetime, lambda value, _: utc(datetime.fromisoformat(value)).astimezone(UTC))
    converter.register_unstructure_hook(timedelta, lambda value: value.total_seconds())
    converter.register_structure_hook(timedelta, lambda value, _: timedelta(seconds=_number(value)))
    return converter


def _exactly(plain: type) -> Any:
    def hook(value: object, _: object) -> object:
        if type(value) is not plain:
            raise TypeError(f"expected {plain.__name__}, got {type(value).__name__}")
        return value

    return hook


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    return value


_CONVERTER: Final = _make()


def structured(payload: JSON, into: type[T] | None, kind: Kind) -> T | JSON:
    """
    Return *payload* as an instance of *into*; None: as it is.

    Raises:
        PayloadRejected: It does not fit; names the path of the first wrong field.
    """
    if into is None:
        return payload
    try:
        return _CONVERTER.structure(payload, into)
    except Exception as error:
        path, problem = _first_problem(error)
        raise PayloadRejected(kind, path, payload, problem) from error


def unstructured(payload: object, into: type[Any] | None, kind: Kind) -> JSON:
    """
    Return *payload* as JSON, checked against *into* as if it came from the store.

    Raises:
        PayloadRejected: It is not JSON, not of the class, or larger than 64 KiB.
    """
    try:
        plain = _CONVERTER.unstructure(payload) if attrs.has(type(payload)) else payload
        text = to_json_text(plain, "payload")
    except Exception as error:
        problem = error.rule if isinstance(error, InvalidValue) else f"must be JSON ({type(error).__name__}: {error})"
        raise PayloadRejected(kind, "$", payload, problem) from error
    restored: JSON = json.loads(text)
    structured(restored, into, kind)
    return restored


def to_json_text(value: object, name: str) -> str:
    """
    Return *value* as compact JSON text.

    Raises:
        InvalidValue: It is not JSON (NaN and non-text keys are not), or larger than 64 KiB.
    """
    try:
        _check_keys(value)
        text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
        size = len(text.encode("utf-8"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(name, value, f"must be JSON ({error})") from error
    if size > LARGEST:
        raise InvalidValue(name, value, f"must be at most {LARGEST} bytes as JSON", f"it has {size}: store a reference")
    return text


def _check_keys(value: object) -> None:
    """Refuse keys that are no text: json would turn them into text, and what comes back would be something else."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"key {shown(key)} is no text")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)


def _first_problem(error: BaseException) -> tuple[str, str]:
    first = _problems(error)[0]
    problem, _, path = first.rpartition(" @ ")
    return (path or "$", problem or first)


def _problems(error: BaseException) -> list[str]:
    """Return each problem as ``problem @ path``, as cattrs finds them."""
    return cattrs.transform_error(error, path="$", format_exception=format_exception) or [f"{error} @ $"]
