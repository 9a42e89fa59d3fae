"""What stores of one database say to one another: that something has changed, and who says so."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol, Self

import attrs

from taskwarden.core.protocols import Hint

if TYPE_CHECKING:
    from taskwarden.stores.sql.schema import Tables

__all__ = ["ANYTHING", "Ear", "Notice", "channel_of"]

_LETTERS: Final = {Hint.DUE: "d", Hint.CHANGED: "c"}
_LONGEST: Final = 63
"""Most bytes in the name of a channel of PostgreSQL."""


def _frozen(hints: AbstractSet[Hint]) -> frozenset[Hint]:
    return frozenset(hints)


@attrs.frozen
class Notice:
    """
    One message; as text it is ``dc:`` and the writer.

    Args:
        hints: What may have changed; nothing: it was said to be heard, no more.
        writer: Which store says so; empty: whoever, so that nobody takes it for an echo.
    """

    hints: frozenset[Hint] = attrs.field(converter=_frozen)
    writer: str = ""

    def __str__(self) -> str:
        return f"{''.join(letter for hint, letter in _LETTERS.items() if hint in self.hints)}:{self.writer}"

    @classmethod
    def heard(cls, text: str) -> Self:
        """Return what *text* says; where it says nothing that we know, anything may have changed."""
        letters, separator, writer = text.partition(":")
        if not separator:
            return cls(frozenset(Hint))
        return cls(frozenset(hint for hint, letter in _LETTERS.items() if letter in letters), writer)


ANYTHING: Final = Notice(frozenset(Hint))


def channel_of(tables: Tables) -> str:
    """Return the channel of PostgreSQL for the stores over *tables*: their schema and prefix, or a hash if too long."""
    schema = tables.metadata.schema
    name = f"{tables.prefix}hints" if schema is None else f"{schema}.{tables.prefix}hints"
    if len(name.encode()) <= _LONGEST:
        return name
    return f"taskwarden_{sha256(name.encode()).hexdigest()[:32]}"


class Ear(Protocol):
    """
    One way to hear of what other processes change. Whatever it raises, it is closed then, and may be opened again.

    Attributes:
        provable: It hears what its own store says too, so that silence can be told from deafness.
    """

    @property
    def provable(self) -> bool: ...

    async def open(self) -> None:
        """Begin to hear: of all that is committed from now on."""

    async def wait(self) -> None:
        """Return when there may be something to take. Cancelled, it has lost nothing."""

    def take(self) -> list[Notice]:
        """Return what was heard since the last time."""

    async def close(self) -> None:
        """Hear no more. Idempotent."""
