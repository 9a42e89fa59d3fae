"""Every public method of a tenant's handle: found by looking, and how to call each of them with another's ids."""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

from taskwarden.core.record import Status, TaskStatus
from taskwarden.manage import TenantHandle

__all__ = ["CALLS", "public_methods"]

Call = Callable[[TenantHandle, TaskStatus], Awaitable[object]]


async def first_change(alice: TenantHandle, _: TaskStatus) -> object:
    async with alice.events(after=0) as events:
        await alice.tasks.ensure("site.crawl", key="own")
        return await anext(events)


# Each public method, called on alice's handle with bob's id wherever an id can be said.
CALLS: dict[str, Call] = {
    "activity.report": lambda alice, his: alice.activity.report(his.kind, 5, his.as_of + timedelta(days=1)),
    "events": first_change,
    "incidents": lambda alice, his: alice.incidents(open_only=False),
    "limits": lambda alice, his: alice.limits(max_running=3, weight=7),
    "pause_all": lambda alice, his: alice.pause_all(),
    "resume_all": lambda alice, his: alice.resume_all(),
    "runs.list": lambda alice, his: alice.runs.list(his.id),
    "statistics": lambda alice, his: alice.statistics(),
    "tasks.delete": lambda alice, his: alice.tasks.delete(his.id, detach=True),
    "tasks.ensure": lambda alice, his: alice.tasks.ensure("site.crawl", key="new", depends_on=[his]),
    "tasks.explain": lambda alice, his: alice.tasks.explain(his.id),
    "tasks.find": lambda alice, his: alice.tasks.find(his.kind, his.key),
    "tasks.get": lambda alice, his: alice.tasks.get(his.id),
    "tasks.list": lambda alice, his: alice.tasks.list(kind=his.kind, status=Status.SCHEDULED),
    "tasks.pause": lambda alice, his: alice.tasks.pause(his.id),
    "tasks.reschedule": lambda alice, his: alice.tasks.reschedule(his.id, his.as_of),
    "tasks.resume": lambda alice, his: alice.tasks.resume(his.id),
    "tasks.retry": lambda alice, his: alice.tasks.retry(his.id, force=True),
    "tasks.run_now": lambda alice, his: alice.tasks.run_now(his.id),
}


def public_methods(handle: object, path: str = "") -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods of *handle* and of the handles that it holds."""
    for name in dir(handle):
        value = getattr(handle, name)
        if name.startswith("_") or isinstance(value, str):
            continue
        if inspect.ismethod(value):
            yield f"{path}{name}", value
        else:
            yield from public_methods(value, f"{path}{name}.")
