"""
A store that is gone: said once when it goes and once when all is well again, and waited for with bounded backoff.

Several calls of a store are under way at the same time, and one may fail while another works (a table that is locked, a
statement that is not permitted). So each caller has a line of its own: its backoff is its own, and the outage lasts
while any line is down.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.errors import StoreUnavailable

if TYPE_CHECKING:
    from taskwarden.core.protocols import Clock

__all__ = ["Line", "Outage"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_FIRST: Final = 0.1
_LONGEST: Final = 5.0
"""Seconds between two tries: doubling from the first to the longest."""


@attrs.define(eq=False)
class Outage:
    """Whether the store answers, as all parts of one runner see it."""

    clock: Clock
    runner: str
    _down: set[str] = attrs.field(factory=set, init=False)
    _since: float = attrs.field(default=0.0, init=False)

    def line(self, call: str, *, steady: float = 0.0) -> Line:
        """
        Return a line for those who make *call*.

        Args:
            steady: Seconds that it must have been up for its backoff to begin anew.
        """
        return Line(self, call, steady)

    def goes(self, call: str, error: Exception) -> None:
        """Take note that *call* fails from now on."""
        if not self._down:
            self._since = self.clock.monotonic()
            # An error that no store should raise is shown whole: somebody must mend that store.
            whole = None if isinstance(error, StoreUnavailable | TimeoutError) else error
            _LOG.warning(
                "runner %s: the store does not answer, waiting for it: %s(): %s",
                *(self.runner, call, error),
                exc_info=whole,
            )
        self._down.add(call)

    def returns(self, call: str) -> None:
        """Take note that *call* fails no more."""
        self._down.discard(call)
        if not self._down:
            gone = self.clock.monotonic() - self._since
            _LOG.warning("runner %s: the store answers again after %.1f s", self.runner, gone)


@attrs.define(eq=False)
class Line:
    """Whether one call of the store is answered."""

    outage: Outage
    call: str
    steady: float
    is_down: bool = attrs.field(default=False, init=False)
    _up_since: float = attrs.field(default=0.0, init=False)
    _delay: float = attrs.field(default=_FIRST, init=False)

    @property
    def runner(self) -> str:
        """Whose line it is."""
        return self.outage.runner

    def failed(self, error: Exception) -> float:
        """Take note of a call that failed, and return when (monotonic) it may be tried again."""
        now = self.outage.clock.monotonic()
        if not self.is_down:
            self.is_down = True
            if now - self._up_since >= self.steady:
                self._delay = _FIRST
            self.outage.goes(self.call, error)
        again = now + self._delay
        self._delay = min(self._delay * 2, _LONGEST)
        return again

    def answered(self) -> None:
        """Take note of a call that went well, or that there is nothing more to ask."""
        if self.is_down:
            self.is_down = False
            self._up_since = self.outage.clock.monotonic()
            self.outage.returns(self.call)
