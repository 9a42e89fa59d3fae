"""The whole of it: a provider, three tenants, Taskwarden beside a plain loop, an operator, and an audience."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from taskwarden.cli.demo.control import plain_loop
from taskwarden.cli.demo.executors import executors
from taskwarden.cli.demo.log import overheard
from taskwarden.cli.demo.provider import Provider
from taskwarden.cli.demo.report import report
from taskwarden.cli.demo.screen import screen
from taskwarden.cli.demo.script import PLAIN, TENANTS, WARDEN, scripted
from taskwarden.cli.demo.stage import Stage, history, key
from taskwarden.cli.demo.stop import Stop, stoppable
from taskwarden.cli.demo.story import StoryClock
from taskwarden.cli.demo.summary import Summary, summarised
from taskwarden.cli.demo.tasks import PLANS, activity
from taskwarden.cli.demo.work import Grants, Work
from taskwarden.manage import Warden

if TYPE_CHECKING:
    from rich.console import Console

    from taskwarden.cli.demo.screen import Screen

__all__ = ["perform", "play"]

_DAY: Final = timedelta(days=1)
"""24 real seconds: a busy machine must not cost anybody a lease."""


def play(seconds: float, *, backend: str, console: Console) -> None:
    """Play the script in *seconds* on the event loop *backend*, and print what it came to. Ctrl-C ends it early."""
    clock = StoryClock()
    with Provider(scripted(seconds), clock) as provider, stoppable() as stop:
        summary = anyio.run(partial(perform, provider, clock, screen(console), stop), backend=backend)
    console.print(report(summary), width=min(console.width, 100))


async def perform(provider: Provider, clock: StoryClock, screen: Screen, stop: Stop) -> Summary:
    """Run both groups side by side until the curtain falls, and return what it came to."""
    grants = Grants()
    async with (
        Work(provider.url, WARDEN, grants, clock) as work,
        Work(provider.url, PLAIN, grants, clock) as plain_work,
        Warden.open("memory://", executors=executors(work), clock=clock) as warden,
    ):
        with overheard() as logged:
            stage = Stage(provider, warden, grants, screen, clock, logged)
            provider.restart()
            active = activity(provider.risen_at)
            await stage.furnish(active)
            async with (
                warden.runner(lease=_DAY, grace=_DAY),
                warden.events() as changes,
                anyio.create_task_group() as tg,
            ):
                tg.start_soon(stage.hear, changes)
                tg.start_soon(stage.operate)
                for tenant in TENANTS:
                    loop = partial(plain_loop, key=key(tenant), activity=active, work=plain_work, clock=clock)
                    for plan in PLANS:
                        tg.start_soon(loop, plan, tenant)
                elapsed = await stage.perform(stop)
                calls = provider.calls
                tg.cancel_scope.cancel()
        runs = await history(warden)
    return summarised(provider.script, calls, runs, risen_at=provider.risen_at, elapsed=elapsed)
