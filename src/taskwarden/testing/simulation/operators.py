"""The people: they create tasks, and pause, retry, move and delete them at moments drawn from the seed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from taskwarden.core.health import Phase
from taskwarden.core.lifecycle import State
from taskwarden.core.task import Priority
from taskwarden.errors import TaskNotFound, UsageError
from taskwarden.policies.intervals import every, once
from taskwarden.testing.simulation.history import Trespassed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from taskwarden.core.claim import Claim
    from taskwarden.core.record import TaskStatus
    from taskwarden.manage import TenantHandle, Warden
    from taskwarden.testing.simulation.recorder import Recorder
    from taskwarden.testing.simulation.trace import Trace

__all__ = ["Operators"]

_PAUSE: Final = 1_200
"""Mean seconds between two acts."""


class Operators:
    """Those who use the warden, one act at a time."""

    def __init__(self, warden: Warden, *, seed: int, tenants: int, recorder: Recorder, trace: Trace) -> None:
        self._rng = Random(f"{seed}:operators")
        self._recorder, self._clock, self._trace = recorder, recorder.clock, trace
        self.tenants: list[TenantHandle] = [warden.tenant(f"tenant{number}") for number in range(tenants)]
        self._acts: dict[str, Callable[[TenantHandle, TaskStatus], Awaitable[Any]]] = {
            "pause": lambda tenant, task: tenant.tasks.pause(task.id),
            "resume": lambda tenant, task: tenant.tasks.resume(task.id),
            "retry": lambda tenant, task: tenant.tasks.retry(task.id, force=self._rng.random() < 0.2),
            "run now": lambda tenant, task: tenant.tasks.run_now(task.id),
            "reschedule": lambda tenant, task: tenant.tasks.reschedule(task.id, self._soon()),
            "delete": lambda tenant, task: tenant.tasks.delete(task.id, detach=self._rng.random() < 0.5),
            "ensure": lambda tenant, _: self._ensure(tenant),
            "change": lambda tenant, _: self._change(tenant),
            "cap": lambda tenant, _: tenant.limits(max_running=self._rng.choice([1, 2, 3, None])),
            "pause all": lambda tenant, _: tenant.pause_all(),
            "resume all": lambda tenant, _: tenant.resume_all(),
            "explain": lambda tenant, task: tenant.tasks.explain(task.id),
            "trespass": self._trespass,
        }

    async def settle_in(self) -> None:
        """Create everybody's tasks."""
        for tenant in self.tenants:
            await self._ensure(tenant)

    async def act(self) -> None:
        """Act at drawn moments, until cancelled."""
        while True:
            await self._clock.sleep(timedelta(seconds=self._rng.expovariate(1 / _PAUSE)))
            tenant = self._rng.choice(self.tenants)
            tasks = await tenant.tasks.list()
            name = self._rng.choice(list(self._acts))
            if tasks:
                await self._do(name, tenant, self._rng.choice(tasks))

    async def meddle(self, claim: Claim) -> None:
        """Act on a task while it runs."""
        tenant = next(each for each in self.tenants if each.id == claim.task.tenant)
        found = await tenant.tasks.find(claim.task.kind, claim.task.key)
        if found is not None:
            await self._do(self._rng.choice(["retry", "reschedule", "delete", "pause"]), tenant, found)

    async def tidy_up(self) -> None:
        """Undo every hold that only a person can undo."""
        for tenant in self.tenants:
            await tenant.resume_all()
            await tenant.limits(max_running=None)
            await self._ensure(tenant)
            for task in await tenant.tasks.list():
                await tenant.tasks.resume(task.id)
                if task.phase is Phase.NEEDS_INTERVENTION and task.state is not State.DONE:
                    await self._do("retry", tenant, task)

    async def _do(self, name: str, tenant: TenantHandle, task: TaskStatus) -> None:
        try:
            answer = await self._acts[name](tenant, task)
        except UsageError as refused:
            answer = type(refused).__name__
        words = "" if name == "explain" else f" -> {answer}"
        self._trace.add("operators", f"{name} {tenant.id}/{task.kind}/{task.key}{words}")

    def _soon(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._rng.randrange(-3_600, 4 * 3_600))

    async def _ensure(self, tenant: TenantHandle) -> str:
        """Make sure of all tasks that the tenant wants; those that were deleted come back."""
        ensured = [
            await tenant.tasks.ensure("search.poll", key=key, payload=None, priority=priority)
            for key, priority in (("news", Priority.HIGH), ("prices", Priority.LOW))
        ]
        ensured += [await tenant.tasks.ensure("social.sync", key=key, payload=None) for key in ("feed", "inbox")]
        ensured.append(await tenant.tasks.ensure("digest.send", key="digest", payload=None))
        when = once(self._clock.now() + timedelta(hours=1))
        found = await tenant.tasks.find("import.once", "archive")
        if found is None:
            ensured.append(await tenant.tasks.ensure("import.once", key="archive", payload=None, schedule=when))
        return " ".join(each.how.value for each in ensured)

    async def _change(self, tenant: TenantHandle) -> str:
        """Give the digest another schedule, or have it wait for the news."""
        news = await tenant.tasks.find("search.poll", "news")
        if news is not None and self._rng.random() < 0.5:
            changed = await tenant.tasks.ensure("digest.send", key="digest", depends_on=[news])
        else:
            schedule = every(hours=self._rng.randrange(1, 7))
            changed = await tenant.tasks.ensure("digest.send", key="digest", schedule=schedule)
        return changed.how.value

    async def _trespass(self, tenant: TenantHandle, task: TaskStatus) -> str:
        """Ask for another tenant's task in every way there is; nothing must come of it."""
        stranger = self._rng.choice([each for each in self.tenants if each.id != tenant.id])
        ways: dict[str, Callable[[], Awaitable[Any]]] = {
            "get": lambda: stranger.tasks.get(task.id),
            "pause": lambda: stranger.tasks.pause(task.id),
            "retry": lambda: stranger.tasks.retry(task.id),
            "run now": lambda: stranger.tasks.run_now(task.id),
            "reschedule": lambda: stranger.tasks.reschedule(task.id, self._clock.now()),
            "delete": lambda: stranger.tasks.delete(task.id, detach=True),
            "explain": lambda: stranger.tasks.explain(task.id),
        }
        for way, ask in ways.items():
            answer: str | None = None
            with suppress(TaskNotFound):
                answer = f"{way} -> {await ask()}"
            entry = Trespassed(at=self._clock.now(), tenant=stranger.id, task_id=task.id, answer=answer)
            self._recorder.history.append(entry)
        return f"by {stranger.id}"
