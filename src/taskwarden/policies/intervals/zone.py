"""
The clocks of a zone: for each year, the stretches of time with one offset from UTC.

Theory: ``zoneinfo`` answers which offset holds at an instant, but not when it changes next. Cron needs that: a search
that goes by the wall clock must know where the clock jumps. So a year is probed every third day, and a change is
located to the second by bisection; no zone changes its offset twice within a week (a test reads all of tzdata). The
tables of a year are kept. Zones come from the ``tzdata`` package, not from the host: all runners know the same ones.

All figures are whole seconds since 0001-01-01, by UTC or by the zone's wall clock.
"""

from __future__ import annotations

import difflib
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import attrs

from taskwarden.core.instant import FAR_PAST
from taskwarden.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DAY", "Segment", "check_zone", "segments", "segments_from", "zone_names", "zone_of"]

DAY: Final = 86_400
_PROBE: Final = 3 * DAY
_SECOND: Final = timedelta(seconds=1)
_FIRST: Final = 2 * DAY
_LAST: Final = (datetime(9999, 12, 30, tzinfo=UTC) - FAR_PAST) // _SECOND


@cache
def zone_names() -> frozenset[str]:
    """Return the names of all zones."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the zone of that name, one of ``zone_names()``."""
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def check_zone(name: object) -> str:
    """
    Return *name* as the name of a zone.

    Raises:
        InvalidValue: No such zone is known.
    """
    if not isinstance(name, str):
        raise InvalidValue("timezone", name, "must be a zone's name", "for example 'Europe/Berlin'")
    if name not in zone_names():
        near = difflib.get_close_matches(name, sorted(zone_names()), n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "use a name such as 'Europe/Berlin', or upgrade tzdata"
        raise InvalidValue("timezone", name, "must be a zone of the tz database", remedy)
    return name


@attrs.frozen
class Segment:
    """From *start* to before *end* (UTC) the zone's clock is *offset* ahead of UTC; until *start* it was *before*."""

    start: int
    end: int
    offset: int
    before: int


def segments_from(zone: str, second: int) -> Iterator[Segment]:
    """Yield the segments from the one that holds *second* (UTC) to the end of the calendar; each ends with its year."""
    for year in range(date.fromordinal(second // DAY + 1).year, 10_000):
        for segment in segments(zone, year):
            if segment.end > second:
                yield segment


@lru_cache(maxsize=4_096)
def segments(zone: str, year: int) -> tuple[Segment, ...]:
    """Return the segments of *year* (UTC), at least one, without a gap between them."""
    info = zone_of(zone)
    start = (date(year, 1, 1).toordinal() - 1) * DAY
    last = date(year, 12, 31).toordinal() * DAY - 1
    before, offset = _offset(info, start - 1), _offset(info, start)
    found = []
    probed = start
    while probed < last:
        probe = min(probed + _PROBE, last)
        if (changed := _offset(info, probe)) != offset:
            change = _change(info, probed, probe)
            found.append(Segment(start, change, offset, before))
            start, before, offset = change, offset, changed
        probed = probe
    return (*found, Segment(start, last + 1, offset, before))


def _change(info: ZoneInfo, lo: int, hi: int) -> int:
    """Return the second at which the offset of *hi*, which differs from that of *lo*, begins."""
    old = _offset(info, lo)
    while hi - lo > 1:
        middle = (lo + hi) // 2
        lo, hi = (middle, hi) if _offset(info, middle) == old else (lo, middle)
    return hi


def _offset(info: ZoneInfo, second: int) -> int:
    instant = FAR_PAST + timedelta(seconds=min(max(second, _FIRST), _LAST))
    offset = instant.astimezone(info).utcoffset() or timedelta(0)
    return offset // _SECOND
