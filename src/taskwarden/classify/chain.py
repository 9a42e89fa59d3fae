"""The exceptions behind an exception: wrappers such as ``RetryError`` hide the cause that tells what to do."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DEEPEST", "MOST", "causes", "safely"]

DEEPEST: Final = 16
"""Most steps from the exception to a cause."""
MOST: Final = 256
"""Most exceptions looked at: a group may hold any number."""

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
    Yield *error* and what is behind it: members of groups, causes and contexts, the nearest first.

    Each once, so that cycles end; at most 16 steps deep, and at most 256. A context hidden by ``raise ... from None``
    stays hidden.
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
            waiting.extend((behind, depth + 1) for behind in safely(_behind, each, _NOTHING))


def _behind(error: BaseException) -> tuple[BaseException, ...]:
    members = error.exceptions[:MOST] if isinstance(error, BaseExceptionGroup) else ()
    cause = error.__cause__
    if cause is None and not error.__suppress_context__:
        cause = error.__context__
    return tuple(each for each in (*members, cause) if isinstance(each, BaseException))
