"""The benchmark runs at a small size and returns what makes sense; no timing is asserted."""

from benchmarks.classify import measure
from benchmarks.table import REPETITIONS


def test_the_benchmark_times_exceptions_messages_and_evidence() -> None:
    rows = measure(quick=True)

    assert len({row.what for row in rows}) == len(rows) == 7
    assert [row for row in rows if not all(value > 0 for value in row.values)] == []
    assert {len(row.values) for row in rows} == {1, REPETITIONS}
