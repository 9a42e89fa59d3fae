"""``cron`` where the clock of a zone jumps: one pinned test for each kind of jump, then every jump there is."""

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.instant import FAR_PAST
from taskwarden.policies.intervals import Cron, cron
from taskwarden.policies.intervals.zone import segments, zone_names, zone_of
from taskwarden.testing.schedules import cron_expressions, instants, zones

MICROSECOND = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
YEARS = range(1990, 2038)


def shown(policy: Cron, day: str, days: int = 1) -> list[str]:
    """Return the local times of the slots on *day* of the zone's calendar and the days after it."""
    zone = ZoneInfo(policy.timezone)
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = (start.replace(tzinfo=None) + DAY * days).replace(tzinfo=zone)
    at = policy.after(start.astimezone(UTC) - MICROSECOND, 0)
    found = []
    while at is not None and at < end.astimezone(UTC):
        found.append(f"{at.astimezone(zone):%d. %H:%M %z}")
        at = policy.after(at, 0)
    return found


# --- pinned: wall clock -------------------------------------------------------------------------------------------


def test_spring_a_skipped_time_is_run_at_the_first_minute_after_the_jump() -> None:
    assert shown(cron("30 2 * * *", "Europe/Berlin"), "2026-03-28", days=3) == [
        "28. 02:30 +0100",
        "29. 03:00 +0200",
        "30. 02:30 +0200",
    ]


def test_spring_several_skipped_times_are_one_run_with_the_slot_right_after_the_jump() -> None:
    assert shown(cron("0,15,30,45 1-3 * * *", "Europe/Berlin"), "2026-03-29") == [
        "29. 01:00 +0100",
        "29. 01:15 +0100",
        "29. 01:30 +0100",
        "29. 01:45 +0100",
        "29. 03:00 +0200",
        "29. 03:15 +0200",
        "29. 03:30 +0200",
        "29. 03:45 +0200",
    ]


def test_autumn_a_time_that_comes_twice_is_run_the_first_time() -> None:
    assert shown(cron("30 2 * * *", "Europe/Berlin"), "2026-10-24", days=3) == [
        "24. 02:30 +0200",
        "25. 02:30 +0200",
        "26. 02:30 +0100",
    ]


def test_autumn_the_hour_after_the_repeated_one_is_not_left_out() -> None:
    assert shown(cron("0,30 2-3 * * *", "Europe/Berlin"), "2026-10-25") == [
        "25. 02:00 +0200",
        "25. 02:30 +0200",
        "25. 03:00 +0100",
        "25. 03:30 +0100",
    ]


def test_half_an_hour_skipped_at_lord_howe() -> None:
    assert shown(cron("15 2 * * *", "Australia/Lord_Howe"), "2026-10-03", days=3) == [
        "03. 02:15 +1030",
        "04. 02:30 +1100",
        "05. 02:15 +1100",
    ]


def test_half_an_hour_repeated_at_lord_howe() -> None:
    assert shown(cron("45 1 * * *", "Australia/Lord_Howe"), "2026-04-05") == ["05. 01:45 +1100"]


def test_a_day_left_out_at_the_date_line_has_its_run_when_the_next_one_begins() -> None:
    assert shown(cron("0 9 * * *", "Pacific/Apia"), "2011-12-29", days=3) == [
        "29. 09:00 -1000",
        "31. 00:00 +1400",
        "31. 09:00 +1400",
    ]


def test_a_day_that_began_twice_at_the_date_line_is_run_once() -> None:
    assert shown(cron("0 9 * * *", "Pacific/Kwajalein"), "1969-09-29", days=3) == [
        "29. 09:00 +1100",
        "30. 09:00 +1100",
        "01. 09:00 -1200",
    ]


def test_midnight_skipped_in_sao_paulo() -> None:
    assert shown(cron("0 0 * * *", "America/Sao_Paulo"), "2018-11-03", days=3) == [
        "03. 00:00 -0300",
        "04. 01:00 -0200",
        "05. 00:00 -0200",
    ]


def test_one_minute_past_midnight_the_clock_of_st_johns_went_back_to_yesterday() -> None:
    assert shown(cron("0 0 * * *", "America/St_Johns"), "2009-10-31", days=3) == [
        "31. 00:00 -0230",
        "01. 00:00 -0230",
        "02. 00:00 -0330",
    ]


def test_ramadan_in_casablanca_jumps_back_and_forth() -> None:
    daily = cron("30 2 * * *", "Africa/Casablanca")

    assert shown(daily, "2026-02-14", days=2) == ["14. 02:30 +0100", "15. 02:30 +0100"]
    assert shown(daily, "2026-03-21", days=3) == [
        "21. 02:30 +0000",
        "22. 03:00 +0100",
        "23. 02:30 +0100",
    ]


def test_negative_summer_time_in_dublin_counts_as_any_other_jump() -> None:
    assert shown(cron("30 1 * * *", "Europe/Dublin"), "2026-03-29") == ["29. 02:00 +0100"]
    assert shown(cron("30 1 * * *", "Europe/Dublin"), "2026-10-25") == ["25. 01:30 +0100"]


def test_a_time_on_the_very_edge_of_the_jump_is_run_once() -> None:
    assert shown(cron("0 2 * * *", "Europe/Berlin"), "2026-03-29") == ["29. 03:00 +0200"]
    assert shown(cron("0 3 * * *", "Europe/Berlin"), "2026-03-29") == ["29. 03:00 +0200"]
    assert shown(cron("0 2 * * *", "Europe/Berlin"), "2026-10-25") == ["25. 02:00 +0200"]
    assert shown(cron("0 3 * * *", "Europe/Berlin"), "2026-10-25") == ["25. 03:00 +0100"]


# --- pinned: elapsed ----------------------------------------------------------------------------------------------


def test_spring_elapsed_a_skipped_hour_has_no_runs() -> None:
    assert shown(cron("*/30 2 * * *", "Europe/Berlin"), "2026-03-28", days=3) == [
        "28. 02:00 +0100",
        "28. 02:30 +0100",
        "30. 02:00 +0200",
        "30. 02:30 +0200",
    ]


def test_autumn_elapsed_a_repeated_hour_is_run_both_times() -> None:
    assert shown(cron("*/30 2 * * *", "Europe/Berlin"), "2026-10-25") == [
        "25. 02:00 +0200",
        "25. 02:30 +0200",
        "25. 02:00 +0100",
        "25. 02:30 +0100",
    ]


@pytest.mark.parametrize(("day", "runs"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_an_hourly_expression_has_as_many_runs_as_the_day_has_hours(day: str, runs: int) -> None:
    assert len(shown(cron("0 * * * *", "Europe/Berlin"), day)) == runs


def test_elapsed_nothing_is_lost_where_half_an_hour_is_repeated() -> None:
    assert shown(cron("*/15 1-2 * * *", "Australia/Lord_Howe"), "2026-04-05")[4:8] == [
        "05. 01:30 +1030",
        "05. 01:45 +1030",
        "05. 02:00 +1030",
        "05. 02:15 +1030",
    ]


def test_elapsed_midnight_that_does_not_exist_is_not_invented() -> None:
    assert shown(cron("*/30 0 * * SUN", "America/Sao_Paulo"), "2018-11-04") == []


# --- every jump ---------------------------------------------------------------------------------------------------


def jumps(zone: str, years: range) -> Iterator[tuple[int, int, int]]:
    """Yield each jump of the zone's clock: its second (UTC), and the offsets before and after it."""
    for year in years:
        for segment in segments(zone, year):
            if segment.offset != segment.before:
                yield segment.start, segment.before, segment.offset


def resolved(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant of *wall*, the first of two, or the first minute after it that exists."""
    while (instant := wall.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(tzinfo=None) != wall:
        wall += MINUTE
    return instant


def readings(wall: datetime, zone: ZoneInfo) -> set[datetime]:
    """Return every instant at which the zone's clock shows *wall*."""
    both = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return {each for each in both if each.astimezone(zone).replace(tzinfo=None) == wall}


def expected(walls: list[datetime], zone: ZoneInfo, *, elapsed: bool) -> set[datetime]:
    if elapsed:
        return set().union(*(readings(wall, zone) for wall in walls))
    return {resolved(wall, zone) for wall in walls}


def check_jump(zone: str, second: int, before: int, after: int) -> None:
    """Compare the slots around a jump with what ``zoneinfo`` says of each nominal time, one by one."""
    jump, info = FAR_PAST + timedelta(seconds=second), zone_of(zone)
    # What is skipped or repeated begins at the edge.
    edge = (jump + timedelta(seconds=min(before, after))).replace(tzinfo=None)
    days = [edge.date() + timedelta(days=by) for by in range(-2, 3)]
    inside = edge + timedelta(seconds=abs(after - before) // 2)
    cases = [
        (f"{inside.minute} {inside.hour} * * *", [(inside.hour, inside.minute)]),
        (f"{edge.minute} {edge.hour} * * *", [(edge.hour, edge.minute)]),
        ("7,37 0-23 * * *", [(hour, minute) for hour in range(24) for minute in (7, 37)]),
        ("*/20 * * * *", [(hour, minute) for hour in range(24) for minute in (0, 20, 40)]),
        (f"*/4 {inside.hour} * * *", [(inside.hour, minute) for minute in range(0, 60, 4)]),
    ]
    first, last = jump - DAY, jump + DAY
    for expression, times in cases:
        walls = [datetime.combine(day, time(*each)) for day in days for each in times]
        slots = expected(walls, info, elapsed=expression.startswith("*"))
        policy = cron(expression, zone)

        found = []
        at = policy.after(first, 0)
        while at is not None and at <= last:
            found.append(at)
            at = policy.after(at, 0)

        assert found == sorted(slot for slot in slots if first < slot <= last), (zone, expression, jump)
        assert policy.count(first, last, 0) == len(found), (zone, expression, jump)
        assert policy.after(jump - MICROSECOND, 0) == min(slot for slot in slots if slot >= jump)
        assert policy.count(jump - MICROSECOND, jump, 0) == (jump in slots)


def unlike_zones() -> list[str]:
    """Return one name for each set of zones whose files are equal."""
    data = resources.files("tzdata").joinpath("zoneinfo")
    files = {data.joinpath(*name.split("/")).read_bytes(): name for name in sorted(zone_names(), reverse=True)}
    return sorted(files.values())


@pytest.mark.parametrize("part", range(8))
def test_p40_the_rules_hold_at_the_jumps_of_every_zone_in_some_years(part: int) -> None:
    checked = 0
    for zone in unlike_zones()[part::8]:
        for year in (1996, 2011, 2026):
            for jump in jumps(zone, range(year, year + 1)):
                check_jump(zone, *jump)
                checked += 1

    assert checked > 50


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(8))
def test_p40_the_rules_hold_at_every_jump_of_every_zone(part: int) -> None:
    for zone in unlike_zones()[part::8]:
        for jump in jumps(zone, YEARS):
            check_jump(zone, *jump)


def recorded(zone: str) -> list[tuple[int, int, int]]:
    """Read the jumps from the zone's file (RFC 8536): seconds since 1970, and the offsets before and after."""
    data = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
    for size in (4, 8):  # the block with 64-bit times follows the one with 32-bit times
        isut, isstd, leap, number, kinds, letters = struct.unpack(">20x6l", data[:44])
        times = struct.unpack(f">{number}{'l' if size == 4 else 'q'}", data[44 : 44 + number * size])
        body = data[44 + number * size :]
        offsets = [struct.unpack(">l", body[number + 6 * kind :][:4])[0] for kind in range(kinds)]
        of = [0, *body[:number]]
        data = body[number + 6 * kinds + letters + leap * (size + 4) + isstd + isut :]
    steps = zip(times, ((offsets[a], offsets[b]) for a, b in pairwise(of)), strict=True)
    return [(at, before, after) for at, (before, after) in steps if before != after]


def test_the_tables_hold_every_jump_that_tzdata_records_and_no_zone_jumps_twice_within_three_days() -> None:
    epoch = (datetime(1970, 1, 1, tzinfo=UTC) - FAR_PAST) // timedelta(seconds=1)
    jumped = 0
    for zone in unlike_zones():
        written = recorded(zone)
        years = range(1970, 2038)
        within = [each for each in written if 1970 <= datetime.fromtimestamp(each[0], UTC).year < 2038]
        last = within[-1][0] if within else 0
        found = [(at - epoch, before, after) for at, before, after in jumps(zone, years)]

        assert [each for each in found if each[0] <= last] == within
        assert all(b[0] - a[0] > 3 * 86_400 for a, b in pairwise(written))
        jumped += len(within)

    assert jumped > 10_000


def brute(expression: str, zone: ZoneInfo, start: datetime, minutes: int) -> list[datetime]:
    """Return the slots of the minutes after *start*, each of them asked whether the clock then shows a match."""
    parsed = CronSim(expression, datetime(2000, 1, 1))
    found = []
    for by in range(1, minutes + 1):
        wall = (start + by * MINUTE).astimezone(zone)
        if wall.minute in parsed.minutes and wall.hour in parsed.hours and wall.month in parsed.months:
            found += [start + by * MINUTE] if parsed.match_day(date(wall.year, wall.month, wall.day)) else []
    return found


@given(cron_expressions(), zones(), st.data())
def test_any_elapsed_expression_has_the_slots_that_the_clock_shows_minute_by_minute(
    expression: str, zone: str, data: st.DataObject
) -> None:
    minute, _, rest = expression.partition(" ")
    policy = cron(f"*/{minute if minute.isdigit() and minute != '0' else 7} {rest}", zone)
    near = [FAR_PAST + timedelta(seconds=second) for second, _, _ in jumps(zone, YEARS)]
    start = data.draw((st.sampled_from(near) if near else st.nothing()) | instants(datetime(1990, 1, 1, tzinfo=UTC)))
    start = start.replace(second=0, microsecond=0) - DAY

    slots = brute(policy.expression, zone_of(zone), start, minutes=2 * 1440)

    found, at = [], policy.after(start, 0)
    while at is not None and at <= start + 2 * DAY:
        found.append(at)
        at = policy.after(at, 0)
    assert found == slots


@given(cron_expressions(), zones(), instants())
def test_p40_slots_strictly_increase_in_every_zone(expression: str, zone: str, start: datetime) -> None:
    policy = cron(expression, zone)
    at: datetime | None = start
    for number in range(1, 20):
        assert at is not None
        before, at = at, policy.after(at, 0)

        assert at is not None
        assert at > before
        assert policy.count(start, at, 0) == number
