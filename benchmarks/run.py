"""
Measure Taskwarden, side by side with others: what `nox -s bench` runs.

Prints one table: the median over at least three repetitions, measured in turns, with the least and the most; and the
goals, met or missed. Writes nothing else but what `--chart` names. Exit status 1 says that a goal was missed, which on
a busy machine need not mean anything: look at the ratios, and measure again.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.table import Row

__all__ = ["BENCHMARKS", "main"]

ROOT: Final = Path(__file__).resolve().parent.parent

BENCHMARKS: Final = {
    "imports": "what `import taskwarden` costs, and that it needs no extra",
    "decide": "one decision of a failure policy, and the size of the health it keeps",
    "classify": "one exception classified, over what real libraries raised",
    "intervals": "the next slot of each interval policy",
    "memory_claim": "the cost of a claim, from 1,000 to 1,000,000 stored tasks",
    "throughput": "whole runs in memory, against starting and ending as many child tasks of anyio",
    "lateness": "100,000 recurring tasks, 2,000 due each second",
    "bursts": "many tasks due at one instant, against APScheduler 3 and 4",
    "simulation": "task-runs a second in virtual time",
    "idle": "100,000 tasks of which none is due: wake-ups and CPU",
    "postgres_peers": "PostgreSQL: its limit and other schedulers",
    "sqlite_rate": "SQLite: whole runs a second",
    "latency": "from a commit by another process to the start of the run, in each database",
    "idle_databases": "a runner over a database with nothing to do: statements, CPU, growth",
    "database_claims": "the cost of a claim with a million stored tasks, and behind a backlog",
    "fairness": "tenants in turns: what they cost beside a plain claim, and how soon all are served",
    "spread": "PostgreSQL: lateness with phases spread, and the rate at which it no longer keeps up",
    "snapshot": "PostgreSQL: throughput while a snapshot is held open",
    "processes": "PostgreSQL: two runner processes against one",
}
"""Each is a module beside this one, with ``measure(quick: bool) -> list[Row]``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, and return the exit status."""
    asked = _parser().parse_args(arguments)
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    _see_root()
    from benchmarks.table import rendered  # noqa: PLC0415 - only now can it be found

    rows: list[tuple[str, Row]] = []
    for name in asked.names or BENCHMARKS:
        begun = time.perf_counter()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        rows += [(name, row) for row in importlib.import_module(f"benchmarks.{name}").measure(asked.quick)]
        print(f"{time.perf_counter() - begun:.0f} s", file=sys.stderr)
        gc.collect()
    print(_conditions(quick=asked.quick))
    print(rendered(rows))
    if asked.chart is not None:
        from benchmarks.chart import draw  # noqa: PLC0415 - brings matplotlib

        draw((row for _, row in rows), asked.chart)
    return int(not all(row.reached for _, row in rows))


def _see_root() -> None:
    """Let `benchmarks.<name>` be imported here and in the subprocesses, whatever folder we were started from."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    # Started as a script, Python put this folder in front: there, `import imports` would find ours.
    sys.path[:] = [folder for folder in sys.path if folder != str(ROOT / "benchmarks")]


def _parser() -> argparse.ArgumentParser:
    width = max(len(name) for name in BENCHMARKS)
    lines = [f"  {name:<{width}} {what}" for name, what in BENCHMARKS.items()]
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description=__doc__,
        epilog="\n".join(["benchmarks:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; none: all of them")
    parser.add_argument("--quick", action="store_true", help="smaller loads and shorter spans: to see that they run")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the rates of postgres_peers there, as SVG")
    return parser


def _conditions(*, quick: bool) -> str:
    cores = f"{os.cpu_count()} cores"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores}, {python}{load}{', QUICK' if quick else ''}"


if __name__ == "__main__":
    sys.exit(main())
