"""
PostgreSQL: what a second runner process adds, and what saturates.

Each runner is a process of its own over the same tasks, always due. They start together, and the CPU of all is taken:
theirs, and that of the backends of their database. Where both together come near all that the machine has, there is
nothing left that a further runner could use.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

import anyio
import anyio.to_thread
import attrs

from benchmarks.always_due import filled, running
from benchmarks.peers.meter import Meter
from benchmarks.programs import ROOT, command, postgresql
from benchmarks.table import REPETITIONS, Row, ratio

__all__ = ["measure", "measured"]

TASKS: Final = 20_000
SECONDS: Final = 10.0
WARM: Final = 2.0
"""Seconds after which everybody is warm, and knows the tasks."""
LEAST_RATIO: Final = 1.3
COUNTS: Final = (1, 2)


@attrs.frozen
class Figures:
    """
    What so many runners did together.

    Args:
        rate: Runs a second.
        client: CPU of the runners, in per cent of a core.
        server: That of the backends of their database; None where it cannot be read.
    """

    rate: float
    client: float
    server: float | None

    @property
    def busy(self) -> float | None:
        """Both, in per cent of all cores of the machine."""
        return None if self.server is None else (self.client + self.server) / (os.cpu_count() or 1)


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the rates of one and of two runners, and the CPU of each side."""
    return measured(TASKS // 4, 2.0) if quick else measured(TASKS, SECONDS)


def measured(tasks: int, seconds: float) -> list[Row]:
    """Return what ``measure`` does, for so many *tasks* over so many *seconds*."""
    taken: dict[int, list[Figures]] = {count: [] for count in COUNTS}
    for _ in range(REPETITIONS):
        for count, figures in taken.items():
            with postgresql() as url:
                if url is None:
                    return []
                anyio.run(filled, url, tasks)
                figures.append(_together(count, url, tasks, seconds))
    rows = [row for count, figures in taken.items() for row in _rows(count, figures)]
    one, two = ([each.rate for each in taken[count]] for count in COUNTS)
    return [*rows, ratio("rate, 2 runner processes / 1", two, one, at_least=LEAST_RATIO)]


def _rows(count: int, figures: Sequence[Figures]) -> list[Row]:
    what = f"{count} runner process{'es' if count > 1 else ''}"
    rows = [
        Row(f"runs, {what}", [each.rate for each in figures], "runs/s"),
        Row(f"CPU of the runners, {what}", [each.client for each in figures], "% core"),
    ]
    server = [each.server for each in figures if each.server is not None]
    busy = [each.busy for each in figures if each.busy is not None]
    if server:
        rows.append(Row(f"CPU of the server, {what}", server, "% core"))
        rows.append(Row(f"both, of all {os.cpu_count()} cores, {what}", busy, "%"))
    return rows


def _together(count: int, url: str, tasks: int, seconds: float) -> Figures:
    """Let so many runners start together, and return what they did."""
    program = command("benchmarks.processes", url=url, tasks=tasks, seconds=seconds)
    with ExitStack() as stack:
        runners = []
        for _ in range(count):
            runner = stack.enter_context(
                subprocess.Popen(program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            stack.callback(runner.kill)  # where one of them has failed, the others need not go on
            runners.append(runner)
        _told(runners)  # all are warm
        meter = Meter(url)
        _tell(runners)
        answers = [json.loads(line) for line in _told(runners)]
        used = meter.stop(sum(answer["runs"] for answer in answers))
        _tell(runners)  # only now: backends that have gone are not counted
        for runner in runners:
            runner.wait()
    client = sum(answer["cpu"] / answer["seconds"] for answer in answers) * 100
    return Figures(
        sum(answer["runs"] / answer["seconds"] for answer in answers),
        client,
        None if used.server is None else used.server / used.seconds * 100,
    )


def _tell(runners: Sequence[subprocess.Popen[str]]) -> None:
    """Let them go on."""
    for runner in runners:
        assert runner.stdin is not None
        runner.stdin.write("\n")
        runner.stdin.flush()


def _told(runners: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Return what each says next."""
    lines = []
    for runner in runners:
        assert runner.stdout is not None
        line = runner.stdout.readline()
        if not line:
            raise RuntimeError(f"a runner has ended with {runner.wait()}")
        lines.append(line)
    return lines


# --- a runner -----------------------------------------------------------------------------------------------------


async def _runner(url: str, tasks: int, seconds: float) -> None:
    async with running(url, tasks) as (_, count):
        await anyio.sleep(WARM)
        await _say("warm")
        runs, begun, cpu = count.runs, time.perf_counter(), time.process_time()
        await anyio.sleep(seconds)
        figures = {
            "runs": count.runs - runs,
            "seconds": time.perf_counter() - begun,
            "cpu": time.process_time() - cpu,
        }
        await _say(figures)


async def _say(what: Any) -> None:
    """Print *what*, and wait until we may go on."""
    print(json.dumps(what), flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)


if __name__ == "__main__":
    anyio.run(lambda: _runner(**json.loads(sys.argv[1])))
