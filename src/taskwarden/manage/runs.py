"""What ran: the history of one tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from taskwarden.ids import RunId, TaskId, check_id
from taskwarden.manage.bounds import LARGEST_PAGE, count

if TYPE_CHECKING:
    from taskwarden.core.record import Run
    from taskwarden.ids import TenantId
    from taskwarden.manage.access import Access

__all__ = ["RunHistory"]


@attrs.frozen
class RunHistory:
    """The runs of one tenant, kept when their task is deleted."""

    _access: Access = attrs.field(repr=False)
    _tenant: TenantId

    async def list(self, task: str | None = None, *, limit: int = 100, before: str | None = None) -> Sequence[Run]:
        """
        Return at most *limit* runs, newest completion first.

        Args:
            task: Of this task only; None: of all. Empty if the tenant has, and had, no such task.
            limit: From 1 to 1,000.
            before: The id of the last run of the page before this one.
        """
        return await self._access.store.runs(
            self._tenant,
            task_id=None if task is None else TaskId(check_id(task, "task")),
            before=None if before is None else RunId(check_id(before, "before")),
            limit=count(limit, "limit", most=LARGEST_PAGE),
        )
