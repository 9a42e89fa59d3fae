"""
The control group: the same calls for the same tenants at the same slots, by a loop without a failure policy.

It is what one writes first: call, and after a failure call again at the next interval. It asks the very schedules
that Taskwarden asks, so that nothing differs but what follows a failure.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio.to_thread
import attrs
import httpx

from taskwarden.cli.demo.script import ACTIVE
from taskwarden.cli.demo.work import ENDPOINTS
from taskwarden.core.decision import IntervalState
from taskwarden.core.failure import TaskFailure
from taskwarden.core.hashing import seed
from taskwarden.core.outcome import Succeeded

if TYPE_CHECKING:
    from taskwarden.cli.demo.story import StoryClock
    from taskwarden.cli.demo.tasks import Plan
    from taskwarden.cli.demo.work import Work
    from taskwarden.core.decision import Activity

__all__ = ["plain_loop"]

_BLOCKING: Final = "report.write"
"""The kind that both groups run in a thread."""


async def plain_loop(plan: Plan, tenant: str, *, key: str, activity: Activity, work: Work, clock: StoryClock) -> None:
    """Make the calls of one task until cancelled, whatever they bring; *activity* is that of the active tenant."""
    state = IntervalState(seed=seed(tenant, plan.kind, key), activity=activity if tenant == ACTIVE else None)
    planned = plan.schedule.next(None, state, None, clock.now())
    while planned.at is not None:
        await clock.until(planned.at)
        with suppress(httpx.HTTPError, TaskFailure):  # it is tried again at the next interval
            await _call(plan.kind, tenant, work)
        state = attrs.evolve(state, memory=planned.memory)
        planned = plan.schedule.next(planned.at, state, Succeeded(), clock.now())


async def _call(kind: str, tenant: str, work: Work) -> None:
    if kind == _BLOCKING:
        await anyio.to_thread.run_sync(work.call_blocking, ENDPOINTS[kind], tenant, abandon_on_cancel=True)
    else:
        await work.call(ENDPOINTS[kind], tenant)
