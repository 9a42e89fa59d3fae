"""What the audience sees: tasks, the provider's weather, totals and news. A pure function of a snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import attrs
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from taskwarden.cli.demo.script import PLAIN, WARDEN
from taskwarden.cli.demo.story import real
from taskwarden.core.record import Ending, Run, Status, TaskStatus

if TYPE_CHECKING:
    from taskwarden.cli.demo.feed import Line
    from taskwarden.cli.demo.provider import Call
    from taskwarden.cli.demo.script import Script

__all__ = ["Snapshot", "Totals", "picture", "table"]

_STYLES: Final[Mapping[Status, str]] = {
    Status.PAUSED: "dim",
    Status.RUNNING: "bold cyan",
    Status.NEEDS_INTERVENTION: "bold red",
    Status.PROBING: "bold blue",
    Status.COOLING_OFF: "magenta",
    Status.BACKING_OFF: "yellow",
    Status.DEFERRED: "yellow",
    Status.BLOCKED: "dim",
    Status.SCHEDULED: "green",
    Status.DONE: "dim",
}
_WIDE: Final = 120
"""From this width on, keys and priorities are shown too."""
_NARROW: Final = 100
"""Below this width attempts are left out, so that some of the reasons is left in."""
_BAR: Final = 24
"""Cells of the bar that shows how far the script is."""
_RULES: Final = 2
"""Lines that say what is below them: one above the tasks, one above the news."""
_LEAST_NEWS: Final = 4
"""With no more room than that, the blank line under the head is left out."""


@attrs.frozen(kw_only=True)
class Totals:
    """
    Calls as counted by the provider.

    Args:
        calls, in_vain: Taskwarden's.
        plain_calls, plain_in_vain: The plain loop's.
    """

    calls: int = 0
    in_vain: int = 0
    plain_calls: int = 0
    plain_in_vain: int = 0

    @classmethod
    def of(cls, calls: Iterable[Call]) -> Self:
        """Return the totals of *calls*."""
        counts = Counter((call.caller, call.fault is not None) for call in calls)
        warden, plain = counts[WARDEN, True], counts[PLAIN, True]
        return cls(
            calls=counts[WARDEN, False] + warden,
            in_vain=warden,
            plain_calls=counts[PLAIN, False] + plain,
            plain_in_vain=plain,
        )


@attrs.frozen(kw_only=True)
class Snapshot:
    """Everything at one instant: *statuses* by the store's clock, *elapsed* by the provider's."""

    script: Script
    elapsed: float
    statuses: tuple[TaskStatus, ...]
    totals: Totals
    lines: tuple[Line, ...] = ()


def picture(snapshot: Snapshot, *, width: int, height: int) -> RenderableType:
    """Return the whole picture in *height* lines, where that is room enough for the tasks and one piece of news."""
    lines = head(snapshot)
    room = height - len(lines) - len(snapshot.statuses) - _RULES
    if room > _LEAST_NEWS:
        lines.append(Text())
        room -= 1
    news = [line.text(width) for line in snapshot.lines[-max(1, room) :]]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    heading = Rule(Text("news ", "dim"), align="left", style="dim")
    return Group(*lines, table(snapshot.statuses, width=width), heading, *news)


def head(snapshot: Snapshot) -> list[Text]:
    """Return how far the script is, what the provider does now, how many calls it has counted, how the tasks are."""
    script, elapsed = snapshot.script, min(snapshot.elapsed, snapshot.script.length)
    filled = round(_BAR * elapsed / script.length)
    progress = Text.assemble(
        ("Taskwarden  ", "bold"),
        ("━" * filled, "green"),
        ("━" * (_BAR - filled), "bright_black"),
        f"  hour {elapsed:.1f} of {script.length:g}",
        ("  1 h takes 1 s", "dim"),
    )
    weather = Text("provider    ", "bold")
    faults = script.now(elapsed)
    if not faults:
        weather.append("is well", "green")
    for number, fault in enumerate(faults):
        weather.append("   " if number else "")
        weather.append(fault.says, "bold red")
        weather.append(f" ({fault.ends - elapsed:.1f} h left)", "dim")
    totals = snapshot.totals
    calls = Text.assemble(
        ("calls       ", "bold"),
        f"Taskwarden {totals.calls}, ",
        (f"{totals.in_vain} in vain", "bold"),
        f"   plain loop {totals.plain_calls}, ",
        (f"{totals.plain_in_vain} in vain", "bold"),
    )
    tasks = Text.assemble(("tasks       ", "bold"), "  ".join(counted(snapshot.statuses)))
    return [progress, weather, calls, tasks]


def counted(statuses: Sequence[TaskStatus]) -> list[str]:
    """Return how many tasks have each status, in the order of ``Status``."""
    counts = {status: sum(each.status is status for each in statuses) for status in Status}
    return [f"{count} {status}" for status, count in counts.items() if count]


def table(statuses: Sequence[TaskStatus], *, width: int) -> Table:
    """Return the tasks, one to a line; keys and priorities only where *width* allows."""
    wide, narrow = width >= _WIDE, width < _NARROW
    kinds: dict[str, str] = {status.id: status.kind for status in statuses}
    grid = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="dim", pad_edge=False)
    grid.add_column("tenant", no_wrap=True)
    grid.add_column("task", no_wrap=True)
    if wide:
        grid.add_column("key", no_wrap=True, style="dim")
        grid.add_column("priority", no_wrap=True, style="dim")
    grid.add_column("status", no_wrap=True, width=len(Status.NEEDS_INTERVENTION) + 2)
    if not narrow:
        grid.add_column("try", justify="right", no_wrap=True)
    grid.add_column("next", justify="right", no_wrap=True, width=9)
    grid.add_column("last", no_wrap=True, width=24 if wide else 12)
    grid.add_column("why", no_wrap=True, overflow="ellipsis", ratio=1, style="dim")
    previous = ""
    for status in statuses:
        about = [status.key, status.task.priority.name.lower()] if wide else []
        grid.add_row(
            Text(status.tenant if status.tenant != previous else "", "bold"),
            status.kind,
            *about,
            Text.assemble(("● ", _STYLES[status.status]), (status.status, _STYLES[status.status])),
            *([] if narrow else [str(status.attempt)]),
            due(status),
            last(status.last_run, full=wide),
            why(status, kinds),
        )
        previous = status.tenant
    return grid


def due(status: TaskStatus) -> str:
    """Say when the task runs next, seen from the snapshot's own time."""
    if status.status is Status.RUNNING:
        return "now"
    if status.status in {Status.PAUSED, Status.BLOCKED} or status.next_run_at is None:
        return "–"
    return within(status.next_run_at, status.as_of)


def within(instant: datetime, now: datetime) -> str:
    """Say how long it is from *now* to *instant*, in at most nine cells."""
    left = instant - now
    if left <= timedelta(0):
        return "now"
    minutes = left / timedelta(minutes=1)
    if minutes < 1:
        return f"in {minutes * 60:.0f} s"
    if minutes < 100:
        return f"in {minutes:.0f} min"
    return f"in {minutes / 60:.1f} h" if minutes < 48 * 60 else f"in {left.days} d"


def last(run: Run | None, *, full: bool) -> Text:
    """Say how the last run ended, and what it took in real time; of a failure the detail alone unless *full*."""
    if run is None:
        return Text("–", "dim")
    if run.ending is Ending.SUCCEEDED:
        return Text(f"ok {real(run.duration) / timedelta(milliseconds=1):.0f} ms", "green")
    if run.ending is Ending.FAILED:
        return Text(run.code if full else run.code.partition(".")[2] or run.code, "red")
    return Text(run.ending, "yellow")


def why(status: TaskStatus, kinds: Mapping[str, str]) -> str:
    """Say why the next time is what it is: who blocks, what defers, what the policy decided, or the schedule."""
    if status.status is Status.BLOCKED:
        return "after " + ", ".join(kinds.get(upstream, upstream) for upstream in status.blocked_by)
    if status.status is Status.DEFERRED:
        return status.deferred_why
    run = status.last_run
    if run is not None and run.why and status.status is not Status.SCHEDULED:
        return ", ".join(run.why)
    return status.plan_reason
