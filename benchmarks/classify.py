"""What it costs to classify an exception, over what real libraries raised, and over messages alone."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import Final

from benchmarks.table import REPETITIONS, Row, percentile
from taskwarden.classify import Classifier, examine, shipped
from taskwarden.classify.corpus import Line, lines
from taskwarden.classify.packs import PACKS

CORPUS: Final = Path(__file__).resolve().parent.parent / "tests" / "classify" / "corpus"
CALLS: Final = 5
MOST_US: Final = 50.0


def corpus() -> list[Line]:
    """Return every failure of the golden corpus."""
    paths = sorted(CORPUS.glob("*.jsonl"))
    return [line for path in paths for line in lines(path.read_text(encoding="utf-8").splitlines())]


def microseconds(line: Line, *, full: bool) -> float:
    """Return the median of a few calls for one exception."""
    judge = examine if full else shipped().classify
    taken = []
    for _ in range(CALLS):
        start = perf_counter_ns()
        judge(line.error)
        taken.append((perf_counter_ns() - start) / 1000)
    return median(taken)


def measure(quick: bool) -> list[Row]:  # noqa: FBT001 - as all benchmarks are called
    """Return the microseconds for an exception: the median, and what nine of ten stay below."""
    known = corpus()[:: 20 if quick else 1]
    judged = {
        "an exception of a library": ([line for line in known if not line.by_text], False),
        "a message alone": ([line for line in known if line.by_text], False),
        "with all the evidence": (known, True),
    }
    taken: dict[str, list[list[float]]] = {what: [] for what in judged}
    for _ in range(REPETITIONS):
        for what, (which, full) in judged.items():
            taken[what].append([microseconds(line, full=full) for line in which])
    rows: list[Row] = []
    for what, repetitions in taken.items():
        goal = None if what == "with all the evidence" else MOST_US
        count = len(repetitions[0])
        rows += [
            Row(f"{what}, {count} of them: median", [median(each) for each in repetitions], "us", at_most=goal),
            Row(f"{what}: 9 of 10 within", [percentile(each, 90) for each in repetitions], "us"),
        ]
    start = perf_counter_ns()
    Classifier(*PACKS)
    rows.append(Row("merging the tables of the packs, once a process", [(perf_counter_ns() - start) / 1e6], "ms"))
    return rows
