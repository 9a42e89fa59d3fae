"""
Worker threads for blocking code, no more of them than a runner may have.

A thread cannot be cancelled: where its run is given up it goes on, and must go on to count. anyio's limiter counts it
so on trio only; so it is counted here, by the call itself, until the thread is done with it.
"""

from __future__ import annotations

import threading
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads"]


class Threads:
    """
    Calls blocking functions in threads. Implements ``InThread``.

    Args:
        most: At the same time; the others wait.
        shared: Whether the threads are to be seen in anyio's default limiter as well, which bounds them too: a virtual
            clock must see that a thread is busy, and sees it there.
    """

    def __init__(self, most: int, *, shared: bool) -> None:
        self._room = anyio.CapacityLimiter(most)
        self._limiter = None if shared else anyio.CapacityLimiter(inf)

    async def __call__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return what ``function(*args, **kwargs)`` returns. Cancellation does not wait for the thread."""
        call = _Call(partial(function, *args, **kwargs))
        await self._room.acquire_on_behalf_of(call)
        release = partial(self._room.release_on_behalf_of, call)
        call.release = partial(_soon(), release)
        try:
            return await anyio.to_thread.run_sync(call.run, abandon_on_cancel=True, limiter=self._limiter)
        finally:
            if call.leave():
                release()


def _soon() -> Callable[[Callable[[], None]], object]:
    """Return what lets this event loop call a function, from any thread and without waiting for it."""
    loop: Any = anyio.lowlevel.current_token().native_token
    soon: Callable[[Callable[[], None]], object] = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
    return soon


@attrs.define(eq=False)
class _Call:
    """One call, as its caller and its thread see it; whoever leaves it last gives its room back."""

    function: Callable[[], Any]
    release: Callable[[], object] = attrs.field(init=False)
    """Gives the room back, from the thread, which does not wait for that."""
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _in_thread: bool = attrs.field(default=False, init=False)
    _left: bool = attrs.field(default=False, init=False)

    def leave(self) -> bool:
        """Leave it, as its caller; return whether no thread is in it any more, or ever will be."""
        with self._lock:
            self._left = True
            return not self._in_thread

    def run(self) -> Any:
        """Run it, in the thread."""
        with self._lock:
            if self._left:
                return None
            self._in_thread = True
        try:
            return self.function()
        finally:
            if self._done():
                self.release()  # raises once the event loop is over, when nobody counts any more, nor listens to this

    def _done(self) -> bool:
        """Leave it, as its thread; return whether its caller has left before."""
        with self._lock:
            self._in_thread = False
            return self._left
