"""
What it came to, in numbers. Pure: runs as recorded by the store, calls as counted by the provider.

Nothing is estimated. What a plain loop would have done is measured on one: at the same time it makes the same calls
for the same tenants at the same slots, and meets the same faults.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import attrs

from taskwarden.cli.demo.script import PLAIN, WARDEN
from taskwarden.cli.demo.story import hours, real
from taskwarden.cli.demo.tasks import PLANS
from taskwarden.cli.demo.work import ENDPOINTS
from taskwarden.core.health import Phase
from taskwarden.core.record import Ending, Run

if TYPE_CHECKING:
    from taskwarden.cli.demo.provider import Call
    from taskwarden.cli.demo.script import Endpoint, Fault, Script

__all__ = ["Side", "Story", "Summary", "percentile", "summarised"]

_WAITING: Final = frozenset(plan.kind for plan in PLANS if plan.after)
_HELD: Final = frozenset({Phase.COOLING_OFF, Phase.PROBING, Phase.NEEDS_INTERVENTION})


@attrs.frozen
class Side:
    """
    What one fault cost one group of callers.

    Args:
        in_vain: Calls that met it.
        back: Hours from its end to the first call served, for the quickest and for the slowest of the tenants'
            endpoints that met it; None: the curtain fell before.
    """

    in_vain: int
    back: tuple[float, float] | None


@attrs.frozen
class Story:
    """
    One fault, as both groups met it.

    Args:
        detected: Hours from the first failed run to the first that left its task held (cooling off, or needing
            intervention); None: no task was held.
    """

    fault: Fault
    warden: Side
    plain: Side
    detected: float | None


@attrs.frozen(kw_only=True)
class Summary:
    """
    The whole run.

    Args:
        elapsed: Hours it took.
        codes: Failed runs by ``<reason>.<detail>``.
        calls, in_vain: By caller.
        lateness: Start minus due time of every run, in real seconds, ascending; without the runs of kinds that wait
            for others, whose time to be due is also their time to be released.
    """

    elapsed: float
    endings: Mapping[Ending, int]
    codes: Mapping[str, int]
    calls: Mapping[str, int]
    in_vain: Mapping[str, int]
    stories: tuple[Story, ...]
    lateness: tuple[float, ...]

    @property
    def saved(self) -> int:
        """Calls in vain that the plain loop made and Taskwarden did not; negative if it made more."""
        return self.in_vain.get(PLAIN, 0) - self.in_vain.get(WARDEN, 0)


def summarised(
    script: Script, calls: Sequence[Call], runs: Sequence[Run], *, risen_at: datetime, elapsed: float
) -> Summary:
    """
    Return the summary of *calls* and *runs*, each in any order.

    Args:
        risen_at: The instant, by the store's clock, from which the script's hours count.
        elapsed: When the curtain fell. Faults that had not begun are left out.
    """
    ordered = sorted(calls, key=lambda call: call.at)
    failed = [run for run in runs if run.ending is Ending.FAILED]
    return Summary(
        elapsed=elapsed,
        endings=Counter(run.ending for run in runs),
        codes=Counter(run.code for run in failed),
        calls=Counter(call.caller for call in ordered),
        in_vain=Counter(call.caller for call in ordered if call.fault is not None),
        stories=tuple(
            Story(
                fault,
                warden=_side(fault, [call for call in ordered if call.caller == WARDEN]),
                plain=_side(fault, [call for call in ordered if call.caller == PLAIN]),
                detected=_detected(fault, failed, risen_at),
            )
            for fault in script.faults
            if fault.starts < elapsed
        ),
        lateness=tuple(sorted(real(run.lateness).total_seconds() for run in runs if run.kind not in _WAITING)),
    )


def _side(fault: Fault, calls: Sequence[Call]) -> Side:
    """Return what *fault* cost the group that made *calls*, in order."""
    met = [call for call in calls if call.fault == fault]
    struck = {(call.tenant, call.endpoint) for call in met}
    served: dict[tuple[str, Endpoint], float] = {}
    for call in calls:
        if call.at >= fault.ends and call.fault != fault:
            served.setdefault((call.tenant, call.endpoint), call.at - fault.ends)
    back = [served.get(each, math.inf) for each in struck]
    recovered = back and math.isfinite(max(back))
    return Side(len(met), (min(back), max(back)) if recovered else None)


def _detected(fault: Fault, failed: Sequence[Run], risen_at: datetime) -> float | None:
    """Return the hours from the first failure by *fault* to the first that made the policy hold its task."""
    hit = sorted((run for run in failed if _hit(run, fault, risen_at)), key=lambda run: run.finished_at)
    held = next((run for run in hit if run.phase in _HELD), None)
    return None if held is None else hours(held.finished_at - hit[0].finished_at)


def _hit(run: Run, fault: Fault, risen_at: datetime) -> bool:
    """Tell whether a failed *run* was in the way of *fault*. No two faults strike the same calls at once."""
    finished = hours(run.finished_at - risen_at)
    started = hours(run.started_at - risen_at)
    endpoint = ENDPOINTS[run.kind]
    return finished >= fault.starts and started < fault.ends and fault.strikes(endpoint, run.tenant)


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of *ascending*: *share* of them, above 0, do not exceed it."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)]
