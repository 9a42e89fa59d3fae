"""How good a classifier is, by a corpus: shares that are right, the confusion matrix, and what the errors cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from taskwarden.classify.classifier import Classifier
from taskwarden.classify.codes import NEUTRAL
from taskwarden.classify.corpus import Line
from taskwarden.core.failure import Confidence, Failure, Reason

__all__ = ["COSTS", "Judged", "Report", "cost", "judge"]

_API, _AUTH, _NETWORK, _CONFIG, _UNKNOWN = Reason
COSTS: Final[Mapping[tuple[Reason, Reason], int]] = MappingProxyType(
    {
        (_AUTH, _NETWORK): 10,  # days of useless retries, and nobody is asked to reconnect
        (_AUTH, _API): 8,
        (_AUTH, _UNKNOWN): 5,
        (_AUTH, _CONFIG): 3,  # somebody is told, if the wrong thing
        (_CONFIG, _NETWORK): 8,
        (_CONFIG, _API): 8,
        (_CONFIG, _UNKNOWN): 4,
        (_CONFIG, _AUTH): 3,
        (_API, _AUTH): 6,  # somebody is sent to repair what is not broken
        (_API, _CONFIG): 6,
        (_API, _NETWORK): 4,  # it is called too often for a while
        (_API, _UNKNOWN): 4,
        (_NETWORK, _AUTH): 6,
        (_NETWORK, _CONFIG): 6,
        (_NETWORK, _API): 2,
        (_NETWORK, _UNKNOWN): 1,
        (_UNKNOWN, _AUTH): 5,
        (_UNKNOWN, _CONFIG): 5,
        (_UNKNOWN, _API): 2,
        (_UNKNOWN, _NETWORK): 2,
    }
)
"""What it costs to take the first reason for the second; the same reason with another code costs 1."""
FALSELY_DEFINITIVE: Final = 20
"""A task is held that would have healed by itself."""
MISSED_DEFINITIVE: Final = 2
FALSELY_HOSTS: Final = 15
"""All tasks wait for a fault that is not the host's."""
MISSED_HOSTS: Final = 10
FALSELY_NEUTRAL: Final = 10
MISSED_NEUTRAL: Final = 3
_HOST: Final = "unknown.internal"


@attrs.frozen
class Judged:
    """A line, and what the classifier made of it."""

    line: Line
    failure: Failure

    @property
    def right(self) -> bool:
        """Whether the code is right, and whatever else the line asks for."""
        line, failure = self.line, self.failure
        wait = None if failure.retry_after is None else failure.retry_after.total_seconds()
        return (
            line.accepts(failure.code)
            and line.definitive in {None, failure.definitive}
            and (line.retry_after is None or line.retry_after == wait)
        )


def cost(expected: str, failure: Failure, *, definitive: bool | None = None) -> int:
    """Return what it costs that *failure* was found where *expected* should have been; 0 if it is right."""
    code = failure.code
    total = 0
    if code != expected and not code.startswith(f"{expected}."):
        total += COSTS.get((Failure(expected).reason, failure.reason), 1)
        for mark, falsely, missed in (
            (lambda it: it.startswith(_HOST), FALSELY_HOSTS, MISSED_HOSTS),
            (NEUTRAL.__contains__, FALSELY_NEUTRAL, MISSED_NEUTRAL),
        ):
            if mark(code) != mark(expected):
                total += falsely if mark(code) else missed
    if definitive is not None and definitive is not failure.definitive:
        total += FALSELY_DEFINITIVE if failure.definitive else MISSED_DEFINITIVE
    return total


@attrs.frozen
class Report:
    """What came of a corpus."""

    judged: tuple[Judged, ...]

    def right(self, which: Iterable[Judged] | None = None) -> tuple[int, int]:
        """Return how many are right, and of how many."""
        chosen = list(self.judged if which is None else which)
        return sum(each.right for each in chosen), len(chosen)

    @property
    def structured(self) -> list[Judged]:
        """The lines that are more than a message: level protocol and above."""
        return [each for each in self.judged if not each.line.by_text]

    @property
    def textual(self) -> list[Judged]:
        """The lines of which only the message is left."""
        return [each for each in self.judged if each.line.by_text]

    @property
    def held_out(self) -> list[Judged]:
        """The lines that nobody looked at while the tables were written."""
        return [each for each in self.judged if each.line.split == "held_out"]

    @property
    def definitive_by_text(self) -> list[Judged]:
        """What must not be: definitive verdicts of which text is all the evidence."""
        return [each for each in self.judged if each.failure.definitive and each.failure.confidence <= Confidence.TEXT]

    @property
    def confusion(self) -> Counter[tuple[Reason, Reason]]:
        """How often the first reason, which is right, was taken for the second."""
        return Counter((Failure(each.line.code).reason, each.failure.reason) for each in self.judged)

    @property
    def weighted_error(self) -> float:
        """What the errors cost, for a line; 0 is perfect."""
        total = sum(cost(each.line.code, each.failure, definitive=each.line.definitive) for each in self.judged)
        return total / len(self.judged) if self.judged else 0.0

    def __str__(self) -> str:
        return "\n".join(self._told())

    def _told(self) -> Iterator[str]:
        chosen = {
            "all": self.judged,
            "level protocol and above": self.structured,
            "message text alone": self.textual,
            "held out": self.held_out,
        }
        yield f"{'':26}{'right':>7}{'of':>7}{'share':>9}"
        for name, which in chosen.items():
            right, total = self.right(which)
            yield f"{name:26}{right:>7}{total:>7}{_share(right, total):>9}"
        yield ""
        yield f"{'right reason, and found:':26}" + "".join(f"{reason:>15}" for reason in Reason)
        for expected in Reason:
            yield f"{expected:26}" + "".join(f"{self.confusion[expected, found]:>15}" for found in Reason)
        yield ""
        yield f"cost-weighted error        {self.weighted_error:.3f} a line"
        yield f"definitive by text alone   {len(self.definitive_by_text)}"
        wrong = [each for each in self.judged if not each.right]
        if wrong:
            yield ""
            yield "wrong:"
        for each in wrong:
            price = cost(each.line.code, each.failure, definitive=each.line.definitive)
            yield f"  {each.line.code} was taken for {each.failure.code} (cost {price}): {each.line.source}"


def _share(right: int, total: int) -> str:
    return f"{100 * right / total:.1f} %" if total else "-"


def judge(classifier: Classifier, corpus: Iterable[Line]) -> Report:
    """Return what *classifier* makes of *corpus*."""
    return Report(tuple(Judged(line, classifier.classify(line.error)) for line in corpus))
