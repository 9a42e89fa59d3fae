"""
Taskwarden on PostgreSQL, beside others that schedule or queue there, and beside the limit of PostgreSQL itself.

Each is a program of its own in a process of its own, on a database that is made for it and dropped afterwards; all are
measured in turns. What is asked of them: see ``LOADS``. What they do for it is not the same: only Taskwarden, and the
limit, keep a history, statistics and a change feed; APScheduler and Procrastinate keep less, and PGQueuer a log.

The server is the one that $BENCH_POSTGRESQL names, and else that of this machine. WAL is counted for the whole of it:
nothing else may work there. Of the others those are measured whose folders are named, as ``nox -s bench`` does it:
$APSCHEDULER4, $PGQUEUER, $PROCRASTINATE.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import attrs
import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.peers.meter import Figures, dsn
from benchmarks.peers.pgbench import pgbench
from benchmarks.table import REPETITIONS, Row, ratio

__all__ = ["LOADS", "OURS", "SYSTEMS", "System", "measure", "measured"]

ROOT: Final = Path(__file__).resolve().parent.parent
SERVER: Final = os.environ.get("BENCH_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
DATABASE: Final = "taskwarden_bench"
OURS: Final = "taskwarden"
LIMIT: Final = "limit"
MINUTES: Final = 5


@attrs.frozen
class System:
    """
    One of those that are compared.

    Args:
        module: The program: ``python -m MODULE LOAD JSON`` prints one line of JSON, a ``Figures``.
        folder: The variable that names the folder in which it is installed; None: it is where we are.
        given: What it is told besides.
    """

    module: str
    folder: str | None = None
    given: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def missing(self) -> str | None:
        """What it lacks to be measured; None: nothing."""
        if self.folder is not None and not os.environ.get(self.folder):
            return f"${self.folder} names no folder: pip install --target FOLDER ..."
        if self.module == "benchmarks.peers.pgbench" and pgbench() is None:
            return "pgbench is not installed"
        return None if find_spec(self.module) else f"there is no {self.module}"


SYSTEMS: Final[Mapping[str, System]] = {
    OURS: System("benchmarks.peers.taskwarden"),
    LIMIT: System("benchmarks.peers.limit"),
    "pgbench, 1 client": System("benchmarks.peers.pgbench", given={"clients": 1}),
    "pgbench, 2 clients": System("benchmarks.peers.pgbench", given={"clients": 2}),
    "PGQueuer": System("benchmarks.peers.pgqueuer", "PGQUEUER"),
    "Procrastinate": System("benchmarks.peers.procrastinate", "PROCRASTINATE"),
    "APScheduler 3": System("benchmarks.peers.apscheduler3"),
    "APScheduler 4": System("benchmarks.peers.apscheduler4", "APSCHEDULER4"),
}


@attrs.frozen(kw_only=True)
class Load:
    """
    What is asked.

    Args:
        name: Of the load, as the programs know it.
        what: In words, with places for what is told.
        systems: Who is asked, and what each is told: the slow ones get fewer jobs, as it is rates that are compared.
        quick: What is told otherwise where it shall be quick, for each.
        goals: The least ratio of Taskwarden's rate to theirs.
    """

    name: str
    what: str
    systems: Mapping[str, Mapping[str, Any]]
    quick: Mapping[str, Mapping[str, Any]]
    goals: Mapping[str, float] = attrs.field(factory=dict)


def _all(names: Sequence[str], **given: Any) -> dict[str, Mapping[str, Any]]:
    return dict.fromkeys(names, given)


_LIMITS: Final = (LIMIT, "pgbench, 1 client", "pgbench, 2 clients")
LOADS: Final = (
    Load(
        name="always_due",
        what="{tasks:,} recurring tasks, always due",
        systems=_all((OURS, *_LIMITS), tasks=20_000, seconds=10),
        quick=_all((OURS, *_LIMITS), tasks=5_000, seconds=2),
        goals={LIMIT: 0.35},
    ),
    Load(
        name="one_off",
        what="one-off jobs, created beforehand",
        systems={
            **_all((OURS, "PGQueuer"), jobs=20_000),
            **_all(("Procrastinate", "APScheduler 3"), jobs=3_000),
            "APScheduler 4": {"jobs": 1_500},
        },
        quick={
            **_all((OURS, "PGQueuer"), jobs=5_000),
            **_all(("Procrastinate", "APScheduler 3", "APScheduler 4"), jobs=300),
        },
        goals={"PGQueuer": 0.8, "APScheduler 4": 15},
    ),
    Load(
        name="recurring",
        what="{tasks:,} tasks at once each second",
        systems={
            **_all((OURS, "Procrastinate"), tasks=1_000, seconds=15, ahead=8),
            "APScheduler 3": {"tasks": 1_000, "seconds": 15, "ahead": 15},
            "APScheduler 4": {"tasks": 1_000, "seconds": 15, "ahead": 40},
        },
        quick=_all((OURS, "Procrastinate", "APScheduler 3", "APScheduler 4"), tasks=100, seconds=4, ahead=5),
    ),
)


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return rate, CPU of both sides, WAL, statements and lateness of all, and how Taskwarden compares with them."""
    try:
        psycopg.connect(dsn(SERVER)).close()
    except psycopg.OperationalError as error:
        print(f"nothing is measured, $BENCH_POSTGRESQL is not to be reached: {error}", file=sys.stderr)
        return []
    return [row for load in LOADS for row in measured(load, quick=quick)]


def measured(load: Load, *, quick: bool, systems: Mapping[str, System] = SYSTEMS, server: str = SERVER) -> list[Row]:
    """Return what ``measure`` does, for one load; those who are not installed are named and left out."""
    asked = load.quick if quick else load.systems
    taken: dict[str, list[Figures]] = {}
    for name in asked:
        missing = systems[name].missing
        if missing is None:
            taken[name] = []
        else:
            print(f"{name} is not measured: {missing}", file=sys.stderr)
    for _ in range(REPETITIONS):
        for name, figures in taken.items():
            figures.append(_in_process(load, name, systems[name], asked[name], server))
    what = load.what.format(**next(iter(asked.values())))
    return [*_figures(what, taken), *_comparison(what, taken, load.goals)]


def _in_process(load: Load, name: str, system: System, given: Mapping[str, Any], server: str) -> Figures:
    environment = dict(os.environ)
    if system.folder is not None:
        environment["PYTHONPATH"] = environment[system.folder]
    with _database(server) as url:
        done = subprocess.run(
            [sys.executable, "-m", system.module, load.name, json.dumps({"url": url, **given, **system.given})],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=environment,
            timeout=60 * MINUTES,
        )
    if done.returncode:
        raise RuntimeError(f"{name} failed at {load.name}:\n{done.stderr}")
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def _database(server: str) -> Iterator[str]:
    """Make an empty database, yield its URL, and drop it together with what is still connected to it."""
    drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(DATABASE))
    with psycopg.connect(dsn(server), autocommit=True) as conn:
        conn.execute(drop)
        conn.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
        conn.execute("CHECKPOINT")  # or one that the last load has earned falls into this one
        try:
            yield f"{server.rpartition('/')[0]}/{DATABASE}"
        finally:
            conn.execute(drop)


_FIGURES: Final[Sequence[tuple[str, str, Callable[[Figures], float | None]]]] = (
    ("runs", "runs/s", lambda each: each.rate),
    ("CPU a run", "us", lambda each: each.cpu / each.runs * 1e6),
    ("CPU of the server a run", "us", lambda each: None if each.server is None else each.server / each.runs * 1e6),
    ("WAL a run", "bytes", lambda each: each.wal / each.runs),
    ("statements a run", "", lambda each: None if each.statements is None else each.statements / each.runs),
    ("lateness p50", "ms", lambda each: each.p50_ms),
    ("lateness p99", "ms", lambda each: each.p99_ms),
)


def _figures(load: str, taken: Mapping[str, Sequence[Figures]]) -> list[Row]:
    """Return what was measured; nothing of what could not be."""
    rows = []
    for what, unit, figure in _FIGURES:
        for name, figures in taken.items():
            values = [value for each in figures if (value := figure(each)) is not None]
            if values:
                rows.append(Row(f"{name}: {what}, {load}", values, unit))
    return rows


def _comparison(load: str, taken: Mapping[str, Sequence[Figures]], goals: Mapping[str, float]) -> list[Row]:
    """Return Taskwarden beside each of the others; without Taskwarden, whoever was named first."""
    first, *others = taken or {"": ()}
    ours = [each.rate for each in taken[first]] if others else []
    return [
        ratio(
            f"runs, {first} / {name}, {load}",
            ours,
            [each.rate for each in taken[name]],
            at_least=goals.get(name) if first == OURS else None,
        )
        for name in others
    ]
