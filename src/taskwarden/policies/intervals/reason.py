"""Spans in words, for the reasons that people read."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

__all__ = ["spoken"]

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def spoken(span: timedelta) -> str:
    """Return *span* in its units from days to seconds, e.g. ``1 d 6 h`` or ``15 min``; below a second with decimals."""
    whole = span // timedelta(seconds=1)
    if whole < 1:
        return f"{span.total_seconds():g} s"
    parts = []
    for unit, size in _UNITS:
        amount, whole = divmod(whole, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts)
