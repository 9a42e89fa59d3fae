"""
A corpus: failures as they were, what each should be, and where it is from; one JSON object a line.

``{"text": "502 Bad Gateway", "code": "network_error.upstream", "source": "..."}`` is a message alone. ``raised``, in
place of ``text``, is an exception as ``recorded()`` writes it: names of its classes, text, attributes, response, and
what is behind it. It is made anew from names only, so that no SDK is needed to judge a classifier by it.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import attrs

from taskwarden.classify.carrier import is_grpc
from taskwarden.classify.chain import safely
from taskwarden.core.failure import Failure
from taskwarden.errors import InvalidValue

__all__ = ["Line", "lines", "recorded", "revived"]

_DEEPEST: Final = 6
_LONGEST: Final = 4_000
_ATTRIBUTES: Final = (
    *("status_code", "status", "http_status", "code", "error", "error_code", "type", "sqlstate", "pgcode"),
    *("smtp_code", "smtp_error", "grpc_status_code", "headers"),
)
_FIELDS: Final = frozenset({"text", "raised", "code", "source", "split", "definitive", "retry_after"})


def _coded(instance: Line, attribute: attrs.Attribute[str], value: str) -> None:
    del instance, attribute
    Failure(value)


@attrs.frozen(kw_only=True)
class Line:
    """
    One failure.

    Args:
        error: As an executor would raise it.
        code: What it should be; a reason alone accepts every code of that reason.
        source: The page that documents it, or the library and version that raised it; never empty.
        split: ``held_out`` for what nobody looked at while the tables were written.
        by_text: Nothing but the message is left of it.
        definitive: What ``Failure.definitive`` should be; None: either.
        retry_after: What ``Failure.retry_after`` should be, in seconds; None: any.
    """

    error: BaseException
    code: str = attrs.field(validator=_coded)
    source: str = attrs.field(validator=attrs.validators.min_len(1))
    split: str = ""
    by_text: bool = False
    definitive: bool | None = None
    retry_after: float | None = None

    def accepts(self, code: str) -> bool:
        """Tell whether *code* is right."""
        return code == self.code or code.startswith(f"{self.code}.")


def lines(texts: Iterable[str]) -> Iterator[Line]:
    """
    Yield the lines of a corpus; empty ones are passed over.

    Raises:
        InvalidValue: A line is no JSON object, has no text or exception, or a field that is not known; it says which.
    """
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        try:
            entry = json.loads(text)
            yield _line(entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidValue(f"line {number}", text[:80], f"must be a line of a corpus: {error}") from error


def _line(entry: dict[str, Any]) -> Line:
    unknown = entry.keys() - _FIELDS
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    by_text = "text" in entry
    error: BaseException = RuntimeError(entry["text"]) if by_text else revived(entry["raised"])
    rest = {name: entry[name] for name in ("split", "definitive", "retry_after") if name in entry}
    return Line(error=error, code=entry["code"], source=entry["source"], by_text=by_text, **rest)


# --- from an exception to JSON ---


def recorded(error: BaseException, depth: int = 0) -> dict[str, Any]:
    """
    Return *error* as JSON for a corpus: names, text, attributes, response, and what is behind it.

    What cannot be JSON is left out. Look at it before it is kept: whatever the exception carries is in it.
    """
    kinds = [f"{each.__module__}.{each.__qualname__}" for each in type(error).__mro__ if each is not object]
    entry: dict[str, Any] = {"type": kinds[: kinds.index("builtins.BaseException")] or kinds}
    text = safely(str, error, "")
    if text:
        entry["text"] = text[:_LONGEST]
    attributes: dict[str, Any] = safely(_attributes, error, {})
    if attributes:
        entry["attributes"] = attributes
    arguments = [_plain(each) for each in error.args]
    if any(each is not None and each != text for each in arguments):
        entry["args"] = arguments
    if isinstance(error, OSError) and isinstance(error.errno, int):
        entry["errno"] = int(error.errno)
    response = safely(_response, error, None)
    if response is not None:
        entry["response"] = response
    if depth < _DEEPEST:
        entry |= _behind(error, depth)
    return entry


def _behind(error: BaseException, depth: int) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    held = [each for each in (*vars(error).values(), *error.args) if isinstance(each, BaseException)]
    if held:
        entry["held"] = [recorded(each, depth + 1) for each in held]
    if isinstance(error, BaseExceptionGroup):
        entry["group"] = [recorded(each, depth + 1) for each in error.exceptions]
    if error.__cause__ is not None:
        entry["cause"] = recorded(error.__cause__, depth + 1)
    elif error.__context__ is not None and not error.__suppress_context__:
        entry["context"] = recorded(error.__context__, depth + 1)
    return entry


def _attributes(error: BaseException) -> dict[str, Any]:
    found = dict(vars(error))
    for name in _ATTRIBUTES:
        found.setdefault(name, getattr(error, name, None))
    if callable(found["code"]) and is_grpc(error):
        found["code"] = found["code"]()
    plain = {name: _plain(value) for name, value in found.items()}
    return {name: value for name, value in plain.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return *value* as JSON, or None where it cannot be; bytes and statuses are marked as what they are."""
    if isinstance(value, HTTPStatus):
        return {"$status": int(value)}
    if isinstance(value, bytes):
        return {"$bytes": value[:_LONGEST].decode("latin-1")}
    if isinstance(value, str | int | float | bool):
        return value[:_LONGEST] if isinstance(value, str) else value
    if isinstance(value, Mapping):
        return {str(name): plain for name, each in value.items() if (plain := _plain(each)) is not None} or None
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value] or None
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and not isinstance(value, type) and hasattr(value, "value") else None


def _response(error: BaseException) -> dict[str, Any] | None:
    response = getattr(error, "response", None)
    if response is None:
        response = getattr(error, "resp", None)
    if response is None:
        return None
    if type(response) is dict:
        return {"$dict": _plain(response)}
    status = getattr(response, "status_code", None) or getattr(response, "status", None)
    headers = getattr(response, "headers", None)
    if headers is None and isinstance(response, dict):
        headers = response
    entry = {"status": status, "headers": {str(name): str(value) for name, value in (headers or {}).items()}}
    body = vars(response).get("_content")
    if isinstance(body, bytes) and len(body) < _LONGEST:
        entry["body"] = body.decode("utf-8", "replace")
    return entry


# --- and back ---


class _Response:
    """A response as httpx and requests have it."""

    def __init__(self, status: Any, headers: dict[str, str], body: str | None) -> None:
        self.status_code, self.headers = status, headers
        if body is not None:
            self._content = body.encode()


def revived(entry: dict[str, Any]) -> BaseException:
    """Return the exception that *entry* records, of classes made anew: known by their names alone."""
    cls = _class(tuple(entry["type"]))
    if issubclass(cls, BaseExceptionGroup):
        error: BaseException = cls(entry.get("text", "group"), [revived(each) for each in entry.get("group", ())])
    else:
        error = cls.__new__(cls)
        error.args = tuple(_unplain(each) for each in entry.get("args", [entry.get("text", "")]))
    if "errno" in entry and isinstance(error, OSError):
        error.errno = entry["errno"]
    for name, value in entry.get("attributes", {}).items():
        safely(lambda it, name=name, value=value: setattr(it, name, _unplain(value)), error, None)  # type: ignore[misc]  # bound
    if "response" in entry:
        said = entry["response"]
        response: Any = (
            said["$dict"] if "$dict" in said else _Response(said["status"], said["headers"], said.get("body"))
        )
        error.response = response  # type: ignore[attr-defined]  # its class is made here
    for number, held in enumerate(entry.get("held", ())):
        setattr(error, f"_held_{number}", revived(held))
    if "cause" in entry:
        error.__cause__ = revived(entry["cause"])
    if "context" in entry:
        error.__context__ = revived(entry["context"])
    error._text = entry.get("text", "")  # type: ignore[attr-defined]  # noqa: SLF001 - likewise
    return error


def _class(kinds: tuple[str, ...]) -> type[BaseException]:
    """Return a class with the names of *kinds* in its MRO, on the nearest of Python's own among them."""
    own = next((name for kind in kinds if (name := kind.removeprefix("builtins.")) != kind), "Exception")
    base: Any = getattr(builtins, own, Exception)
    foreign = [kind for kind in kinds if not kind.startswith("builtins.")]
    if not foreign:
        foreign = [f"builtins.{own}"]
    for kind in reversed(foreign):
        module, _, name = kind.rpartition(".")
        base = type(name, (base,), {"__module__": module, "__str__": _said, "__qualname__": name})
    made: type[BaseException] = base
    return made


def _said(error: Any) -> str:
    return str(error._text)  # noqa: SLF001 - of the classes made here


def _unplain(value: Any) -> Any:
    if isinstance(value, dict):
        if "$status" in value:
            return HTTPStatus(value["$status"])
        if "$bytes" in value:
            return value["$bytes"].encode("latin-1")
        return {name: _unplain(each) for name, each in value.items()}
    return [_unplain(each) for each in value] if isinstance(value, list) else value
