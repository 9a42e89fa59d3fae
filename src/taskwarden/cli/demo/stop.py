"""Ctrl-C as a wish: the first one ends the demo in good order, the second one is Python's own again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

__all__ = ["Stop", "stoppable"]


@attrs.define(eq=False)
class Stop:
    """Whether somebody wants it to end."""

    wanted: bool = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """
    Give a ``Stop`` that the first Ctrl-C within the block sets. For the main thread.

    A handler of our own, and not the event loop's way: Windows has none, and trio and asyncio each have another.
    """
    stop = Stop()

    def interrupted(*_: object) -> None:
        stop.wanted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
