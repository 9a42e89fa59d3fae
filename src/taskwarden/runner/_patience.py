"""
How long a loop waits for one call of the store, without a cancel scope for each call.

To enter, arm and leave a scope costs more than a call of a store in memory. So a loop lives in one scope, and puts off
its deadline when a call begins that would have noticeably less than its time. Between calls the scope may run out while
the loop merely waits. Then it enters another one, which has no deadline until the next call: that wakes an idle loop
once, and never again.
"""

from __future__ import annotations

import time
from math import inf
from typing import Final

import anyio
import attrs

__all__ = ["Patience"]

_SPARED: Final = 0.01
"""Which part of its time a call may go without, so that most calls find the deadline far enough away."""


@attrs.define(eq=False)
class Patience:
    """
    Bounds the calls of one loop, which come one after the other.

    Args:
        seconds: Most real time that a call is given; the least is a hundredth less.
    """

    seconds: float
    _scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope, init=False)
    _enough_until: float = attrs.field(default=-inf, init=False)
    """Monotonic: a call that begins before finds the deadline far enough away."""

    @property
    def ran_out(self) -> bool:
        """Whether the scope is over: no call may begin in it, and nothing can be awaited."""
        return self._scope.cancel_called

    def scope(self) -> anyio.CancelScope:
        """Return a new scope, to be entered; it is without a deadline until a call begins."""
        self._scope, self._enough_until = anyio.CancelScope(), -inf
        return self._scope

    def call(self) -> anyio.CancelScope:
        """Give the call that begins now its time; return the scope it is made in, which has not run out."""
        now = time.monotonic()  # an event loop's own time may begin elsewhere, and takes longer to ask for
        if now >= self._enough_until:
            self._enough_until = now + self.seconds * _SPARED
            self._scope.deadline = anyio.current_time() + self.seconds
        return self._scope
