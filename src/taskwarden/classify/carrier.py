"""
What an exception carries: the response it reports, and codes in its attributes.

Read by shape: ``error.response`` (httpx, requests, SDKs made on them; a dictionary in botocore), ``error.resp``
(googleapiclient), or a status of its own (aiohttp, urllib, Stripe, PyGithub). Nothing is fetched: a body counts only if
it stands in memory, so bodies are taken from ``vars`` and never by a property, which might read from the network.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, NamedTuple

from taskwarden.classify.body import Said, document, read
from taskwarden.classify.chain import safely
from taskwarden.classify.headers import is_exhausted, labels, wait

__all__ = ["NOTHING", "Carried", "carried", "is_grpc"]

_STATUSES: Final = ("status_code", "status", "http_status")
_ATTRIBUTES: Final = ("code", "error_code", "error", "type", "grpc_status_code")
_BODIES: Final = (
    *("body", "json_body", "http_body", "content", "data", "_GithubException__data", "error_details"),
    *("_errors", "_content", "_body"),
)
_MOST_HEADERS: Final = 100


_BARE: Final = frozenset(
    cls for cls in vars(builtins).values() if isinstance(cls, type) and issubclass(cls, BaseException)
)


class Carried(NamedTuple):
    """
    What an exception carries.

    Args:
        status: The HTTP status, where it is one of an error.
        limited: A header says that a limit is reached.
        wait: How long the provider asks not to be called.
        labels: Codes, in small letters, the most specific first.
        sentences: Messages in the body.
    """

    status: int | None
    limited: bool
    wait: timedelta | None
    labels: list[str]
    sentences: list[str]


NOTHING: Final = Carried(None, False, None, [], [])  # noqa: FBT003 - a named tuple's fields


def carried(error: BaseException) -> Carried:
    """Return what *error* carries; `NOTHING` itself where it is one of Python's own, with nothing added."""
    if type(error) in _BARE and not vars(error):
        return NOTHING
    response = safely(_response, error, None)
    said = Said()
    status = safely(_status, response, None) if response is not None else None
    if status is None:
        status = safely(_status, error, None)
    headers: Mapping[str, str] = {}
    if response is not None or status is not None:
        headers = safely(_headers, response, {}) or safely(_headers, error, {})
    safely(lambda it: _bodies(vars(it), said), error, None)
    if response is not None:
        safely(lambda it: _bodies(it if isinstance(it, dict) else vars(it), said), response, None)
        if isinstance(response, dict):
            safely(lambda it: read(it, said), response, None)
    for value in error.args[1:3]:
        if type(value) is dict:  # google-auth: RefreshError("...", {"error": "invalid_grant"})
            safely(lambda it: read(it, said), value, None)
    safely(lambda it: said.labels.extend(label.lower() for label in labels(it)), headers, None)
    safely(lambda it: _attributes(it, said), error, None)
    asked = safely(lambda it: wait(it, status or 0), headers, None) if headers else None
    return Carried(
        status,
        bool(headers) and safely(_limited, headers, False),  # noqa: FBT003 - what to answer otherwise
        said.wait if asked is None else asked,
        said.labels,
        said.sentences,
    )


def _response(error: BaseException) -> Any:
    response = getattr(error, "response", None)
    return getattr(error, "resp", None) if response is None else response


def _status(carrier: Any) -> int | None:
    if type(carrier) is dict:
        carrier = carrier["ResponseMetadata"]
        value = carrier.get("HTTPStatusCode")
        return int(value) if isinstance(value, int) and 400 <= value <= 599 else None
    for name in _STATUSES:
        value = getattr(carrier, name, None)
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
            return int(value)
    value = getattr(carrier, "code", None)  # google.api_core; other integers called `code` are no status
    return int(value) if isinstance(value, HTTPStatus) and value >= 400 else None


def _headers(carrier: Any) -> dict[str, str]:
    if type(carrier) is dict:
        found = carrier["ResponseMetadata"].get("HTTPHeaders", {})
    else:
        found = getattr(carrier, "headers", None)
        if found is None and isinstance(carrier, dict):  # httplib2: the response is the mapping of its headers
            found = carrier
    if found is None:
        return {}
    return {
        name.lower(): value
        for name, value in islice(found.items(), _MOST_HEADERS)
        if isinstance(name, str) and isinstance(value, str)
    }


def _limited(headers: Mapping[str, str]) -> bool:
    return "retry-after" in headers or is_exhausted(headers)


def _bodies(attributes: Mapping[str, Any], said: Said) -> None:
    for name in _BODIES:
        value = attributes.get(name)
        if value:
            safely(lambda it: read(document(it), said), value, None)
    details = attributes.get("_details")  # google.api_core: messages of google.rpc
    if details:
        safely(lambda it: read({"details": list(it)}, said), details, None)


def _attributes(error: BaseException, said: Said) -> None:
    for name in _ATTRIBUTES:
        value = getattr(error, name, None)
        if value is None:
            continue
        if type(value) is str:
            said.label(value)
        elif callable(value) and name == "code" and is_grpc(error):
            value = value()
        if isinstance(name_of := getattr(value, "name", None), str) and not isinstance(value, type):
            said.label(name_of)  # a member of grpc.StatusCode


def is_grpc(error: BaseException) -> bool:
    """Tell whether *error* is gRPC's: its ``code`` is a method, and known once the call has ended."""
    return any(base.__module__.partition(".")[0] == "grpc" for base in type(error).__mro__)
