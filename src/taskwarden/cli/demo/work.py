"""
The calls that the tenants need made: what a host's own code would be, whoever runs it.

Taskwarden's executors and the plain loop share it, so that the two differ in nothing but who decides what follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import attrs
import httpx

from taskwarden.cli.demo.script import CALLER, Endpoint
from taskwarden.core.failure import TaskFailure

if TYPE_CHECKING:
    from types import TracebackType

    from taskwarden.core.protocols import Clock

__all__ = ["ENDPOINTS", "Grants", "Work"]

_TIMEOUT: Final = 0.5
"""Real seconds that a call may take."""
ENDPOINTS: Final[Mapping[str, Endpoint]] = MappingProxyType(
    {
        "oauth.refresh": Endpoint.TOKEN,
        "search.stats": Endpoint.SEARCH,
        "site.check": Endpoint.SITE,
        "report.write": Endpoint.REPORT,
        "digest.send": Endpoint.MAIL,
    }
)
"""Which endpoint the runs of a kind call, once each."""


@attrs.define(eq=False)
class Grants:
    """Each tenant's consent, counted from 1: what the host's database would hold."""

    _current: dict[str, int] = attrs.field(factory=dict)

    def of(self, tenant: str) -> int:
        """Return the newest grant of *tenant*."""
        return self._current.get(tenant, 1)

    def reconnect(self, tenant: str) -> None:
        """Take a new grant of *tenant*, which has signed in again."""
        self._current[tenant] = self.of(tenant) + 1


class Work:
    """
    The calls of one group of callers, from ``async with`` to its end.

    Args:
        url: The provider's.
        caller: Which group; the provider counts by it.
        clock: Whose time the provider's instants are told in.
    """

    def __init__(self, url: str, caller: str, grants: Grants, clock: Clock) -> None:
        self._grants, self._clock = grants, clock
        common: dict[str, Any] = {
            "base_url": url,
            "headers": {CALLER: caller},
            "timeout": _TIMEOUT,
            "trust_env": False,  # a proxy of the user's has no business between two parts of one machine
        }
        self._client = httpx.AsyncClient(**common)
        self._blocking = httpx.Client(**common)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._blocking.close()
        await self._client.aclose()

    async def call(self, endpoint: Endpoint, tenant: str) -> dict[str, Any]:
        """
        Return the provider's answer.

        Raises:
            TaskFailure: It refused in words that we know.
            httpx.HTTPError: It refused in others, or could not be reached.
        """
        response = await self._client.get(f"/{endpoint}/{tenant}", headers=self._authorization(tenant))
        return understood(response, self._clock.now())

    def call_blocking(self, endpoint: Endpoint, tenant: str) -> dict[str, Any]:
        """Return the provider's answer, as ``call`` does, from a thread."""
        response = self._blocking.get(f"/{endpoint}/{tenant}", headers=self._authorization(tenant))
        return understood(response, self._clock.now())

    def _authorization(self, tenant: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._grants.of(tenant)}"}


def understood(response: httpx.Response, now: datetime) -> dict[str, Any]:
    """Return what *response* says, or raise what this provider means by it *now*."""
    if response.is_success:
        served: dict[str, Any] = response.json()
        return served
    said = response.json()
    match said.get("error"):
        case "rate_limited":
            wait = timedelta(seconds=int(response.headers["Retry-After"]))
            raise TaskFailure("api_limit.rate", "too many requests", retry_after=wait)
        case "daily_quota_exceeded":
            reset = datetime.fromisoformat(said["resets_at"])
            raise TaskFailure("api_limit.quota_daily", f"resets at {reset:%H:%M}", retry_after=reset - now)
        case "invalid_grant" | "invalid_token" as error:
            raise TaskFailure("auth_error.revoked", error, definitive=True)
        case _:
            response.raise_for_status()
            raise AssertionError(response.status_code)  # a redirect, which this provider never sends
