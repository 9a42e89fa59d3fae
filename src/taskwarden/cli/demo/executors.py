"""How Taskwarden runs the tenants' work: one executor for each kind."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs

from taskwarden.cli.demo.script import Endpoint
from taskwarden.core.executor import BlockingTaskExecutor, TaskExecutor
from taskwarden.core.outcome import Outcome, Succeeded

if TYPE_CHECKING:
    from taskwarden.cli.demo.work import Work
    from taskwarden.core.executor import RunContext
    from taskwarden.core.task import Task

__all__ = ["Site", "executors"]


@attrs.frozen
class Site:
    """The payload: which of the tenant's sites a task is about."""

    host: str


TIMEOUT: Final = timedelta(hours=3)
"""Three real seconds: the HTTP client's own timeout, of half a real second, comes first."""


class _Working(TaskExecutor[Site]):
    """What the async kinds have in common: they need the calls, and make them on behalf of the task's tenant."""

    timeout = TIMEOUT

    def __init__(self, work: Work) -> None:
        self._work = work


class RefreshToken(_Working):
    """Keeps the tenant's access to the provider alive."""

    kind = "oauth.refresh"

    async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
        """Ask for a new access token."""
        return Succeeded(await self._work.call(Endpoint.TOKEN, task.tenant))


class SearchStatistics(_Working):
    """Pulls what people searched for before they found the tenant's site."""

    kind = "search.stats"

    async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
        """Pull the newest rows."""
        return Succeeded(await self._work.call(Endpoint.SEARCH, task.tenant))


class CheckSite(_Working):
    """Sees whether the tenant's own site answers; what ails the provider's API does not concern it."""

    kind = "site.check"

    async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
        """Fetch the start page."""
        return Succeeded(await self._work.call(Endpoint.SITE, task.tenant))


class WriteReport(BlockingTaskExecutor[Site]):
    """Blocking code as most hosts have some: it runs in a worker thread, with a blocking client."""

    kind = "report.write"
    timeout = TIMEOUT

    def __init__(self, work: Work) -> None:
        self._work = work

    def run(self, task: Task[Site], context: RunContext) -> Outcome:
        """Fetch the rows of a report."""
        return Succeeded(self._work.call_blocking(Endpoint.REPORT, task.tenant))


class SendDigest(_Working):
    """Sends what the statistics have brought: its tasks wait for theirs."""

    kind = "digest.send"

    async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
        """Hand the digest to the mail service."""
        return Succeeded(await self._work.call(Endpoint.MAIL, task.tenant))


def executors(work: Work) -> tuple[TaskExecutor[Any], ...]:
    """Return one executor of each kind, all of which call through *work*."""
    return RefreshToken(work), SearchStatistics(work), CheckSite(work), WriteReport(work), SendDigest(work)
