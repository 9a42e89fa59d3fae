"""What the racing processes execute: work that takes its time, sometimes fails, and keeps a journal of its own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import anyio
import attrs

from taskwarden.core.decision import Decision, Event, Ran
from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.health import Health
from taskwarden.core.outcome import Outcome, Skipped, Snoozed, Succeeded
from taskwarden.core.task import Task
from taskwarden.ids import Kind
from taskwarden.policies import standard
from tests.race.journal import Journal

__all__ = ["CAPPED", "NARROW", "NARROWEST", "ONCE", "RECURRING", "TICK", "TICK_CAPPED", "Work", "executors"]

ONCE, TICK = Kind("race.once"), Kind("race.tick")
CAPPED, TICK_CAPPED = Kind("race.once.capped"), Kind("race.tick.capped")
"""One-off and recurring tasks of tenants without caps, and of those with: stores have quicker ways for the former."""
NARROW: Final = Kind("race.narrow")
"""One-off tasks of a kind with a cap."""
NARROWEST: Final = 4
"""Most of them that run at the same time."""
RECURRING: Final = frozenset({TICK, TICK_CAPPED})
_PERIOD: Final = timedelta(milliseconds=400)


@attrs.frozen
class Work:
    """
    What a task is to do.

    Args:
        seconds: How long it takes.
        fails: How many attempts at a slot fail.
        snoozes: The first claim of all asks to be called again.
        skips: Each claim with a token that this divides finds nothing to do; 0: none.
    """

    seconds: float
    fails: int = 0
    snoozes: bool = False
    skips: int = 0


@attrs.frozen
class Brisk:
    """The standard policy with delays as if a task recurred every 400 ms: a race cannot wait for minutes."""

    def decide(self, health: Health, event: Event, now: datetime) -> Decision:
        if isinstance(event, Ran):
            event = event._replace(period=_PERIOD)
        return standard().decide(health, event, now)


class Racing(TaskExecutor[Work]):
    """Does its work, and writes down when it begins and how it ends."""

    failure_policy = Brisk()

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def execute(self, task: Task[Work], context: RunContext) -> Outcome:
        self.journal.starts(context.claim)
        how = "cancelled"
        try:
            outcome = await self._work(task.payload, context)
            how = type(outcome).__name__.lower()
        except ConnectionError:
            how = "failed"
            raise
        finally:
            self.journal.ends(context.claim, how)
        return outcome

    async def _work(self, work: Work, context: RunContext) -> Outcome:
        token = context.claim.token
        if work.snoozes and token == 1:
            return Snoozed(context.claim.claimed_at + timedelta(milliseconds=300), "not yet")
        if work.skips and token % work.skips == 0:
            return Skipped("nothing to do")
        await anyio.sleep(work.seconds)  # what it takes to call others
        if context.attempt <= work.fails:
            raise ConnectionRefusedError("nobody there")
        return Succeeded([token, self.journal.process])


class Once(Racing):
    kind = ONCE


class Narrow(Racing):
    kind = NARROW
    max_running = NARROWEST


class Capped(Racing):
    kind = CAPPED


class Tick(Racing):
    kind = TICK


class TickCapped(Racing):
    kind = TICK_CAPPED


def executors(journal: Journal, *, capped: bool = True) -> Iterable[TaskExecutor[Any]]:
    """Return one for each kind, or only for those that caps have nothing to do with, which write to *journal*."""
    uncapped = Once(journal), Tick(journal)
    return (*uncapped, Narrow(journal), Capped(journal), TickCapped(journal)) if capped else uncapped
