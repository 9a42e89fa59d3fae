"""What handles accept as page sizes, weights and caps."""

from __future__ import annotations

from typing import Final

from taskwarden.errors import InvalidValue

__all__ = ["LARGEST_PAGE", "LARGEST_WEIGHT", "MOST_RUNNING", "count"]

LARGEST_PAGE: Final = 1_000
"""Most rows of one answer."""
LARGEST_WEIGHT: Final = 1_000
"""Most turns that a tenant may have for one of an ordinary tenant's; most activity that may be reported."""

MOST_RUNNING: Final = 1_000_000
"""The highest cap on running tasks: more is none."""


def count(value: object, name: str, *, most: int) -> int:
    """
    Return *value* as a whole number from 1 to *most*.

    Raises:
        InvalidValue: It is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise InvalidValue(name, value, f"must be a whole number from 1 to {most}")
    return value
