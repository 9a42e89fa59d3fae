"""A classified failure: the public reason, the code that carries the action, and how sure we are."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from typing import Any

__all__ = ["LONGEST_RETRY_AFTER", "Confidence", "Failure", "Reason", "TaskFailure"]

LONGEST_RETRY_AFTER: Final = timedelta(days=7)
"""A longer Retry-After is clamped to this: a provider's typo must not silence a task for a year."""
_ZERO: Final = timedelta(0)
_LONGEST_MESSAGE: Final = 2_000


class Reason(enum.StrEnum):
    """The five public classes of failure."""

    API_LIMIT = "api_limit"
    AUTH_ERROR = "auth_error"
    NETWORK_ERROR = "network_error"
    CONFIG_ERROR = "config_error"
    UNKNOWN = "unknown"


class Confidence(enum.IntEnum):
    """How a failure was recognised; the most specific evidence wins. Text alone is never definitive."""

    NONE = 0
    TEXT = 1
    PROTOCOL = 2
    TYPE = 3
    EXPLICIT = 4


def _code(instance: Failure, attribute: attrs.Attribute[str], value: Any) -> None:
    del instance, attribute
    reason = value.partition(".")[0] if isinstance(value, str) else ""
    if reason not in Reason._value2member_map_:
        rule = f"must begin with one of {', '.join(Reason)}"
        raise InvalidValue("code", value, rule, "for example 'network_error.timeout'")


def _clamped(value: timedelta | None) -> timedelta | None:
    return None if value is None else min(max(value, _ZERO), LONGEST_RETRY_AFTER)


def _cut(value: str) -> str:
    return value[:_LONGEST_MESSAGE]


@attrs.frozen
class Failure:
    """
    A classified failure.

    Args:
        code: ``<reason>.<detail>``, e.g. ``api_limit.quota_daily``; the detail may be absent.
        message: For people; cut to 2,000 characters.
        retry_after: What the provider asked for, clamped to 0 s to 7 days.
        definitive: A repetition cannot help (a revoked token). Believed only after confirmation.
        confidence: How the code was found.
        fingerprint: What two failures with one cause share; the code if empty.
    """

    code: str = attrs.field(validator=_code)
    message: str = attrs.field(default="", converter=_cut)
    retry_after: timedelta | None = attrs.field(default=None, kw_only=True, converter=_clamped)
    definitive: bool = attrs.field(default=False, kw_only=True)
    confidence: Confidence = attrs.field(default=Confidence.NONE, kw_only=True)
    fingerprint: str = attrs.field(default="", kw_only=True)

    @property
    def reason(self) -> Reason:
        """The public class."""
        return Reason(self.code.partition(".")[0])

    @property
    def cause(self) -> str:
        """The fingerprint, or the code where there is none."""
        return self.fingerprint or self.code


class TaskFailure(Exception):
    """
    Raise it in an executor to say exactly what failed; it overrides the classifier.

    Example::

        raise TaskFailure("auth_error.revoked", "the user disconnected", definitive=True)
    """

    def __init__(
        self, code: str, message: str = "", *, retry_after: timedelta | None = None, definitive: bool = False
    ) -> None:
        super().__init__(code, message)
        self.failure: Final = Failure(
            code, message, retry_after=retry_after, definitive=definitive, confidence=Confidence.EXPLICIT
        )

    def __str__(self) -> str:
        return f"{self.failure.code}: {self.failure.message}" if self.failure.message else self.failure.code
