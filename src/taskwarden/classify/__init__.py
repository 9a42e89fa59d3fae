"""
What failed: exceptions become classified failures. Pure: it reads what they carry, and imports no SDK.

``classify()`` is what the runner asks. ``Classifier`` is the same with packs of your own, and ``examine()`` shows the
evidence. ``python -m taskwarden.classify report corpus.jsonl`` measures a classifier on recorded failures.

Evidence comes in levels, and the most specific wins: the executor's own ``TaskFailure``; what a provider says in a code
of its own; types, by qualified name over the MRO; status and headers; what the operating system says; and, last, text.
"""

from __future__ import annotations

from functools import cache

from taskwarden.classify.classifier import Classifier, Verdict
from taskwarden.classify.codes import CODES, NEUTRAL
from taskwarden.classify.evidence import Evidence, Weight
from taskwarden.classify.pack import Meaning, Pack, Phrase
from taskwarden.core.failure import Failure

__all__ = [
    "CODES",
    "NEUTRAL",
    "Classifier",
    "Evidence",
    "Meaning",
    "Pack",
    "Phrase",
    "Verdict",
    "Weight",
    "classify",
    "examine",
    "shipped",
]


@cache
def shipped() -> Classifier:
    """Return the classifier of the packs that are shipped. Made when first asked for: the tables are large."""
    from taskwarden.classify.packs import PACKS  # noqa: PLC0415 - only where something failed

    return Classifier(*PACKS)


def classify(error: BaseException) -> Failure:
    """
    Say what failed, by the packs that are shipped.

    Pure and total: whatever attributes, ``str`` and ``repr`` of the exceptions raise, the answer is a failure. The
    message is what the deciding exception says of itself, cut to 2,000 characters and not redacted.
    """
    return shipped().classify(error)


def examine(error: BaseException) -> Verdict:
    """Say what failed, with all the evidence, by the packs that are shipped."""
    return shipped().examine(error)
