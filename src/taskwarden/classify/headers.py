"""
What the headers of a response tell: how long to wait, that a limit is reached, and codes of the provider's.

An instant is measured from the response's own ``Date``, never from our clock, which is not the provider's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["is_exhausted", "labels", "retry_after", "wait"]

Headers = Mapping[str, str]
"""Names in small letters."""

_NUMBER: Final = re.compile(r"\d{1,13}(?:\.\d{1,9})?", re.ASCII)
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_DURATION: Final = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?", re.ASCII)
_MILLISECONDS: Final = ("retry-after-ms", "x-ms-retry-after-ms")
_PLAIN: Final = ("x-ratelimit", "x-rate-limit", "ratelimit")
_DIMENSIONS: Final = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),  # OpenAI
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    *(
        (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset")
        for what in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
    *((f"{prefix}-remaining", f"{prefix}-reset") for prefix in _PLAIN),
)
_STRUCTURED: Final = re.compile(r"\b(r|t|remaining|reset)=(\d{1,10})\b", re.ASCII)
_BEARER: Final = re.compile(r'\berror="?([A-Za-z_]{1,60})"?', re.ASCII)
_EPOCH: Final = 1_000_000_000
"""A larger number of seconds is an instant: as a span it would be 30 years."""
_EPOCH_MILLISECONDS: Final = 1_000_000_000_000


def wait(headers: Headers, status: int) -> timedelta | None:
    """Return how long the provider asks not to be called, by whichever header says so; None: none does."""
    date = headers.get("date")
    if (asked := headers.get("retry-after")) is not None:
        found = retry_after(asked, date)
        if found is not None:
            return found
    for name in _MILLISECONDS:
        if (text := headers.get(name)) is not None and _NUMBER.fullmatch(text):
            return timedelta(milliseconds=float(text))
    spans = [span for reset in _exhausted(headers) if (span := _until(reset, date)) is not None]
    if not spans and status == 429:
        spans = [span for prefix in _PLAIN if (span := _until(headers.get(f"{prefix}-reset", ""), date)) is not None]
    return max(spans, default=None)


def is_exhausted(headers: Headers) -> bool:
    """Tell whether a rate-limit header says that nothing remains."""
    return next(_exhausted(headers), None) is not None


def labels(headers: Headers) -> Iterator[str]:
    """Yield the codes that headers carry: RFC 6750's ``error``, and those of AWS and Microsoft."""
    if (challenge := headers.get("www-authenticate")) is not None and (found := _BEARER.search(challenge)) is not None:
        yield str(found[1])
    if (kind := headers.get("x-amzn-errortype")) is not None:
        yield kind.partition(":")[0]
    if (code := headers.get("x-ms-error-code")) is not None:
        yield code


def retry_after(value: str, date: str | None) -> timedelta | None:
    """
    Return the span that a ``Retry-After`` header asks for: seconds, or a date, measured from the ``Date`` header.

    None where it is neither, or a date with nothing to measure it from. Negative where the date has passed;
    ``Failure`` clamps it.
    """
    if _NUMBER.fullmatch(value.strip()):
        return timedelta(seconds=min(float(value), _EPOCH))
    until, since = _instant(value), _instant(date or "")
    return None if until is None or since is None else until - since


def _exhausted(headers: Headers) -> Iterator[str]:
    """Yield what stands in the reset header of each limit of which nothing remains; empty where there is none."""
    for remaining, reset in _DIMENSIONS:
        if (left := headers.get(remaining)) is not None and left.strip() in {"0", "0.0"}:
            yield headers.get(reset, "")
    if (draft := headers.get("ratelimit")) is not None:  # the drafts of the IETF's RateLimit header, old and new
        said: dict[str, str] = dict(_STRUCTURED.findall(draft))
        if said.get("r", said.get("remaining")) == "0":
            yield said.get("t", said.get("reset", ""))


def _until(text: str, date: str | None) -> timedelta | None:
    """Return the span to a reset that is given as seconds, as a duration, or as an instant of one of three forms."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        if number < _EPOCH:
            return timedelta(seconds=number)
        since = _instant(date or "")
        seconds = number / 1000 if number >= _EPOCH_MILLISECONDS else number
        return None if since is None else timedelta(seconds=seconds - since.timestamp())
    if _STAMP.fullmatch(text):
        since = _instant(date or "")
        return None if since is None else datetime.fromisoformat(text) - since
    if text and (found := _DURATION.fullmatch(text)) is not None:
        hours, minutes, seconds_, milliseconds = (float(part or 0) for part in found.groups())
        return timedelta(hours=hours, minutes=minutes, seconds=seconds_, milliseconds=milliseconds)
    return None


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
