"""The summary: every figure from what was recorded and counted, none from a guess."""

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from taskwarden.cli.demo.report import report
from taskwarden.cli.demo.script import PLAIN, SCRIPT, WARDEN, Endpoint, Fault, Misbehaviour, Script
from taskwarden.cli.demo.summary import Side, Story, Summary, percentile, summarised
from taskwarden.core.health import Phase
from taskwarden.core.record import Ending
from tests.cli.demo_records import RISEN, call, failed, run

OUTAGE = Fault(Misbehaviour.OUTAGE, 10.0, 20.0, frozenset({Endpoint.SEARCH, Endpoint.REPORT}), "down")
PLAY = Script(45.0, (OUTAGE,))


def summed(calls: list, runs: list, *, elapsed: float = 45.0) -> Summary:  # type: ignore[type-arg]
    return summarised(PLAY, calls, runs, risen_at=RISEN, elapsed=elapsed)


def story(calls: list, runs: list) -> Story:  # type: ignore[type-arg]
    (only,) = summed(calls, runs).stories
    return only


def printed(summary: Summary, width: int = 80) -> str:
    console = Console(file=io.StringIO(), record=True, width=width)
    console.print(report(summary))
    return console.export_text()


def test_runs_are_counted_by_ending_and_failures_by_code() -> None:
    summary = summed(
        [],
        [
            run(started=1),
            run(started=2),
            failed(started=11, phase=Phase.BACKING_OFF),
            failed(started=12, phase=Phase.BACKING_OFF, code="api_limit.rate"),
            run(started=13, ending=Ending.INTERRUPTED),
        ],
    )

    assert summary.endings == {Ending.SUCCEEDED: 2, Ending.FAILED: 2, Ending.INTERRUPTED: 1}
    assert summary.codes == {"network_error.upstream": 1, "api_limit.rate": 1}


def test_what_was_saved_is_what_the_plain_loop_called_in_vain_and_taskwarden_did_not() -> None:
    summary = summed(
        [call(11, met=OUTAGE), *(call(10 + n, caller=PLAIN, met=OUTAGE) for n in range(5)), call(1, caller=PLAIN)],
        [],
    )

    assert (summary.in_vain, summary.calls) == ({WARDEN: 1, PLAIN: 5}, {WARDEN: 1, PLAIN: 6})
    assert summary.saved == 4


def test_a_policy_that_calls_more_often_than_the_plain_loop_has_saved_less_than_nothing() -> None:
    assert summed([call(11, met=OUTAGE), call(12, met=OUTAGE), call(11, caller=PLAIN, met=OUTAGE)], []).saved == -1


def test_time_to_detect_runs_from_the_first_failure_to_the_first_hold() -> None:
    held = story(
        [],
        [
            failed("globex", started=13, phase=Phase.COOLING_OFF),
            failed(started=10.5, phase=Phase.BACKING_OFF),
            failed(started=12, phase=Phase.COOLING_OFF),
        ],
    )

    assert held.detected == pytest.approx(1.5)


def test_failures_outside_of_the_fault_do_not_count_as_its_detection() -> None:
    elsewhere = [
        failed(started=9, phase=Phase.COOLING_OFF),
        failed(started=20.5, phase=Phase.COOLING_OFF),
        failed(kind="site.check", started=12, phase=Phase.COOLING_OFF),
    ]

    assert story([], elsewhere).detected is None


def test_a_fault_by_which_no_task_was_held_was_not_detected() -> None:
    assert story([], [failed(started=11, phase=Phase.BACKING_OFF)]).detected is None


def test_time_to_recover_is_that_of_the_quickest_and_of_the_slowest_that_met_the_fault() -> None:
    side = story(
        [
            call(11, met=OUTAGE),
            call(12, tenant="globex", met=OUTAGE),
            call(20.5, tenant="initech"),
            call(21),
            call(22, tenant="globex"),
            call(23),
        ],
        [],
    ).warden

    assert side == Side(2, (1.0, 2.0))


def test_recovery_is_not_claimed_while_one_that_met_the_fault_has_not_been_served() -> None:
    side = story([call(11, met=OUTAGE), call(12, tenant="globex", met=OUTAGE), call(21)], []).warden

    assert side == Side(2, None)


def test_a_call_served_before_the_fault_ended_is_no_recovery() -> None:
    assert story([call(11, met=OUTAGE), call(19.9)], []).warden.back is None


def test_the_groups_recover_each_by_itself() -> None:
    both = story([call(11, met=OUTAGE), call(11, caller=PLAIN, met=OUTAGE), call(20.5, caller=PLAIN)], [])

    assert (both.warden.back, both.plain.back) == (None, (0.5, 0.5))


def test_a_fault_that_had_not_begun_is_no_story() -> None:
    assert summed([], [], elapsed=9.0).stories == ()


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values: list[float], share: float) -> None:
    ascending = sorted(values)

    found = percentile(ascending, share)

    assert found in ascending
    assert sum(value <= found for value in ascending) >= math.floor(share * len(ascending))
    assert sum(value < found for value in ascending) <= share * len(ascending)


def test_the_printed_summary_names_every_figure() -> None:
    text = printed(
        summed(
            [
                call(11, met=OUTAGE),
                call(20.5),
                *(call(10 + n, caller=PLAIN, met=OUTAGE) for n in range(4)),
                call(20.25, caller=PLAIN),
            ],
            [
                failed(started=11, phase=Phase.BACKING_OFF),
                failed(started=12.5, phase=Phase.COOLING_OFF),
                run(started=21, late=0.007),
            ],
        )
    )

    assert "3: 2 failed, 1 succeeded" in text
    assert "2 network_error.upstream" in text
    assert "p50 0.0 ms, p99 7.0 ms" in text
    assert "outage, 10.0 h" in text
    (row,) = (line for line in text.splitlines() if line.startswith("outage"))
    assert " ".join(row.split()) == "outage, 10.0 h 1.5 h 1 30 min 4 15 min"
    assert "saved 3 of the 4 calls that the plain loop made in vain (75%)" in text


def test_lateness_leaves_out_tasks_that_wait_for_others() -> None:
    runs = [run(late=1.0), run(kind="digest.send", late=2.0)]

    assert summed([], runs).lateness == (1.0,)


def test_a_summary_of_nothing_says_so_instead_of_dividing_by_it() -> None:
    assert "nothing could be saved" in printed(summed([], [], elapsed=0.1))


def test_the_summary_fits_eighty_columns() -> None:
    calls = [call(fault.starts, endpoint=next(iter(fault.endpoints)), met=fault) for fault in SCRIPT.faults]
    plain = [call(each.at, caller=PLAIN, endpoint=each.endpoint, met=each.fault) for each in calls]
    text = printed(summarised(SCRIPT, [*calls, *plain], [], risen_at=RISEN, elapsed=45.0))

    assert "not yet" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
