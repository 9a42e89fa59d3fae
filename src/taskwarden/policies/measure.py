"""How the parameters of rules are checked, measured exactly, and spelt in names."""

from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction
from typing import Final

from taskwarden.core.instant import MICROSECOND, span
from taskwarden.errors import InvalidValue

__all__ = ["count", "derive", "in_micros", "millinats", "ratio", "ratio_or_none", "short"]

_ZERO: Final = timedelta(0)


def derive(instance: object, **fields: object) -> None:
    """Set fields that follow from the others: how a frozen class does it while it is being made."""
    for name, value in fields.items():
        object.__setattr__(instance, name, value)


def count(value: object, name: str, lo: int, hi: int = 1_000_000_000) -> None:
    """
    Check a number.

    Raises:
        InvalidValue: *value* is no whole number from *lo* to *hi*.
    """
    if type(value) is not int or not lo <= value <= hi:
        raise InvalidValue(name, value, f"must be a whole number of {lo} to {hi}")


def in_micros(value: timedelta, name: str, lo: timedelta = _ZERO) -> int:
    """
    Return *value* in microseconds.

    Raises:
        InvalidValue: It is no timedelta, or below *lo*.
    """
    return span(value, name, lo=lo) // MICROSECOND


def ratio(value: Fraction | float | str) -> Fraction:
    """
    Return *value* exactly as written: 0.25 is a quarter.

    Raises:
        InvalidValue: It is not above 0 and at most 1.
    """
    try:
        exact = value if isinstance(value, Fraction) else Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        exact = Fraction(0)
    if not 0 < exact <= 1:
        raise InvalidValue("ratio", value, "must be above 0 and at most 1", "for example 0.25 or Fraction(1, 4)")
    return exact


def ratio_or_none(value: Fraction | float | str | None) -> Fraction | None:
    """Return ``ratio(value)``, or None for None."""
    return None if value is None else ratio(value)


def millinats(value: Fraction) -> int:
    """Return the natural logarithm of *value* in whole thousandths."""
    return round(1000 * (math.log(value.numerator) - math.log(value.denominator)))


def short(value: timedelta) -> str:
    """Return *value* exactly and briefly: 7d, 90s, 1.5s."""
    whole, rest = divmod(value, timedelta(seconds=1))
    if rest:
        return f"{whole}.{rest // MICROSECOND:06}".rstrip("0") + "s"
    return f"{whole // 86400}d" if whole and whole % 86400 == 0 else f"{whole}s"
