"""How instants, spans and counts read in explanations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

__all__ = ["moment", "quantity", "sentence_of"]

_UNITS: Final = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)


def moment(instant: datetime, as_of: datetime) -> str:
    """Return *instant* to the second, and how far it is from *as_of*: ``2026-11-24 08:15:00 UTC (in 1 h 15 min)``."""
    apart = instant - as_of
    distance = f"in {_span(apart)}" if apart > timedelta(0) else f"{_span(-apart)} ago"
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC ({distance})"


def quantity(number: int, noun: str) -> str:
    """Return *number* with *noun*, which takes an s where it is not one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def sentence_of(fact: str, until: datetime | None, remedy: str, as_of: datetime) -> str:
    """Return one line of an explanation."""
    ends = "" if until is None else f", not before {moment(until, as_of)}"
    return f"{fact}{ends}{'; ' if remedy else ''}{remedy}"


def _span(span: timedelta) -> str:
    parts: list[str] = []
    for unit, name in _UNITS:
        number, span = divmod(span, unit)
        if number:
            parts.append(f"{number} {name}")
        if len(parts) == 2 or (parts and not number):
            break
    return " ".join(parts) or "less than 1 s"
