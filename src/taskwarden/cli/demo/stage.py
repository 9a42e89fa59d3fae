"""What happens while the curtain is up: tasks are created, news come in, an operator helps, the audience looks."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.cli.demo.executors import Site
from taskwarden.cli.demo.feed import Feed, Line, weather
from taskwarden.cli.demo.picture import Snapshot, Totals
from taskwarden.cli.demo.script import ACTIVE, TENANTS, Misbehaviour
from taskwarden.cli.demo.story import HOUR
from taskwarden.cli.demo.tasks import PLANS
from taskwarden.core.health import Phase

if TYPE_CHECKING:
    from taskwarden.cli.demo.provider import Provider
    from taskwarden.cli.demo.screen import Screen
    from taskwarden.cli.demo.stop import Stop
    from taskwarden.cli.demo.story import StoryClock
    from taskwarden.cli.demo.work import Grants
    from taskwarden.core.change import Change
    from taskwarden.core.decision import Activity
    from taskwarden.core.protocols import Ensured
    from taskwarden.core.record import Run, TaskStatus
    from taskwarden.manage import Warden
    from taskwarden.runner.publish import ChangeStream

__all__ = ["Stage", "history", "key"]

_TICK: Final = timedelta(minutes=12)
"""Between two looks: five of them in a real second."""
_KEPT: Final = 60
"""News that the picture may show."""
_PAGE: Final = 1_000


def key(tenant: str) -> str:
    """Return the key of all tasks of *tenant*: the site that they are about."""
    return f"www.{tenant}.example"


@attrs.define(eq=False)
class Stage:
    """
    The demo's parts, and what is known of them so far.

    Args:
        logged: Where the library's warnings go; they are taken from there.
    """

    provider: Provider
    warden: Warden
    grants: Grants
    screen: Screen
    clock: StoryClock
    logged: list[str]
    _feed: Feed = attrs.field(factory=Feed, init=False)
    _heard: list[Change] = attrs.field(factory=list, init=False)
    _lines: deque[Line] = attrs.field(factory=lambda: deque(maxlen=_KEPT), init=False)
    _told_until: float = attrs.field(default=0.0, init=False)

    async def furnish(self, activity: Activity) -> None:
        """Create each tenant's tasks. One of the tenants is more active than the others."""
        for tenant in map(self.warden.tenant, TENANTS):
            made: dict[str, Ensured] = {}
            if tenant.id == ACTIVE:
                await tenant.activity.report(None, activity.weight, activity.until)
            for plan in PLANS:
                made[plan.kind] = await tenant.tasks.ensure(
                    plan.kind,
                    key=key(tenant.id),
                    payload=Site(key(tenant.id)),
                    schedule=plan.schedule,
                    priority=plan.priority,
                    depends_on=[made[plan.after]] if plan.after else [],
                )

    async def hear(self, changes: ChangeStream) -> None:
        """Take in the warden's events until cancelled."""
        async for change in changes:
            self._heard.append(change)

    async def operate(self) -> None:
        """Play the operator: the tenant whose grant was revoked reconnects, and its held tasks are retried."""
        for fault in self.provider.script.faults:
            if fault.how is Misbehaviour.REVOKED and fault.tenant is not None:
                await self.clock.until(self.provider.risen_at + fault.ends * HOUR)
                self.grants.reconnect(fault.tenant)
                tasks = self.warden.tenant(fault.tenant).tasks
                for status in await tasks.list():
                    if status.phase is not Phase.HEALTHY:
                        await tasks.retry(status.id, actor="operator")

    async def perform(self, stop: Stop) -> float:
        """Let the audience look until the script ends or somebody stops it; return when that was, in hours."""
        with self.screen:
            falls_at = self.provider.risen_at + self.provider.script.length * HOUR
            while (elapsed := self.provider.elapsed) < self.provider.script.length and not stop.wanted:
                await self._look(elapsed)
                await self.clock.until(min(self.clock.now() + _TICK, falls_at))
            await self._look(elapsed)
        return elapsed

    async def _look(self, elapsed: float) -> None:
        heard, self._heard = self._heard, []
        news = weather(self.provider.script, self._told_until, elapsed)
        news += self._feed.lines(heard, elapsed)
        news += [Line(elapsed, "log", text, "yellow") for text in self.logged]
        self.logged.clear()
        self._told_until = elapsed
        self._lines += news
        statuses: list[TaskStatus] = []
        for tenant in TENANTS:
            statuses += await self.warden.tenant(tenant).tasks.list()
        self.screen.show(
            Snapshot(
                script=self.provider.script,
                elapsed=elapsed,
                statuses=tuple(statuses),
                totals=Totals.of(self.provider.calls),
                lines=tuple(self._lines),
            ),
            news,
        )


async def history(warden: Warden) -> list[Run]:
    """Return all runs of all tenants."""
    runs: list[Run] = []
    for tenant in TENANTS:
        page = await warden.tenant(tenant).runs.list(limit=_PAGE)
        while page:
            runs += page
            page = await warden.tenant(tenant).runs.list(limit=_PAGE, before=page[-1].id)
    return runs
