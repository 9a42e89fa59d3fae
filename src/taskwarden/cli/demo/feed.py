"""The news: what changed that people would want to know, a line each; like changes of several tenants are one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import attrs
from rich.text import Text

from taskwarden.core.change import Change, ChangeName
from taskwarden.core.decision import Level
from taskwarden.core.health import Phase

if TYPE_CHECKING:
    from taskwarden.cli.demo.script import Script
    from taskwarden.core.record import Run
    from taskwarden.ids import TaskId

__all__ = ["Feed", "Line", "weather"]

_STYLES: Final = {
    Phase.HEALTHY: "green",
    Phase.COOLING_OFF: "magenta",
    Phase.NEEDS_INTERVENTION: "bold red",
}
"""The phases whose beginning is news. Backing off and probing are not: the table shows them."""


@attrs.frozen
class Line:
    """One piece of news, *at* hours since the curtain rose."""

    at: float
    who: str
    says: str
    style: str = ""

    def text(self, width: int) -> Text:
        """Return it in one line of at most *width* cells."""
        text = Text.assemble((f"{self.at:6.1f} h  ", "dim"), (f"{self.who:<10}  ", self.style), self.says)
        text.truncate(width, overflow="ellipsis")
        return text


@attrs.define(eq=False)
class Feed:
    """
    Turns changes into lines, remembering in which phase each task was last told to be.

    Args:
        known: Phases as told so far; tasks that are not in it are healthy.
    """

    known: dict[TaskId, Phase] = attrs.field(factory=dict)

    def lines(self, changes: Iterable[Change], at: float) -> list[Line]:
        """Return the news of *changes*, which became known together *at* that many hours."""
        told: dict[tuple[str, str, str, str], list[str]] = {}
        for change in changes:
            news = self._news(change)
            if news is not None:
                told.setdefault(news, []).append(change.tenant)
        return [
            Line(at, who, f"{kind} of {', '.join(tenants)} {says}", style)
            for (who, kind, says, style), tenants in told.items()
        ]

    def _news(self, change: Change) -> tuple[str, str, str, str] | None:
        """Return whose news *change* is, the kind that it is about, what happened, and how to colour it."""
        run, incident, kind = change.run, change.incident, change.kind or ""
        if run is not None and self._moved(run):
            return "tasks", run.kind, f"is {run.phase}{run.code and ': '}{run.code}", _STYLES[run.phase]
        if incident is not None and change.name is ChangeName.INCIDENT_OPENED and incident.level is Level.ERROR:
            return "incident", kind, f"needs a human: {incident.title}", "bold red"
        if change.name is ChangeName.TASK_RETRIED:
            return change.actor, kind, "is retried", "cyan"
        return None

    def _moved(self, run: Run) -> bool:
        """Tell whether the phase after *run* is news: a hold, another one, or its end; remember what was told."""
        if run.phase not in _STYLES or run.phase is self.known.get(run.task_id, Phase.HEALTHY):
            return False
        self.known[run.task_id] = run.phase
        return True


def weather(script: Script, since: float, until: float) -> list[Line]:
    """Return which faults began or ended after *since* and not after *until*, in order of time."""
    lines = [
        Line(at, "provider", says, style)
        for fault in script.faults
        for at, says, style in (
            (fault.starts, f"{fault.how}: {fault.says}", "bold red"),
            (fault.ends, f"{fault.how} is over", "green"),
        )
        if since < at <= until
    ]
    return sorted(lines, key=lambda line: line.at)
