"""P13 to P15 and P29: detectors are exact, depend on differences of time alone, and never trip early."""

from datetime import timedelta
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskwarden.core.health import HEALTHY
from taskwarden.errors import InvalidValue
from taskwarden.policies import Consecutive, Detector, Duration, Flapping, Sequential, Silence, TaskPolicy, Window
from taskwarden.testing.strategies import detectors
from tests.policies.cases import DAY, HOUR, MICROSECOND, MINUTE, NOON, OK, SECOND, TIMEOUT, Task, ran

Seen = list[tuple[int, bool]]
"""What a detector is shown: after how many microseconds, and whether it is a failure."""


def tripped(detector: Detector, seen: Seen, start: int = 10**15) -> list[bool]:
    """Return whether *detector* trips, after each of *seen*."""
    state: tuple[int, ...] = ()
    at, found = start, []
    for gap, failed in seen:
        at += gap
        state = detector.failed(state, at) if failed else detector.passed(state)
        found.append(failed and detector.trips(state, at))
    return found


def series(*gaps: timedelta) -> Seen:
    """Return failures at those distances."""
    return [(gap // MICROSECOND, True) for gap in gaps]


def sightings(largest: int = 8 * DAY // MICROSECOND) -> st.SearchStrategy[Seen]:
    marked = st.sampled_from([0, 1, MINUTE // MICROSECOND, DAY // MICROSECOND])
    return st.lists(st.tuples(marked | st.integers(0, largest), st.booleans()), max_size=40)


spans = st.timedeltas(MICROSECOND, 30 * DAY)


@given(st.integers(2, 9), spans)
def test_p13_window_is_exact_to_the_microsecond(k: int, within: timedelta) -> None:
    first_to_last = [timedelta(0)] * (k - 1)
    just_in, just_out = (
        series(timedelta(0), *first_to_last[:-1], within),
        series(timedelta(0), *first_to_last[:-1], within + MICROSECOND),
    )

    assert tripped(Window(k, within), just_in) == [False] * (k - 1) + [True]
    assert tripped(Window(k, within), just_out) == [False] * k


@given(st.integers(1, 6), spans, sightings())
def test_p13_window_trips_exactly_when_k_failures_lie_within_it(k: int, within: timedelta, seen: Seen) -> None:
    at, failures, expected = 10**15, list[int](), []
    for gap, failed in seen:
        at += gap
        failures += [at] if failed else []
        expected.append(failed and sum(at - then <= within // MICROSECOND for then in failures) >= k)

    assert tripped(Window(k, within), seen) == expected


@given(st.integers(1, 64), st.integers(1, 100), sightings(DAY // MICROSECOND))
def test_the_gate_of_a_window_asks_the_share_of_the_last_runs(of_last: int, percent: int, seen: Seen) -> None:
    window = Window(1, 999 * DAY, min_ratio=Fraction(percent, 100), of_last=of_last, min_runs=1)
    expected = []
    for end in range(1, len(seen) + 1):
        recent = [failed for _, failed in seen[max(0, end - of_last) : end]]
        expected.append(recent[-1] and 100 * sum(recent) >= percent * len(recent))

    assert tripped(window, seen) == expected


@given(detectors(), sightings(), st.integers(-(10**15), 10**16))
def test_p14_detectors_depend_only_on_differences_of_time(detector: Detector, seen: Seen, shift: int) -> None:
    assert tripped(detector, seen, 10**15 + shift) == tripped(detector, seen)


@given(st.timedeltas(-3_000 * DAY, 3_000 * DAY), st.lists(st.sampled_from([OK, TIMEOUT]), max_size=12))
def test_p14_shifting_all_instants_shifts_every_decision(shift: timedelta, outcomes: list[object]) -> None:
    policy = TaskPolicy(Sequential() | Window(4, 2 * DAY))
    task, shifted = Task(policy), Task(policy, now=NOON + shift)
    for outcome in outcomes:
        task.give(outcome)  # type: ignore[arg-type]
        shifted.give(outcome)  # type: ignore[arg-type]

        assert (shifted.phase, shifted.now) == (task.phase, task.now + shift)


@given(st.sampled_from([Consecutive(3), Sequential(min_span=timedelta(0))]), sightings(10**6), st.integers(0, 10**6))
def test_p15_consecutive_and_sequential_without_span_do_not_depend_on_the_scale_of_time(
    detector: Detector, seen: Seen, scale: int
) -> None:
    assert tripped(detector, [(gap * scale, failed) for gap, failed in seen]) == tripped(detector, seen)


@given(st.integers(1, 6), st.timedeltas(timedelta(0), DAY), sightings(10**10))
def test_p29_consecutive_never_trips_before_its_failures_and_span(n: int, min_span: timedelta, seen: Seen) -> None:
    expected, streak, elapsed = [], 0, 0
    for gap, failed in seen:
        streak, elapsed = (streak + 1, elapsed + gap if streak else 0) if failed else (0, 0)
        expected.append(failed and streak >= n and elapsed >= min_span // MICROSECOND)

    assert tripped(Consecutive(n, min_span=min_span), seen) == expected
    if n > 0 and min_span:
        assert tripped(Duration(min_span, n), seen) == expected


@given(st.integers(1, 12), st.integers(1, 12), spans)
def test_p29_a_gated_window_never_trips_before_enough_runs(k: int, min_runs: int, within: timedelta) -> None:
    window = Window(k, within, min_ratio=Fraction(1), of_last=20, min_runs=min_runs)
    needed = max(k, min_runs)

    assert tripped(window, [(0, True)] * needed) == [False] * (needed - 1) + [True]


@given(st.lists(st.booleans(), max_size=20))
def test_p29_flapping_never_trips_before_it_has_seen_all_its_runs(seen: list[bool]) -> None:
    assert not any(tripped(Flapping(21), [(1, failed) for failed in seen]))


@given(st.integers(2, 4), st.integers(10, 10**6))
def test_p29_sequential_never_trips_on_less_evidence_than_its_threshold(tenths: int, arl: int) -> None:
    detector = Sequential(p0=Fraction(1, 100), p1=Fraction(tenths, 10), arl=arl, min_span=timedelta(0))
    needed = -(-detector.threshold // detector.up)

    assert tripped(detector, [(1, True)] * needed) == [False] * (needed - 1) + [True]


def test_sequential_has_the_increments_of_the_literature_in_thousandths_of_a_nat() -> None:
    detector = Sequential()

    assert (detector.up, detector.down, detector.threshold) == (3219, 673, 9210)


def test_sequential_trips_on_exactly_three_failures_in_a_row() -> None:
    assert tripped(Sequential(min_span=timedelta(0)), [(0, True)] * 3) == [False, False, True]


def test_sequential_waits_for_its_span_from_when_the_sum_rose() -> None:
    early = series(SECOND, 5 * MINUTE, 5 * MINUTE - MICROSECOND)

    assert tripped(Sequential(), early) == [False] * 3
    assert tripped(Sequential(), series(SECOND, 5 * MINUTE, 5 * MINUTE))[-1]


def test_sequential_catches_a_task_that_fails_every_other_time() -> None:
    alternating = [(MINUTE // MICROSECOND, index % 2 == 0) for index in range(20)]

    assert any(tripped(Sequential(), alternating))
    assert not any(tripped(Consecutive(2), alternating))


def test_sequential_forgets_a_long_outage_as_soon_as_a_short_one() -> None:
    def successes_to_forget(failures: int) -> int:
        state: tuple[int, ...] = ()
        for _ in range(failures):
            state = Sequential().failed(state, 0)
        count = 0
        while state:
            state, count = Sequential().passed(state), count + 1
        return count

    assert successes_to_forget(10_000) == successes_to_forget(4)


def test_false_trips_of_sequential_are_rarer_than_once_in_its_average_run_length() -> None:
    # All sequences of 8 runs, weighted by their chance at p0: the first trip's chance bounds the rate.
    detector, chance = Sequential(min_span=timedelta(0)), Fraction(0)
    for runs in product((False, True), repeat=8):
        if any(tripped(detector, [(1, failed) for failed in runs])):
            chance += Fraction(1, 50) ** sum(runs) * Fraction(49, 50) ** (8 - sum(runs))

    assert chance / 8 < Fraction(1, 10_000)


def test_flapping_weighs_the_newest_change_half_as_much_again_as_the_oldest() -> None:
    flapping = Flapping(21)

    assert flapping.changes((1 << 21) - 1) == 0
    assert flapping.changes(0b010101010101010101010) == 1
    assert flapping.changes(1) / flapping.changes(1 << 20) == Fraction(120, 80)


def test_flapping_begins_at_high_and_ends_below_low() -> None:
    alternating = [index % 2 == 0 for index in range(21)]
    calm = [True] * 21
    found = tripped(Flapping(21), [(1, failed) for failed in alternating + calm])

    assert found.index(True) == 20
    calmed = found[21:].index(False)
    state: tuple[int, ...] = ()
    for failed in (alternating + calm)[: 22 + calmed]:
        state = Flapping(21).failed(state, 0) if failed else Flapping(21).passed(state)
    assert Flapping(21).changes(state[1]) < Fraction(1, 4)
    assert calmed > 10


def test_flapping_thresholds_are_exact() -> None:
    seen = [(1, False), (1, False), (1, True), (1, True), (1, True)]  # changes weigh 6 tenths when new, then 4

    assert tripped(Flapping(3, high=0.6, low=0.4), seen) == [False, False, True, True, False]
    assert tripped(Flapping(3, high=0.61, low=0.4), seen) == [False] * 5
    assert tripped(Flapping(3, high=0.6, low=0.41), seen) == [False, False, True, False, False]


def test_a_steady_task_leaves_every_detectors_state_as_it_is() -> None:
    for detector in (Consecutive(), Window(), Window(min_ratio=0.25), Sequential(), Flapping(), Duration(), Silence()):
        state: tuple[int, ...] = ()
        for _ in range(70):
            state = detector.passed(state)

        assert detector.passed(state) is state


@given(detectors(), sightings())
def test_no_state_outgrows_the_largest_that_its_detector_declares(detector: Detector, seen: Seen) -> None:
    largest = len(str(detector.largest()))
    state: tuple[int, ...] = ()
    at = 10**15
    for gap, failed in seen:
        at += gap
        state = detector.failed(state, at) if failed else detector.passed(state)

        assert len(str(state)) <= largest


@given(detectors(), sightings(), st.integers(0, 10**16))
def test_times_after_a_corrected_clock_are_moved_to_it_and_counts_stay(
    detector: Detector, seen: Seen, now: int
) -> None:
    state: tuple[int, ...] = ()
    at = 10**15
    for gap, failed in seen:
        at += gap
        state = detector.failed(state, at) if failed else detector.passed(state)
    moved = detector.rebased(state, now)

    assert moved[: detector.times_from] == state[: detector.times_from]
    assert list(moved[detector.times_from :]) == [min(time, now) for time in state[detector.times_from :]]


def test_names_carry_every_parameter() -> None:
    names = [
        Consecutive(3).name,
        Consecutive(3, min_span=90 * SECOND).name,
        Window(5, 7 * DAY).name,
        Window(5, 7 * DAY, min_ratio=0.25).name,
        Sequential(arl=500, min_span=timedelta(milliseconds=1500)).name,
        Flapping().name,
        Duration(72 * HOUR, 6).name,
        Silence(HOUR).name,
    ]

    assert names == [
        "consecutive(3,0s)",
        "consecutive(3,90s)",
        "window(5,7d)",
        "window(5,7d,1/4 of 20,10)",
        "sequential(1/50,1/2,500,1.5s)",
        "flapping(21,1/2,1/4)",
        "duration(3d,6)",
        "silence(3600s)",
    ]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Consecutive(0), "n"),
        (lambda: Consecutive(True), "n"),
        (lambda: Consecutive(3, min_span=-SECOND), "min_span"),
        (lambda: Window(0), "k"),
        (lambda: Window(5, timedelta(0)), "within"),
        (lambda: Window(5, min_ratio=0), "ratio"),
        (lambda: Window(5, min_ratio="1/0"), "ratio"),
        (lambda: Window(5, of_last=65), "of_last"),
        (lambda: Window(5, min_runs=21), "min_runs"),
        (lambda: Sequential(p0=0.5, p1=0.5), "p1"),
        (lambda: Sequential(p1=1), "p1"),
        (lambda: Sequential(p0=float("nan")), "ratio"),
        (lambda: Sequential(arl=1), "arl"),
        (lambda: Flapping(2), "of_last"),
        (lambda: Flapping(low=0.6), "low"),
        (lambda: Duration(timedelta(0)), "failing_for"),
        (lambda: Duration(DAY, 0), "attempts"),
        (lambda: Silence(-SECOND), "grace"),
    ],
)
def test_senseless_parameters_are_refused_and_named(make: object, name: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        make()  # type: ignore[operator]

    assert caught.value.name == name


def test_silence_has_no_state_and_never_trips_on_a_failure() -> None:
    decision = TaskPolicy(Silence()).decide(HEALTHY, ran(TIMEOUT, HEALTHY, NOON), NOON)

    assert (decision.health.detectors, decision.why) == ({}, ("backoff",))
    assert not Silence().trips((), 0)
