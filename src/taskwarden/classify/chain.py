"""The exceptions behind an exception: wrappers such as ``RetryError`` hide the cause that tells what to do."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DEEPEST", "MOST", "causes", "safely"]

DEEPEST: Final = 16
"""Most steps from the exception to a cause."""
MOST: Final = 256
"""Most exceptions looked at: a group may hold any number."""
_HELD: Final = 32
"""Most attributes, and entries in one of them, that are looked at for an exception held there."""
_NOTHING: Final[tuple[BaseException, ...]] = ()

A = TypeVar("A")
T = TypeVar("T")


def safely(ask: Callable[[A], T], about: A, otherwise: T) -> T:
    """
    Return ``ask(about)``, or *otherwise* if that raises.

    An exception of the host's may raise from any attribute, its ``str`` and its ``repr``. Only ``KeyboardInterrupt``
    passes: it comes from the user, whatever code it meets.
    """
    try:
        return ask(about)
    except KeyboardInterrupt:
        raise
    except BaseException:  # what a broken exception raises must not replace what it reports
        return otherwise


def causes(error: BaseException) -> Iterator[BaseException]:
    """
    Yield *error* and what is behind it, the nearest first.

    Behind an exception are the members of a group, those it holds in its attributes and arguments, as retry wrappers
    do (``MaxRetryError.reason``, ``tenacity.RetryError.last_attempt``), its cause, and its context. Each comes once, so
    that cycles end; at most 16 steps deep, and at most 256. A context hidden by ``raise ... from None`` stays hidden.
    """
    waiting = deque([(error, 0)])
    seen: dict[int, BaseException] = {}  # holds them, so that no id is used again
    while waiting and len(seen) < MOST:
        each, depth = waiting.popleft()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        yield each
        if depth < DEEPEST:
            behind = safely(_members, each, _NOTHING) + safely(_held, each, _NOTHING) + safely(_linked, each, _NOTHING)
            waiting.extend((one, depth + 1) for one in behind)


def _members(error: BaseException) -> tuple[BaseException, ...]:
    if not isinstance(error, BaseExceptionGroup):
        return _NOTHING
    return tuple(each for each in error.exceptions[:MOST] if isinstance(each, BaseException))


def _linked(error: BaseException) -> tuple[BaseException, ...]:
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    return (cause,) if isinstance(cause, BaseException) else _NOTHING


def _held(error: BaseException) -> tuple[BaseException, ...]:
    """Return the exceptions in *error*'s attributes and arguments. No property is asked: it might do anything."""
    values: list[Any] = list(islice(vars(error).values(), _HELD))
    if not isinstance(error, BaseExceptionGroup):
        values += error.args[:_HELD]
    if not values:
        return _NOTHING
    found: list[BaseException] = []
    for value in values:
        if isinstance(value, BaseException):
            found.append(value)
        elif type(value) is dict:  # paramiko: an address to what happened there; botocore: its keyword arguments
            found += [each for each in islice(value.values(), _HELD) if isinstance(each, BaseException)]
        elif type(value) is list or type(value) is tuple:
            found += [each for each in islice(value, _HELD) if isinstance(each, BaseException)]
        elif value is not None and type(value) not in _PLAIN:
            found += safely(_attempted, value, _NOTHING)
    return tuple(found)


def _attempted(value: Any) -> tuple[BaseException, ...]:
    """Return the exception that a finished future holds, such as tenacity's last attempt."""
    error = vars(value).get("_exception")
    return (error,) if isinstance(error, BaseException) else _NOTHING


_PLAIN: Final = frozenset({str, int, float, bool, bytes})
