"""
What the body of an error response tells: codes, most specific first, a sentence, and how long to wait.

Read by shape, over all providers at once: RFC 9457 problem details, OAuth 2, Google's ``errors`` and ``google.rpc``
details, AWS in JSON and XML, OpenAI, Anthropic, Stripe, Microsoft, Meta, GitHub. What a code means is in the packs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

__all__ = ["LONGEST_BODY", "PER_DAY", "Said", "document", "read"]

LONGEST_BODY: Final = 64 * 1024
"""A longer body is not parsed."""
PER_DAY: Final = "google:per_day"
"""The label of a ``QuotaFailure`` or ``ErrorInfo`` that names a limit of the day."""

_LONGEST_LABEL: Final = 100
_MOST: Final = 16
_DEEPEST: Final = 4
_DELAY: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)
_XML: Final = re.compile(r"<(Code|Message)>([^<]{1,500})</", re.ASCII)
_IN_DEPTH: Final = ("innererror", "innerError", "inner_error", "detail", "fault", "error", "Error")
_CODES: Final = (
    *("code", "Code", "errorcode", "errorCode", "error_code", "__type", "reason", "issue", "serviceErrorCode"),
    *("status", "type", "name"),
)
_SENTENCES: Final = ("message", "Message", "error_description", "detail", "msg", "errorMessage")


class Said:
    """
    What bodies, headers and attributes say, collected.

    Args:
        labels: Codes as the tables have them, in small letters, the most specific first.
        sentences: Messages of the response.
        wait: How long to wait, by the body.
    """

    __slots__ = ("labels", "sentences", "wait")

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.sentences: list[str] = []
        self.wait: timedelta | None = None

    def label(self, value: Any) -> None:
        """Take *value* as a code, if it may be one."""
        if type(value) is str and 0 < len(value) <= _LONGEST_LABEL and len(self.labels) < 4 * _MOST:
            self.labels.append(value.strip().lower())

    def sentence(self, value: Any) -> None:
        """Take *value* as a sentence, if it is text."""
        if type(value) is str and value and len(self.sentences) < _MOST:
            self.sentences.append(value)


def document(body: Any) -> Any:
    """Return what *body* says as dictionaries and lists: parsed if it is text. None: nothing that can be read."""
    if isinstance(body, dict | list):
        return body
    if not isinstance(body, bytes | str) or not body or len(body) > LONGEST_BODY:
        return None
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    text = text.lstrip()
    if text[:1] in {"{", "["}:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None
    if text[:1] == "<":
        found = dict(_XML.findall(text))
        return found or None
    return None


def read(body: Any, said: Said, depth: int = 0) -> None:
    """Collect into *said* what the parsed *body* tells, the innermost first."""
    if depth > _DEEPEST:
        return
    if isinstance(body, list):
        for each in body[:_MOST]:
            read(each, said, depth + 1)
        return
    if not isinstance(body, dict):
        return
    _details(body.get("details"), said, depth)
    read(body.get("errors"), said, depth + 1)
    for name in _IN_DEPTH:
        inner = body.get(name)
        if isinstance(inner, dict):
            read(inner, said, depth + 1)
    _composed(body, said)
    for name in _CODES:
        said.label(_bare(name, body.get(name)))
    said.label(body.get("error"))
    extensions = body.get("extensions")
    if isinstance(extensions, dict):
        said.label(extensions.get("code"))
    link = body.get("documentation_url")
    if isinstance(link, str):  # GitHub says by a link which limit it is
        said.label(link.rpartition("#")[2])
    for name in _SENTENCES:
        said.sentence(body.get(name))


def _bare(name: str, value: Any) -> Any:
    """Return a code without the namespace that AWS and problem types put before it."""
    if not isinstance(value, str):
        return None
    if name == "__type":
        return value.rpartition("#")[2]
    if name == "type" and "://" in value:
        return value.rstrip("/").rpartition("/")[2].rpartition("#")[2]
    return value


def _composed(body: dict[Any, Any], said: Said) -> None:
    """Take the numbers of Meta's Graph API, which mean something only together with the type."""
    kind, code = body.get("type"), body.get("code")
    if isinstance(kind, str) and type(code) is int:
        subcode = body.get("error_subcode")
        if type(subcode) is int:
            said.label(f"{kind}:{code}:{subcode}")
        said.label(f"{kind}:{code}")


def _details(details: Any, said: Said, depth: int) -> None:
    """Read ``google.rpc`` details, as JSON or as messages, and others' that have a code."""
    if isinstance(details, dict):
        read(details, said, depth + 1)
        said.label(details.get("error_code"))
        return
    if not isinstance(details, list | tuple):
        return
    for detail in details[:_MOST]:
        if isinstance(detail, dict):
            _detail(detail, said)
            read(detail, said, depth + 1)
        elif not isinstance(detail, str):
            _detail(_of_message(detail), said)
            said.label(getattr(detail, "reason", None))


def _of_message(message: Any) -> dict[str, Any]:
    """Return the fields of a protobuf message that matter, under their JSON names."""
    delay = getattr(message, "retry_delay", None)
    seconds, nanos = getattr(delay, "seconds", None), getattr(delay, "nanos", 0)
    return {
        "metadata": dict(getattr(message, "metadata", None) or {}),
        "violations": [{"quotaId": getattr(each, "quota_id", "")} for each in getattr(message, "violations", ())],
        "retryDelay": None if seconds is None else f"{seconds}.{nanos:09d}s",
    }


def _detail(detail: dict[Any, Any], said: Said) -> None:
    delay = detail.get("retryDelay")
    if isinstance(delay, str) and (found := _DELAY.fullmatch(delay)) is not None:
        said.wait = timedelta(seconds=float(found[1]))
    metadata = detail.get("metadata")
    limits: Iterable[Any] = metadata.values() if isinstance(metadata, dict) else ()
    violations = detail.get("violations")
    if isinstance(violations, list):
        limits = [*limits, *(each.get("quotaId") for each in violations[:_MOST] if isinstance(each, dict))]
    if any(isinstance(limit, str) and ("PerDay" in limit or limit.startswith("1/d/")) for limit in limits):
        said.label(PER_DAY)
