"""Two ways to watch: a live picture on a terminal, or plain lines where the output is read later."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

import attrs
from rich.live import Live

from taskwarden.cli.demo.picture import picture, table

if TYPE_CHECKING:
    from rich.console import Console

    from taskwarden.cli.demo.feed import Line
    from taskwarden.cli.demo.picture import Snapshot

__all__ = ["LinesScreen", "LiveScreen", "Screen", "screen"]

_NARROWEST: Final = 80
_WIDEST: Final = 200
_TABLE_EVERY: Final = 10.0
"""Hours of the story, which are real seconds, between two tables among plain lines."""


class Screen(Protocol):
    """Where the audience looks, from ``with`` to its end."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; what was shown stays."""

    def show(self, snapshot: Snapshot, news: Sequence[Line]) -> None:
        """Show *snapshot*, and *news* since the last one."""


class LiveScreen:
    """A picture that is drawn over itself."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, snapshot: Snapshot, news: Sequence[Line]) -> None:
        drawn = picture(snapshot, width=width(self._console), height=self._console.height - 1)
        self._live.update(drawn, refresh=True)


@attrs.define(eq=False)
class LinesScreen:
    """A line for each piece of news, and the table of tasks now and then."""

    _console: Console
    _table_at: float = _TABLE_EVERY

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def show(self, snapshot: Snapshot, news: Sequence[Line]) -> None:
        wide = width(self._console)
        for line in news:
            self._console.print(line.text(wide))
        if snapshot.elapsed >= min(self._table_at, snapshot.script.length):
            self._table_at += _TABLE_EVERY
            self._console.print(table(snapshot.statuses, width=wide), width=wide)


def screen(console: Console) -> Screen:
    """Return the screen that suits *console*."""
    return LiveScreen(console) if console.is_terminal and not console.is_dumb_terminal else LinesScreen(console)


def width(console: Console) -> int:
    """Return the cells that one line may take."""
    return max(_NARROWEST, min(_WIDEST, console.width))
