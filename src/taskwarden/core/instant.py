"""
Instants are aware UTC ``datetime`` and spans ``timedelta``: exact to the microsecond, no floats.

Arithmetic at the ends of the calendar saturates instead of raising, so that a policy stays total
whatever a clock or a host says.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from taskwarden.errors import InvalidValue

__all__ = ["EPOCH", "FAR_FUTURE", "FAR_PAST", "MICROSECOND", "at_micros", "later", "micros", "span", "utc"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FAR_PAST: Final = datetime(1, 1, 1, tzinfo=UTC)
FAR_FUTURE: Final = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_ZERO: Final = timedelta(0)


def utc(value: object, name: str = "instant") -> datetime:
    """
    Return *value* as an aware datetime in UTC.

    Raises:
        InvalidValue: It is no datetime, or a naive one, which could mean any of 38 instants.
    """
    if not isinstance(value, datetime):
        raise InvalidValue(name, value, "must be an aware datetime", "for example datetime.now(UTC)")
    offset = value.utcoffset()
    if offset is None:
        raise InvalidValue(name, value, "must be aware", "attach a zone: value.replace(tzinfo=UTC)")
    if value.tzinfo is UTC:
        return value.replace(fold=0) if value.fold else value  # equal instants have equal reprs
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return FAR_PAST if offset > _ZERO else FAR_FUTURE


def span(value: object, name: str, *, lo: timedelta = MICROSECOND, hi: timedelta | None = None) -> timedelta:
    """
    Return *value* as a span of at least *lo* and at most *hi*.

    Raises:
        InvalidValue: It is no timedelta, or outside the bounds.
    """
    if not isinstance(value, timedelta):
        raise InvalidValue(name, value, "must be a timedelta", "for example timedelta(minutes=15)")
    if value < lo or (hi is not None and value > hi):
        top = "" if hi is None else f" and at most {hi}"
        raise InvalidValue(name, value, f"must be at least {lo}{top}")
    return value


def later(instant: datetime, by: timedelta) -> datetime:
    """Return *instant* moved by *by*, held at the ends of the calendar."""
    try:
        return instant + by
    except OverflowError:
        return FAR_FUTURE if by > _ZERO else FAR_PAST


def micros(instant: datetime) -> int:
    """Return *instant* as whole microseconds since 1970, exactly."""
    return (instant - EPOCH) // MICROSECOND


def at_micros(value: int) -> datetime:
    """Return the instant *value* microseconds after 1970, held at the ends of the calendar."""
    try:
        return EPOCH + timedelta(microseconds=value)
    except OverflowError:
        return FAR_FUTURE if value > 0 else FAR_PAST
