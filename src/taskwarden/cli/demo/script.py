"""What goes wrong at the provider, when, for whom. Times are hours of the story since the curtain rose."""

from __future__ import annotations

import enum
from typing import Final

import attrs

__all__ = [
    "ACTIVE",
    "CALLER",
    "LENGTH",
    "PLAIN",
    "SCRIPT",
    "TENANTS",
    "WARDEN",
    "Endpoint",
    "Fault",
    "Misbehaviour",
    "Script",
    "scripted",
]

LENGTH: Final = 45.0
"""Hours that the script below is written for. An hour takes a real second: ``story``."""
TENANTS: Final = ("acme", "globex", "initech")
ACTIVE: Final = "acme"
"""The tenant at which more is going on than at the others."""
CALLER: Final = "X-Caller"
"""The header by which a caller tells the provider which group it belongs to: WARDEN or PLAIN."""
WARDEN: Final = "taskwarden"
PLAIN: Final = "plain loop"


class Endpoint(enum.StrEnum):
    """What the provider offers."""

    TOKEN = "token"  # noqa: S105 - no secret: the name of an endpoint
    SEARCH = "search"
    REPORT = "report"
    SITE = "site"
    MAIL = "mail"


class Misbehaviour(enum.StrEnum):
    """How a provider fails its callers."""

    RATE_LIMIT = "rate limit"
    BLIP = "blip"
    OUTAGE = "outage"
    REVOKED = "revoked token"
    SLOW = "slow answers"
    QUOTA = "quota"


@attrs.frozen
class Fault:
    """
    One act of the script.

    Args:
        starts, ends: Hours since the curtain rose.
        endpoints: Where it strikes. Revocation strikes calls with the first grant, and ends when the operator
            reconnects.
        tenant: Whom it strikes; None: everybody.
        says: What the provider answers, for the audience.
    """

    how: Misbehaviour
    starts: float
    ends: float
    endpoints: frozenset[Endpoint]
    says: str
    tenant: str | None = None

    def strikes(self, endpoint: Endpoint, tenant: str) -> bool:
        """Tell whether it is about calls of *tenant* to *endpoint*, while it lasts."""
        return endpoint in self.endpoints and self.tenant in {None, tenant}

    def lasts_at(self, elapsed: float) -> bool:
        """Tell whether it is in force."""
        return self.starts <= elapsed < self.ends


@attrs.frozen
class Script:
    """
    A run of the demo.

    Args:
        length: Hours until the curtain falls.
        faults: In order of their start. No two strike the same calls at the same time.
    """

    length: float
    faults: tuple[Fault, ...]

    def now(self, elapsed: float) -> tuple[Fault, ...]:
        """Return the faults in force."""
        return tuple(fault for fault in self.faults if fault.lasts_at(elapsed))

    def meets(self, elapsed: float, endpoint: Endpoint, tenant: str, grant: int) -> Fault | None:
        """Return the fault that a call with the tenant's *grant*, counted from 1, meets; None: it is served."""
        for fault in self.faults:
            if fault.strikes(endpoint, tenant):
                revoked = fault.how is Misbehaviour.REVOKED
                if (grant == 1 and elapsed >= fault.starts) if revoked else fault.lasts_at(elapsed):
                    return fault
        return None


_API: Final = frozenset({Endpoint.TOKEN, Endpoint.SEARCH, Endpoint.REPORT})

SCRIPT: Final = Script(
    LENGTH,
    (
        Fault(Misbehaviour.RATE_LIMIT, 3.0, 7.0, frozenset({Endpoint.SEARCH}), "search answers 429, Retry-After"),
        Fault(Misbehaviour.BLIP, 9.0, 9.7, frozenset(Endpoint), "connections break in mid-answer"),
        Fault(Misbehaviour.OUTAGE, 12.0, 20.0, _API, "the API answers 503"),
        Fault(Misbehaviour.REVOKED, 23.0, 33.0, _API, "initech's grant is refused", "initech"),
        Fault(Misbehaviour.SLOW, 25.0, 30.0, frozenset({Endpoint.SITE}), "sites answer too late"),
        Fault(Misbehaviour.QUOTA, 34.5, 39.0, frozenset({Endpoint.SEARCH}), "the quota of search is used up"),
    ),
)
"""The script at its own length."""


def scripted(length: float) -> Script:
    """Return the script, stretched or squeezed to *length* hours."""
    pace = length / LENGTH
    faults = (attrs.evolve(fault, starts=fault.starts * pace, ends=fault.ends * pace) for fault in SCRIPT.faults)
    return Script(length, tuple(faults))
