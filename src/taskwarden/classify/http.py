"""
What the HTTP response that an exception carries tells.

Read by shape: ``error.response`` with ``status_code`` or ``status`` (httpx, requests, and SDKs made on them), or a
``status`` of the exception's own (aiohttp, urllib). Nothing is fetched: a body counts only if it was read already.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from taskwarden.classify.chain import safely
from taskwarden.classify.evidence import Evidence
from taskwarden.core.failure import Confidence

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["by_response", "retry_after"]

T = TypeVar("T")

_STATUS: Final[dict[int, str]] = {
    400: "config_error.payload",
    401: "auth_error.expired",
    402: "api_limit.billing",
    403: "auth_error.forbidden",
    404: "config_error.not_found",
    408: "network_error.upstream",
    409: "network_error.conflict",
    410: "config_error.not_found",
    413: "config_error.payload",
    422: "config_error.payload",
    425: "network_error.upstream",
    429: "api_limit.rate",
}
# RFC 6749 5.2: what an authorization server says in the body of a 400 or 401.
_OAUTH: Final[dict[str, str]] = {
    "invalid_grant": "auth_error.revoked",
    "invalid_client": "auth_error.client",
    "invalid_scope": "auth_error.scope",
}
_DEFINITIVE: Final = frozenset({"invalid_grant"})
_SERVER: Final = "network_error.upstream"
_CLIENT: Final = "unknown.response"
_LONGEST_BODY: Final = 64 * 1024
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def by_response(error: Any) -> Evidence | None:
    """Return what the response carried by *error* tells; None: it carries none, or one that is no error."""
    response = safely(lambda it: it.response, error, None)
    status = _first(_status, response, error)
    if status is None:
        return None
    oauth = safely(_oauth, response, "") if status in {400, 401} else ""
    return Evidence(
        code=_OAUTH.get(oauth) or _STATUS.get(status) or (_SERVER if status >= 500 else _CLIENT),
        confidence=Confidence.PROTOCOL,
        definitive=oauth in _DEFINITIVE,
        retry_after=_first(_wait, response, error),
        status=status,
    )


def _first(ask: Callable[[Any], T | None], *carriers: Any) -> T | None:
    answers = (safely(ask, each, None) for each in carriers)
    return next((answer for answer in answers if answer is not None), None)


def retry_after(value: str, date: str | None) -> timedelta | None:
    """
    Return the span that a ``Retry-After`` header asks for: seconds, or a date, measured from the ``Date`` header.

    None where it is neither, or a date with nothing to measure it from: our clock is not the provider's. Negative where
    the date has passed; ``Failure`` clamps it.
    """
    if _SECONDS.fullmatch(value.strip()):
        return timedelta(seconds=float(value))
    until, since = _instant(value), _instant(date or "")
    return None if until is None or since is None else until - since


def _instant(text: str) -> datetime | None:
    """Return the instant that an HTTP date (RFC 9110 5.6.7, the form in use) names."""
    found = _DATE.fullmatch(text.strip())
    if found is None or found[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = map(int, found.group(1, 3, 4, 5, 6))
    try:
        return datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _status(carrier: Any) -> int | None:
    for name in ("status_code", "status"):
        value = getattr(carrier, name, None)
        if isinstance(value, int) and 400 <= value <= 599:
            return int(value)
    return None


def _wait(carrier: Any) -> timedelta | None:
    value, date = _header(carrier.headers, "Retry-After"), _header(carrier.headers, "Date")
    return None if value is None else retry_after(value, date)


def _header(headers: Any, name: str) -> str | None:
    value = headers.get(name)
    if value is None:
        value = headers.get(name.lower())  # a plain dict
    return value if isinstance(value, str) else None


def _oauth(response: Any) -> str:
    """Return the ``error`` of the JSON body, if the body is in memory. Its property would read from the network."""
    body = vars(response).get("_content")
    if not isinstance(body, bytes) or len(body) > _LONGEST_BODY:
        return ""
    said = json.loads(body)["error"]
    return said if isinstance(said, str) else ""
