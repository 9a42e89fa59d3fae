"""What the audience sees, drawn from snapshots alone."""

import io
from collections.abc import Sequence
from itertools import pairwise

import pytest
from rich.console import Console

from taskwarden.cli.demo.feed import Feed, Line, weather
from taskwarden.cli.demo.picture import Snapshot, Totals, picture
from taskwarden.cli.demo.screen import LinesScreen, LiveScreen, screen
from taskwarden.cli.demo.script import PLAIN, SCRIPT, TENANTS, Misbehaviour
from taskwarden.cli.demo.work import ENDPOINTS
from taskwarden.core.change import Change, ChangeName
from taskwarden.core.decision import Level
from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.record import Incident, Run, TaskStatus
from taskwarden.ids import Kind, TaskId, TenantId
from tests.cli.demo_records import RISEN, call, failed, run, status


def snapshot(
    *statuses: TaskStatus, elapsed: float = 2.0, lines: Sequence[Line] = (), totals: Totals | None = None
) -> Snapshot:
    return Snapshot(script=SCRIPT, elapsed=elapsed, statuses=statuses, totals=totals or Totals(), lines=tuple(lines))


def drawn(shown: Snapshot, *, width: int = 100, height: int = 30) -> list[str]:
    console = Console(file=io.StringIO(), record=True, width=width)
    console.print(picture(shown, width=width, height=height))
    return console.export_text().splitlines()


def row(of: TaskStatus, *, width: int = 100) -> str:
    (line,) = (line for line in drawn(snapshot(of), width=width) if of.kind in line)
    return line


def everything() -> list[TaskStatus]:
    return [status(tenant, kind) for tenant in TENANTS for kind in ENDPOINTS]


def test_a_task_shows_tenant_kind_status_next_time_and_the_reason_for_it() -> None:
    shown = row(status(last=run(started=1.0, finished=1.025)))

    assert " ".join(shown.split()) == "acme search.stats ● scheduled 1 in 3.0 h ok 25 ms every 15 min"


def test_keys_and_priorities_are_shown_where_there_is_room() -> None:
    assert "www.acme.example" not in row(status(), width=119)
    assert "www.acme.example" in row(status(), width=120)
    assert " high " in row(status(), width=120)


def test_a_held_task_shows_why_it_is_held() -> None:
    held = status(phase=Phase.COOLING_OFF, last=failed(started=1.0, phase=Phase.COOLING_OFF))

    assert " ".join(row(held).split()) == "acme search.stats ● cooling_off 1 in 3.0 h upstream sequential"


def test_a_blocked_task_names_the_kind_that_it_waits_for_and_no_time() -> None:
    upstream = status(kind="search.stats")
    blocked = status(kind="digest.send", state=State.BLOCKED, blocked_by=(upstream.id,))

    (line,) = (line for line in drawn(snapshot(upstream, blocked)) if "digest.send" in line)
    assert " ".join(line.split()) == "digest.send ● blocked 1 – – after search.stats"


@pytest.mark.parametrize(
    ("next_in", "words"),
    [
        (-1.0, "now"),
        (0.0, "now"),
        (0.01, "in 36 s"),
        (0.25, "in 15 min"),
        (1.6, "in 96 min"),
        (2.0, "in 2.0 h"),
        (47.0, "in 47.0 h"),
        (7 * 24.0, "in 7 d"),
        (None, "–"),
    ],
)
def test_the_next_time_is_told_as_a_distance(next_in: float | None, words: str) -> None:
    assert f" {words} " in row(status(next_in=next_in))


def test_a_tenants_name_is_written_once() -> None:
    lines = drawn(snapshot(status(kind="site.check"), status(kind="search.stats"), status("globex", "site.check")))

    assert sum("acme" in line for line in lines) == 1
    assert sum("globex" in line for line in lines) == 1


def test_the_head_tells_what_the_provider_does_now() -> None:
    (outage,) = (fault for fault in SCRIPT.faults if fault.how is Misbehaviour.OUTAGE)

    assert any("is well" in line for line in drawn(snapshot(elapsed=0.0)))
    assert any(outage.says in line for line in drawn(snapshot(elapsed=outage.starts)))


def test_the_head_tells_the_calls_of_both_groups() -> None:
    (outage,) = (fault for fault in SCRIPT.faults if fault.how is Misbehaviour.OUTAGE)
    totals = Totals.of(
        [call(1), call(13, met=outage), call(2, caller=PLAIN), *[call(14, caller=PLAIN, met=outage)] * 2]
    )

    (line,) = (line for line in drawn(snapshot(totals=totals)) if "plain loop" in line)
    assert "Taskwarden 2, 1 in vain" in line
    assert "plain loop 3, 2 in vain" in line


@pytest.mark.parametrize(("width", "height"), [(80, 23), (100, 29), (160, 45), (200, 60)])
@pytest.mark.parametrize("elapsed", [0.0, 28.0, 45.0])
def test_the_picture_fits_the_terminal(width: int, height: int, elapsed: float) -> None:
    news = [Line(1.0, "tasks", "x" * 300)] * 60

    lines = drawn(snapshot(*everything(), elapsed=elapsed, lines=news), width=width, height=height)

    assert len(lines) == height
    assert max(map(len, lines)) <= width


def test_the_newest_news_are_the_last_lines() -> None:
    news = [Line(float(number), "tasks", f"number {number}") for number in range(60)]

    assert drawn(snapshot(*everything(), lines=news), height=29)[-1].strip().endswith("number 59")


def test_on_the_smallest_terminal_news_go_before_blank_lines() -> None:
    news = [Line(float(number), "tasks", f"number {number}") for number in range(60)]

    lines = drawn(snapshot(*everything(), lines=news), width=80, height=23)

    assert sum("number" in line for line in lines) == 2
    assert "" not in [line.strip() for line in lines]


# --- news -----------------------------------------------------------------------------------------------------------


def finished(finished_run: Run) -> Change:
    return Change(seq=1, at=RISEN, name=ChangeName.RUN_FINISHED, tenant=finished_run.tenant, run=finished_run)


def told(feed: Feed, *runs: Run) -> list[str]:
    return [line.says for line in feed.lines(map(finished, runs), 1.0)]


def test_a_new_phase_is_news_once() -> None:
    feed = Feed()

    assert told(feed, failed(started=1, phase=Phase.COOLING_OFF)) == [
        "search.stats of acme is cooling_off: network_error.upstream"
    ]
    assert told(feed, failed(started=2, phase=Phase.COOLING_OFF)) == []
    assert told(feed, run(started=3)) == ["search.stats of acme is healthy"]


def test_backing_off_and_coming_back_from_it_is_no_news() -> None:
    feed = Feed()

    assert told(feed, failed(started=1, phase=Phase.BACKING_OFF), run(started=2)) == []


def test_a_probe_is_no_news_but_the_end_of_the_hold_is() -> None:
    feed = Feed()
    told(feed, failed(started=1, phase=Phase.COOLING_OFF))

    assert told(feed, run(started=2, phase=Phase.PROBING)) == []
    assert told(feed, run(started=3)) == ["search.stats of acme is healthy"]


def test_the_same_news_of_several_tenants_is_one_line() -> None:
    runs = [failed(tenant, started=1, phase=Phase.NEEDS_INTERVENTION) for tenant in TENANTS]

    assert told(Feed(), *runs) == [
        "search.stats of acme, globex, initech is needs_intervention: network_error.upstream"
    ]


def test_an_incident_is_news_when_it_opens_and_somebody_must_act() -> None:
    def opened(level: Level, name: ChangeName = ChangeName.INCIDENT_OPENED) -> Change:
        incident = Incident(
            tenant=TenantId("acme"),
            key="task",
            code="auth_error.revoked",
            title="auth_error.revoked, 2 failures",
            level=level,
            opened_at=RISEN,
            last_seen_at=RISEN,
            sightings=1,
            task_ids=(TaskId("acme/oauth.refresh"),),
        )
        kind = Kind("oauth.refresh")
        return Change(seq=1, at=RISEN, name=name, tenant=incident.tenant, kind=kind, incident=incident)

    changes = [opened(Level.ERROR), opened(Level.WARNING), opened(Level.ERROR, ChangeName.INCIDENT_SEEN)]

    assert [line.says for line in Feed().lines(changes, 1.0)] == [
        "oauth.refresh of acme needs a human: auth_error.revoked, 2 failures"
    ]


def test_what_an_operator_does_is_news() -> None:
    retried = Change(
        seq=1, at=RISEN, name=ChangeName.TASK_RETRIED, tenant=TenantId("acme"), kind=status().kind, actor="operator"
    )

    assert Feed().lines([retried], 1.0) == [Line(1.0, "operator", "search.stats of acme is retried", "cyan")]


def test_each_fault_is_announced_once_when_it_begins_and_once_when_it_ends() -> None:
    ticks = [tick / 10 for tick in range(451)]

    news = [line for since, until in pairwise(ticks) for line in weather(SCRIPT, since, until)]

    assert sorted(line.at for line in news) == sorted(
        instant for fault in SCRIPT.faults for instant in (fault.starts, fault.ends)
    )


# --- screens --------------------------------------------------------------------------------------------------------


def test_an_output_that_is_no_terminal_gets_lines_without_control_codes() -> None:
    file = io.StringIO()
    console = Console(file=file, width=80)
    news = Line(12.0, "provider", "outage", "bold red")

    with screen(console) as shown:
        shown.show(snapshot(status()), [news])

    assert isinstance(shown, LinesScreen)
    assert file.getvalue() == "  12.0 h  provider    outage\n"


def test_lines_are_interspersed_with_the_table_every_ten_seconds_and_at_the_end() -> None:
    file = io.StringIO()
    with screen(Console(file=file, width=80)) as shown:
        for elapsed in (9.9, 10.1, 10.3, 20.1, 30.1, 40.1, 44.9, 45.0):
            shown.show(snapshot(status(), elapsed=elapsed), [])

    assert file.getvalue().count("search.stats") == 5


def test_a_terminal_gets_a_picture_and_colour() -> None:
    file = io.StringIO()
    with screen(Console(file=file, force_terminal=True, width=100, height=30, color_system="standard")) as shown:
        shown.show(snapshot(status(phase=Phase.NEEDS_INTERVENTION)), [])

    assert isinstance(shown, LiveScreen)
    assert "\x1b[1;31m● " in file.getvalue()


def test_no_colour_is_used_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")  # https://no-color.org: the environment is the interface
    file = io.StringIO()
    with screen(Console(file=file, force_terminal=True, width=100, height=30, color_system="standard")) as shown:
        shown.show(snapshot(status(phase=Phase.NEEDS_INTERVENTION)), [])

    assert "needs_intervention" in file.getvalue()
    assert "31m" not in file.getvalue()
