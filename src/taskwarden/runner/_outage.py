"""A store that is gone: said once when it goes and once when it returns, and waited for with bounded backoff."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.errors import StoreUnavailable

if TYPE_CHECKING:
    from taskwarden.core.protocols import Clock

__all__ = ["Outage"]

_LOG: Final = logging.getLogger("taskwarden.runner")
_FIRST: Final = 0.1
_LONGEST: Final = 5.0
"""Seconds between two tries: doubling from the first to the longest."""


@attrs.define(eq=False)
class Outage:
    """Whether the store answers, as all parts of one runner see it."""

    clock: Clock
    runner: str
    _since: float | None = attrs.field(default=None, init=False)
    _delay: float = attrs.field(default=_FIRST, init=False)

    def failed(self, error: Exception) -> float:
        """Take note of a call that failed, and return when (monotonic) it may be tried again."""
        now = self.clock.monotonic()
        if self._since is None:
            self._since = now
            # An error that no store should raise is shown whole: somebody must mend that store.
            whole = None if isinstance(error, StoreUnavailable | TimeoutError) else error
            _LOG.warning("runner %s: the store does not answer, waiting for it: %s", self.runner, error, exc_info=whole)
        again = now + self._delay
        self._delay = min(self._delay * 2, _LONGEST)
        return again

    def answered(self) -> None:
        """Take note of a call that went well."""
        if self._since is not None:
            gone = self.clock.monotonic() - self._since
            _LOG.warning("runner %s: the store answers again after %.1f s", self.runner, gone)
            self._since, self._delay = None, _FIRST
