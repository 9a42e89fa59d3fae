"""An ear that was lost: said once when it goes and once when it is back, and opened again with bounded backoff."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Final

import attrs

from taskwarden.errors import StoreUnavailable

__all__ = ["Outage", "Unheard"]

_LOG: Final = logging.getLogger("taskwarden.store")
_FIRST: Final = 0.1
_LONGEST: Final = 5.0
"""Seconds until an ear is opened again: doubling from the first to the longest."""
_DEAF: Final = 300.0
"""Seconds until an ear is opened again that was deaf twice in a row."""
_OF_DATABASES: Final = frozenset({"asyncpg", "psycopg", "pymysql", "sqlalchemy", "sqlite3"})


class Unheard(Exception):
    """The ear does not hear what is said to it."""

    def __str__(self) -> str:
        return (
            "what is notified does not arrive; with a pooler in between that has transaction mode (PgBouncer), pass "
            "listen_url= with the server's own address"
        )


@attrs.define(eq=False)
class Outage:
    """Whether the ear of *store* hears."""

    store: str
    _since: float | None = attrs.field(default=None, init=False)
    _delay: float = attrs.field(default=_FIRST, init=False)
    _deaf: int = attrs.field(default=0, init=False)

    def lost(self, error: Exception) -> float:
        """Take note that the ear was lost, and return when to open it again, on the monotonic clock."""
        now = monotonic()
        if self._since is None:
            self._since = now
            # What no database raises is shown whole: somebody must mend us.
            whole = None if _is_expected(error) else error
            told = " ".join(str(error).split()) or type(error).__name__
            _LOG.warning(
                "store %s: does not hear of other processes' changes, and looks for them every second if it can: %s",
                *(self.store, told[:300]),
                exc_info=whole,
            )
        if isinstance(error, Unheard):
            self._deaf += 1
            return now + (_FIRST if self._deaf < 2 else _DEAF)
        delay, self._delay = self._delay, min(self._delay * 2, _LONGEST)
        return now + delay

    def over(self) -> None:
        """Take note that the ear hears."""
        self._delay, self._deaf = _FIRST, 0
        if self._since is not None:
            gone, self._since = monotonic() - self._since, None
            _LOG.warning("store %s: hears of other processes' changes again after %.1f s", self.store, gone)


def _is_expected(error: Exception) -> bool:
    if isinstance(error, StoreUnavailable | OSError | Unheard):
        return True
    return type(error).__module__.partition(".")[0] in _OF_DATABASES
