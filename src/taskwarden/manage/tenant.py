"""The door to one tenant: whatever is done through it stays within that tenant's tasks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Literal

import attrs

from taskwarden.manage.activity import ActivityReports
from taskwarden.manage.bounds import LARGEST_WEIGHT, MOST_RUNNING, count
from taskwarden.manage.definition import UNNAMED, Unnamed
from taskwarden.manage.runs import RunHistory
from taskwarden.manage.statistics import Statistics
from taskwarden.manage.tasks import TaskActions
from taskwarden.runner.publish import ChangeStream, subscribe

if TYPE_CHECKING:
    from taskwarden.core.protocols import TenantState
    from taskwarden.core.record import Incident
    from taskwarden.ids import TenantId
    from taskwarden.manage.access import Access

__all__ = ["TenantHandle"]


@attrs.frozen
class TenantHandle:
    """
    One tenant. No method can name another one, and other tenants' ids read as absent.

    Cheap: make one for each request. It holds nothing, and is of use until the warden's block ends.

    Attributes:
        tasks: Create, look up, steer and delete.
        runs: What ran.
        activity: What interval policies that follow activity should know.
    """

    _access: Access = attrs.field(repr=False)
    id: TenantId
    tasks: TaskActions = attrs.field(init=False, repr=False)
    runs: RunHistory = attrs.field(init=False, repr=False)
    activity: ActivityReports = attrs.field(init=False, repr=False)

    @tasks.default
    def _tasks(self) -> TaskActions:
        return TaskActions(self._access, self.id)

    @runs.default
    def _runs(self) -> RunHistory:
        return RunHistory(self._access, self.id)

    @activity.default
    def _activity(self) -> ActivityReports:
        return ActivityReports(self._access, self.id)

    async def statistics(self) -> Statistics:
        """Return the cumulative counters: every run ever, also of tasks that are deleted."""
        return Statistics(tuple(await self._access.store.tallies(self.id)))

    async def incidents(self, *, open_only: bool = True) -> Sequence[Incident]:
        """Return what people should know, newest first."""
        return await self._access.store.incidents(self.id, open_only=open_only)

    def events(self, *, after: int | None = None) -> AbstractAsyncContextManager[ChangeStream]:
        """
        Subscribe to what happens to this tenant's tasks: ``async with alice.events() as events``.

        Args:
            after: The cursor to go on from; None: only what happens from now on.
        """
        return subscribe(self._access.store, self._access.clock, after=after, tenant=self.id)

    async def pause_all(self) -> None:
        """Hold all its tasks back, present and future: one flag. Manual runs wait too; runs in progress go on."""
        await self._access.store.set_tenant(self.id, paused=True)

    async def resume_all(self) -> None:
        """Take back ``pause_all``. Tasks that are paused one by one stay so."""
        await self._access.store.set_tenant(self.id, paused=False)

    async def limits(
        self, *, max_running: int | Literal[Unnamed.UNNAMED] | None = UNNAMED, weight: int | None = None
    ) -> TenantState:
        """
        Change what is given, and return what holds; without arguments only the latter.

        Args:
            max_running: Most of its tasks that run at the same time, over all runners; None: no cap.
            weight: Its share of turns, from 1 (ordinary) to 1,000.
        """
        store = self._access.store
        if max_running is not UNNAMED or weight is not None:
            await store.set_tenant(
                self.id,
                weight=None if weight is None else count(weight, "weight", most=LARGEST_WEIGHT),
                max_running=-1 if max_running is UNNAMED else _cap(max_running),  # -1 leaves it
            )
        return await store.tenant(self.id)


def _cap(max_running: int | None) -> int | None:
    return None if max_running is None else count(max_running, "max_running", most=MOST_RUNNING)
