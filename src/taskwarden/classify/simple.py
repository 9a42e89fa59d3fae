"""
From an exception to a failure: the most exact evidence wins.

Theory: what an executor raises is often a wrapper, or an accident that happened while the real error was handled. So
all that is behind it is asked. A ``TaskFailure`` anywhere is the executor's own word. Otherwise the nearest exception
that tells something exact decides, and one that tells something vague only if none does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from taskwarden.classify.chain import causes, safely
from taskwarden.classify.evidence import Evidence, by_errno, by_type
from taskwarden.classify.http import by_response
from taskwarden.core.failure import Failure, TaskFailure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["classify"]

_ASKED: Final[tuple[Callable[[BaseException], Evidence | None], ...]] = (by_response, by_type, by_errno)
_LONGEST_MESSAGE: Final = 2_000
_LONGEST_NAME: Final = 200


def classify(error: BaseException) -> Failure:
    """
    Say what failed, from the types of *error* and of what is behind it, and from the HTTP response they carry.

    Pure and total: whatever attributes, ``str`` and ``repr`` of the exceptions raise, the answer is a failure. The
    message is what the deciding exception says of itself, cut to 2,000 characters and not redacted.
    """
    behind = tuple(causes(error))
    for each in behind:
        failure = safely(_said, each, None)
        if failure is not None:
            return failure
    found = [(each, evidence) for each in behind if (evidence := _evidence(each)) is not None]
    if not found:
        return Failure("unknown", _message(error), fingerprint=_fingerprint("unknown", error, None))
    by, evidence = next((each for each in found if not each[1].vague), found[0])
    return Failure(
        evidence.code,
        _message(by),
        retry_after=evidence.retry_after,
        definitive=evidence.definitive,
        confidence=evidence.confidence,
        fingerprint=_fingerprint(evidence.code, by, evidence.status),
    )


def _said(error: BaseException) -> Failure | None:
    said = error.failure if isinstance(error, TaskFailure) else None
    return said if isinstance(said, Failure) else None


def _evidence(error: BaseException) -> Evidence | None:
    answers = (safely(ask, error, None) for ask in _ASKED)
    return next((answer for answer in answers if answer is not None), None)


def _message(error: BaseException) -> str:
    return safely(lambda it: _storable(str(it), _LONGEST_MESSAGE), error, "") or _name(error)


def _name(error: BaseException) -> str:
    kind = type(error)
    return safely(
        lambda it: _storable(f"{it.__module__}.{it.__qualname__}", _LONGEST_NAME), kind, "a nameless exception"
    )


def _storable(text: str, longest: int) -> str:
    """Return *text* as a plain ``str``, cut, without what no database stores: halves of surrogate pairs, and NUL."""
    return str.__getitem__(text, slice(longest)).encode("utf-8", "replace").decode().replace("\0", "?")


def _fingerprint(code: str, error: BaseException, status: int | None) -> str:
    return ":".join((code, _name(error), *([] if status is None else [str(status)])))
