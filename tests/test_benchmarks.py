"""Each benchmark runs at a tiny size and returns what makes sense. No timing is asserted: that is theirs to show."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import select

from benchmarks import (
    bursts,
    database_claims,
    databases,
    fairness,
    idle,
    idle_databases,
    imports,
    intervals,
    latency,
    lateness,
    processes,
    run,
    snapshot,
    spread,
    sqlite_rate,
    throughput,
)
from benchmarks.burst import Burst, Recorder
from benchmarks.cycles import BATCH, RUNNER, claiming
from benchmarks.plain_claim import PlainClaim
from benchmarks.population import Group, fill, move_to_phases
from benchmarks.table import REPETITIONS, Row, percentile, ratio, rendered
from taskwarden import every
from taskwarden.core.decision import IntervalState
from taskwarden.core.hashing import digest, seed
from taskwarden.core.instant import micros
from taskwarden.ids import Kind, TenantId
from taskwarden.stores.sql import SqlStore, open_at
from taskwarden.testing.builders import spec
from taskwarden.testing.clock import VirtualClock
from tests.databases import postgres_database

RATES = [("Other", "one-off", 10.0), ("taskwarden", "one-off", 1_000.0), ("taskwarden", "recurring", 100.0)]
ROOT = Path(run.__file__).parent.parent
HOUR = timedelta(hours=1)


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


# --- the benchmarks over databases ---


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    """Let benchmarks find the PostgreSQL that tests have, and SQLite; the names of both."""
    names = ("PostgreSQL", "SQLite")
    with postgres_database() as url:
        # Where the servers are is a constant, which a user sets in the environment before it is imported.
        monkeypatch.setattr(databases, "POSTGRESQL", url)
        monkeypatch.setattr(databases, "DRIVERS", {name: databases.DRIVERS[name] for name in names})
        yield names


@pytest.mark.timeout(120)
@pytest.mark.slow
def test_sqlite_rate_counts_what_is_in_the_history() -> None:
    rows = sqlite_rate.measured(200, 0.5)

    assert_sane(rows)
    assert of(rows, "SQLite: runs").median > 0


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_latency_sees_every_probe_in_every_database(servers: tuple[str, ...]) -> None:
    rows = latency.measured(2)

    assert_sane(rows)
    for name in servers:
        p50, p99 = (of(rows, f"{name}: commit to start, {part}") for part in ("p50", "p99"))
        assert len(p50.values) == REPETITIONS
        assert p50.median <= p99.median


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_idle_databases_counts_the_statements_of_a_beat(servers: tuple[str, ...]) -> None:
    rows = idle_databases.measured(10, 0.5, 2.0)

    assert [
        row for row in rows if row.unit != "bytes" and not all(0 <= value < float("inf") for value in row.values)
    ] == []
    for name in servers:
        assert of(rows, f"{name}: statements a minute").median > 0


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_database_claims_compares_each_state_with_the_least(servers: tuple[str, ...]) -> None:
    rows = database_claims.measured(database_claims.Load(stored=2_000, ahead=500, batches=2))

    assert_sane(rows)
    for name in servers:
        few, many = (
            of(rows, f"{name}: claim a task, {stored} stored, all that is due fits").values
            for stored in ("1,000", "2,000")
        )
        expected = [much / little for much, little in zip(many, few, strict=True)]
        assert list(of(rows, f"{name}: growth of a claim, 2,000 stored, all that is due fits").values) == expected
        assert of(rows, f"{name}: growth of a claim, behind 500").median > 0


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_fairness_compares_with_the_plain_claim_and_counts_claims(servers: tuple[str, ...]) -> None:
    rows = fairness.measured(fairness.Load(tenants=(1, 10), due=500, batches=2, greedy=1_500))

    assert_sane(rows)
    for whose in ("1 tenant", "10 tenants"):
        for when in ("with a backlog", "without a backlog"):
            sides = (f"tasks claimed {how} and completed" for how in ("fairly", "plainly"))
            fair, plain = (of(rows, f"PostgreSQL: {side}, {whose}, {when}").values for side in sides)
            expected = [ours / theirs for ours, theirs in zip(fair, plain, strict=True)]
            assert list(of(rows, f"PostgreSQL: fair / plain, {whose}, {when}").values) == expected
    for name in servers:
        # No claim takes more than a hundred, and the greedy one has a place in each of them.
        assert of(rows, f"{name}: claims until all 10 of each").reached
        assert of(rows, f"{name}: claims until all 10 of each").median >= 10


@pytest.mark.timeout(240)
@pytest.mark.slow
@pytest.mark.usefixtures("servers")
def test_spread_finds_every_slot_in_the_history() -> None:
    load = spread.Load(rates=(20,), seconds=2, steps=(10,), step_seconds=2, repetitions=1, period=1, settled=0.5)
    rows = spread.measured(load)

    assert_sane(rows)
    assert of(rows, "share of slots that ran, 20").values == (1.0,)
    p50, p99, most = (of(rows, f"lateness {part}, 20 due").median for part in ("p50", "p99", "max"))
    assert p50 <= p99 <= most
    assert len(of(rows, "the knee").values) == 1


@pytest.mark.parametrize(
    ("changed", "knee"),
    [({}, 30), ({"share": 0.99}, 20), ({"coalesced": 1}, 20), ({"p99": 500.1}, 20)],
)
def test_the_knee_is_the_last_rate_before_anything_goes_wrong(changed: Mapping[str, float], knee: int) -> None:
    fine = {"share": 1.0, "coalesced": 0.0, "p99": 500.0}

    assert spread.knee_of({10: fine, 20: fine, 30: {**fine, **changed}}) == knee
    assert spread.knee_of({10: {**fine, "share": 0.0}, 20: fine}) == 0


@pytest.mark.timeout(240)
@pytest.mark.slow
@pytest.mark.usefixtures("servers")
def test_snapshot_compares_what_ran_under_it_with_what_ran_before() -> None:
    rows = snapshot.measured(snapshot.Load(tasks=200, warm=0.2, span=0.4, held=0.8))

    assert_sane(rows)
    before, under = of(rows, "runs, before").values, of(rows, "runs, last").values
    expected = [a / b for a, b in zip(under, before, strict=True)]
    assert list(of(rows, "runs, a snapshot held for 0.8 s / before").values) == expected


@pytest.mark.timeout(240)
@pytest.mark.slow
@pytest.mark.usefixtures("servers")
def test_processes_let_both_runners_work() -> None:
    rows = processes.measured(200, 0.5)

    assert_sane(rows)
    one, two = (of(rows, f"runs, {runners}").values for runners in ("1 runner process", "2 runner processes"))
    expected = [a / b for a, b in zip(two, one, strict=True)]
    assert list(of(rows, "rate, 2 runner processes / 1").values) == expected


# --- what they work on ---


async def stored(store: SqlStore) -> list[Mapping[str, Any]]:
    """Return all that the store holds of each task and where it stands, in the order of their names."""
    task, due = store.tables.task, store.tables.due
    query = select(task, due).join(due, due.c.task_id == task.c.id).order_by(task.c.tenant, task.c.kind, task.c.key)
    rows = await store.database.read(lambda conn: conn.execute(query).mappings().all())
    return [{str(name): value for name, value in row.items() if name not in {"id", "task_id"}} for row in rows]


def timeless(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return *row* without what depends on when it was written."""
    moments = {"created_at", "decided_at", "claimed_at", "held_at", "lease_until"}
    return {name: value for name, value in row.items() if name not in moments}


async def test_a_filled_store_holds_what_ensuring_each_task_would_have_written(tmp_path: Path) -> None:
    clock = VirtualClock()
    now, schedule = clock.now(), every(hours=1)
    tenants, url = ["a", "b"], f"sqlite:///{tmp_path / 'tasks.db'}"
    filled = await open_at(url, prefix="filled_", clock=clock.now)
    ensured = await open_at(url, prefix="ensured_", clock=clock.now)
    group = Group(name="x", kind="k", tenants=tenants, each=12, schedule=schedule, first=now, apart=HOUR)
    await fill(filled, group)
    for number in range(12):
        for tenant in tenants:
            key = f"x-{number}" if number else "x"
            one = spec("k", key, at=now + HOUR * number, payload=None, digest=digest(schedule))
            await ensured.ensure(TenantId(tenant), one)

    assert await stored(filled) == await stored(ensured)
    claims = [
        (await store.claim(runner=RUNNER, kinds=[Kind("k")], limit=9, lease=HOUR)).claims for store in (filled, ensured)
    ]
    assert [[each.task.key for each in of_store] for of_store in claims] == [["x", "x"]] * 2
    await filled.close()
    await ensured.close()


async def test_phases_are_where_the_schedule_has_them(tmp_path: Path) -> None:
    clock, schedule = VirtualClock(), every(hours=1)
    store = await open_at(f"sqlite:///{tmp_path / 'tasks.db'}", clock=clock.now)
    group = Group(name="x", kind="k", tenants=["a", "b"], each=5, schedule=schedule, first=clock.now())
    await fill(store, group)
    await move_to_phases(store, group)

    rows = await stored(store)
    states = [IntervalState(seed=seed(row["tenant"], row["kind"], row["key"])) for row in rows]
    slots = [schedule.next(None, state, None, clock.now()).at for state in states]
    expected = [micros(slot) for slot in slots if slot is not None]
    assert [row["ready_at"] for row in rows] == [row["slot_at"] for row in rows] == expected
    assert len(set(expected)) == 10
    await store.close()


async def test_the_plain_claim_leaves_rows_as_the_stores_own_does() -> None:
    with postgres_database() as url:
        in_threads = url.replace("postgresql://", "postgresql+psycopg://")  # on either event loop
        ours, plain = [await open_at(in_threads, prefix=prefix, create=True) for prefix in ("ours_", "plain_")]
        first = await ours.now() - HOUR
        group = Group(name="x", kind="k", tenants=["a", "b"], each=BATCH, schedule=every(hours=1), first=first)
        group = attrs.evolve(group, apart=timedelta(seconds=1))
        few = attrs.evolve(group, kind="few", each=BATCH // 2)
        for store in (ours, plain):
            await fill(store, group, few)
        claimed = [(await claim()).claims for claim in (claiming(ours, "few"), PlainClaim(plain, "few"))]
        oldest = (await PlainClaim(plain, "k")()).claims

        assert [len(each) for each in claimed] == [BATCH, BATCH]
        left = [[row for row in await stored(store) if row["kind"] == "few"] for store in (ours, plain)]
        assert [timeless(row) for row in left[0]] == [timeless(row) for row in left[1]]
        assert {row["state"] for row in left[0]} == {"running"}
        assert {each.task.key for each in oldest} == {"x", *(f"x-{number}" for number in range(1, BATCH // 2))}
        await ours.close()
        await plain.close()


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


def test_rates_are_drawn_as_bars_the_fastest_first(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, which only the benchmarks need, is not installed")
    chart = import_module("benchmarks.chart")
    rates = [Row(f"{name}: runs, {load}", (rate, rate + 1, rate + 2), "runs/s") for name, load, rate in RATES]

    assert [(load, [name for name, _ in systems]) for load, systems in chart.bars(rates).items()] == [
        ("one-off", ["taskwarden", "Other"]),
        ("recurring", ["taskwarden"]),
    ]
    chart.draw(rates, tmp_path / "chart.svg")
    drawn = (tmp_path / "chart.svg").read_text()
    assert all(text in drawn for text in ("taskwarden", "Other", "1,001", "11", "one-off", "recurring"))
    with pytest.raises(ValueError, match="no rate"):
        chart.draw([], tmp_path / "none.svg")
