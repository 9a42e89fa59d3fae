"""
Many tasks, all due at the same instant, in memory: Taskwarden, APScheduler 3 and APScheduler 4 in turns.

Each system runs in a process of its own; both generations of APScheduler are one distribution, and the fourth is looked
for in the folder that $APSCHEDULER4 names. What they do is not the same: APScheduler keeps no history and decides
nothing, Taskwarden does all that it always does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from benchmarks.burst import Measured, Recorder, answer
from benchmarks.table import REPETITIONS, Row, ratio
from taskwarden import JSON, RunContext, Task, TaskExecutor, Warden, every

__all__ = ["measure", "measured", "system"]

ROOT: Final = Path(__file__).resolve().parent.parent
SYSTEMS: Final = {
    "taskwarden": "benchmarks.bursts",
    "APScheduler 3": "benchmarks.apscheduler3",
    "APScheduler 4": "benchmarks.apscheduler4",
}
LOADS: Final = ((1_000, 1.0, 10), (10_000, 5.0, 3))
"""Tasks, the seconds between two instants, and how many instants."""


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return rate, CPU and lateness of all, and how the others compare with Taskwarden."""
    loads = ((1_000, 1.0, 3), (5_000, 3.0, 2)) if quick else LOADS
    return [row for tasks, period, times in loads for row in measured(tasks, period, times)]


def measured(tasks: int, period: float, times: int, systems: Sequence[str] = tuple(SYSTEMS)) -> list[Row]:
    """Return what ``measure`` does, for one load."""
    taken: dict[str, list[Measured]] = {name: [] for name in systems}
    for _ in range(REPETITIONS):
        for name, figures in taken.items():
            figures.append(_in_process(name, tasks, period, times))
    load = f"{tasks:,} at once every {period:g} s"
    return [_all_ran(load, taken["taskwarden"], tasks / period), *_figures(load, taken), *_comparison(load, taken)]


def _all_ran(load: str, ours: list[Measured], due: float) -> Row:
    """Runs that never start are neither late nor dear: without this, a runner that stopped would look good."""
    return Row(
        f"share of what was due that taskwarden ran, {load}", [each.rate / due for each in ours], "x", at_least=1
    )


def _figures(load: str, taken: dict[str, list[Measured]]) -> list[Row]:
    return [
        Row(f"{name}: {what}, {load}", [getattr(each, field) for each in figures], unit)
        for field, what, unit in (
            ("rate", "runs", "runs/s"),
            ("cpu_us", "CPU a run", "us"),
            ("p50_ms", "lateness p50", "ms"),
            ("p99_ms", "lateness p99", "ms"),
        )
        for name, figures in taken.items()
    ]


def _comparison(load: str, taken: dict[str, list[Measured]]) -> list[Row]:
    ours = taken["taskwarden"]
    return [
        ratio(
            f"{what}, {name} / taskwarden, {load}",
            [getattr(each, field) for each in theirs],
            [getattr(each, field) for each in ours],
            at_least=1,
        )
        for name, theirs in taken.items()
        if name != "taskwarden"
        for field, what in (("cpu_us", "CPU a run"), ("p50_ms", "lateness p50"), ("p99_ms", "lateness p99"))
    ]


def _in_process(name: str, tasks: int, period: float, times: int) -> Measured:
    load = json.dumps({"tasks": tasks, "period": period, "times": times})
    environment = dict(os.environ)
    if name == "APScheduler 4":
        folder = environment.get("APSCHEDULER4")
        if not folder:
            raise RuntimeError("$APSCHEDULER4 names no folder: pip install --target FOLDER apscheduler==4.0.0a6")
        environment["PYTHONPATH"] = folder
    done = subprocess.run(
        [sys.executable, "-m", SYSTEMS[name], load],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    return Measured(**json.loads(done.stdout))


@attrs.define(slots=False, eq=False)
class Recording(TaskExecutor[JSON]):
    """Does nothing but take down that it ran."""

    kind = "bench.burst"
    recorder: Recorder

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        """Take down when it ran."""
        self.recorder.ran()


async def system(recorder: Recorder) -> Measured:
    """Measure Taskwarden."""
    burst = recorder.burst
    schedule = every(seconds=burst.period, anchor=burst.begin)
    async with Warden.open("memory://", executors=[Recording(recorder)]) as warden:
        tasks = warden.tenant("somebody").tasks
        for number in range(burst.tasks):
            await tasks.ensure(Recording.kind, key=str(number), schedule=schedule)
        async with warden.runner():
            return await recorder.measure()


if __name__ == "__main__":
    answer(system)
