"""What a benchmark hands back, and how all of it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median, quantiles
from typing import Final

import attrs

__all__ = ["REPETITIONS", "Row", "percentile", "ratio", "rendered"]

REPETITIONS: Final = 3
"""How often each side is measured, in turns: A B A B A B. A busy moment of the machine then hits both."""


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@attrs.frozen
class Row:
    """
    One line of the table.

    Args:
        what: What was measured, and under which load.
        values: One figure for each repetition, in the order in which they were measured; at least one.
        unit: Of the figures; ``"x"`` for a ratio.
        at_least, at_most: The goal for the median, from the issue; None: none.
    """

    what: str
    values: tuple[float, ...] = attrs.field(converter=_floats)
    unit: str
    at_least: float | None = attrs.field(default=None, kw_only=True)
    at_most: float | None = attrs.field(default=None, kw_only=True)

    @property
    def median(self) -> float:
        """The figure that counts."""
        return median(self.values)

    @property
    def reached(self) -> bool:
        """Whether the goal is met; without one it is."""
        low, high = self.at_least, self.at_most
        return (low is None or self.median >= low) and (high is None or self.median <= high)

    @property
    def goal(self) -> str:
        """The goal in words, and whether it is met; empty without one."""
        bounds = [(">=", self.at_least), ("<=", self.at_most)]
        said = " ".join(f"{sign} {_figure(bound)}" for sign, bound in bounds if bound is not None)
        return said and f"{said} {'ok' if self.reached else 'MISSED'}"


def ratio(what: str, ours: Sequence[float], theirs: Sequence[float], *, at_least: float | None = None) -> Row:
    """Return how *ours* compares with *theirs*, repetition by repetition: figures that were measured side by side."""
    return Row(what, tuple(a / b for a, b in zip(ours, theirs, strict=True)), "x", at_least=at_least)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which *percent* of *values* lie."""
    if len(values) < 2:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def rendered(rows: Iterable[tuple[str, Row]]) -> str:
    """Return (benchmark, row) pairs as one table of text."""
    head = ("benchmark", "what", "median", "min", "max", "unit", "goal")
    cells = [head, *(_cells(name, row) for name, row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    ruler = tuple("-" * width for width in widths)
    return "\n".join(_line(row, widths) for row in (head, ruler, *cells[1:]))


def _cells(name: str, row: Row) -> tuple[str, ...]:
    figures = (_figure(value) for value in (row.median, min(row.values), max(row.values)))
    return (name, row.what, *figures, row.unit, row.goal)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    figures = range(2, 5)
    aligned = (
        cell.rjust(width) if column in figures else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(aligned).rstrip()


def _figure(value: float) -> str:
    """Return *value* with three digits that count, or whole where it is large."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
