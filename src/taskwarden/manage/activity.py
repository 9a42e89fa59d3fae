"""What a host tells of how much is going on at a tenant's, for interval policies that follow it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from taskwarden.core.instant import utc
from taskwarden.ids import check_kind
from taskwarden.manage.bounds import LARGEST_WEIGHT, count

if TYPE_CHECKING:
    from taskwarden.ids import TenantId
    from taskwarden.manage.access import Access

__all__ = ["ActivityReports"]


@attrs.frozen
class ActivityReports:
    """The activity of one tenant, as it was last reported."""

    _access: Access = attrs.field(repr=False)
    _tenant: TenantId

    async def report(self, kind: str | None, weight: int, until: datetime) -> None:
        """
        Tell how much is going on; the last report wins. Plans made from now on follow it; no task is moved.

        Args:
            kind: For this kind only; None: for all.
            weight: 1 is ordinary; at most 1,000.
            until: When the report is no longer to be believed.
        """
        await self._access.store.report_activity(
            self._tenant,
            None if kind is None else check_kind(kind),
            weight=count(weight, "weight", most=LARGEST_WEIGHT),
            until=utc(until, "until"),
        )
