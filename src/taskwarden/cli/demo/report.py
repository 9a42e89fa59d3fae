"""The summary as the audience reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from taskwarden.cli.demo.script import PLAIN, WARDEN
from taskwarden.cli.demo.summary import Side, Story, Summary, percentile

if TYPE_CHECKING:
    from taskwarden.core.record import Ending

__all__ = ["report"]


def report(summary: Summary) -> RenderableType:
    """Return the whole summary; it fits 80 columns."""
    parts: list[RenderableType] = [
        Rule(Text(f" {summary.elapsed:.1f} hours in numbers ", "bold"), align="left", style="dim"),
        Text(f"runs      {sum(summary.endings.values())}: {_counted(summary.endings)}"),
    ]
    if summary.codes:
        parts.append(Text(f"failures  {_counted(summary.codes)}"))
    if summary.lateness:
        median, high, worst = (percentile(summary.lateness, share) * 1000 for share in (0.5, 0.99, 1.0))
        parts.append(Text(f"lateness  p50 {median:.1f} ms, p99 {high:.1f} ms, worst {worst:.1f} ms, in real time"))
    parts.append(Padding(_stories(summary), (1, 0)))
    parts.append(Text(_verdict(summary), "bold"))
    parts.append(
        Text(
            "All calls are counted by the provider. The plain loop is real: beside Taskwarden it made the same calls"
            " at the same slots, and after a failure called again at the next interval."
            " Detect: first failed run to the first that was held, not merely retried later."
            " Recover: end of the fault to the first call served, quickest and slowest of the tasks that met it.",
            "dim",
        )
    )
    return Group(*parts)


def _counted(counts: Mapping[Ending, int] | Mapping[str, int]) -> str:
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name}" for name, count in most_first)


def _stories(summary: Summary) -> Table:
    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    grid.add_column("what went wrong", no_wrap=True)
    grid.add_column("detect", justify="right")
    for caller in ("Taskwarden", "plain loop"):
        grid.add_column(f"{caller}\n{_pair('in vain', 'recover')}", justify="right", no_wrap=True)
    for story in summary.stories:
        grid.add_row(
            _name(story),
            "–" if story.detected is None else _span(story.detected),
            _side(story.warden),
            _side(story.plain),
        )
    all_calls = (
        _pair(str(summary.in_vain.get(caller, 0)), f"of {summary.calls.get(caller, 0)}") for caller in (WARDEN, PLAIN)
    )
    grid.add_row("all calls", "", *all_calls, style="bold")
    return grid


def _name(story: Story) -> str:
    return f"{story.fault.how}, {_span(story.fault.ends - story.fault.starts)}"


def _side(side: Side) -> str:
    if not side.in_vain:
        return _pair("0", "–")
    return _pair(str(side.in_vain), "not yet" if side.back is None else _span(*side.back))


def _pair(in_vain: str, recover: str) -> str:
    return f"{in_vain:>7} {recover:>12}"


def _span(*hours: float) -> str:
    """Return one span, or a range, in the unit of its end."""
    unit = "min" if hours[-1] < 1 else "h"
    figures = (f"{each * 60:.0f}" if unit == "min" else f"{each:.1f}" for each in hours)
    return f"{'–'.join(dict.fromkeys(figures))} {unit}"


def _verdict(summary: Summary) -> str:
    plain = summary.in_vain.get(PLAIN, 0)
    if not plain:
        return "No fault was met yet, so nothing could be saved."
    share = summary.saved / plain
    return f"The policies saved {summary.saved} of the {plain} calls that the plain loop made in vain ({share:.0%})."
