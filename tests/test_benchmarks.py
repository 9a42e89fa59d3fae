"""Each benchmark runs at a tiny size and returns what makes sense. No timing is asserted: that is theirs to show."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import bursts, idle, imports, intervals, lateness, run, throughput
from benchmarks.burst import Burst, Recorder
from benchmarks.table import REPETITIONS, Row, percentile, ratio, rendered

ROOT = Path(run.__file__).parent.parent


def of(rows: list[Row], what: str) -> Row:
    """Return the one row that begins with *what*."""
    (row,) = [each for each in rows if each.what.startswith(what)]
    return row


def assert_sane(rows: list[Row]) -> None:
    assert rows != []
    assert len({row.what for row in rows}) == len(rows)
    assert [row for row in rows if not all(0 <= value < float("inf") for value in row.values)] == []


# --- the benchmarks ---


def test_throughput_compares_whole_runs_with_child_tasks_on_both_loops() -> None:
    rows = throughput.measured(200)

    assert_sane(rows)
    for backend in throughput.BACKENDS:
        ours, theirs = (
            of(rows, f"taskwarden: one-off tasks, 200 on {backend}"),
            of(rows, f"anyio: child tasks behind a gate, 200 on {backend}"),
        )
        expected = [a / b for a, b in zip(ours.values, theirs.values, strict=True)]
        assert list(of(rows, f"rate, one-off tasks / child tasks, 200 on {backend}").values) == expected
        assert len(ours.values) == REPETITIONS


def test_lateness_counts_what_is_due_while_it_is_measured() -> None:
    rows = lateness.measured(lateness.Load(tasks=50, period=0.5, seconds=1.0, settled=0.2))

    assert_sane(rows)
    # The tasks' slots lie where they lie within the period, so that each of them has two in two periods.
    assert of(rows, "runs").median == pytest.approx(100, abs=50)
    assert of(rows, "lateness p50").median <= of(rows, "lateness p99").median <= of(rows, "lateness max").median


def test_idle_sees_the_clock_wait_and_counts_no_run() -> None:
    rows = idle.measured(100, 0.1)

    assert_sane(rows)
    assert of(rows, "wake-ups").values == (0,) * REPETITIONS


async def test_the_counting_clock_counts_returns() -> None:
    import anyio

    clock, event = idle.CountingClock(), anyio.Event()
    event.set()
    await clock.wait(event, None)
    await clock.wait(anyio.Event(), clock.monotonic())

    assert clock.wake_ups == 2


def test_imports_finds_no_extra() -> None:
    rows = imports.measured(1)

    assert of(rows, "extras imported").values == (0,)
    assert {len(row.values) for row in rows} == {1, REPETITIONS}


def test_intervals_times_every_policy() -> None:
    assert_sane(intervals.measure(quick=True))


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_bursts_measure_every_system_that_is_here_under_the_same_load() -> None:
    here = ["taskwarden"]
    if os.environ.get("APSCHEDULER4"):
        here.append("APScheduler 4")
    rows = bursts.measured(20, 0.5, 2, here)

    assert_sane(rows)
    for name in here:
        assert of(rows, f"{name}: runs").median > 0


async def test_what_ran_before_the_first_instant_is_no_part_of_a_burst() -> None:
    recorder = Recorder(Burst(1, 1.0, 1))
    recorder.ran()

    assert recorder.late == []


# --- the table ---


def test_a_goal_is_met_or_missed_by_the_median() -> None:
    values = (1.0, 5.0, 100.0)

    assert Row("x", values, "ms", at_most=5).reached
    assert not Row("x", values, "ms", at_most=4.9).reached
    assert not Row("x", values, "ms", at_least=6).reached
    assert Row("x", values, "ms").reached


def test_a_ratio_is_taken_within_each_repetition() -> None:
    assert ratio("x", [10, 30], [20, 30]).values == (0.5, 1.0)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99)])
def test_a_percentile_lies_among_the_values(percent: int, expected: float) -> None:
    assert percentile(list(range(101)), percent) == pytest.approx(expected)
    assert percentile([7.0], percent) == 7.0


def test_the_table_shows_median_least_and_most_and_the_goal() -> None:
    head, _, line = rendered([("imports", Row("x", (2.0, 1.0, 30_000.0), "ms", at_most=1))]).splitlines()

    assert head.split() == ["benchmark", "what", "median", "min", "max", "unit", "goal"]
    assert line.split() == ["imports", "x", "2", "1", "30,000", "ms", "<=", "1", "MISSED"]


# --- the entry ---


def started(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = str(ROOT / "benchmarks" / "run.py")
    return subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, check=False, cwd=cwd)


def test_help_names_every_benchmark_from_whatever_folder(tmp_path: Path) -> None:
    done = started("--help", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert [name for name in run.BENCHMARKS if name not in done.stdout] == []


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    done = started("thruput", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "thruput" in done.stderr


def test_a_run_prints_one_table_and_writes_nothing(tmp_path: Path) -> None:
    done = started("--quick", "intervals", cwd=tmp_path)

    conditions, head, *_ = done.stdout.splitlines()
    assert "QUICK" in conditions
    assert head.startswith("benchmark")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", run.BENCHMARKS)
def test_every_benchmark_is_called_in_the_same_way(name: str) -> None:
    assert callable(import_module(f"benchmarks.{name}").measure)
