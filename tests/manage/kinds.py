"""The kinds that the warden's tests use, and how a run of one is brought about without a runner."""

from datetime import timedelta
from typing import Any

import attrs

from taskwarden.core.claim import Claim
from taskwarden.core.executor import RunContext, TaskExecutor
from taskwarden.core.outcome import JSON, Outcome, Succeeded
from taskwarden.core.task import Task
from taskwarden.ids import Kind, RunnerId
from taskwarden.manage import Warden
from taskwarden.policies.intervals import every
from taskwarden.testing.builders import completed

QUARTER = timedelta(minutes=15)


@attrs.frozen
class Site:
    url: str
    pages: int = 1


@attrs.frozen
class Depth:
    levels: int = 3


class CheckSite(TaskExecutor[Site]):
    """A payload that must be given, and a schedule."""

    kind = "site.check"
    schedule = every(minutes=15)

    async def execute(self, task: Task[Site], context: RunContext) -> Outcome:
        return Succeeded({"url": task.payload.url})


class SendDigest(TaskExecutor[JSON]):
    """Any JSON, and no schedule."""

    kind = "digest.send"

    async def execute(self, task: Task[JSON], context: RunContext) -> None:
        return None


class Crawl(TaskExecutor[Depth]):
    """A payload whose fields all have defaults."""

    kind = "site.crawl"
    schedule = every(hours=1)

    async def execute(self, task: Task[Depth], context: RunContext) -> None:
        return None


async def claim(warden: Warden, *, limit: int = 1) -> tuple[Claim, ...]:
    """Take what is due, as a runner would."""
    kinds = [Kind("site.check"), Kind("digest.send"), Kind("site.crawl")]
    taken = await warden.store.claim(runner=RunnerId("runner-1"), kinds=kinds, limit=limit, lease=timedelta(seconds=60))
    return taken.claims


async def run(warden: Warden, outcome: Outcome | None = None, **fields: Any) -> Claim:
    """Bring about one run of what is due."""
    (taken,) = await claim(warden)
    await warden.store.complete([completed(taken, outcome, **fields)])
    return taken
