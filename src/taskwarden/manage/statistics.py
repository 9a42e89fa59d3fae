"""The cumulative counters of one tenant, added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, TypeVar

import attrs

from taskwarden.core.failure import Reason
from taskwarden.core.record import Ending, Tally

if TYPE_CHECKING:
    from taskwarden.ids import Kind

__all__ = ["Statistics"]

By = TypeVar("By", bound=Hashable)


@attrs.frozen
class Statistics:
    """
    How many runs of a tenant ended how, ever. Deleted tasks and pruned runs stay counted.

    Args:
        tallies: The counters themselves, one for each kind, ending and code.
    """

    tallies: tuple[Tally, ...]

    @property
    def runs(self) -> int:
        """All runs."""
        return sum(tally.runs for tally in self.tallies)

    @property
    def by_kind(self) -> Mapping[Kind, int]:
        """Runs of each kind, most first."""
        return self._by(lambda tally: tally.kind)

    @property
    def by_ending(self) -> Mapping[Ending, int]:
        """Runs of each ending, most first."""
        return self._by(lambda tally: tally.ending)

    @property
    def by_reason(self) -> Mapping[Reason, int]:
        """Failed runs of each public reason, most first."""
        failed = Statistics(tuple(tally for tally in self.tallies if tally.ending is Ending.FAILED))
        return failed._by(lambda tally: Reason(tally.code.partition(".")[0]))

    @property
    def success_ratio(self) -> float | None:
        """Succeeded of succeeded and failed, from 0 to 1; None before the first. Neutral endings do not count."""
        ended = self.by_ending
        succeeded, failed = ended.get(Ending.SUCCEEDED, 0), ended.get(Ending.FAILED, 0)
        return succeeded / (succeeded + failed) if succeeded + failed else None

    def of_kind(self, kind: str) -> Statistics:
        """Return the statistics of *kind* alone; empty if it never ran."""
        return Statistics(tuple(tally for tally in self.tallies if tally.kind == kind))

    def _by(self, key: Callable[[Tally], By]) -> Mapping[By, int]:
        sums: Counter[By] = Counter()
        for tally in self.tallies:
            sums[key(tally)] += tally.runs
        return dict(sums.most_common())
