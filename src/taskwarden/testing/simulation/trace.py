"""The trace of a simulation: every step in words, hashed as a whole, with its end kept for the report."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from taskwarden.testing.clock import VirtualClock

__all__ = ["Trace"]

_KEPT: Final = 60
"""Lines that the report of a failure shows."""


class Trace:
    """
    What happened, line by line.

    Lines name tasks by tenant, kind and key and runners by host and incarnation, never by what differs between two
    runs of one seed. Equal digests therefore mean that two runs took the same steps in the same order.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._hash = blake2b(digest_size=16)
        self._tail: deque[str] = deque(maxlen=_KEPT)
        self.lines = 0

    def add(self, who: str, what: str) -> None:
        """Write that *who* did *what*, now."""
        line = f"{self._clock.monotonic():16.6f} {self._clock.now():%Y-%m-%d %H:%M:%S.%f} {who}: {what}"
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self._tail.append(line)
        self.lines += 1

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines."""
        return tuple(self._tail)

    def hexdigest(self) -> str:
        """Return the hash of all lines so far."""
        return self._hash.hexdigest()
