"""What one sign tells: a code, how sure it is, and where it stands among the others."""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import Final

import attrs

from taskwarden.core.failure import Confidence

__all__ = ["CONFIDENCES", "Evidence", "Weight"]


class Weight(enum.IntEnum):
    """
    How specific a sign is; the heaviest of one exception wins.

    From ``EXACT`` on, the nearest exception in the chain decides. Below it lies what wrappers say too, so that whatever
    is behind them may be more exact.
    """

    NEUTRAL = 5
    """No failure: it decides only if nothing else is there."""
    FAINT = 10
    """The type says next to nothing: ``ValueError``."""
    BUG = 25
    """The type of a mistake in code, which often happens while the real failure is handled: ``KeyError``."""
    TEXT = 30
    """The message."""
    BROAD = 35
    """A type that is raised for several causes: ``requests.ConnectionError``."""
    EXACT = 40
    """The least weight that decides at once; no sign has it."""
    CONTENT = 45
    """The answer could not be read; its status, if that is bad, tells more."""
    STATUS = 50
    """The status of the response."""
    HEADER = 55
    """The status, read together with a header that says how it is meant."""
    TYPE = 58
    """A type that has one cause: ``httpx.ConnectTimeout``."""
    FAMILY = 60
    """A provider's code for a family of causes: ``invalid_request_error``."""
    SENTENCE = 65
    """A sentence in the response that a provider uses where it has no code."""
    LABEL = 70
    """A provider's code for one cause: ``insufficient_quota``."""
    EXPLICIT = 90
    """The executor's own word."""


CONFIDENCES: Final = {
    Weight.NEUTRAL: Confidence.TYPE,
    Weight.FAINT: Confidence.TYPE,
    Weight.BUG: Confidence.TYPE,
    Weight.TEXT: Confidence.TEXT,
    Weight.BROAD: Confidence.TYPE,
    Weight.EXACT: Confidence.TYPE,
    Weight.CONTENT: Confidence.TYPE,
    Weight.STATUS: Confidence.PROTOCOL,
    Weight.HEADER: Confidence.PROTOCOL,
    Weight.TYPE: Confidence.TYPE,
    Weight.FAMILY: Confidence.PROTOCOL,
    Weight.SENTENCE: Confidence.TEXT,
    Weight.LABEL: Confidence.PROTOCOL,
    Weight.EXPLICIT: Confidence.EXPLICIT,
}
"""How sure a sign of each weight is."""


@attrs.frozen
class Evidence:
    """
    What one sign tells.

    Args:
        code: As ``Failure.code``.
        weight: How specific it is.
        sign: What was seen, in words of the tables only: nothing of the input is in it.
        confidence: How sure it is.
        definitive: A repetition cannot help. Never true of text.
        retry_after: What the sign itself asks to wait; a header's word goes before it.
        place: How many exceptions stand before the one that carries it.
    """

    code: str
    weight: Weight
    sign: str
    confidence: Confidence
    definitive: bool = False
    retry_after: timedelta | None = None
    place: int = 0
