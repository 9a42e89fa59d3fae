"""VirtualClock: time passes when a test says so, or when nothing else can happen."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.instant import FAR_FUTURE, FAR_PAST
from taskwarden.core.protocols import Clock
from taskwarden.errors import InvalidValue
from taskwarden.testing.clock import VirtualClock

pytestmark = pytest.mark.anyio

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NEW_YEAR)


async def note(log: list[str], name: str, clock: VirtualClock, seconds: float) -> None:
    await clock.wait(anyio.Event(), clock.monotonic() + seconds)
    log.append(f"{name}@{clock.monotonic():g}")


def test_it_is_a_clock() -> None:
    clock: Clock = VirtualClock()  # checked by mypy

    assert clock.now().tzinfo is UTC


def test_a_naive_start_is_refused() -> None:
    with pytest.raises(InvalidValue, match="start must be aware"):
        VirtualClock(datetime(2026, 1, 1))


async def test_time_stands_still_until_it_is_moved(clock: VirtualClock) -> None:
    await clock.settle()

    assert (clock.now(), clock.monotonic()) == (NEW_YEAR, 0.0)


async def test_advancing_moves_both_readings_by_exactly_the_span(clock: VirtualClock) -> None:
    await clock.advance(timedelta(days=365, microseconds=1))

    assert clock.now() == NEW_YEAR + timedelta(days=365, microseconds=1)
    assert clock.monotonic() == 365 * 86_400 + 1e-6


async def test_time_cannot_be_advanced_backwards(clock: VirtualClock) -> None:
    with pytest.raises(InvalidValue, match="by must be at least"):
        await clock.advance(-SECOND)


async def test_a_wait_ends_when_its_time_has_come_and_not_before(clock: VirtualClock) -> None:
    log: list[str] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(note, log, "a", clock, 10)
        await clock.advance(timedelta(seconds=9.999999))
        early = list(log)
        await clock.advance(timedelta(microseconds=1))

    assert (early, log) == ([], ["a@10"])


async def test_advancing_stops_at_every_timer_on_the_way(clock: VirtualClock) -> None:
    log: list[str] = []

    async def every_ten_minutes() -> None:
        for _ in range(6):
            await note(log, "tick", clock, 600)

    async with anyio.create_task_group() as tg:
        tg.start_soon(every_ten_minutes)
        await clock.advance(HOUR)

    assert log == [f"tick@{at}" for at in range(600, 3_601, 600)]


async def test_advancing_returns_only_after_what_it_woke_waits_again(clock: VirtualClock) -> None:
    steps = 0

    async def busy() -> None:
        nonlocal steps
        await clock.wait(anyio.Event(), 1.0)
        for _ in range(50):
            await checkpoint()
            steps += 1

    async with anyio.create_task_group() as tg:
        tg.start_soon(busy)
        await clock.advance(SECOND)

        assert steps == 50


async def test_timers_due_at_one_instant_end_in_the_order_of_their_start_on_asyncio(
    clock: VirtualClock, anyio_backend_name: str
) -> None:
    log: list[str] = []
    names = [f"{number:02}" for number in range(20)]
    async with anyio.create_task_group() as tg:
        for name in names:
            tg.start_soon(note, log, name, clock, 5)
            await clock.settle()
        await clock.advance(HOUR)

    # Trio draws the order of those that become ready at the same time.
    assert (log if anyio_backend_name == "asyncio" else sorted(log)) == [f"{name}@5" for name in names]


async def test_a_wait_ends_with_its_event_and_says_so(clock: VirtualClock) -> None:
    event, answers = anyio.Event(), list[bool]()

    async def wait(until: float | None) -> None:
        answers.append(await clock.wait(event, until))

    async with anyio.create_task_group() as tg:
        tg.start_soon(wait, None)
        tg.start_soon(wait, 60.0)
        await clock.advance(SECOND)
        event.set()

    assert (answers, clock.monotonic()) == ([True, True], 1.0)


async def test_a_wait_that_runs_out_answers_that_the_event_is_not_set(clock: VirtualClock) -> None:
    async with clock.autojump():
        answer = await clock.wait(anyio.Event(), 60.0)

    assert answer is False


@pytest.mark.parametrize("until", [0.0, -1.0])
async def test_a_time_that_has_come_does_not_block(clock: VirtualClock, until: float) -> None:
    assert await clock.wait(anyio.Event(), until) is False


async def test_a_cancelled_wait_passes_the_cancellation_on_and_leaves_no_timer(clock: VirtualClock) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.sleep(HOUR)
    await clock.advance(2 * HOUR)

    assert (scope.cancelled_caught, clock.wakeups) == (True, 0)


async def test_a_timer_set_while_time_advances_is_not_missed(clock: VirtualClock) -> None:
    log: list[str] = []

    async def chain() -> None:
        await note(log, "first", clock, 10)
        await note(log, "second", clock, 0.5)

    async with anyio.create_task_group() as tg:
        tg.start_soon(chain)
        tg.start_soon(note, log, "third", clock, 11)
        await clock.advance(timedelta(seconds=20))

    assert log == ["first@10", "second@10.5", "third@11"]


@pytest.mark.parametrize("years", [-30, 30])
async def test_a_jump_of_the_wall_clock_wakes_nobody(clock: VirtualClock, years: int) -> None:
    log: list[str] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(note, log, "a", clock, 10)
        await clock.settle()
        clock.jump(timedelta(days=365 * years))
        await clock.settle()

        assert (log, clock.monotonic()) == ([], 0.0)
        await clock.advance(10 * SECOND)

    assert clock.now() == NEW_YEAR + timedelta(days=365 * years) + 10 * SECOND


def test_a_jump_stops_at_the_ends_of_the_calendar(clock: VirtualClock) -> None:
    clock.jump(timedelta.max)
    last = clock.now()
    clock.jump(timedelta.min)

    assert (last, clock.now()) == (FAR_FUTURE, FAR_PAST)


async def test_autojump_passes_a_year_in_no_time(clock: VirtualClock) -> None:
    begun = time.monotonic()
    async with clock.autojump():
        for _ in range(365):
            await clock.sleep(timedelta(days=1))

    assert clock.now() == NEW_YEAR + timedelta(days=365)
    assert time.monotonic() - begun < 5


async def test_autojump_does_not_move_time_while_somebody_works(clock: VirtualClock) -> None:
    seen: set[float] = set()

    async def work() -> None:
        for _ in range(100):
            await checkpoint()
            seen.add(clock.monotonic())

    async with clock.autojump(), anyio.create_task_group() as tg:
        tg.start_soon(clock.sleep, SECOND)
        tg.start_soon(work)

    assert seen == {0.0}


async def test_autojump_waits_for_a_timer_when_there_is_none(clock: VirtualClock) -> None:
    gate, woken = anyio.Event(), list[float]()

    async def late() -> None:
        await gate.wait()
        await clock.sleep(SECOND)
        woken.append(clock.monotonic())

    async with clock.autojump(), anyio.create_task_group() as tg:
        tg.start_soon(late)
        await anyio.wait_all_tasks_blocked()
        gate.set()

    assert woken == [1.0]


async def test_autojump_ends_with_its_block(clock: VirtualClock) -> None:
    async with clock.autojump():
        await clock.sleep(SECOND)
    async with anyio.create_task_group() as tg:
        tg.start_soon(clock.sleep, SECOND)
        await anyio.wait_all_tasks_blocked()

        assert clock.monotonic() == 1.0
        tg.cancel_scope.cancel()


async def test_what_the_block_raises_comes_out_of_autojump_as_it_is(clock: VirtualClock) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with clock.autojump():
            raise KeyError("mine")


async def test_advancing_within_autojump_waits_until_the_time_has_passed(clock: VirtualClock) -> None:
    log: list[str] = []
    async with clock.autojump(), anyio.create_task_group() as tg:
        tg.start_soon(note, log, "a", clock, 60)
        await clock.advance(HOUR)

    assert (log, clock.monotonic()) == (["a@60"], 3_600.0)


async def test_several_may_wait_for_the_others_to_settle(clock: VirtualClock) -> None:
    settled: list[int] = []

    async def watch(number: int) -> None:
        await clock.settle()
        settled.append(number)

    async with clock.autojump(), anyio.create_task_group() as tg:
        for number in range(3):
            tg.start_soon(watch, number)
        await clock.sleep(SECOND)

    assert sorted(settled) == [0, 1, 2]


async def test_time_stands_still_while_a_worker_thread_is_busy(clock: VirtualClock) -> None:
    async with clock.autojump(), anyio.create_task_group() as tg:
        tg.start_soon(clock.sleep, HOUR)
        await anyio.to_thread.run_sync(time.sleep, 0.02)

        assert clock.monotonic() == 0.0


async def test_wakeups_count_the_waits_that_ended(clock: VirtualClock) -> None:
    event = anyio.Event()
    async with anyio.create_task_group() as tg:
        tg.start_soon(clock.wait, event, None)
        tg.start_soon(clock.wait, anyio.Event(), 60.0)
        await clock.advance(30 * SECOND)
        idle = clock.wakeups
        await clock.advance(30 * SECOND)
        timed = clock.wakeups
        event.set()

    assert (idle, timed, clock.wakeups) == (0, 1, 2)


@pytest.mark.timeout(10)
async def test_idleness_is_seen_without_spending_real_time(clock: VirtualClock) -> None:
    async def restless() -> None:
        for _ in range(20):
            await checkpoint()
            await clock.sleep(SECOND)

    begun = time.monotonic()
    async with clock.autojump(), anyio.create_task_group() as tg:
        for _ in range(50):
            tg.start_soon(restless)

    # Backends' own detection would have slept 0.1 s at each of the 20 instants.
    assert time.monotonic() - begun < 1.5


async def test_thousands_of_waits_that_end_by_event_leave_no_timers_behind(clock: VirtualClock) -> None:
    async def once() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as tg:
            tg.start_soon(clock.wait, event, 1e9)
            await clock.settle()
            event.set()

    for _ in range(1_000):
        await once()

    assert len(clock._timers) <= 1


@given(
    spans=st.lists(st.integers(1, 10**12), min_size=1, max_size=40),
    start=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_a_chain_of_waits_wakes_at_the_microsecond_asked_for_and_never_before(
    spans: list[int], start: datetime
) -> None:
    clock = VirtualClock(start)
    due = start

    async def chain() -> None:
        nonlocal due
        async with clock.autojump():
            for micros in spans:
                due += timedelta(microseconds=micros)
                until = clock.monotonic() + (due - clock.now()).total_seconds()
                await clock.wait(anyio.Event(), until)

                assert clock.now() == due
                assert clock.monotonic() >= until

    anyio.run(chain)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_works_where_the_loop_is_the_hosts(backend: str) -> None:
    async def host(finish: Callable[[], Awaitable[None]]) -> float:
        clock = VirtualClock()
        async with clock.autojump():
            await clock.sleep(HOUR)
        await finish()
        return clock.monotonic()

    assert anyio.run(host, checkpoint, backend=backend) == 3_600.0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_goes_on_in_the_event_loop_that_comes_after(backend: str) -> None:
    clock = VirtualClock()

    async def an_hour() -> None:
        async with clock.autojump():
            await clock.sleep(HOUR)

    anyio.run(an_hour, backend=backend)
    anyio.run(an_hour, backend=backend)

    assert clock.monotonic() == 7_200.0
